"""How far a network looks is what experiments with single pixels show, and tiles on the grid cannot be told."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, parser

from czengine.example import model_path
from czengine.graph.reach import Reach, analyze
from czengine.graph.signature import parse_onnx
from czengine.model import read_model
from tests.support.pixel_networks import Drawing, draw_network, looks, run
from tests.support.shared import shared_path

SEEDS = st.integers(0, 2**32 - 1)


def reach_of(nodes: str, *, dims: str = "n,4,h,w", weights: str = "", opset: int = 17) -> Reach:
    """Of a network channels-first that ends with "y", of the same type as its input "x"."""
    return analyze(
        parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : {opset}]>
        network (float[{dims}] x) => (float[{dims}] y) <{weights}> {{ {nodes} }}""")
    )


@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_networks_look_as_far_as_single_pixels_show(seed: int) -> None:
    model = draw_network(seed)
    reach = analyze(model)
    assert reach.unknown == ()
    assert reach.before is not None
    assert reach.after is not None
    assert reach.stride is not None
    side = 32 + 8 * ((4 * max(*reach.before, *reach.after) + 15) // 8)
    found = looks(model, side=side, phases=max(reach.stride))
    assert found == (list(reach.before), list(reach.after))


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_networks_never_look_farther(seed: int) -> None:
    model = draw_network(seed, odd=True)
    reach = analyze(model)
    assert reach.before is not None
    assert reach.after is not None
    assert reach.stride is not None
    side = 32 + 8 * ((4 * max(*reach.before, *reach.after) + 15) // 8)
    before, after = looks(model, side=side, phases=max(reach.stride), dark=False)
    assert before[0] <= reach.before[0]
    assert before[1] <= reach.before[1]
    assert after[0] <= reach.after[0]
    assert after[1] <= reach.after[1]


@given(seed=SEEDS, odd=st.booleans())
@settings(max_examples=40, deadline=None)
def test_tiles_on_the_grid_cannot_be_told_from_the_plane(seed: int, odd: bool) -> None:
    model = draw_network(seed, odd=odd)
    reach = analyze(model)
    assert reach.before is not None
    assert reach.after is not None
    assert reach.stride is not None
    dice = random.Random(seed)
    sides = [8 * -(-(b + a + 24) // 8) for b, a in zip(reach.before, reach.after, strict=True)]
    y, x = (step * dice.randint(1, 3) for step in reach.stride)
    height, width = sides
    plane = np.random.default_rng(seed).uniform(0.5, 1.5, (1, 1, height + 64, width + 64))
    whole = run(model, plane)[..., y : y + height, x : x + width]
    tile = run(model, plane[..., y : y + height, x : x + width])
    inner = tuple(slice(b, n - a) for b, a, n in zip(reach.before, reach.after, sides, strict=True))
    np.testing.assert_allclose(tile[..., *inner], whole[..., *inner], rtol=1e-4, atol=1e-4)


def test_numbers_of_a_small_unet() -> None:
    drawing = Drawing(random.Random(0))
    ones = np.ones((1, 1, 3, 3), np.float32)
    beside = drawing.add("Conv", ones, pads=[1, 1, 1, 1])
    drawing.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    drawing.add("Conv", ones, pads=[1, 1, 1, 1])
    drawing.add("ConvTranspose", np.ones((1, 1, 2, 2), np.float32), strides=[2, 2])
    drawing.add("Add", beside)
    # 1 of the first convolution, up to 1 + 2 of the pool and the second one, seen from either pixel of a pair
    assert analyze(drawing.model()) == Reach(before=(4, 4), after=(4, 4), stride=(2, 2))


def test_axes_and_sides_are_told_apart() -> None:
    drawing = Drawing(random.Random(0))
    drawing.add("Conv", drawing.positive(1, 1, 3, 3), pads=[2, 0, 0, 6], dilations=[1, 3])
    reach = analyze(drawing.model())
    assert (reach.before, reach.after, reach.radius, reach.stride) == ((2, 0), (0, 6), (2, 6), (1, 1))


TURN = "t = Transpose <perm = [0, 2, 3, 1]> (x)"
BACK = "y = Transpose <perm = [0, 3, 1, 2]> (z)"


@pytest.mark.parametrize(
    "nodes",
    [
        "s = Softmax <axis = 1> (x) y = Relu (s)",
        f"{TURN} z = LayerNormalization <axis = -1> (t, four) {BACK}",
        f"{TURN} z = MatMul (t, square) {BACK}",
        f"{TURN} z = Add (t, four) {BACK}",
        "top = ReduceMax <axes = [1]> (x) l = Sub (x, top) e = Exp (l) s = ReduceSum (e, one) y = Div (e, s)",
        "a, b = Split <axis = 1> (x, halves) y = Concat <axis = 1> (b, a)",
        "y = Gather <axis = 1> (x, order)",
        "y = LRN <size = 3> (x)",
        "y = Dropout (x)",
        "y = BatchNormalization (x, four, four, four, four)",
        "l = Unsqueeze (x, one) y = Squeeze (l, one)",
        "y = Resize (x, , flat)",
        "d = DepthToSpace <blocksize = 2> (x) y = SpaceToDepth <blocksize = 2> (d)",
    ],
)
def test_single_pixels(nodes: str) -> None:
    assert reach_of(nodes, weights=CONSTANTS) == Reach(before=(0, 0), after=(0, 0), stride=(1, 1))


CONSTANTS = """
    float[4] four = {1, 2, 3, 4}, float[4,4] square = {1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4},
    int64[1] one = {1}, int64[2] halves = {2, 2}, int64[4] order = {2, 1, 0, 3}, float[4] flat = {1, 1, 1, 1},
    int64[2] pixels = {2, 3}, float[1,1,4,1] ramp = {1, 2, 3, 4}, float[4] odd = {1, 1, 3, 3}"""


@pytest.mark.parametrize(
    ("nodes", "name"),
    [
        ("[n] g = GlobalAveragePool (x) y = Mul (x, g)", "n (GlobalAveragePool)"),
        ("[n] m = ReduceMean <axes = [2, 3]> (x) y = Sub (x, m)", "n (ReduceMean)"),
        ("[n] y = Softmax <axis = 3> (x)", "n (Softmax)"),
        ("[n] y = InstanceNormalization (x, four, four)", "n (InstanceNormalization)"),
        ("[n] y = CumSum (x, last)", "n (CumSum)"),
        ("[n] y = MatMul (x, square)", "n (MatMul)"),
        ("[n] m = MatMul (x, x) y = Relu (m)", "n (MatMul)"),
        ("[n] f = Flatten (x) s = Shape (x) y = Reshape (f, s)", "n (Flatten)"),
        ("[n] t = Transpose <perm = [0, 1, 3, 2]> (x) y = Relu (t)", "y (Relu)"),
        ("[n] t = Transpose <perm = [0, 1, 3, 2]> (x) [m] y = Add (x, t)", "m (Add)"),
        ("[n] y = Gather <axis = 2> (x, order)", "n (Gather)"),
        ("[n] y = Concat <axis = 3> (x, x)", "n (Concat)"),
        ("s = Shape (x) f = Cast <to = 1> (s) q = Slice (f, one, halves) [n] y = Div (x, q)", "n (Div)"),
        ("[n] r = RandomNormal <shape = [1]> () y = Add (x, r)", "n (RandomNormal)"),
        (
            '[n] y = Resize <coordinate_transformation_mode = "align_corners", mode = "linear"> (x, , odd)',
            "n (Resize)",
        ),
        ("[n] p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x) y = Relu (p)", "y (Relu)"),
    ],
)
def test_what_cannot_be_proven_is_named(nodes: str, name: str) -> None:
    reach = reach_of(nodes, weights=CONSTANTS + ", int64 last = {3}")
    assert reach == Reach(unknown=(name,))
    assert reach.radius is None


def test_a_constant_for_each_pixel_is_not_local() -> None:
    found = reach_of("[ramp] y = Add (x, r)", dims="1,4,4,4", weights="float[1,1,4,1] r = {1, 2, 3, 4}")
    assert found.unknown == ("ramp (Add)",)


def test_sizes_meant_for_one_tile_only() -> None:
    sizes = "int64[4] sizes = {2, 4, 256, 384}"
    assert reach_of("[n] y = Resize (x, , , sizes)", weights=sizes).unknown == ("n (Resize)",)


def test_up_and_down_is_undone_exactly() -> None:
    """Up and down again gives pixels on their own; down and up again pairs of them."""
    up, down = 'Resize <nearest_mode = "floor", coordinate_transformation_mode = "asymmetric"> ', "MaxPool"
    pool = f"{down} <kernel_shape = [2, 2], strides = [2, 2]>"
    weights = "float[4] two = {1, 1, 2, 2}"
    back = reach_of(f"a = {up} (x, , two) y = {pool} (a)", weights=weights)
    assert back == Reach(before=(0, 0), after=(0, 0), stride=(1, 1))
    pairs = reach_of(f"a = {pool} (x) y = {up} (a, , two)", weights=weights)
    assert pairs == Reach(before=(1, 1), after=(1, 1), stride=(2, 2))


@pytest.mark.parametrize(("state", "unknown"), [("a", ()), ("g", ("made (Add)", "maps (Loop)"))])
def test_loops_that_only_map_over_the_batch_are_followed(state: str, unknown: tuple[str, ...]) -> None:
    """Handing on what a round made of pixels is another matter."""
    reach = reach_of(
        f"""
        [maps] last, y = Loop (rounds, going, start) <body = round (int64 i, bool k, float[4,h,w] a)
            => (bool again, float[4,h,w] next, float[4,h,w] made) {{
                again = Identity (k) g = Gather <axis = 0> (x, i) next = Identity ({state}) made = Add (a, g) }}>""",
        dims="2,4,h,w",
        weights="int64 rounds = {2}, bool going = {1}, float[4,1,1] start = {0, 0, 0, 0}",
    )
    assert reach.unknown == unknown
    assert reach.radius == (None if unknown else (0, 0))


def test_malformed_nodes_are_named_not_raised() -> None:
    assert reach_of("[n] y = Transpose <perm = [0, 1]> (x)").unknown == ("n (Transpose)",)
    assert reach_of("[n] y = Relu (nothing)").unknown != ()
    assert reach_of("[n] y = Nonsense (x)").unknown == ("n (Nonsense)",)
    assert reach_of("[n] y = MaxPool <kernel_shape = [1000000000, 1]> (x)").unknown == ("n (MaxPool)",)
    assert reach_of("[n] y = DepthToSpace <blocksize = 0> (x)").unknown == ("n (DepthToSpace)",)


def test_the_example_looks_23_pixels_far() -> None:
    reach = analyze(parse_onnx(read_model(model_path()).network))
    assert reach == Reach(before=(23, 23), after=(23, 23), stride=(4, 4))


@pytest.mark.parametrize(
    ("name", "radius", "stride"),
    [
        ("czann110_multiclass_seg_tf_dynamic.czann", 5, 2),
        ("czann110_reg_tf.czann", 5, 2),
        ("czann110_seg_tf.czann", 5, 2),
        ("czann210_seg_torch.czann", 5, 2),
        ("legacy310_bgr24_onnx.czmodel", 5, 2),
        ("legacy310_gray16_onnx.czmodel", 5, 2),
        ("legacy310_v300_gray16.czseg", 5, 2),
        ("real_N2V_tobacco_leaf.czann", 15, 4),
        ("real_simple_nuclei_segmodel.czann", 1, 1),
        ("real_simple_regmodel.czann", 16, 4),
        ("synthetic_czseg320.czseg", 3, 1),
    ],
)
def test_reference_archives(name: str, radius: int, stride: int) -> None:
    model = parse_onnx(read_model(shared_path(f"reference/{name}")).network)
    reach = analyze(model)
    assert (reach.radius, reach.stride) == ((radius, radius), (stride, stride))
    _probe(model, radius)


def _probe(model: ModelProto, radius: int) -> None:
    """Everything beyond the radius of one pixel is replaced: it stays as it was."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    port = session.get_inputs()[0]
    _, height, width, channels = (n if isinstance(n, int) else 128 for n in port.shape)
    channels = channels if channels < 128 else 1
    first, other = np.random.default_rng(0).uniform(0, 1, (2, 1, height, width, channels)).astype(np.float32)
    for y, x in ((64, 64), (65, 66), (67, 63), (66, 65)):
        window = (0, slice(y - radius, y + radius + 1), slice(x - radius, x + radius + 1))
        poisoned = 100 * other
        poisoned[window] = first[window]
        before, after = (session.run(None, {port.name: picture})[0][0, y, x] for picture in (first, poisoned))
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-6)


def test_networks_that_look_at_everything_say_so() -> None:
    standardised = read_model(shared_path("reference/legacy310_from_json.czmodel"))
    unknown = analyze(parse_onnx(standardised.network)).unknown
    assert len(unknown) == 2
    assert all(name.endswith("(ReduceMean)") for name in unknown)
    squeezing = read_model(shared_path("data/pgc/PGC_20X_nucleus_detector.czseg"))
    unknown = analyze(parse_onnx(squeezing.network)).unknown
    assert len(unknown) == 16
    assert all(name.endswith("(GlobalAveragePool)") for name in unknown)
