"""Keras models in memory, of both Kerases: what they say, what they compute, as ONNX and in other sizes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from czconverter.loaders.keras import from_keras
from czconverter.steps import Normalization, RgbToBgr, SigmoidToSoftmaxScores, Softmax
from czengine.errors import ModelError, OptionError
from tests.support.frameworks import need
from tests.support.keras_models import (
    PACKAGES,
    agree,
    input_dims,
    nested,
    normalised,
    picture,
    run_onnx,
    subclassed,
    unet,
)


@pytest.fixture(scope="module", params=PACKAGES)
def k(request: pytest.FixtureRequest) -> Any:
    need("tf2onnx")
    return need(request.param)


def test_fixed_model(k: Any) -> None:
    network = from_keras(unet(k, 16, 24, channels=3))
    assert (network.channels, network.size, network.notes, network.opset) == (3, (16, 24), (), None)
    assert network.kind == {"keras": "Keras 3 model", "tf_keras": "Keras 2 model"}[k.__name__]
    assert network.framework.startswith({"keras": "keras 3.", "tf_keras": "tf-keras 2."}[k.__name__])
    model = agree(network, picture(16, 24, 3), opset=12)
    assert input_dims(model) == ["batch", 16, 24, 3]
    assert [opset.version for opset in model.opset_import if not opset.domain] == [12]


def test_open_model(k: Any) -> None:
    network = from_keras(unet(k, None, None))
    assert (network.channels, network.size) == (1, (None, None))
    model = agree(network, picture(16, 32))
    assert input_dims(model) == ["batch", "height", "width", 1]
    agree(network, picture(8, 8, batch=1))


@pytest.mark.parametrize("make", [nested, normalised])
def test_models_within_models_and_captured_statistics(k: Any, make: Any) -> None:
    agree(from_keras(make(k)), picture())
    agree(from_keras(make(k)).sized(24, 32, 1), picture(24, 32))


def test_dropout_and_batch_statistics_are_those_of_inference(k: Any) -> None:
    model = unet(k)
    expected = np.asarray(model(picture(), training=False))
    np.testing.assert_array_equal(from_keras(model).run(picture()), expected)


def test_subclassed_model_that_was_never_called(k: Any) -> None:
    network = from_keras(subclassed(k))
    assert (network.channels, network.size) == (None, (None, None))
    with pytest.raises(
        ModelError, match=r"^the network does not say how many channels it takes; give --channels$"
    ):
        network.to_onnx(17)
    agree(network.sized(16, 24, 2), picture(16, 24, 2))


def test_subclassed_model_that_was_called(k: Any) -> None:
    model = subclassed(k)
    model(picture(channels=3))
    network = from_keras(model)
    assert (network.channels, network.size) == (3, (None, None))
    assert input_dims(agree(network, picture(8, 12, 3))) == ["batch", "height", "width", 3]


def test_sequential_model_without_input(k: Any) -> None:
    model = k.Sequential([k.layers.Conv2D(2, 3, padding="same")])
    network = from_keras(model).sized(8, 8, 1)
    agree(network, picture(8, 8))


def test_single_input_in_a_dict_and_output_in_a_list(k: Any) -> None:
    pixels = k.layers.Input((8, 8, 1), name="image")
    model = k.Model({"image": pixels}, [k.layers.Conv2D(2, 1)(pixels)])
    agree(from_keras(model), picture(8, 8))


def test_fixed_batch_is_freed(k: Any) -> None:
    model = agree(from_keras(unet(k, batch=1)), picture(batch=3))
    assert input_dims(model)[0] == "batch"


def test_steps_before_and_after(k: Any) -> None:
    network = from_keras(unet(k, 16, 16, channels=3))
    before = [RgbToBgr(), Normalization(0.5, 0.25), k.layers.Rescaling(2.0)]
    batch = picture(channels=3)
    plain = network.run((batch[..., ::-1] - 0.5) / 0.25 * 2)
    model = network.to_onnx(17, before=before, after=[Softmax()])
    expected = np.exp(plain) / np.exp(plain).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(run_onnx(model, batch), expected, atol=1e-5)


def test_a_step_after_may_change_the_number_of_scores(k: Any) -> None:
    pixels = k.layers.Input((8, 8, 1))
    network = from_keras(k.Model(pixels, k.layers.Conv2D(1, 1, activation="sigmoid")(pixels)))
    scores = run_onnx(network.to_onnx(17, after=[SigmoidToSoftmaxScores()]), picture(8, 8))
    assert scores.shape[-1] == 2
    np.testing.assert_allclose(scores[..., :1], network.run(picture(8, 8)), atol=1e-5)


def test_onnx_of_the_same_model_has_the_same_bytes(k: Any) -> None:
    network = from_keras(unet(k))
    first, second = (network.to_onnx(17).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_opset_that_tf2onnx_has_not(k: Any) -> None:
    with pytest.raises(
        OptionError, match=r"^opset is 19; TensorFlow networks can be written up to opset 18$"
    ):
        from_keras(unet(k)).to_onnx(19)


# --------------------------------------------------------------------------------------- mixed precision


@pytest.mark.parametrize(
    ("policy", "interpolation"), [("mixed_float16", "bilinear"), ("mixed_bfloat16", "nearest")]
)
def test_mixed_precision(k: Any, policy: str, interpolation: str) -> None:
    plain, mixed = unet(k, interpolation=interpolation), in_policy(k, policy, interpolation)
    mixed.set_weights(plain.get_weights())
    before = [layer.compute_dtype for layer in mixed._flatten_layers()]
    network = from_keras(mixed)
    assert network.notes == (
        f"the network is one of mixed precision ({policy}); it is run and written in float32",
    )
    np.testing.assert_allclose(network.run(picture()), np.asarray(plain(picture())), atol=1e-6)
    model = agree(network, picture())
    assert {tensor.data_type for tensor in model.graph.initializer} <= {1, 6, 7}  # float, int32, int64
    agree(network.sized(32, 32, 1), picture(32, 32))
    assert [layer.compute_dtype for layer in mixed._flatten_layers()] == before
    assert mixed(picture()).dtype == policy.removeprefix("mixed_")


def in_policy(k: Any, policy: str, interpolation: str) -> Any:
    modes = k.mixed_precision
    modes.set_global_policy(policy)
    try:
        return unet(k, interpolation=interpolation)
    finally:
        modes.set_global_policy("float32")


def test_model_is_unchanged_after_errors(k: Any) -> None:
    model = in_policy(k, "mixed_float16", "nearest")
    before = [dict(vars(layer)) for layer in model._flatten_layers()]
    with pytest.raises(ModelError):
        from_keras(model).sized(17, 17, 1)
    for layer, attributes in zip(model._flatten_layers(), before, strict=True):
        assert set(vars(layer)) == set(attributes)
        assert all(
            vars(layer)[name] is value for name, value in attributes.items() if name.startswith("_dtype")
        )
    with pytest.raises(ValueError, match="incompatible"):
        model(picture(32, 32))


# ------------------------------------------------------------------------------------------- Keras 3 only


def test_bilinear_upsampling_of_an_open_size() -> None:
    need("tf2onnx")
    network = from_keras(unet(need("keras"), None, None, interpolation="bilinear"))
    message = (
        r"^the network fails on pictures of any × any pixels: UpSampling2D\.call\(\): .+;"
        r" some layers need to know the size: give one with --spatial-dims HEIGHT WIDTH$"
    )
    with pytest.raises(ModelError, match=message):
        network.to_onnx(17)
    agree(network.sized(16, 32, 1), picture(16, 32))


def test_other_backend() -> None:
    need("keras"), need("torch")
    script = (
        "import os; os.environ['KERAS_BACKEND'] = 'torch'\n"
        "import keras; from czconverter.loaders.keras import from_keras\n"
        "from czengine.errors import ModelError\n"
        "x = keras.layers.Input((8, 8, 1)); model = keras.Model(x, keras.layers.ReLU()(x))\n"
        "try:\n    from_keras(model)\nexcept ModelError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "Keras computes with torch in this process; save the model as a .keras file and convert that with"
        " KERAS_BACKEND=tensorflow set"
    )


# ----------------------------------------------------------------------------------------------- refusals


def test_several_inputs(k: Any) -> None:
    first, second = (k.layers.Input((8, 8, 1), name=name) for name in ("red", "green"))
    model = k.Model([first, second], k.layers.Add()([first, second]))
    with pytest.raises(
        ModelError, match=r"^the network has 2 inputs \('red', 'green'\); exactly one is supported$"
    ):
        from_keras(model)


def test_several_outputs(k: Any) -> None:
    pixels = k.layers.Input((8, 8, 1))
    model = k.Model(pixels, [k.layers.Conv2D(2, 1, name=name)(pixels) for name in ("a", "b")])
    with pytest.raises(
        ModelError, match=r"^the network has 2 outputs \('a', 'b'\); exactly one is supported$"
    ):
        from_keras(model)


def test_several_outputs_of_a_subclassed_model(k: Any) -> None:
    class Two(k.Model):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs, inputs

    with pytest.raises(ModelError, match=r"^the network has 2 outputs; exactly one is supported; choose"):
        from_keras(Two()).sized(8, 8, 1)


def test_no_picture_in(k: Any) -> None:
    numbers = k.layers.Input((8,), name="numbers")
    with pytest.raises(
        ModelError, match=r"^the network's input 'numbers' has 2 axes; a picture is needed: batch,"
    ):
        from_keras(k.Model(numbers, k.layers.Dense(2)(numbers)))


def test_no_picture_out(k: Any) -> None:
    pixels = k.layers.Input((8, 8, 1))
    network = from_keras(k.Model(pixels, k.layers.GlobalAveragePooling2D()(pixels)))
    with pytest.raises(
        ModelError, match=r"^the network's output has 2 axes; a picture for every picture is needed"
    ):
        network.run(picture(8, 8))


def test_operators_that_onnx_has_not(k: Any) -> None:
    import tensorflow as tf

    class Bits(k.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return tf.raw_ops.Betainc(a=inputs, b=inputs, x=inputs)

    pixels = k.layers.Input((8, 8, 1))
    with pytest.raises(
        ModelError, match=r"^ONNX has no such operators: Betainc; replace the layers they come from"
    ):
        from_keras(k.Model(pixels, Bits()(pixels))).to_onnx(17)


def test_lookup_tables_cannot_be_frozen(k: Any) -> None:
    import tensorflow as tf

    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([1], [2.0]), 0.0)

    class Look(k.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return table.lookup(tf.cast(inputs, tf.int32))

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    pixels = k.layers.Input((8, 8, 1))
    with pytest.raises(
        ModelError, match=r"^the network keeps something that is no tensor, such as a lookup table"
    ):
        from_keras(k.Model(pixels, Look()(pixels))).to_onnx(17)


def test_no_keras_model() -> None:
    need("keras")
    with pytest.raises(OptionError, match=r"^a builtins\.int is no Keras model; give a keras\.Model$"):
        from_keras(3)
