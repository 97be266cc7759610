"""Sizes of a network's ends: named, fixed, changed, or refused where the graph has them built in."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import onnx
import pytest

from czconverter.graphs.dims import name_dims, set_size
from czconverter.graphs.running import OnnxRunner
from czengine.errors import ModelError
from czengine.spec import Layout
from tests.support.archives import onnx_network
from tests.support.frameworks import need
from tests.support.onnx_text import dims_of, network


def _convolution(**kwargs: Any) -> Any:
    return onnx.ModelProto.FromString(onnx_network(kernel=3, **kwargs))


def _ends(model: Any) -> list[list[int | str]]:
    return [dims_of(model.graph.input[0]), dims_of(model.graph.output[0])]


def test_open_dims_are_named() -> None:
    named = name_dims(_convolution(height=None, width="w", batch=None, channels=3))
    assert _ends(named) == [["batch", "height", "width", 3], ["batch", "height", "width", 2]]


def test_fixed_dims_stay() -> None:
    assert _ends(name_dims(_convolution(batch=1))) == [[1, 32, 32, 1], [1, 32, 32, 2]]


def test_open_channels_are_named_by_what_they_are() -> None:
    named = name_dims(network("output = Relu (input)", dims="N,H,W,C"))
    assert _ends(named) == [["batch", "height", "width", "channels"], ["batch", "height", "width", "classes"]]


def test_the_argument_is_left_alone() -> None:
    need("onnxruntime")
    model = _convolution(height="H")
    before = model.SerializeToString()
    name_dims(model)
    set_size(model, 16, 48)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("side", [32, "H", None])
@pytest.mark.parametrize("batch", [1, "N"])
def test_a_convolution_takes_any_size(layout: Layout, side: Any, batch: Any) -> None:
    need("onnxruntime")
    model = _convolution(height=side, width=side, channels=3, layout=layout, batch=batch)
    sized = set_size(model, 24, 40, layout=layout, output_layout=layout)
    expected = [[batch, 24, 40, 3], [batch, 24, 40, 2]]
    if layout == "NCHW":
        expected = [[batch, 3, 24, 40], [batch, 2, 24, 40]]
    assert _ends(sized) == expected
    small = np.random.default_rng(0).random([1, *expected[0][1:]], dtype=np.float32)
    assert OnnxRunner(sized).run(small).shape == (1, *expected[1][1:])


def test_the_inside_of_a_resized_picture_is_the_same() -> None:
    need("onnxruntime")
    fixed = _convolution(channels=2)
    large = set_size(fixed, 48, 48)
    picture = np.random.default_rng(0).random((1, 48, 48, 2), dtype=np.float32)
    whole = OnnxRunner(large).run(picture)
    part = OnnxRunner(fixed).run(picture[:, 8:40, 8:40])
    np.testing.assert_allclose(whole[:, 9:39, 9:39], part[:, 1:-1, 1:-1], atol=1e-6)


def test_open_channels_are_fixed_too() -> None:
    need("onnxruntime")
    sized = set_size(network("output = Relu (input)", dims="N,H,W,C"), 16, 24, channels=3)
    assert _ends(sized) == [["N", 16, 24, 3], ["N", 16, 24, 3]]


_SIZES_WITHIN = {
    "Reshape": ("output = Reshape (input, s)", "int64[4] s = {-1, 32, 32, 2}"),
    "Slice": ("output = Slice (input, a, s)", "int64[4] a = {0, 0, 0, 0}, int64[4] s = {9, 32, 32, 2}"),
    "Resize": ("output = Resize (input, e, e, s)", "float[0] e = {}, int64[4] s = {1, 32, 32, 2}"),
    "Add": ("output = Add (input, s)", "float[1,1,32,1] s = {" + ",".join(["0"] * 32) + "}"),
}


@pytest.mark.parametrize("name", list(_SIZES_WITHIN))
def test_sizes_within_the_graph_are_refused(name: str) -> None:
    need("onnxruntime")
    body, weights = _SIZES_WITHIN[name]
    model = network(body, dims="1,32,32,2", weights=weights)
    assert _ends(set_size(model, 32, 32)) == [[1, 32, 32, 2]] * 2
    with pytest.raises(ModelError, match=r"is not spatially invariant: .* keep its 32 × 32 pixels"):
        set_size(model, 48, 48)


def test_a_dense_layer_is_refused() -> None:
    need("onnxruntime")
    model = network(
        "flat = Flatten (input) dense = MatMul (flat, w) output = Reshape (dense, s)",
        dims="N,4,4,1",
        weights="float[16,16] w = {" + ",".join(["0.5"] * 256) + "}, int64[4] s = {-1, 4, 4, 1}",
    )
    with pytest.raises(ModelError, match="is not spatially invariant"):
        set_size(model, 8, 8)


def test_a_result_of_another_size_is_refused() -> None:
    need("onnxruntime")
    model = network("output = MaxPool <kernel_shape = [2, 2]> (input)", dims="N,2,H,W", result="N,2,h,w")
    with pytest.raises(ModelError, match=re.escape("gives scores of shape (1, 2, 15, 15)")):
        set_size(model, 16, 16, layout="NCHW", output_layout="NCHW")


def test_an_open_network_says_which_sizes_it_takes() -> None:
    need("onnxruntime")
    body = (
        "small = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (input)"
        ' up = Resize <mode = "nearest"> (small, e, s) output = Add (up, input)'
    )
    weights = "float[0] e = {}, float[4] s = {1, 1, 2, 2}"
    model = network(body, dims="N,2,H,W", weights=weights)
    assert dims_of(set_size(model, 30, 32, layout="NCHW", output_layout="NCHW").graph.output[0])[2:] == [
        30,
        32,
    ]
    with pytest.raises(ModelError, match=r"does not take 31 × 32 pixels: .*choose a multiple"):
        set_size(model, 31, 32, layout="NCHW", output_layout="NCHW")


def test_shapes_noted_inside_of_the_graph_are_forgotten() -> None:
    need("onnxruntime")
    model = onnx.shape_inference.infer_shapes(_convolution())
    assert model.graph.value_info
    sized = set_size(model, 16, 16)
    assert OnnxRunner(sized).run(np.zeros((2, 16, 16, 1))).shape == (2, 16, 16, 2)
