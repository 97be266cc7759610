"""Loops written out compute the same to the last bit, and only those are whose rounds are known."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, parser

from czengine.graph.fuse import Fused, Purpose, fuse
from czengine.graph.signature import parse_onnx
from czengine.model import read_model
from czengine.spec import Task
from tests.support.fusing import run
from tests.support.shared import shared_path

SCORES = Purpose(task=Task.REGRESSION)
MAP = "g = Gather <axis = 0> (x, i) made = Mul (g, g)"


def looping(
    body: str = MAP,
    *,
    rounds: str = "rounds",
    before: str = "",
    weights: str = "int64 rounds = {2}",
    batch: str = "2",
    opset: int = 17,
) -> ModelProto:
    """A network whose batch is mapped over: `body` makes "made" of round "i", and "again" of "k"."""
    again = "" if "again =" in body else "again = Identity (k)"
    model: ModelProto = parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : {opset}]>
        network (float[{batch},h,w,1] x) => (float[{batch},h,w,1] y) <{weights}, bool yes = {{1}}, int32 nought = {{0}},
            int64 first = {{0}}, int64[1] zeroth = {{0}}> {{
            {before}
            number, stacked = Loop ({rounds}, yes, nought) <body = round (int64 i, bool k, int32 n)
                => (bool again, int32 next, float[h,w,1] made) {{
                    o = Constant <value = int32 {{1}}> () next = Add (n, o) {again} {body} }}>
            c = Cast <to = 1> (number) y = Add (stacked, c) }}""")
    return model


def written_out(model: ModelProto, batch: int) -> Fused:
    """Rewritten, and compared."""
    fused = fuse(model, SCORES)
    onnx.checker.check_model(fused.model, full_check=True)
    pixels = np.random.default_rng(0).normal(size=(batch, 5, 6, 1)).astype(np.float32)
    np.testing.assert_array_equal(run(fused.model, pixels), run(model, pixels))
    return fused


def loops_in(fused: Fused) -> int:
    return [node.op_type for node in fused.model.graph.node].count("Loop")


@given(rounds=st.integers(1, 16), opset=st.integers(11, 21))
@settings(max_examples=25)
def test_a_map_over_the_batch(rounds: int, opset: int) -> None:
    model = looping(batch=str(rounds), weights=f"int64 rounds = {{{rounds}}}", opset=opset)
    fused = written_out(model, rounds)
    assert fused.changes == ("1 loop written out",)
    assert loops_in(fused) == 0


@pytest.mark.parametrize(
    "before",
    [
        "s = Shape (x) m = Gather (s, first)",
        "s = Shape (x) t = Slice (s, zeroth, one) m = Squeeze (t, zeroth)",
        "s = Shape (x) f = Cast <to = 6> (s) p = Gather (f, first) m = Cast <to = 7> (p)",
        "i = Identity (x) s = Shape <start = 0, end = 1> (x) m = Squeeze (s, zeroth)",
    ],
)
def test_rounds_that_are_the_batch(before: str) -> None:
    weights = "int64[1] one = {1}"
    fixed = written_out(looping(before=before, rounds="m", weights=weights, batch="3"), 3)
    assert loops_in(fixed) == 0
    free = written_out(looping(before=before, rounds="m", weights=weights, batch="b"), 3)
    assert (free.changes, loops_in(free)) == ((), 1)


@pytest.mark.parametrize(
    ("body", "rounds"),
    [
        (
            f"t = Constant <value = int64 {{1}}> () again = Less (i, t) {MAP}",
            "rounds",
        ),  # as Keras: both must hold
        (f"t = Constant <value = int32 {{2}}> () again = Less (next, t) {MAP}", ""),
        ("again = Identity (yes) " + MAP, "rounds"),
        ("g = Gather <axis = 0> (x, n) made = Sub (g, g)", "rounds"),
        ("made = Gather <axis = 0> (x, i)", "rounds"),
        (
            """e = If (k) <then_branch = one () => (float[h,w,1] p) { p = Gather <axis = 0> (x, n) },
            else_branch = two () => (float[h,w,1] q) { q = Gather <axis = 0> (x, i) }> made = Neg (e)""",
            "rounds",
        ),
    ],
)
def test_bodies_of_many_kinds(body: str, rounds: str) -> None:
    assert loops_in(written_out(looping(body, rounds=rounds), 2)) == 0


def test_a_loop_in_a_loop() -> None:
    body = """r = Constant <value = int64 {2}> () g = Gather <axis = 0> (x, i)
        made = Loop (r, yes, g) <body = inner (int64 j, bool l, float[h,w,1] a) => (bool m, float[h,w,1] b) {
            m = Identity (l) b = Mul (a, g) }>"""
    fused = written_out(looping(body), 2)
    assert fused.changes == ("3 loops written out",)
    assert loops_in(fused) == 0


def test_weights_of_the_body_are_there_once() -> None:
    model = looping()
    (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
    body = loop.attribute[0].g
    body.initializer.append(onnx.numpy_helper.from_array(np.array([2.5], np.float32), "factor"))
    body.node[-1].input[1] = "factor"
    fused = written_out(model, 2)
    assert [tensor.name for tensor in fused.model.graph.initializer].count("factor") <= 1
    assert sum(tensor.name.startswith("factor") for tensor in fused.model.graph.initializer) == 1


@pytest.mark.parametrize(
    ("model", "batch"),
    [
        (looping(weights="int64 rounds = {17}", batch="17"), 17),  # too many
        (looping(before="a = ReduceMax <keepdims = 0> (x) z = Mul (a, none) f = Cast <to = 7> (z) m = Add (f, two)",
                 rounds="m", weights="float none = {0}, int64 two = {2}"), 2),  # only running it tells
        (looping("a = ReduceMax <keepdims = 0> (x) b = IsNaN (a) again = Not (b) " + MAP), 2),
    ],
)  # fmt: skip
def test_loops_whose_rounds_only_running_tells(model: ModelProto, batch: int) -> None:
    fused = written_out(model, batch)
    assert loops_in(fused) == 1
    assert fused.changes == ()


@pytest.mark.parametrize("count", ["Div (h, many)", "Min (h, many)", "Max (h, many)"])
def test_sizes_of_the_tile_are_not_taken_for_constant(count: str) -> None:
    before = f"s = Shape (x) h = Gather (s, second) m = {count}"
    model = looping(before=before, rounds="m", weights="int64 second = {1}, int64 many = {3}")
    assert loops_in(fuse(model, SCORES)) == 1


def test_what_does_not_matter_may_be_open() -> None:
    before = "s = Shape (x) h = Gather (s, second) d = Div (h, h) m = Add (d, d)"
    model = looping(before=before, rounds="m", weights="int64 second = {1}")
    assert loops_in(written_out(model, 2)) == 0


def test_the_denoiser_of_napari() -> None:
    model = parse_onnx(read_model(shared_path("reference/real_N2V_tobacco_leaf.czann")).network)
    fused = fuse(model, SCORES)
    assert fused.changes == ("2 loops written out",)
    left = [node.op_type for node in fused.model.graph.node]
    assert {"Loop", "Less", "And"}.isdisjoint(left)
    pixels = np.random.default_rng(0).random((1, 64, 96, 1), np.float32)
    np.testing.assert_array_equal(run(fused.model, pixels), run(model, pixels))
