"""Layers that look at the whole tile are named, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from onnx import ModelProto, checker, parser

from czengine.graph.locality import whole_tile_layers
from tests.support.exported import keras_onnx, torch_onnx
from tests.support.frameworks import need

LAST = "float[n,h,w,4] x"
FIXED = "float[1,16,16,4] x"
FIRST = "float[n,4,h,w] x"


def layers(nodes: str, *, source: str = LAST, weights: str = "", opset: int = 17) -> tuple[str, ...]:
    """Of a network that ends with a node giving "y", of the same type as its input."""
    result = source.removesuffix("x") + "y"
    model = parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : {opset}]>
        network ({source}) => ({result}) <{weights}> {{ {nodes} }}""")
    checker.check_model(model)
    return whole_tile_layers(model)


TURNED = "t = Transpose <perm = [0, 3, 1, 2]> (x)"
BACK = "y = Transpose <perm = [0, 2, 3, 1]> (z)"


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
def test_global_pooling(operator: str) -> None:
    nodes = f"[pool] p = {operator} (x) s = Sigmoid (p) y = Mul (x, s)"
    assert layers(nodes, source=FIRST) == (f"pool ({operator})",)
    turned = f"{TURNED} [pool] p = {operator} (t) s = Sigmoid (p) z = Mul (t, s) {BACK}"
    assert layers(turned) == (f"pool ({operator})",)


def test_pooling_what_is_pooled_already_is_no_news() -> None:
    nodes = """
        [a] p = GlobalAveragePool (x) [b] q = GlobalAveragePool (p) [c] r = ReduceMax <axes = [2, 3]> (q)
        y = Mul (x, r)"""
    assert layers(nodes, source=FIRST) == ("a (GlobalAveragePool)",)


@pytest.mark.parametrize(
    ("axes", "found"),
    [
        ("[1, 2]", True),
        ("[1]", True),
        ("[-2]", True),
        ("[1, 2, 3]", True),
        ("[3]", False),
        ("[-1]", False),
        ("[0]", False),
    ],
)
@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceMax", "ReduceL2", "ReduceLogSumExp"])
def test_reductions_over_pixels_and_over_channels(operator: str, axes: str, found: bool) -> None:
    before = layers(f"[mean] m = {operator} <axes = {axes}> (x) y = Sub (x, m)")
    after = layers(
        f"[mean] m = {operator} (x, axes) y = Sub (x, m)",
        weights=f"int64[{axes.count(',') + 1}] axes = {{{axes[1:-1]}}}",
        opset=18,
    )
    assert before == after == ((f"mean ({operator})",) if found else ())


def test_reductions_without_axes_reduce_all_of_them() -> None:
    assert layers("[m] m = ReduceMean (x) y = Sub (x, m)") == ("m (ReduceMean)",)
    assert layers("[m] m = ReduceMean <noop_with_empty_axes = 1> (x) y = Sub (x, m)", opset=18) == ()


def test_axes_from_a_constant_node() -> None:
    nodes = "axes = Constant <value_ints = [3]> () s = ReduceSum (x, axes) y = Div (x, s)"
    assert layers(nodes) == ()
    nodes = "axes = Constant <value = int64[2] {1, 2}> () [s] s = ReduceSum (x, axes) y = Div (x, s)"
    assert layers(nodes) == ("s (ReduceSum)",)


def test_axes_computed_at_run_time_are_not_guessed() -> None:
    nodes = "a = Shape (x) b = Size (a) c = Sub (b, one) s = ReduceSum (x, c) y = Div (x, s)"
    assert layers(nodes, weights="int64[1] one = {1}", opset=18) == ()


def test_a_squeeze_and_excitation_block_in_all_its_steps() -> None:
    nodes = """
        [mean] m = ReduceMean <axes = [1, 2], keepdims = 0> (x)
        [dense] d = MatMul (m, w)
        a = Relu (d)
        s = Unsqueeze (a, axes)
        y = Mul (x, s)"""
    weights = "float[4,4] w = {1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1}, int64[2] axes = {1, 2}"
    assert layers(nodes, weights=weights) == ("mean (ReduceMean)",)


@pytest.mark.parametrize("opset", [12, 13, 17])
def test_softmax_over_channels_is_local(opset: int) -> None:
    assert layers("y = Softmax <axis = 3> (x)", opset=opset) == ()
    assert layers("[s] y = Softmax <axis = 1> (x)", opset=opset) == ("s (Softmax)",)
    assert layers("[s] y = Softmax <axis = 2> (x)", opset=opset) == ("s (Softmax)",)
    assert layers("y = LogSoftmax <axis = -1> (x)", opset=opset) == ()


def test_old_softmax_flattens_all_that_follows_its_axis() -> None:
    assert layers("[s] y = Softmax (x)", source=FIRST, opset=12) == ("s (Softmax)",)
    assert layers("y = Softmax <axis = 1> (x)", source=FIRST, opset=13) == ()


def test_softmax_spelled_out_is_local() -> None:
    nodes = """
        top = ReduceMax <axes = [1]> (x) low = Sub (x, top) e = Exp (low)
        sum = ReduceSum <keepdims = 1> (e, one) y = Div (e, sum)"""
    assert layers(nodes, source=FIRST, weights="int64[1] one = {1}") == ()


def test_argmax_and_topk() -> None:
    assert layers("i = ArgMax <axis = 3> (x) f = Cast <to = 1> (i) y = Add (x, f)") == ()
    assert layers("[a] i = ArgMax <axis = 1> (x) f = Cast <to = 1> (i) y = Add (x, f)") == ("a (ArgMax)",)
    assert layers("[a] i = ArgMax (x) f = Cast <to = 1> (i) y = Add (x, f)") == ()  # over the batch


def test_normalisations() -> None:
    weights = "float[4] s = {1,1,1,1}, float[4] b = {0,0,0,0}"
    assert layers("[i] y = InstanceNormalization (x, s, b)", source=FIRST, weights=weights) == (
        "i (InstanceNormalization)",
    )
    nodes = "[g] y = GroupNormalization <num_groups = 2> (x, s, b)"
    assert layers(nodes, source=FIRST, weights=weights, opset=21) == ("g (GroupNormalization)",)
    assert layers("y = BatchNormalization (x, s, b, b, s)", source=FIRST, weights=weights) == ()
    assert layers("y = LayerNormalization (x, s, b)", weights=weights) == ()
    nodes = "[l] y = LayerNormalization <axis = 1> (x, s, b)"
    assert layers(nodes, weights=weights) == ("l (LayerNormalization)",)
    assert layers("[m] y = MeanVarianceNormalization (x)", source=FIRST) == ("m (MeanVarianceNormalization)",)
    assert layers("y = MeanVarianceNormalization <axes = [1]> (x)", source=FIRST) == ()
    assert layers("y = LpNormalization <axis = 1> (x)", source=FIRST) == ()


def test_group_normalisation_as_torch_spells_it_out() -> None:
    nodes = """
        r = Reshape (x, groups) [norm] i = InstanceNormalization (r, s, b)
        back = Shape (x) y = Reshape (i, back)"""
    weights = "int64[3] groups = {0, 2, -1}, float[2] s = {1,1}, float[2] b = {0,0}"
    assert layers(nodes, source="float[1,4,16,16] x", weights=weights) == ("norm (InstanceNormalization)",)


@pytest.mark.parametrize(
    "flat",
    ["f = Flatten (x)", "f = Reshape (x, one)", "t = Transpose <perm = [0,3,1,2]> (x) f = Flatten (t)"],
)
@pytest.mark.parametrize("dense", ["MatMul", "Gemm", "Gemm <transB = 1>"])
def test_a_dense_layer_over_pixels(flat: str, dense: str) -> None:
    nodes = f"{flat} w = ConstantOfShape (size) [dense] d = {dense} (f, w) y = Reshape (d, shape)"
    weights = "int64[2] one = {1, -1}, int64[4] shape = {1, 16, 16, 4}, int64[2] size = {1024, 1024}"
    assert layers(nodes, source=FIXED, weights=weights) == (f"dense ({dense.split()[0]})",)


def test_a_dense_layer_over_channels_is_local() -> None:
    weights = "float[4,4] w = {1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1}"
    assert layers("y = MatMul (x, w)", weights=weights) == ()
    nodes = "r = Reshape (x, rows) d = Gemm (r, w) y = Reshape (d, shape)"
    shapes = "int64[2] rows = {-1, 4}, int64[4] shape = {1, 16, 16, 4}"
    assert layers(nodes, source=FIXED, weights=f"{weights}, {shapes}") == ()


def test_attention_between_all_pixels() -> None:
    nodes = """
        q = Reshape (x, rows) k = Transpose <perm = [0, 2, 1]> (q)
        [scores] s = MatMul (q, k) [weights] p = Softmax <axis = -1> (s)
        [values] v = MatMul (p, q) y = Reshape (v, shape)"""
    shapes = "int64[3] rows = {1, -1, 4}, int64[4] shape = {1, 16, 16, 4}"
    assert layers(nodes, source=FIXED, weights=shapes) == ("weights (Softmax)", "values (MatMul)")


def test_attention_within_windows_is_local() -> None:
    """Rows of 16 pixels cut into 2 of 8: neither part is taken for an axis of pixels."""
    nodes = """
        c = Reshape (x, cut) t = Transpose <perm = [0, 1, 3, 2, 4, 5]> (c) q = Reshape (t, rows)
        k = Transpose <perm = [0, 2, 1]> (q) s = MatMul (q, k) p = Softmax <axis = -1> (s) v = MatMul (p, q)
        u = Reshape (v, uncut) z = Transpose <perm = [0, 1, 3, 2, 4, 5]> (u) y = Reshape (z, shape)"""
    shapes = (
        "int64[6] cut = {1, 2, 8, 2, 8, 4}, int64[3] rows = {4, 64, 4}, int64[6] uncut = {1, 2, 2, 8, 8, 4},"
        " int64[4] shape = {1, 16, 16, 4}"
    )
    assert layers(nodes, source=FIXED, weights=shapes) == ()


def test_one_pooled_picture_spread_out_again_is_pooled_once() -> None:
    nodes = """
        [gap] p = GlobalAveragePool (x) u = Resize <mode = "nearest"> (p, , , sizes)
        [again] m = ReduceMean <axes = [2, 3]> (u) y = Mul (x, m)"""
    assert layers(nodes, source="float[1,4,16,16] x", weights="int64[4] sizes = {1, 4, 16, 16}") == (
        "gap (GlobalAveragePool)",
    )


def test_local_layers_are_followed_through() -> None:
    nodes = f"""
        {TURNED} c = Conv <pads = [1,1,1,1]> (t, k) r = Relu (c) m = MaxPool <kernel_shape = [2,2], strides = [2,2]> (r)
        u = Resize <mode = "nearest"> (m, , scales) j = Concat <axis = 1> (u, t) g = Gather <axis = 1> (j, four)
        l = Slice (g, zero, two, one) h = Concat <axis = 1> (l, l) p = Pad <mode = "edge"> (h, pads)
        [last] q = GlobalAveragePool (p) z = Mul (p, q) {BACK}"""
    ones = ",".join("1" * 144)
    weights = (
        f"float[4,4,3,3] k = {{{ones}}}, float[4] scales = {{1,1,2,2}}, int64[4] four = {{0,1,2,3}},"
        " int64[8] pads = {0,0,0,0,0,0,0,0}, int64[1] zero = {0}, int64[1] two = {2}, int64[1] one = {1}"
    )
    assert layers(nodes, weights=weights) == ("last (GlobalAveragePool)",)


def test_gathering_one_channel_leaves_the_pixels() -> None:
    weights = "int64 first = {0}, int64[1] last = {-1}"
    nodes = """
        g = Gather <axis = 3> (x, first) [m] m = ReduceMax <axes = [1, 2]> (g)
        u = Unsqueeze (m, last) y = Mul (x, u)"""
    assert layers(nodes, weights=weights) == ("m (ReduceMax)",)
    nodes = "g = Gather <axis = 3> (x, first) m = ReduceMax <axes = [0]> (g) u = Unsqueeze (m, last) y = Mul (x, u)"
    assert layers(nodes, weights=weights) == ()


def test_nodes_without_a_name_go_by_their_output() -> None:
    assert layers("mean = ReduceMean <axes = [1]> (x) y = Sub (x, mean)") == ("mean (ReduceMean)",)


def test_functions_of_the_model_are_looked_into() -> None:
    model = parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17, "own" : 1]>
        network (float[n,h,w,4] x) => (float[n,h,w,4] y) { y = own.center (x) }
        <domain: "own", opset_import: ["" : 17]>
        center (a) => (b) { m = ReduceMean <axes = [1, 2]> (a) b = Sub (a, m) }""")
    assert len(whole_tile_layers(model)) == 1
    assert len(model.functions) == 1  # the argument stays as it is


def test_branches_are_not_looked_into() -> None:
    branch = "graph () => (float[n,h,w,4] r) { m = ReduceMean <axes = [1, 2]> (x) r = Sub (x, m) }"
    nodes = f"yes = Constant <value = bool {{1}}> () y = If (yes) <then_branch = {branch}, else_branch = {branch}>"
    assert layers(nodes) == ()


def operators(model: ModelProto) -> set[str]:
    """Kinds of layers that are found."""
    return {name.rpartition("(")[2].rstrip(")") for name in whole_tile_layers(model)}


def plain(layers: Any, x: Any) -> Any:
    y = layers.LayerNormalization()(layers.MaxPooling2D()(layers.Conv2D(4, 3, padding="same")(x)))
    y = layers.Conv2DTranspose(4, 2, strides=2)(layers.UpSampling2D()(layers.MaxPooling2D()(y)))
    y = layers.Dense(4)(layers.Concatenate()([layers.Conv2D(4, 1)(x), y]))
    return layers.Conv2D(2, 1, activation="softmax")(y)


def excited(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(4, 3, padding="same")(x)
    pooled = layers.GlobalAveragePooling2D(name="gap")(x)
    return layers.Multiply()([x, layers.Reshape((1, 1, 4))(layers.Dense(4, activation="sigmoid")(pooled))])


def flattened(layers: Any, x: Any) -> Any:
    return layers.Reshape((16, 16, 2))(layers.Dense(512, name="all")(layers.Flatten()(x)))


def normalised(layers: Any, x: Any) -> Any:
    return layers.LayerNormalization(axis=(1, 2, 3), name="whole")(x)


def test_networks_of_keras() -> None:
    need("tensorflow")
    for size in (16, None):
        assert whole_tile_layers(keras_onnx(plain, size=size)) == ()
        assert operators(keras_onnx(excited, size=size)) <= {"ReduceMean", "GlobalAveragePool"}
        (name,) = whole_tile_layers(keras_onnx(excited, size=size))
        assert "gap" in name
    assert operators(keras_onnx(flattened)) == {"MatMul"}
    assert all("whole" in name for name in whole_tile_layers(keras_onnx(normalised)))
    assert len(whole_tile_layers(keras_onnx(normalised))) == 2  # mean and variance


def test_networks_of_torch() -> None:
    torch = need("torch")
    nn = torch.nn

    class Excited(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 3, 1), nn.Sigmoid())

        def forward(self, x: Any) -> Any:
            return x * self.squeeze(x)

    plain = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.MaxPool2d(2),
        nn.Upsample(scale_factor=2),
        nn.Softmax(1),
    )
    assert whole_tile_layers(torch_onnx(plain)) == ()
    looking = nn.Sequential(Excited(), nn.Conv2d(3, 4, 1), nn.InstanceNorm2d(4), nn.GroupNorm(2, 4))
    found = whole_tile_layers(torch_onnx(looking))
    assert len(found) == 3
    assert found[0].endswith(("(ReduceMean)", "(GlobalAveragePool)"))
    dense = nn.Sequential(nn.Flatten(), nn.Linear(1728, 1152), nn.Unflatten(1, (2, 24, 24)))
    (name,) = whole_tile_layers(torch_onnx(dense))
    assert name.endswith(("(Gemm)", "(MatMul)"))
