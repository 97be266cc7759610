"""Nodes made to deceive: no false certificate, no exception, no end of the process. Loops, functions, batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, parser

from czengine.errors import ModelError
from czengine.graph import functions
from czengine.graph.reach import Reach, analyze
from czengine.graph.tensors import constant
from tests.support.exported import keras_onnx
from tests.support.frameworks import need

ONE = Reach(before=(0, 0), after=(0, 0), stride=(1, 1))


def reach_of(
    nodes: str, *, dims: str = "n,4,h,w", weights: str = "", opset: int = 18, more: str = ""
) -> Reach:
    """Of a network channels-first that ends with "y", of the same type as its input "x"."""
    return analyze(
        parser.parse_model(f"""
        <ir_version: 9, opset_import: ["" : {opset}, "own" : 1]>
        network (float[{dims}] x) => (float[{dims}] y) <{weights}> {{ {nodes} }} {more}"""),
        layout="NCHW",
    )


CONSTANTS = """
    int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}, int64[1] three = {3}, int64[1] last = {-1},
    int64[8] beside = {0,0,0,2,0,0,0,0}, int64[8] less = {0,0,0,-2,0,0,0,0}, int64[8] far = {0,0,0,-9999,0,0,0,0},
    int64[4] order = {3,2,1,0}, float[4] same = {1,1,1,1}, float[4] twice = {1,1,2,2},
    float[8] window = {0,0,0,0,1,1,1,1},
    float[4,1,1] each = {1,2,3,4}, float[1,4] row = {1,2,3,4}, int64 second = {1}"""


@pytest.mark.parametrize(
    "nodes",
    [
        # the opposite edge, or numbers made from the size of the tile
        'p = Pad <mode = "wrap"> (x, beside) [n] y = Slice (p, two, huge, three)',
        "s = Shape (x) f = Cast <to = 1> (s) v = Gather (f, second) p = Pad (x, beside, v) [n] y = Slice (p, two, huge,"
        " three)",
        "s = Size (x) f = Cast <to = 1> (s) [n] y = Mul (x, f)",
        "s = Shape (x) c = ConstantOfShape (s) [n] y = Add (x, c)",
        # a crop that moves with the tile: another stretch of it, scaled or not
        '[n] y = Resize <coordinate_transformation_mode = "tf_crop_and_resize"> (x, window, same)',
        "[n] p = Slice (x, last, huge, three) y = Add (x, p)",
        # pixels in another order, or from anywhere
        "[n] y = Slice (x, last, lowest, three, last)",
        "[n] y = ReverseSequence <batch_axis = 0, time_axis = 3> (x, lengths)",
        "[n] y = GatherElements <axis = 3> (x, x)",
        "[n] y = Trilu (x)",
        "[n] y = Compress <axis = 3> (x, x)",
        '[n] y = Einsum <equation = "nchw,nchw->nchw"> (x, x)',
        # what a runtime would not agree on
        '[n] p = MaxPool <kernel_shape = [1, 1], strides = [4, 4], auto_pad = "SAME_UPPER"> (x) y = Resize (p, , four)',
        # operators by the same names that are others, and numbers by chance
        "[n] y = own.Relu (x)",
        "o = own.Constant () [n] y = Mul (x, o)",
        "r = RandomUniformLike (x) [n] y = Identity (r)",
        "[n] y = Dropout (x, ratio, training)",
        # weights that differ from pixel to pixel
        "[n] y = PRelu (x, ramp)",
        "[n] y = LayerNormalization <axis = -1> (x, ramp)",
        "c, d = Split <axis = 3, num_outputs = 2> (x) [n] y = Concat <axis = 3> (c, d)",
    ],
)
def test_what_is_made_to_deceive_gets_no_certificate(nodes: str) -> None:
    weights = f"""{CONSTANTS}, int64[1] huge = {{9223372036854775807}}, int64[1] lowest = {{-9223372036854775807}},
        int64[2] lengths = {{8, 8}}, float ratio = {{0.5}}, bool training = {{1}}, float[8] ramp = {{1,2,3,4,5,6,7,8}},
        float[4] four = {{1,1,4,4}}"""
    for dims in ("2,4,8,8", "n,4,h,w"):
        assert reach_of(nodes, dims=dims, weights=weights).radius is None


@pytest.mark.parametrize(
    "nodes",
    [
        "[n] p = Pad (x, far) q = Slice (p, three, last, three) y = Relu (q)",  # a length below nought
        "p = Slice (x, three, three, three) q = Slice (p, last, zero, three, last) y = Relu (q)",
        "a, b, c = Split <num_outputs = 1> (x) y = Relu (a)",
        "i = Cast <to = 7> (x) y = GatherND <batch_dims = -7> (x, i)",
        "y = Conv (x, each)",
        "y = Reshape (x, last, last)",
        "y = Transpose <perm = [7, -1, 2]> (x)",
        "y = Loop (x, x)",
        "y = Constant ()",
    ],
)
def test_malformed_nodes_neither_raise_nor_end_the_process(nodes: str) -> None:
    assert reach_of(nodes, weights=CONSTANTS).radius is None


def test_a_shift_by_half_a_pixel_is_no_identity() -> None:
    """Found by trial: onnxruntime mixes two neighbours here although nothing is enlarged."""
    shifted = """
        y = Resize <mode = "linear", coordinate_transformation_mode = "tf_half_pixel_for_nn"> (x, , same)"""
    assert reach_of(shifted, weights=CONSTANTS) == Reach(before=(0, 0), after=(1, 1), stride=(1, 1))


BODY = """
    [maps] last, y = Loop ({rounds}, {going}, start) <body = round (int64 i, bool k, float[1,1,1] a)
        => (bool again, float[1,1,1] next, float[4,h,w] made) {{
            {again} g = Gather <axis = 0> (x, {index}) next = Identity ({state}) {made} }}>"""
LOOP = "int64 fixed = {2}, bool yes = {1}, bool no = {0}, float[1,1,1] start = {0}, int64 first = {0}"
MEASURED = "s = Shape (x) batch = Gather (s, first) "


def loop(**changed: str) -> str:
    usual = {
        "rounds": "batch",
        "going": "yes",
        "again": "again = Identity (k)",
        "index": "i",
        "state": "a",
        "made": "made = Relu (g)",
    }
    return MEASURED + BODY.format(**(usual | changed))


def test_loops_over_an_open_batch_are_followed() -> None:
    assert reach_of(loop(), weights=LOOP) == ONE
    assert reach_of(loop(made="made = Add (g, a)"), weights=LOOP) == ONE
    constants = "again = Identity (k) b = Identity (a)"
    assert reach_of(loop(made="made = Add (g, b)", again=constants, state="b"), weights=LOOP) == ONE
    assert reach_of(loop(rounds="fixed"), dims="2,4,h,w", weights=LOOP) == ONE


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "g"},  # rounds know what others made
        {"index": "first"},  # every round takes the first picture
        {"index": "start"},
        {"rounds": "fixed"},  # two rounds, whatever the batch
        {"rounds": ""},  # for ever
        {"going": "no"},
        {"going": "k"},  # nobody can tell
        {"again": "again = Identity (no)"},  # ends after the first one
        {"again": "m = ReduceMax (g) again = Cast <to = 9> (m)"},
        {"made": "f = Cast <to = 1> (i) made = Mul (g, f)"},  # pictures know their number
        {"made": "made = Mul (g, a)", "again": "again = Identity (k) b = Add (a, a)", "state": "b"},
        {"made": "made = Add (g, x)"},  # its own picture and all of them
        {"made": "h = Gather <axis = 0> (x, first) made = Add (g, h)"},
        {"made": "made, more = Split <axis = 2, num_outputs = 2> (g)"},
        {"made": "m = ReduceMean (g) made = Sub (g, m)"},
    ],
)
def test_loops_that_do_more_than_map_over_the_batch_are_not_certified(changed: dict[str, str]) -> None:
    assert reach_of(loop(**changed), weights=LOOP).radius is None


def test_a_loop_in_a_loop_is_not_followed() -> None:
    inner = BODY.format(
        rounds="fixed",
        going="yes",
        again="again = Identity (k)",
        index="i",
        state="a",
        made="made = Relu (g)",
    ).replace("last, y", "other, made")
    assert reach_of(loop(made=inner), weights=LOOP).radius is None


def test_numbers_a_loop_makes_from_the_size_of_the_tile_are_measured() -> None:
    """A round for every row: what is counted there is the height."""
    nodes = """
        s = Shape (x) rows = Gather (s, two)
        count = Loop (rows, yes, start) <body = round (int64 i, bool k, float[1,1,1] a)
            => (bool again, float[1,1,1] next) { again = Identity (k) next = Add (a, more) }>
        [n] y = Mul (x, count)"""
    weights = LOOP + ", int64 two = {2}, float[1,1,1] more = {1}"
    assert reach_of(nodes, dims="1,4,8,8", weights=weights) == Reach(unknown=("n (Mul)",))


@pytest.mark.parametrize(
    "nodes",
    [
        "m = ReduceMax <keepdims = 1> (x, zero) y = Sub (x, m)",
        "f = Gather <axis = 0> (x, first) y = Add (x, f)",
        "a = Slice (x, zero, one, zero) y = Add (x, a)",
        "a = Slice (x, one, two, zero) b = Slice (x, zero, one, zero) y = Concat <axis = 0> (a, b)",
        "s = Softmax <axis = 0> (x) y = Relu (s)",
        "y = Gather <axis = 0> (x, swapped)",
        "c = CumSum (x, first) y = Relu (c)",
    ],
)
def test_pictures_of_a_batch_that_know_of_each_other_are_not_certified(nodes: str) -> None:
    weights = f"{CONSTANTS}, int64 first = {{0}}, int64[2] swapped = {{1, 0}}"
    assert reach_of(nodes, dims="2,4,h,w", weights=weights).radius is None


def test_pictures_may_change_places_with_channels_and_back() -> None:
    nodes = "t = Transpose <perm = [1, 0, 2, 3]> (x) r = Relu (t) y = Transpose <perm = [1, 0, 2, 3]> (r)"
    assert reach_of(nodes) == ONE


def test_functions_are_looked_into() -> None:
    body = '<domain: "own", opset_import: ["" : 18]> twice (a) => (b) { b = Add (a, a) }'
    assert reach_of("y = own.twice (x)", more=body) == ONE
    whole = '<domain: "own", opset_import: ["" : 18]> all (a) => (b) { m = ReduceMean (a) b = Sub (a, m) }'
    assert reach_of("y = own.all (x)", more=whole).radius is None


def test_functions_that_call_themselves_or_grow_without_end_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def calls(name: str, inner: str) -> str:
        head = f'<domain: "own", opset_import: ["" : 18, "own" : 1]> {name} (a) => (c)'
        return f"{head} {{ b = {inner} (a) c = {inner} (b) }}"

    with pytest.raises(ModelError, match="'f' calls itself"):
        reach_of("y = own.f (x)", more=calls("f", "own.g") + calls("g", "own.f"))
    bomb = "".join(calls(f"f{i}", f"own.f{i + 1}") for i in range(40)) + calls("f40", "Relu")
    with pytest.raises(ModelError, match="41 functions make more than 100000 nodes"):
        reach_of("y = own.f0 (x)", more=bomb)
    monkeypatch.setattr(functions, "_MOST_FUNCTIONS", 1)
    with pytest.raises(ModelError, match="2 functions"):
        reach_of("y = own.f (x)", more=calls("f", "Relu") + calls("g", "Relu"))


def test_weights_that_are_not_what_they_say_are_unknown() -> None:
    short = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], raw_data=b"1234")
    below = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[-3], raw_data=b"1234")
    for tensor in (short, below):
        assert constant(tensor).type is None
    whole = constant(helper.make_tensor("w", TensorProto.FLOAT, [2], [1, 2]))
    np.testing.assert_array_equal(whole.value, [1, 2])


def test_a_window_as_wide_as_a_tile_in_many_phases_is_given_up_soon() -> None:
    nodes = "u = Resize (x, , up) p = AveragePool <kernel_shape = [4000, 4000]> (u) y = Relu (p)"
    assert reach_of(nodes, weights="float[4] up = {1, 1, 512, 512}").radius is None


def _mapped(layers: Any, x: Any) -> Any:
    tf = need("tensorflow")
    x = layers.Lambda(lambda p: tf.map_fn(lambda one: (one - 0.25) * 2.0, p), output_shape=lambda s: s)(x)
    x = layers.Conv2D(2, 3, padding="same")(x)
    return layers.Lambda(lambda p: tf.map_fn(lambda one: one * 0.5, p), output_shape=lambda s: s)(x)


def _standardised(layers: Any, x: Any) -> Any:
    tf = need("tensorflow")
    each = tf.image.per_image_standardization
    x = layers.Lambda(lambda p: tf.map_fn(each, p), output_shape=lambda s: s)(x)
    return layers.Conv2D(2, 3, padding="same")(x)


@pytest.mark.parametrize("size", [None, 32])
def test_map_fn_of_keras(size: int | None) -> None:
    """With a batch of any size, unlike the real N2V file; a mean inside of it is found."""
    assert analyze(keras_onnx(_mapped, size=size)) == Reach(before=(1, 1), after=(1, 1), stride=(1, 1))
    unknown = analyze(keras_onnx(_standardised, size=size)).unknown
    assert unknown
    assert all(name.endswith("(ReduceMean)") for name in unknown)


def test_what_is_found_for_the_size_of_the_tiles_is_for_no_other() -> None:
    """A convolution of stride 2 as TensorFlow pads it starts elsewhere in tiles of odd sizes."""
    nodes = """
        c = MaxPool <kernel_shape = [3, 3], strides = [2, 2], auto_pad = "SAME_UPPER"> (x)
        u = Resize <coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"> (c, , twice)
        y = Slice (u, nought, sides, axes)"""
    model = parser.parse_model(f"""
        <ir_version: 9, opset_import: ["" : 18]> network (float[n,4,h,w] x) => (float[n,4,h,w] y)
        <float[4] twice = {{1,1,2,2}}, int64[2] nought = {{0,0}}, int64[2] sides = {{63,62}}, int64[2] axes = {{2,3}}>
        {{ {nodes} }}""")
    assert analyze(model, tile=(63, 62)) == Reach(before=(2, 1), after=(1, 2), stride=(2, 2))
    assert analyze(model).radius is None
    assert analyze(model, tile=(64, 64)).radius is None


def test_the_layout_that_is_known_goes_before_the_one_the_sizes_suggest() -> None:
    """Of 4 channels and 8 × 8 pixels, or of 8 channels and 4 × 8: a reduction over the last axis tells."""
    model = parser.parse_model("""
        <ir_version: 9, opset_import: ["" : 17]> network (float[2,4,8,8] x) => (float[2,4,8,8] y)
        { m = ReduceMax <axes = [3]> (x) y = Sub (x, m) }""")
    assert analyze(model, layout="NHWC").radius == (0, 0)
    assert analyze(model, layout="NCHW").unknown == ("m (ReduceMax)",)
