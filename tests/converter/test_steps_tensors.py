"""Steps in TensorFlow do what the reference does, called and traced; Keras layers are steps as well."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from czconverter.steps import RgbToBgr, SigmoidToSoftmaxScores, Step, arrays
from czconverter.steps.tensors import apply, is_keras_layer
from czengine.errors import ModelError, OptionError
from tests.support.frameworks import need
from tests.support.steps import pictures, steps


def assert_agrees(step: Step, seed: int, batch: int, channels: int, *, traced: bool) -> None:
    tf = need("tensorflow")
    given_pictures = pictures(seed, batch, channels)

    def function(tensor: Any) -> Any:
        return apply(step, tensor)

    shape = [None, None, None, channels]
    signature = [tf.TensorSpec(shape, tf.float32)]
    call = tf.function(function, input_signature=signature, autograph=False) if traced else function
    found = call(tf.constant(given_pictures)).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, arrays.apply(step, given_pictures), rtol=1e-5, atol=2e-5)


@settings(max_examples=60)
@given(data=st.data(), channels=st.integers(1, 4), batch=st.integers(1, 3), seed=st.integers(0, 99))
def test_tensors_compute_what_arrays_compute(
    data: st.DataObject, channels: int, batch: int, seed: int
) -> None:
    assert_agrees(data.draw(steps(channels)), seed, batch, channels, traced=False)


@settings(max_examples=15)
@given(data=st.data(), channels=st.integers(1, 4), seed=st.integers(0, 99))
def test_they_do_so_in_a_traced_function_of_open_size(data: st.DataObject, channels: int, seed: int) -> None:
    assert_agrees(data.draw(steps(channels)), seed, 2, channels, traced=True)


@pytest.mark.parametrize("framework", ["keras", "tf_keras"])
def test_a_layer_is_called_for_inference(framework: str) -> None:
    keras, tf = need(framework), need("tensorflow")
    ones = tf.ones((1, 2, 2, 3))
    dropped = apply(keras.layers.Dropout(0.9), ones)  # training would drop nearly all
    np.testing.assert_array_equal(np.asarray(dropped), np.ones((1, 2, 2, 3)))
    scaled = apply(keras.layers.Rescaling(2.0), ones)
    np.testing.assert_array_equal(np.asarray(scaled), np.full((1, 2, 2, 3), 2))


@pytest.mark.parametrize("framework", ["keras", "tf_keras"])
def test_layers_are_recognised(framework: str) -> None:
    keras = need(framework)

    class Own(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs * 3

    assert is_keras_layer(Own())
    assert is_keras_layer(keras.Sequential([keras.layers.ReLU()]))
    assert not is_keras_layer(Own)
    assert not is_keras_layer(keras.initializers.Zeros())
    tripled = apply(Own(), need("tensorflow").ones((1, 1, 1, 1)))
    assert float(np.asarray(tripled).item()) == 3


def test_recognising_layers_imports_no_framework() -> None:
    code = (
        "import sys; from czconverter.steps.tensors import is_keras_layer; from czconverter.steps import Softmax\n"
        "assert not is_keras_layer(Softmax())\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'tf_keras')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("value", ["rgb-to-bgr", lambda x: x, None, 3])
def test_anything_else_is_refused(value: object) -> None:
    tf = need("tensorflow")
    with pytest.raises(
        OptionError, match=r"is a \w+; a step of czconverter.steps or a Keras layer is needed"
    ):
        apply(value, tf.ones((1, 1, 1, 1)))


def test_channels_that_do_not_fit_are_refused() -> None:
    tf = need("tensorflow")
    with pytest.raises(OptionError, match="RgbToBgr puts 3 channels in order, and is given 4"):
        apply(RgbToBgr(), tf.ones((1, 1, 1, 4)))
    with pytest.raises(OptionError, match="is given 2"):
        apply(SigmoidToSoftmaxScores(), tf.ones((1, 1, 1, 2)))


def test_a_layer_that_fails_is_named() -> None:
    keras, tf = need("keras"), need("tensorflow")
    layer = keras.layers.Conv2D(2, 1, name="stem")
    layer.build((None, 4, 4, 3))
    with pytest.raises(
        ModelError, match=r"the layer 'stem' \(Conv2D\) cannot take pictures of shape \(1, 4, 4, 1\)"
    ):
        apply(layer, tf.ones((1, 4, 4, 1)))
