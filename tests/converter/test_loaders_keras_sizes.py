"""Keras models in other sizes than they were made for: which may, what comes out, and why others may not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from czconverter.loaders.keras import from_keras
from czengine.errors import ModelError
from tests.support.frameworks import need
from tests.support.keras_models import PACKAGES, agree, input_dims, picture, unet


@pytest.fixture(scope="module", params=PACKAGES)
def k(request: pytest.FixtureRequest) -> Any:
    need("tf2onnx")
    return need(request.param)


def test_other_size_of_a_fixed_model(k: Any) -> None:
    fixed, open_ = unet(k, 16, 16), unet(k, None, None)
    open_.set_weights(fixed.get_weights())
    network = from_keras(fixed).sized(32, 24, 1)
    assert network.size == (32, 24)
    model = agree(network, picture(32, 24))
    assert input_dims(model) == ["batch", 32, 24, 1]
    np.testing.assert_allclose(network.run(picture(32, 24)), np.asarray(open_(picture(32, 24))), atol=1e-6)


def test_its_own_size_changes_nothing(k: Any) -> None:
    network = from_keras(unet(k))
    assert network.sized(16, 16, 1) is network


def test_global_context_may_be_resized(k: Any) -> None:
    layers = k.layers

    def attention(x: Any) -> Any:
        weights = layers.Reshape((1, 1, 4))(layers.GlobalAveragePooling2D()(x))
        return layers.Multiply()([x, layers.Dense(4, activation="sigmoid")(weights)])

    agree(from_keras(unet(k, middle=attention)).sized(32, 32, 1), picture(32, 32))


def test_reshaping_pixels_is_refused(k: Any) -> None:
    layers = k.layers

    def dense(x: Any) -> Any:
        x = layers.Dense(4)(layers.Flatten(name="all")(x))
        return layers.UpSampling2D(8)(layers.Reshape((1, 1, 4))(x))

    network = from_keras(unet(k, middle=dense))
    agree(network, picture())
    message = (
        r"^the network is not spatially invariant: its layer 'all' \(Flatten\) needs a certain number of pixels;"
        r" keep its 16 × 16 pixels, or make it for 32 × 32$"
    )
    with pytest.raises(ModelError, match=message):
        network.sized(32, 32, 1)


def test_layers_of_unknown_origin_are_refused(k: Any) -> None:
    class Half(k.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs / 2

    network = from_keras(unet(k, middle=Half(name="half")))
    with pytest.raises(
        ModelError, match=r"invariant: its layer 'half' \(Half\) is not one of Keras' own and may be"
    ):
        network.sized(32, 32, 1)
    agree(from_keras(unet(k, None, None, middle=Half(name="half"))).sized(32, 32, 1), picture(32, 32))


def test_weights_per_pixel_are_refused(k: Any) -> None:
    network = from_keras(unet(k, middle=k.layers.LayerNormalization(axis=[1, 2, 3])))
    with pytest.raises(
        ModelError, match=r"^the network is not spatially invariant: the network fails on pictures of"
    ):
        network.sized(32, 32, 1)


def test_sizes_in_the_code_are_refused(k: Any) -> None:
    import tensorflow as tf

    class Grown(k.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return tf.image.resize(inputs, (16, 16))

    pixels = k.layers.Input((None, None, 1))
    network = from_keras(k.Model(pixels, Grown()(pixels)))
    message = r"^the network makes 16 × 16 of 32 × 32 pixels; height and width must stay the same; choose a multiple"
    with pytest.raises(ModelError, match=message):
        network.sized(32, 32, 1)


def test_pictures_that_get_mixed_up_are_refused(k: Any) -> None:
    import tensorflow as tf

    class Cut(k.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return (
                tf.reshape(inputs, (-1, 8, 8, 1)) if inputs.shape[1] == 8 else tf.concat([inputs, inputs], 0)
            )

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    pixels = k.layers.Input((None, None, 1))
    network = from_keras(k.Model(pixels, Cut()(pixels)))
    with pytest.raises(ModelError, match=r"^of 3 pictures it makes 6; choose a multiple"):
        network.sized(16, 16, 1)


def test_size_that_does_not_fit_the_pooling(k: Any) -> None:
    message = r"^the network fails on pictures of 17 × 16 pixels: .+; choose a multiple of what the network"
    with pytest.raises(ModelError, match=message):
        from_keras(unet(k, None, None)).sized(17, 16, 1)


def test_other_number_of_channels(k: Any) -> None:
    with pytest.raises(ModelError, match=r"^the network takes 1 channels, not 3$"):
        from_keras(unet(k)).sized(16, 16, 3)


def test_picture_of_another_size(k: Any) -> None:
    message = r"^the network takes pictures of 16 × 16 × 1 \(height, width, channels\), not 8 × 8 × 1$"
    with pytest.raises(ModelError, match=message):
        from_keras(unet(k)).run(picture(8, 8))
