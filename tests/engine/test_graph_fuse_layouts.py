"""Transposes at the ends: which are taken away, through which arithmetic, and which are needed."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto

from czengine.graph.fuse import Fused, Purpose
from czengine.spec import Task
from tests.support.fusing import check
from tests.support.onnx_text import dims_of, network

FIRST = "Transpose <perm = [0, 3, 1, 2]>"
LAST = "Transpose <perm = [0, 2, 3, 1]>"
ENDS = ("output left channels-first", "input taken channels-first")


def rewritten(model: ModelProto, *, channels: int = 2, side: int = 32) -> Fused:
    """For its scores, which have to be the same to the last bit."""
    pixels = np.random.default_rng(0).normal(size=(2, side, side, channels)).astype(np.float32)
    return check(model, Purpose(task=Task.REGRESSION), pixels)


def left_in(fused: Fused) -> list[str]:
    return [node.op_type for node in fused.model.graph.node]


def between(
    begin: str, end: str, *, weights: str = "", dims: str = "n,32,32,2", result: str = "", opset: int = 13
) -> Fused:
    """A network that is channels-first from "a" to "b"."""
    body = f"{begin} b = Relu (a) {end}"
    model = network(body, weights=weights, dims=dims, result=result or dims, opset=opset)
    return rewritten(model, channels=int(dims[-1]))


@pytest.mark.parametrize("dims", ["n,32,32,2", "2,32,32,2", "n,h,w,2"])
def test_transposes_at_both_ends(dims: str) -> None:
    fused = between(f"a = {FIRST} (input)", f"output = {LAST} (b)", dims=dims)
    assert fused.changes == ENDS
    assert (fused.layout, fused.output_layout) == ("NCHW", "NCHW")
    assert left_in(fused) == ["Relu"]
    batch, *sides, _ = dims.split(",")
    found = [str(dim) for dim in dims_of(fused.model.graph.input[0])]
    assert found == [batch, "2", *sides]
    assert [str(dim) for dim in dims_of(fused.model.graph.output[0])] == [batch, "2", *sides]


def test_not_where_that_is_not_wanted() -> None:
    model = network(f"a = {FIRST} (input) b = Relu (a) output = {LAST} (b)")
    pixels = np.zeros((1, 32, 32, 2), np.float32)
    assert check(model, Purpose(task=Task.REGRESSION, turned=False), pixels).changes == ()


@pytest.mark.parametrize(
    "begin",
    [
        f"i = Identity (input) j = Identity (i) a = {FIRST} (j)",
        f"i = {FIRST} (input) a = Identity (i)",
        f"c = {FIRST} (input) d = {FIRST} (input) a = Add (c, d)",
        f"s = Sub (input, means) t = Div (s, two) a = {FIRST} (t)",
        f"s = Sub (means, input) t = Mul (two, s) u = Abs (t) a = {FIRST} (u)",
        f"s = Add (input, wide) a = {FIRST} (s)",
        f"s = Mul (input, ramp) a = {FIRST} (s)",
        f"s = Clip (input, two, two) a = {FIRST} (s)",
        f"s = Softmax <axis = 2> (input) a = {FIRST} (s)",
        f"s = Softmax (input) a = {FIRST} (s)",
        f"s = Abs (input) t = Mul (s, input) a = {FIRST} (t)",
        f"s = Abs (input) c = {FIRST} (s) d = {FIRST} (input) a = Add (c, d)",
        f"k = Constant <value = float[2] {{3, 4}}> () s = Mul (input, k) a = {FIRST} (s)",
    ],
)
def test_beginnings(begin: str) -> None:
    ramp = ", ".join(str(number) for number in range(32))
    weights = (
        "float[2] means = {1, 5}, float two = {2}, float[1,1,1,2] wide = {7, 8},"
        f" float[32,1] ramp = {{{ramp}}}"
    )
    fused = between(begin, "output = Identity (b)", weights=weights, result="n,2,32,32")
    assert fused.changes == ENDS[1:]
    assert "Transpose" not in left_in(fused)


def test_arithmetic_before_and_after() -> None:
    begin = f"s = Sub (input, means) t = Mul (s, two) a = {FIRST} (t)"
    end = f"c = {LAST} (b) d = Mul (c, means) e = Sigmoid (d) output = Add (e, means)"
    fused = between(begin, end, weights="float[2] means = {1, 5}, float two = {2}")
    assert fused.changes == ENDS
    assert left_in(fused) == ["Sub", "Mul", "Relu", "Mul", "Sigmoid", "Add"]
    assert "means" not in {tensor.name for tensor in fused.model.graph.initializer}


def test_a_softmax_follows_its_axis() -> None:
    fused = between(f"a = {FIRST} (input)", f"c = {LAST} (b) output = Softmax <axis = -1> (c)")
    assert fused.changes == ENDS
    (axis,) = fused.model.graph.node[-1].attribute
    assert axis.i == 1


def test_a_softmax_of_old_opsets_cannot() -> None:
    end = f"c = {LAST} (b) output = Softmax <axis = 3> (c)"
    fused = between(f"a = {FIRST} (input)", end, opset=12)
    assert fused.changes == ENDS[1:]
    assert left_in(fused) == ["Relu", "Transpose", "Softmax"]


@pytest.mark.parametrize(
    ("begin", "end", "dims"),
    [
        ("a = Reshape (input, first)", "output = Reshape (b, last)", "n,32,32,1"),
        ("a = Reshape (input, same_first)", "output = Reshape (b, same_last)", "n,32,32,1"),
        ("a = Reshape (input, first)", "output = Reshape (b, last)", "2,32,32,1"),
        (
            "u = Unsqueeze (input, zero) a = Reshape (u, open_first)",
            "v = Reshape (b, open_last) output = Squeeze (v, zero)",
            "n,h,w,1",
        ),
    ],
)
def test_what_tf2onnx_writes_for_one_channel(begin: str, end: str, dims: str) -> None:
    weights = (
        "int64[4] first = {-1, 1, 32, 32}, int64[4] last = {-1, 32, 32, 1}, int64[4] same_first = {0, 1, 32, 32},"
        "int64[4] same_last = {0, 32, 32, 1}, int64[1] zero = {0}, int64[4] open_first = {-1, 1, 0, 0},"
        "int64[5] open_last = {1, -1, 0, 0, 1}"
    )
    fused = between(begin, end, weights=weights, dims=dims)
    assert fused.changes == ENDS
    assert left_in(fused) == ["Relu"]
    assert len(fused.model.graph.initializer) == 0


@pytest.mark.parametrize(
    ("begin", "weights"),
    [
        ("a = Reshape (input, shape)", "int64[4] shape = {-1, 2, 32, 32}"),  # of two channels it is none
        ("s = Shape (input) z = ConstantOfShape (s) t = Add (input, z) a = Transpose <perm = [0, 3, 1, 2]> (t)", ""),
        ("a = Transpose <perm = [0, 3, 2, 1]> (input)", ""),
        ("c = Transpose <perm = [0, 3, 1, 2]> (input) d = ReduceMax <axes = [3]> (input) e = Add (input, d)"
         " f = Transpose <perm = [0, 3, 1, 2]> (e) a = Add (c, f)", ""),
        ("p = Pad (input, pads) a = Transpose <perm = [0, 3, 1, 2]> (p)", "int64[8] pads = {0,0,0,0,0,0,0,0}"),
        ("c = Clip (input, low) a = Transpose <perm = [0, 3, 1, 2]> (c) r = Relu (c)", "float low = {0}"),
    ],
)  # fmt: skip
def test_beginnings_that_need_the_input_as_it_is(begin: str, weights: str) -> None:
    end = "g = GlobalAveragePool (b) h = Transpose <perm = [0, 2, 3, 1]> (g) output = Add (input, h)"
    fused = between(begin, end, weights=weights)
    assert fused.changes == ()


@pytest.mark.parametrize(
    "end",
    [
        f"c = {LAST} (b) output = ReduceMax <axes = [1], keepdims = 1> (c)",
        f"c = {LAST} (b) d = Relu (c) e = ReduceMean <axes = [3]> (d) output = Mul (d, e)",
        f"c = {LAST} (b) d = CumSum (c, one) output = Relu (d)",
        "output = Transpose <perm = [0, 3, 2, 1]> (b)",
        f"c = {LAST} (b) output = Add (c, input)",
    ],
)
def test_ends_that_are_more_than_arithmetic(end: str) -> None:
    model = network(
        f"a = {FIRST} (input) r = Relu (a) b = LRN <size = 3> (r) {end}", weights="int64 one = {1}"
    )
    if "ReduceMax" in end:
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "h"
    fused = rewritten(model)
    assert ENDS[0] not in fused.changes


def test_only_a_transpose() -> None:
    """There has to be something left that gives the output."""
    for body in (f"a = {FIRST} (input) output = {LAST} (a)", "output = Identity (input)"):
        fused = rewritten(network(body))
        assert len(fused.model.graph.node) >= 1


def test_a_tensor_beside_the_output_is_still_there() -> None:
    """What a Transpose at the end turns may be needed elsewhere too."""
    end = f"m = GlobalAveragePool (b) k = Mul (b, m) c = {LAST} (k) d = {LAST} (b) output = Add (c, d)"
    fused = between(f"a = {FIRST} (input)", end)
    assert fused.changes == ENDS
    assert left_in(fused) == ["Relu", "GlobalAveragePool", "Mul", "Add"]
