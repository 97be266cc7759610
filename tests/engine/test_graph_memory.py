"""Peak bytes of activations against small networks counted by hand, and against a slow count of random ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, parser

from czengine.example import model_path
from czengine.graph.memory import activation_bytes
from czengine.graph.retile import retile
from czengine.graph.signature import parse_onnx
from czengine.model import read_model
from tests.support.pixel_networks import draw_network
from tests.support.retiling import run_all
from tests.support.shared import shared_path

PIXELS = 20 * 30  # of the tiles below
FLOATS = 4 * PIXELS  # bytes of one channel


def peak(nodes: str, *, weights: str = "", dims: str = "n,1,h,w", batch: int = 1) -> int | None:
    """Of a network that begins with "x" and ends with "y"."""
    model = parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> n (float[{dims}] x) => (float[{dims}] y) <{weights}> {{ {nodes} }}'
    )
    return activation_bytes(model, (20, 30), batch)


WIDE = "float[8,1,1,1] k = {1,2,3,4,5,6,7,8}, float[1,8,1,1] l = {1,2,3,4,5,6,7,8}"


@pytest.mark.parametrize(
    ("nodes", "channels"),
    [
        ("y = Relu (x)", 2),
        ("a = Relu (x) b = Relu (a) y = Relu (b)", 2),  # what has been read is gone
        ("a = Relu (x) b = Relu (a) y = Add (x, b)", 3),  # the input is read once more
        ("a = Conv (x, k) b = Relu (a) y = Conv (b, l)", 16),  # both of eight channels
        ("a = Conv (x, k) b = Relu (a) c = Add (a, b) y = Conv (c, l)", 24),
        ("a = Relu (x) b = Relu (x) y = Relu (x)", 2),  # nobody reads a and b
        ("a = Constant <value_float = 2.0> () y = Mul (x, a)", 2),
    ],
)
def test_counted_by_hand(nodes: str, channels: int) -> None:
    assert peak(nodes, weights=WIDE) == channels * FLOATS
    assert peak(nodes, weights=WIDE, batch=3) == 3 * channels * FLOATS


def test_types_have_their_size() -> None:
    truths = peak("a = Greater (x, one) y = Cast <to = 1> (a)", weights="float one = {1}")
    assert truths == FLOATS + PIXELS
    halves = peak("a = Cast <to = 10> (x) b = Relu (a) y = Cast <to = 1> (b)")
    assert halves == FLOATS + FLOATS // 2


def test_pools_hold_less() -> None:
    nodes = (
        "p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x) c = Conv (p, k)"
        " u = Conv (c, l) y = ConvTranspose <strides = [2, 2]> (u, t)"
    )
    found = peak(nodes, weights=f"{WIDE}, float[1,1,2,2] t = {{1, 2, 3, 4}}")
    assert found == (8 + 1) * FLOATS // 4  # c and its neighbour, a quarter of the pixels


def test_what_a_loop_holds_inside() -> None:
    found = peak(
        "y = Loop (rounds, going) <body = round (int64 i, bool k) => (bool again, float[1,h,w] made) {"
        " again = Identity (k) g = Gather <axis = 0> (x, i) r = Relu (g) made = Neg (r) }>",
        weights="int64 rounds = {2}, bool going = {1}",
        dims="2,1,h,w",
        batch=2,
    )
    assert found == (2 + 2) * FLOATS + (1 + 1) * FLOATS + 1  # x and y; two pictures; `again`


def test_no_answer_where_shapes_are_not_known() -> None:
    assert (
        peak("f = NonZero (x) r = Cast <to = 1> (f) y = Expand (r, s)", weights="int64[4] s = {1, 1, 20, 30}")
        is None
    )
    assert peak("y = Relu (x)", dims="n,1,24,30") is None
    assert peak("y = Relu (x)", dims="4,1,h,w") is None
    assert peak("p = MaxPool <kernel_shape = [7, 7], strides = [7, 7]> (x) y = Add (x, p)") is None


@given(seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_random_networks_are_counted_as_they_run(seed: int, batch: int) -> None:
    model = draw_network(seed)
    assert activation_bytes(model, (32, 64), batch) == slow_peak(model, batch)


def slow_peak(model: ModelProto, batch: int) -> int:
    """Every tensor is computed, and for every node those are added up that it makes, reads, or leaves for others."""
    nodes, weights = model.graph.node, {tensor.name for tensor in model.graph.initializer}
    names = [node.output[0] for node in nodes]
    values = run_all(model, np.ones((batch, 1, 32, 64), np.float32), names)
    sizes = {name: array.nbytes for name, array in zip(names, values, strict=True)}
    sizes["input"] = batch * 32 * 64 * 4
    peaks = []
    for index, node in enumerate(nodes):
        made = {"input", *(name for earlier in nodes[:index] for name in earlier.output)}
        needed = {name for later in nodes[index:] for name in later.input}
        alive = (made & needed) - weights | set(node.output)
        peaks.append(sum(sizes[name] for name in alive))
    return max(peaks)


def test_bytes_grow_with_the_pixels() -> None:
    model = parse_onnx(read_model(model_path()).network)
    small, large = (activation_bytes(retile(model, (side, side)), (side, side), 1) for side in (64, 512))
    assert small is not None
    assert large == 64 * small
    assert activation_bytes(model, (64, 64), 1) is None  # as it is, it takes 256 × 256


def test_real_networks() -> None:
    denoising = parse_onnx(read_model(shared_path("reference/real_N2V_tobacco_leaf.czann")).network)
    found = activation_bytes(denoising, (64, 64), 1)
    assert found is not None
    assert 64 * 64 * 4 * 32 <= found <= 64 * 64 * 4 * 256
    squeezing = parse_onnx(read_model(shared_path("data/pgc/PGC_20X_nucleus_detector.czseg")).network)
    assert (activation_bytes(squeezing, (1024, 1024), 1) or 0) > 1024 * 1024 * 4
