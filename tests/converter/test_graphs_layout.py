"""Channels-last float32 ends: the same values as the network's own ends, transposed and cast by NumPy."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from czconverter.graphs.layout import channels_last, float_ends
from czconverter.graphs.running import OnnxRunner
from czengine.errors import ModelError
from czengine.graph.signature import read_signature
from tests.support.archives import onnx_network
from tests.support.frameworks import need
from tests.support.onnx_text import dims_of, network


def _operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@settings(max_examples=10, deadline=None)
@given(
    batch=st.integers(1, 3),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.integers(1, 4),
    outputs=st.integers(1, 3),
)
def test_channels_first_becomes_channels_last(
    batch: int, height: int, width: int, channels: int, outputs: int
) -> None:
    need("onnxruntime")
    data = onnx_network(height, width, channels, outputs, layout="NCHW", kernel=3)
    model = onnx.ModelProto.FromString(data)
    wrapped = channels_last(model, layout="NCHW", output_layout="NCHW")
    onnx.checker.check_model(wrapped, full_check=True)
    assert dims_of(wrapped.graph.input[0]) == ["N", height, width, channels]
    assert dims_of(wrapped.graph.output[0]) == ["N", height, width, outputs]
    picture = np.random.default_rng(0).random((batch, height, width, channels), dtype=np.float32)
    expected = OnnxRunner(model).run(picture.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(OnnxRunner(wrapped).run(picture), expected, atol=1e-6)


def test_channels_last_stays_as_it_is() -> None:
    model = onnx.ModelProto.FromString(onnx_network())
    assert channels_last(model, layout="NHWC", output_layout="NHWC") == model
    assert float_ends(model) == model


def test_each_end_has_its_own_layout() -> None:
    need("onnxruntime")
    body = "inner = Transpose <perm = [0, 2, 3, 1]> (input) output = Neg (inner)"
    model = network(body, dims="N,2,8,6", result="N,8,6,2")
    wrapped = channels_last(model, layout="NCHW", output_layout="NHWC")
    assert read_signature(wrapped).size == (8, 6)
    picture = np.random.default_rng(0).random((1, 8, 6, 2), dtype=np.float32)
    np.testing.assert_array_equal(OnnxRunner(wrapped).run(picture), -picture)


def test_transposes_at_the_ends_are_taken_away_rather_than_doubled() -> None:
    need("onnxruntime")
    body = (
        "last = Transpose <perm = [0, 2, 3, 1]> (input) negative = Neg (last)"
        " output = Transpose <perm = [0, 3, 1, 2]> (negative)"
    )
    model = network(body, dims="N,2,8,6")
    wrapped = channels_last(model, layout="NCHW", output_layout="NCHW")
    onnx.checker.check_model(wrapped, full_check=True)
    assert _operators(wrapped) == ["Neg"]
    assert [wrapped.graph.input[0].name, wrapped.graph.output[0].name] == ["input", "output"]
    picture = np.random.default_rng(0).random((1, 8, 6, 2), dtype=np.float32)
    np.testing.assert_array_equal(OnnxRunner(wrapped).run(picture), -picture)


_NOT_SIMPLE = {
    "used twice": "t = Transpose <perm = [0, 2, 3, 1]> (input) a = Transpose <perm = [0, 3, 1, 2]> (t)"
    " output = Add (a, input)",
    "used later": "t = Transpose <perm = [0, 2, 3, 1]> (input) s = Neg (t)"
    " output = Transpose <perm = [0, 3, 1, 2]> (s) unused = Neg (output)",
    "only one": "output = Transpose <perm = [0, 1, 2, 3]> (input)",
    "both in one": "t = Transpose <perm = [0, 2, 3, 1]> (input) output = Transpose <perm = [0, 3, 1, 2]> (t)",
}


@pytest.mark.parametrize("name", list(_NOT_SIMPLE))
def test_transposes_that_others_need_stay_right(name: str) -> None:
    need("onnxruntime")
    model = network(_NOT_SIMPLE[name], dims="N,2,8,6")
    wrapped = channels_last(model, layout="NCHW", output_layout="NCHW")
    onnx.checker.check_model(wrapped, full_check=True)
    picture = np.random.default_rng(0).random((2, 8, 6, 2), dtype=np.float32)
    expected = OnnxRunner(model).run(picture.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(OnnxRunner(wrapped).run(picture), expected)


def test_a_branch_that_uses_the_input_follows() -> None:
    need("onnxruntime")
    body = (
        "sum = ReduceSum <keepdims = 0> (input) positive = Greater (sum, zero)"
        " output = If (positive) <then_branch = yes () => (float[N,2,8,6] a) { a = Neg (input) },"
        " else_branch = no () => (float[N,2,8,6] b) { b = Identity (input) }>"
    )
    model = network(body, dims="N,2,8,6", weights="float zero = {0}")
    wrapped = channels_last(model, layout="NCHW", output_layout="NCHW")
    picture = np.random.default_rng(0).random((1, 8, 6, 2), dtype=np.float32)
    np.testing.assert_array_equal(OnnxRunner(wrapped).run(picture), -picture)


def test_names_that_are_taken_are_avoided() -> None:
    body = "input_channels_first = Neg (input) output = Neg (input_channels_first)"
    wrapped = channels_last(network(body, dims="N,2,8,6"), layout="NCHW", output_layout="NCHW")
    onnx.checker.check_model(wrapped, full_check=True)
    assert _operators(wrapped) == ["Transpose", "Neg", "Neg", "Transpose"]


@pytest.mark.parametrize("dtype", ["float16", "double", "uint8", "uint16"])
@pytest.mark.parametrize("result", ["float16", "double", "uint8", "uint16"])
def test_other_types_become_float(dtype: str, result: str) -> None:
    need("onnxruntime")
    numbers = {"float16": 10, "double": 11, "uint8": 2, "uint16": 4}
    body = f"output = Cast <to = {numbers[result]}> (input)"
    model = network(body, dtype=dtype, result_dtype=result, opset=13)
    cast = float_ends(model)
    onnx.checker.check_model(cast, full_check=True)
    read_signature(cast)
    counts = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 2)).astype(np.float32)
    np.testing.assert_array_equal(OnnxRunner(cast).run(counts), counts)
    np.testing.assert_array_equal(OnnxRunner(model).run(counts), counts)


def test_bfloat16_is_cast_in_the_graph() -> None:
    need("onnxruntime")
    body = "wide = Cast <to = 1> (input) output = Neg (wide)"
    model = network(body, dtype="bfloat16", opset=13)
    counts = np.arange(32 * 32 * 2, dtype=np.float32).reshape(1, 32, 32, 2) % 128
    np.testing.assert_array_equal(OnnxRunner(model).run(counts), -counts)


def test_types_that_are_no_pixels_are_refused() -> None:
    body = "output = Cast <to = 1> (input)"
    with pytest.raises(
        ModelError, match="'input' of the network is int64; pixels and scores have to be float"
    ):
        float_ends(network(body, dtype="int64"))
