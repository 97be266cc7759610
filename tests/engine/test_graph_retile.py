"""A network for another size is what was exported for that size in the first place."""

from __future__ import annotations

import random
from string import Template

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, helper, parser, shape_inference

from czengine.errors import ModelError, PlanError
from czengine.example import model_path
from czengine.graph.retile import retile
from czengine.graph.signature import parse_onnx, read_signature
from czengine.model import read_model
from tests.support.onnx_text import dims_of
from tests.support.pixel_networks import draw_network, run
from tests.support.retiling import baked, pictures, run_any
from tests.support.shared import LOOPING, reference_names, shared_path

SEEDS = st.integers(0, 2**32 - 1)
CONSTANTS = """
    float[4,4,1,1] one = {1,2,3,4, 4,1,2,3, 3,4,1,2, 2,3,4,1}, float[4,4,2,2] two = {
      1,2,3,4, 1,2,3,4, 1,2,3,4, 1,2,3,4, 4,3,2,1, 4,3,2,1, 4,3,2,1, 4,3,2,1,
      1,2,1,2, 1,2,1,2, 1,2,1,2, 1,2,1,2, 3,3,1,1, 3,3,1,1, 3,3,1,1, 3,3,1,1},
    float[4,4] square = {1, 2, 3, 4, 1, 2, 3, 4, 4, 2, 3, 1, 1, 2, 3, 4}, float[4] four = {1, 2, 3, 4},
    int64[2] pixels = {2, 3}, int64[1] zero = {0}, int64[1] deep = {1}, int64[1] last = {3}, int64[1] all = {-1}"""


def small(nodes: str, weights: str, height: int = 32, width: int = 64, *, batch: int = 1) -> ModelProto:
    """A network of four channels, channels-first, that begins with "x" and ends with "y"; $names are its sizes."""
    text = (
        f'<ir_version: 8, opset_import: ["" : 18]> network (float[$N,4,$H,$W] x) => (float[$N,4,$H,$W] y)'
        f" <{CONSTANTS}{weights and ','} {weights}> {{ {nodes} }}"
    )
    sizes = {"N": batch, "H": height, "W": width, "HW": height * width, "H1": height + 1, "W1": width + 1}
    return parser.parse_model(Template(text.replace("'", '"')).substitute(sizes, h=height // 2, w=width // 2))


EXPORTED = {
    "transpositions": (
        "t = Transpose <perm = [0, 2, 3, 1]> (x) m = ReduceMax (t, last) r = Reshape (m, first)"
        ' c = Conv <auto_pad = "SAME_UPPER", kernel_shape = [3, 3]> (r, k) b = Reshape (c, last4) u = Mul (b, four)'
        " y = Transpose <perm = [0, 3, 1, 2]> (u)",
        "int64[4] first = {-1, 1, $H, $W}, int64[4] last4 = {-1, $H, $W, 1}, float[1,1,3,3] k = {1,2,3,4,5,6,7,8,9}",
    ),
    "flattened pixels": (
        "t = Transpose <perm = [0, 2, 3, 1]> (x) f = Reshape (t, flat) m = MatMul (f, square) b = Reshape (m, back)"
        " y = Transpose <perm = [0, 3, 1, 2]> (b)",
        "int64[2] flat = {-1, 4}, int64[4] back = {$N, $H, $W, 4}",
    ),
    "rows of pixels": (
        "f = Reshape (x, flat) s = Softmax <axis = -1> (f) t = Transpose <perm = [0, 2, 1]> (s)"
        " u = Transpose <perm = [0, 2, 1]> (t) y = Reshape (u, back)",
        "int64[3] flat = {$N, 4, $HW}, int64[4] back = {$N, 4, $H, $W}",
    ),
    "sizes of an enlargement": (
        "p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x)"
        " y = Resize <mode = 'linear', coordinate_transformation_mode = 'half_pixel'> (p, , , sizes)",
        "int64[4] sizes = {$N, 4, $H, $W}",
    ),
    "sizes beside computed ones": (
        "p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x) s = Shape <end = 2> (p)"
        " sizes = Concat <axis = 0> (s, pair) y = Resize <mode = 'nearest'> (p, , , sizes)",
        "int64[2] pair = {$H, $W}",
    ),
    "half the size": (
        "d = Resize <mode = 'linear'> (x, , , less) y = Resize <mode = 'nearest'> (d, , , more)",
        "int64[4] less = {$N, 4, $h, $w}, int64[4] more = {$N, 4, $H, $W}",
    ),
    "transposed convolution": (
        "p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x)"
        " y = ConvTranspose <strides = [2, 2], kernel_shape = [2, 2], output_shape = [$H, $W]> (p, two)",
        "",
    ),
    "cuts to the end": (
        "a = Pad (x, frame) y = Slice (a, one2, ends, pixels)",
        "int64[8] frame = {0, 0, 1, 1, 0, 0, 0, 0}, int64[2] one2 = {1, 1}, int64[2] ends = {$H1, $W1}",
    ),
    "cuts of channels and of all": (
        "a = Slice (x, start, ends) b = Slice (x, start, other) y = Concat <axis = 1> (a, b)",
        "int64[4] start = {0, 0, 0, 0}, int64[4] ends = {$N, 1, $H, $W}, int64[4] other = {$N, 3, $H, $W}",
    ),
    "some channels": (
        "s = Slice (x, zero, three, deep) y = Pad (s, p)",
        "int64[1] three = {3}, int64[8] p = {0, 0, 0, 0, 0, 1, 0, 0}",
    ),
    "expanded to what it is": (
        "y = Expand (x, shape)",
        "int64[4] shape = {$N, 4, $H, $W}",
    ),
    "squeezed and excited": (
        "g = GlobalAveragePool (x) f = Flatten (g) m = Gemm (f, square) r = Reshape (m, back) y = Mul (x, r)",
        "int64[4] back = {-1, 4, 1, 1}",
    ),
    "means and variances": (
        "m = ReduceMean (x, pixels) d = Sub (x, m) i = InstanceNormalization (d, four, four)"
        " y = BatchNormalization (i, four, four, four, four)",
        "",
    ),
}


@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("size", [(40, 24), (16, 16), (64, 128)])
@pytest.mark.parametrize("batch", [1, 3])
def test_exported_for_one_size_is_exported_for_the_other(
    name: str, size: tuple[int, int], batch: int
) -> None:
    model = small(*EXPORTED[name])
    before = model.SerializeToString()
    other = retile(model, size, batch=batch)
    assert model.SerializeToString() == before
    assert dims_of(other.graph.input[0]) == dims_of(other.graph.output[0]) == [batch, 4, *size]
    picture, expected = pictures(batch, 4, *size), small(*EXPORTED[name], *size, batch=batch)
    np.testing.assert_allclose(run_any(other, picture), run_any(expected, picture), rtol=1e-5, atol=1e-5)
    inferred = shape_inference.infer_shapes(other, strict_mode=True, data_prop=True)
    assert dims_of(inferred.graph.output[0]) == [batch, 4, *size]


@pytest.mark.parametrize("name", [name for name in EXPORTED if "pixels" not in name])
def test_sizes_can_be_left_open(name: str) -> None:
    opened = retile(small(*EXPORTED[name]), None)
    assert dims_of(opened.graph.input[0]) == [1, 4, "height", "width"]
    for size in ((32, 64), (48, 20)):
        picture, expected = pictures(1, 4, *size), small(*EXPORTED[name], *size)
        np.testing.assert_allclose(run_any(opened, picture), run_any(expected, picture), rtol=1e-5, atol=1e-5)


@given(seed=SEEDS, odd=st.booleans())
@settings(max_examples=30, deadline=None)
def test_random_networks_baked_for_one_size(seed: int, odd: bool) -> None:
    """onnxruntime folds what follows from a fixed size into constants; the open network is the oracle."""
    model, dice = draw_network(seed, odd=odd), random.Random(seed)
    old, new = ([8 * dice.randint(4, 9), 8 * dice.randint(4, 9)] for _ in range(2))
    batches = dice.sample([1, 2, 3], 2)
    other = retile(baked(model, batches[0], 1, *old), (new[0], new[1]), batch=batches[1])
    picture = pictures(batches[1], 1, *new)
    expected = run(model, picture)
    np.testing.assert_allclose(
        run_any(other, picture), expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max()
    )


def test_baked_networks_do_have_their_size_inside() -> None:
    """Else the test above would show nothing: with only the ends relabelled, some do not run."""
    seeds = [seed for seed in range(40) if "Tile" in {node.op_type for node in draw_network(seed).graph.node}]
    model = baked(draw_network(seeds[0]), 1, 1, 32, 64)
    assert "Shape" not in {node.op_type for node in model.graph.node}
    assert len(retile(model, (64, 32)).graph.node) > len(model.graph.node)


REFUSED = {
    "a value for each pixel": (
        "v = ConstantOfShape (s) [n] y = Add (x, v)",
        "int64[4] s = {1, 1, $H, 1}",
        "n (Add) does not allow it",
    ),
    "a slope for each pixel": (
        "v = ConstantOfShape (s) [n] y = PRelu (x, v)",
        "int64[3] s = {4, 1, $W}",
        "n (PRelu) does not allow it",
    ),
    "a weight for each pixel": (
        "[n] m = MatMul (x, v) y = Relu (m)",
        "float[$W,$W] v",
        "n (MatMul) does not allow it",
    ),
    "a sum of pixels": (
        "[n] s = ReduceSum (x, pixels) y = Mul (x, s)",
        "",
        "n (ReduceSum) does not allow it",
    ),
    "a norm of pixels": (
        "v = ConstantOfShape (s) [n] y = LayerNormalization <axis = -1> (x, v)",
        "int64[1] s = {$W}",
        "n (LayerNormalization) does not allow it",
    ),
    "a certain row": (
        "[n] r = Gather <axis = 2> (x, zero) y = Mul (x, r)",
        "",
        "n (Gather) does not allow it",
    ),
    "two halves": (
        "[n] a, b = Split <axis = 3> (x, v) y = Concat <axis = 3> (b, a)",
        "int64[2] v = {$w, $w}",
        "n (Split) does not allow it",
    ),
    "half of the columns": (
        "[n] s = Slice (x, zero, v, last) y = Pad (s, p)",
        "int64[1] v = {$w}, int64[8] p = {0, 0, 0, 0, 0, 0, 0, $w}",
        "n (Slice) does not allow it",
    ),
    "an axis in pieces": (
        "[n] r = Reshape (x, v) y = Reshape (r, b)",
        "int64[5] v = {$N, 4, $h, 2, $W}, int64[4] b = {$N, 4, $H, $W}",
        "n (Reshape) does not allow it",
    ),
    "a mean of a certain number of pixels": (
        "p = AveragePool <kernel_shape = [$H, $W]> (x) [n] y = Mul (x, p)",
        "",
        "n (Mul) does not allow it",
    ),
    "one pixel made many": (
        "p = GlobalAveragePool (x) r = Resize <mode = 'nearest'> (p, , , v) [n] y = Mul (x, r)",
        "int64[4] v = {$N, 4, $H, $W}",
        "n (Mul) does not allow it",
    ),
    "an unknown operator": ("[n] y = Det (x)", "", "n (Det) does not allow it"),
    "a branch": (
        "[n] y = If (c) <then_branch = a () => (float[$N,4,$H,$W] p) { p = Relu (x) },"
        " else_branch = b () => (float[$N,4,$H,$W] q) { q = Neg (x) }>",
        "bool c = {1}",
        "n (If) is not understood",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_nobody_can_tell_is_refused(name: str) -> None:
    nodes, weights, message = REFUSED[name]
    model = small(nodes, weights)
    for size in ((64, 128), (96, 160), None):
        with pytest.raises(ModelError) as caught:
            retile(model, size)
        asked = "any size" if size is None else f"{size[0]} × {size[1]} pixels"
        assert f"takes tiles of 32 × 64 pixels only, not of {asked}: {message}" in str(caught.value)


UNET = (
    "a = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x)"
    " b = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a)"
    " c = ConvTranspose <strides = [2, 2]> (b, two) d = Add (a, c) e = ConvTranspose <strides = [2, 2]> (d, two)"
    " [up] y = Add (x, e)"
)


def test_sizes_that_work_are_named() -> None:
    with pytest.raises(PlanError) as caught:
        retile(small(UNET, ""), (70, 64))
    assert str(caught.value) == (
        "the network does not take tiles of 70 × 64 pixels: d (Add) does not allow it; sizes nearby that work:"
        " 68 × 64 and 72 × 64"
    )
    everywhere = "m = GlobalMaxPool (x) z = Add (x, m)" + UNET.replace("x)", "z)").replace("(x,", "(z,")
    with pytest.raises(PlanError, match=r"up \(Add\) does not allow it; sizes nearby that work: 4 × 64$"):
        retile(small(everywhere, ""), (3, 64))


def test_a_loop_over_the_batch_keeps_it() -> None:
    model = _reference("real_N2V_tobacco_leaf.czann")
    with pytest.raises(
        ModelError, match=r"takes batches of 1 only: .*TensorListGetItem \(Gather\) fixes that"
    ):
        retile(model, (64, 64), batch=2)
    picture = pictures(1, 96, 128, 1)
    np.testing.assert_array_equal(run_any(retile(model, (96, 128)), picture), run_any(model, picture))


def test_loops_are_retiled_inside() -> None:
    text = """
        [maps] y = Loop (rounds, going) <body = round (int64 i, bool k) => (bool again, float[4,$H,$W] made) {
            again = Identity (k) g = Gather <axis = 0> (x, i) r = Reshape (g, rows) made = Reshape (r, back) }>"""
    weights = "int64 rounds = {2}, bool going = {1}, int64[2] rows = {-1, $W}, int64[3] back = {4, $H, $W}"
    other = retile(small(text, weights, batch=2), (48, 80))
    picture = pictures(2, 4, 48, 80)
    np.testing.assert_array_equal(run_any(other, picture), picture)


def test_constants_that_nothing_reads_any_more_are_gone() -> None:
    other = retile(small(*EXPORTED["transpositions"]), (96, 96))
    assert {tensor.name for tensor in other.graph.initializer} == {"last", "four", "k"}


def test_its_own_size_is_nothing_to_prove() -> None:
    model = small(*REFUSED["a branch"][:2])
    assert retile(model, (32, 64)) == retile(model, (32, 64), batch=1) == model


def test_functions_are_resolved() -> None:
    model = small("y = custom.Flat (x)", "")
    nodes = parser.parse_graph(
        "g (float[1,4,32,64] a) => (float[1,4,32,64] b)"
        " { s = Constant <value_ints = [1,4,32,64]> () b = Reshape (a, s) }"
    )
    model.functions.append(
        helper.make_function("custom", "Flat", ["a"], ["b"], nodes.node, [helper.make_opsetid("", 18)])
    )
    model.opset_import.append(helper.make_opsetid("custom", 1))
    assert run_any(retile(model, (16, 48)), pictures(1, 4, 16, 48)).shape == (1, 4, 16, 48)


@pytest.mark.parametrize("name", reference_names(but=LOOPING))
def test_reference_archives(name: str) -> None:
    model = _reference(name)
    signature = read_signature(model)
    opened, picture = retile(model, None), pictures(2, 96, 160, signature.channels or 1)
    expected = run_any(opened, picture)
    np.testing.assert_allclose(
        run_any(retile(model, (96, 160), batch=2), picture), expected, rtol=1e-5, atol=1e-6
    )
    side = signature.size[0] or 128
    if side <= 512:
        whole = pictures(1, side, side, signature.channels or 1)
        np.testing.assert_allclose(run_any(opened, whole), run_any(model, whole), rtol=1e-5, atol=1e-6)


def test_networks_that_look_at_everything_can_be_retiled_all_the_same() -> None:
    model = parse_onnx(read_model(shared_path("data/pgc/PGC_20X_nucleus_detector.czseg")).network)
    picture = pictures(1, 96, 160, 1)
    scores = run_any(retile(model, (96, 160)), picture)
    np.testing.assert_allclose(scores, run_any(retile(model, None), picture), rtol=1e-4, atol=1e-5)
    with pytest.raises(PlanError, match="sizes nearby that work: 96 × 160 and 128 × 192"):
        retile(model, (100, 170))


def test_the_example_is_retiled() -> None:
    model = parse_onnx(read_model(model_path()).network)
    other = retile(model, (64, 96))
    assert read_signature(other).size == (64, 96)
    assert run_any(other, pictures(1, 64, 96, 1)).shape == (1, 64, 96, 3)


def _reference(name: str) -> ModelProto:
    return parse_onnx(read_model(shared_path(f"reference/{name}")).network)
