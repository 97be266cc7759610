"""What is dropped at the end of a network, and what only looks like it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from czengine.graph.fuse import Fused, Purpose, fuse
from czengine.spec import Task
from tests.support.fusing import check
from tests.support.onnx_text import network

LABELS = Purpose(task=Task.SEGMENTATION)
TURN = "Transpose <perm = [0, 2, 3, 1]>"
BACK = "Transpose <perm = [0, 3, 1, 2]>"


def fused_of(body: str, *, weights: str = "", opset: int = 13, purpose: Purpose = LABELS) -> Fused:
    """Of a network "N,32,32,2" that begins with `x = Neg (input)`; its labels have been compared."""
    model = network(f"x = Neg (input) {body}", weights=weights, opset=opset)
    pixels = np.random.default_rng(0).normal(size=(2, 32, 32, 2)).astype(np.float32)
    return check(model, purpose, pixels)


def left_of(body: str, *, weights: str = "", opset: int = 13, purpose: Purpose = LABELS) -> list[str]:
    """Its operators."""
    fused = fused_of(body, weights=weights, opset=opset, purpose=purpose)
    return [node.op_type for node in fused.model.graph.node]


@pytest.mark.parametrize(
    ("body", "opset"),
    [
        ("output = Softmax (x)", 13),
        ("output = Softmax <axis = -1> (x)", 21),
        ("output = Softmax <axis = 3> (x)", 11),
        ("output = LogSoftmax <axis = -1> (x)", 12),
        ("s = Softmax (x) i = Identity (s) output = Identity (i)", 13),
        (f"c = {BACK} (x) s = Softmax <axis = 1> (c) output = {TURN} (s)", 13),
        (f"c = {BACK} (x) s = Softmax <axis = -3> (c) i = Identity (s) output = {TURN} (i)", 18),
        ("a = Softmax (x) output = LogSoftmax (a)", 13),
        ("e = Exp (x) s = ReduceSum <axes = [3]> (e) output = Div (e, s)", 12),
        (
            "e = Exp (x) i = Identity (e) s = ReduceSum <axes = [-1], keepdims = 1> (i) output = Div (e, s)",
            11,
        ),
        (
            "m = ReduceMax <axes = [3]> (x) d = Sub (x, m) e = Exp (d) s = ReduceSum (e, last) output = Div (e, s)",
            13,
        ),
        (
            "m = ReduceMax (x, last) d = Sub (x, m) e = Exp (d) s = ReduceSum (e, last) output = Div (e, s)",
            18,
        ),
        (
            f"""c = {BACK} (x) m = ReduceMax <axes = [1]> (c) d = Sub (c, m) e = Exp (d) s = ReduceSum <axes = [1]> (e)
            f = {TURN} (e) t = {TURN} (s) output = Div (f, t)""",
            12,
        ),
        (
            f"""c = {BACK} (x) m = ReduceMax <axes = [1]> (c) d = Sub (c, m) e = Exp (d) s = ReduceSum <axes = [1]> (e)
            f = {TURN} (e) t = Reshape (s, last_of_one) output = Div (f, t)""",
            12,
        ),
    ],
)
def test_forms_of_softmax(body: str, opset: int) -> None:
    weights = "int64[1] last = {3}, int64[4] last_of_one = {-1, 32, 32, 1}"
    left = left_of(body, opset=opset, weights=weights)
    assert set(left) <= {"Neg", "Identity", "Transpose"}
    assert left.count("Transpose") <= (BACK in body)  # of two in a row, only one is taken in


@pytest.mark.parametrize(
    ("body", "opset"),
    [
        ("output = Softmax <axis = 1> (x)", 13),  # over rows
        ("output = Softmax <axis = 2> (x)", 13),
        ("output = Softmax <axis = 0> (x)", 13),
        ("output = Softmax (x)", 12),  # over everything
        ("output = Softmax <axis = 2> (x)", 11),
        (f"c = {BACK} (x) s = Softmax <axis = 1> (c) output = {TURN} (s)", 12),
        (f"c = {BACK} (x) s = Softmax <axis = 3> (c) output = {TURN} (s)", 13),
        ("s = Softmax (x) output = Mul (s, weights)", 13),
        ("s = Softmax (x) output = Add (s, weights)", 13),
        ("s = Softmax (x) output = Add (s, x)", 13),
        ("s = Softmax (x) output = Neg (s)", 13),
        ("s = Softmax (x) r = Round (s) output = Identity (r)", 13),
        ("s = Softmax (x) h = Cast <to = 10> (s) output = Cast <to = 1> (h)", 13),
        ("output = Sigmoid (x)", 13),  # saturates: which of two certain classes is first would be another
        ("output = Exp (x)", 13),
        ("output = Hardmax (x)", 13),
        ("e = Exp (x) s = ReduceSum <axes = [1]> (e) output = Div (e, s)", 12),
        ("e = Exp (x) s = ReduceSum <axes = [1, 3]> (e) output = Div (e, s)", 12),
        ("e = Exp (x) s = ReduceMean <axes = [1]> (e) output = Div (e, s)", 12),
        ("e = Exp (x) s = ReduceSum <axes = [3]> (x) output = Div (e, s)", 12),
        ("e = Exp (x) s = ReduceSum <axes = [3]> (e) output = Div (s, e)", 12),
        ("e = Exp (x) output = Div (e, weights)", 12),
        ("e = Abs (x) s = ReduceSum <axes = [3]> (e) output = Div (e, s)", 12),
        (
            "e = Exp (x) t = Transpose <perm = [0, 2, 1, 3]> (e) s = ReduceSum <axes = [3]> (t) output = Div (e, s)",
            12,
        ),
    ],
)
def test_what_only_looks_like_softmax_over_classes(body: str, opset: int) -> None:
    fused = fused_of(body, opset=opset, weights="float[2] weights = {1, 3}")
    assert "softmax dropped" not in fused.changes


@pytest.mark.parametrize("confidence", [0.0, 0.5])
def test_scores_to_compare_with_stay(confidence: float) -> None:
    for purpose in (Purpose(task=Task.SEGMENTATION, confidence=confidence), Purpose(task=Task.REGRESSION)):
        assert left_of("output = Softmax (x)", purpose=purpose) == ["Neg", "Softmax"]
        assert left_of(
            "e = Exp (x) s = ReduceSum <axes = [3]> (e) output = Div (e, s)", opset=12, purpose=purpose
        ) == [
            "Neg",
            "Exp",
            "ReduceSum",
            "Div",
        ]


def test_a_softmax_that_something_else_needs_stays() -> None:
    assert left_of("s = Softmax (x) i = Identity (s) r = Relu (s) output = Add (i, r)") == [
        "Neg",
        "Softmax",
        "Identity",
        "Relu",
        "Add",
    ]


def test_an_operator_of_another_domain_is_not_known() -> None:
    import onnx

    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
        network (float[n,32,32,2] input) => (float[n,32,32,2] output) {
            x = Neg (input) output = own.Softmax (x) }"""
    )
    assert fuse(model, LABELS).changes == ()


@pytest.mark.parametrize("order", ["p, q", "q, p"])
@pytest.mark.parametrize("turned", [False, True])
def test_two_classes_of_one_sigmoid(order: str, turned: bool) -> None:
    """What SigmoidToSoftmaxScores of czmodel makes: (p, 1 - p)."""
    body = f"p = Sigmoid (one) q = Sub (unit, p) c = Concat <axis = 3> ({order}) "
    if turned:
        body = f"""f = {BACK} (one) s = Sigmoid (f) p = {TURN} (s) q = Sub (unit, p)
            c = Concat <axis = 3> ({order}) """
    left = left_of(
        f"one = ReduceMean <axes = [3]> (x) {body} output = Identity (c)", weights="float unit = {1}"
    )
    assert "Sigmoid" not in left
    assert left.count("Neg") == 2
    assert "Sub" not in left


@pytest.mark.parametrize(
    "body",
    [
        "p = Sigmoid (one) q = Sub (half, p) output = Concat <axis = 3> (p, q)",
        "p = Tanh (one) q = Sub (unit, p) output = Concat <axis = 3> (p, q)",
        "p = Sigmoid (one) q = Sub (p, unit) output = Concat <axis = 3> (p, q)",
        "p = Sigmoid (one) r = Sigmoid (two) q = Sub (unit, r) output = Concat <axis = 3> (p, q)",
        "p = Sigmoid (one) q = Sub (unit, p) c = Concat <axis = 3> (p, q) output = Add (c, p)",
        "p = Sigmoid (one) q = Sub (unit, p) r = Relu (p) s = Add (q, r) output = Concat <axis = 3> (p, s)",
    ],
)
def test_what_only_looks_like_two_classes(body: str) -> None:
    weights = "float unit = {1}, float half = {0.5}"
    left = left_of(f"one = ReduceMean <axes = [3]> (x) two = Abs (one) {body}", weights=weights)
    assert "Sub" in left
    assert "Sigmoid" in left or "Tanh" in left


def test_a_probability_that_more_is_made_of_stays() -> None:
    left = left_of(
        """one = ReduceMean <axes = [3]> (x) p = Sigmoid (one) q = Sub (unit, p) r = ReduceMax <axes = [1]> (p)
        t = Mul (r, p) output = Concat <axis = 3> (t, q)""",
        weights="float unit = {1}",
    )
    assert "Sigmoid" in left


def threshold(body: str, limit: float) -> Fused:
    model = network(f"x = Neg (input) {body}", opset=13)
    pixels = np.random.default_rng(0).normal(scale=4, size=(2, 32, 32, 2)).astype(np.float32)
    return check(model, Purpose(task=Task.MULTILABEL, confidence=limit), pixels)


@given(limit=st.floats(1e-6, 1 - 1e-6))
@settings(max_examples=40)
def test_a_threshold_on_a_sigmoid_is_one_on_what_it_is_made_of(limit: float) -> None:
    fused = threshold("s = Sigmoid (x) output = Identity (s)", limit)
    assert fused.changes == ("sigmoid dropped",)
    assert fused.confidence is not None
    assert 1 / (1 + math.exp(-fused.confidence)) == pytest.approx(limit, rel=1e-9)


def test_half_becomes_nought() -> None:
    assert threshold("output = Sigmoid (x)", 0.5).confidence == 0.0


@pytest.mark.parametrize("limit", [0.0, 1.0, 1e-7, 1 - 1e-9, -1.0, 2.0])
def test_thresholds_where_sigmoids_run_out_stay(limit: float) -> None:
    fused = threshold("output = Sigmoid (x)", limit)
    assert (fused.changes, fused.confidence) == ((), limit)


@pytest.mark.parametrize(
    "body", ["output = Softmax (x)", "s = Sigmoid (x) output = Add (s, x)", "output = Tanh (x)"]
)
def test_other_thresholds_stay(body: str) -> None:
    fused = threshold(body, 0.4)
    assert (fused.changes, fused.confidence) == ((), 0.4)
