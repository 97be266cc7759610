"""The bytes of an exported network depend on the network only, and it computes what it did."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, parser

from czconverter.graphs.canonical import canonical, to_bytes
from czconverter.graphs.names import fresh, tensor_names, used_by
from czconverter.graphs.running import OnnxRunner
from czconverter.loaders.repeatable import repeatable
from czengine.errors import ModelError
from tests.support.exported import digests, keras_onnx, torch_onnx
from tests.support.frameworks import need

REPOSITORY = Path(__file__).resolve().parents[2]


def network(
    nodes: str, *, weights: str = "", ends: str = "float[1,2,2,1] x__7, float[1,2,2,1] y__9"
) -> ModelProto:
    source, result = ends.split(", ")
    return parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        graph__3 ({source}) => ({result}) <{weights}> {{ {nodes} }}""")


def random_batch(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random(shape, np.float32)


def assert_same_results(model: ModelProto, changed: ModelProto, batch: NDArray[np.float32]) -> None:
    onnx.checker.check_model(changed, full_check=True)
    np.testing.assert_array_equal(OnnxRunner(changed).run(batch), OnnxRunner(model).run(batch))


def names(model: ModelProto) -> list[str]:
    return [node.name for node in model.graph.node]


def test_counters_order_and_what_is_unused_leave_no_trace() -> None:
    first = network(
        "[mul__1] a__5 = Mul (x__7, w__4) [dead__2] c__6 = Neg (a__5) [add__8] y__9 = Add (a__5, b)",
        weights="float w__4 = {2.0}, float b = {3.0}, float unused = {4.0}",
    )
    second = network(
        "[mul__10] a__50 = Mul (x__7, w__44) [add__80] y__9 = Add (a__50, b__2)",
        weights="float b__2 = {3.0}, float w__44 = {2.0}",
    )
    assert to_bytes(canonical(first)) == to_bytes(canonical(second))
    assert_same_results(first, canonical(first), random_batch(1, 2, 2, 1))


def test_names_say_where_things_belong() -> None:
    model = canonical(
        network(
            "[mul__1__2] a = Mul (x__7, w) b = Relu (a) [mul__3] y__9 = Mul (b, w)",
            weights="float w__4 = {2.0}, float w = {3.0}",
        ),
        input_name="picture",
        output_name="scores",
        graph_name="net",
    )
    assert names(model) == ["mul", "Relu", "mul_1"]
    assert [tensor.name for tensor in model.graph.initializer] == ["mul/B"]
    assert [list(node.input) for node in model.graph.node] == [
        ["picture", "mul/B"],
        ["mul"],
        ["Relu", "mul/B"],
    ]
    assert model.graph.node[-1].output == ["scores"]
    assert (model.graph.input[0].name, model.graph.output[0].name, model.graph.name) == (
        "picture",
        "scores",
        "net",
    )


def test_nodes_come_in_the_order_of_need() -> None:
    forwards = network("[a] a = Neg (x__7) [b] b = Abs (x__7) [c] y__9 = Add (a, b)")
    backwards = network("[b] b = Abs (x__7) [a] a = Neg (x__7) [c] y__9 = Add (a, b)")
    assert to_bytes(canonical(forwards)) == to_bytes(canonical(backwards))
    assert names(canonical(backwards)) == ["a", "b", "c"]


def test_it_is_idempotent_and_leaves_its_argument() -> None:
    model = network("[n__1] y__9 = Neg (x__7)")
    before = model.SerializeToString()
    once = canonical(model)
    assert model.SerializeToString() == before
    assert canonical(once) == once


def test_omitted_inputs_stay_omitted() -> None:
    model = network("y__9 = Clip (x__7, , top__3)", weights="float top__3 = {0.5}")
    changed = canonical(model)
    assert list(changed.graph.node[0].input) == ["input", "", "Clip/max"]
    assert_same_results(model, changed, random_batch(1, 2, 2, 1))


BRANCHES = """
    <ir_version: 8, opset_import: ["" : 17]>
    network (float[1,2,2,1] x__1) => (float[1,2,2,1] y__2) <float limit__8 = {2.0}, float half__9 = {0.5}> {
        top__3 = ReduceMax <keepdims = 0> (x__1)
        scaled__4 = Mul (x__1, half__9)
        high__5 = Greater (top__3, limit__8)
        y__2 = If (high__5) <
            then_branch = big__6 () => (float["unk__17",2,2,1] r__7) { t__8 = Neg (scaled__4) r__7 = Abs (t__8) },
            else_branch = small__9 () => (float["unk__18",2,2,1] r__7) { r__7 = Sub (x__1, half__9) }
        >
    }"""


def test_branches_keep_what_they_take_from_outside() -> None:
    model = parser.parse_model(BRANCHES)
    changed = canonical(model)
    batch = random_batch(1, 2, 2, 1)
    assert_same_results(model, changed, batch)
    assert_same_results(model, changed, 9 * batch)
    assert not any("__" in name for name in tensor_names(changed.graph))
    other = re.sub(r"__(\d+)", r"__\g<1>0", BRANCHES)
    assert to_bytes(canonical(parser.parse_model(other))) == to_bytes(changed)


def test_what_a_branch_takes_is_needed_by_its_node() -> None:
    node = parser.parse_model(BRANCHES).graph.node[-1]
    assert set(used_by(node)) == {"high__5", "scaled__4", "x__1", "half__9"}


def test_loops_run_as_before() -> None:
    model = parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        network (float[1,2,2,1] x__1) => (float[1,2,2,1] y__2) <int64 times__3 = {3}, bool go__4 = {1}> {
            y__2 = Loop (times__3, go__4, x__1) <body = body__5 (int64 i__6, bool c__7, float[1,2,2,1] v__8)
                => (bool d__9, float[1,2,2,1] w__10) { d__9 = Identity (c__7) w__10 = Add (v__8, x__1) }>
        }""")
    changed = canonical(model)
    assert_same_results(model, changed, random_batch(1, 2, 2, 1))
    np.testing.assert_allclose(OnnxRunner(changed).run(np.ones((1, 2, 2, 1))), np.full((1, 2, 2, 1), 4))


FUNCTIONS = """
    <ir_version: 8, opset_import: ["" : 17, "own" : 1]>
    network (float[1,2,2,1] x__1) => (float[1,2,2,1] y__2) { y__2 = own.twice (x__1) }
    <domain: "own", opset_import: ["" : 17]>
    twice (a__1) => (b__2) { b__2 = Add (a__1, a__1) }"""


def test_functions_keep_their_names_and_lose_their_docs() -> None:
    model = parser.parse_model(FUNCTIONS)
    model.functions[0].doc_string = "/home/somebody/model.py"
    model.functions[0].node[0].doc_string = "/home/somebody/model.py"
    changed = canonical(model)
    assert b"somebody" not in to_bytes(changed)
    assert list(changed.functions[0].input) == ["a__1"]
    assert_same_results(model, changed, random_batch(1, 2, 2, 1))


def test_docs_and_metadata_go_wherever_they_are() -> None:
    model = parser.parse_model(BRANCHES)
    branch = model.graph.node[-1].attribute[0].g
    for place in (
        model,
        model.graph,
        branch,
        model.graph.node[0],
        branch.node[0],
        model.graph.input[0],
        model.graph.initializer[0],
        model.graph.node[-1].attribute[0],
    ):
        place.doc_string = "secret"
        if hasattr(place, "metadata_props"):
            place.metadata_props.add(key="secret", value="secret")
    changed = to_bytes(canonical(model))
    assert b"secret" not in changed
    assert changed == to_bytes(canonical(parser.parse_model(BRANCHES)))


def test_open_dims_lose_their_counters() -> None:
    def dims(first: str, second: str) -> list[str]:
        ends = f'float["{first}",2,2,"{second}"] x, float["{first}",2,2,"{second}"] y'
        changed = canonical(network("y = Neg (x)", ends=ends))
        return [dim.dim_param for dim in changed.graph.output[0].type.tensor_type.shape.dim]

    assert dims("unk__17", "unk__18") == ["unk", "", "", "unk_1"]
    assert dims("batch", "batch") == ["batch", "", "", "batch"]


def test_weights_that_old_files_list_as_inputs_are_inputs_no_longer() -> None:
    model = parser.parse_model("""
        <ir_version: 3, opset_import: ["" : 9]>
        network (float[1] w, float[1,2,2,1] x) => (float[1,2,2,1] y) <float[1] w = {2.0}> { y = Mul (x, w) }""")
    changed = canonical(model)
    assert [value.name for value in changed.graph.input] == ["input"]
    assert changed.ir_version == 4
    np.testing.assert_array_equal(OnnxRunner(changed).run(np.ones((1, 2, 2, 1))), np.full((1, 2, 2, 1), 2))


def test_several_inputs_are_refused() -> None:
    model = parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        network (float[1] a, float[1] b) => (float[1] y) { y = Mul (a, b) }""")
    with pytest.raises(ModelError, match=r"the network has 2 inputs \(a, b\); exactly one is supported"):
        canonical(model)


def test_fresh_names_never_repeat() -> None:
    give = fresh(["a", "b_1"])
    assert [give(name) for name in ("a", "b", "b", "b", "a", "a_1")] == [
        "a_1",
        "b",
        "b_2",
        "b_3",
        "a_2",
        "a_1_1",
    ]


def test_two_exports_of_a_keras_model_are_the_same_bytes() -> None:
    def build(layers: Any, x: Any) -> Any:
        x = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x))
        x = layers.LayerNormalization()(
            layers.UpSampling2D(interpolation="bilinear")(layers.MaxPooling2D()(x))
        )
        return layers.Conv2D(2, 1, activation="softmax")(x)

    first, second = keras_onnx(build), keras_onnx(build)
    assert names(first) != names(second)
    changed = canonical(first)
    assert to_bytes(changed) == to_bytes(canonical(second))
    assert not any("__" in name for name in tensor_names(changed.graph))
    assert [opset.domain for opset in changed.opset_import] == [""]
    assert_same_results(first, changed, random_batch(2, 16, 16, 3))


def test_processes_with_other_hashes_write_the_same_bytes() -> None:
    """With open sizes, this needs `repeatable` as well: tf2onnx's optimisers come to different graphs."""
    need("tensorflow")
    code = "from tests.support.exported import digests; print(*digests())"
    other = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    environment = os.environ | {"PYTHONHASHSEED": other}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    here = digests()
    assert run.stdout.split() == here
    assert digests() == here


def test_repeatable_leaves_tf2onnx_as_it_was() -> None:
    tf2onnx = need("tf2onnx")
    with repeatable():
        assert tf2onnx.utils.make_name("x") == "x__2"
        assert "__hash__" in vars(tf2onnx.graph.Node)
    tf2onnx.utils.make_name("x")
    counted = tf2onnx.utils.INTERNAL_NAME
    with pytest.raises(ModelError), repeatable():
        raise ModelError
    assert counted == tf2onnx.utils.INTERNAL_NAME
    assert tf2onnx.graph.Node.__hash__ is object.__hash__


def test_exports_of_torch_name_no_path_and_no_source() -> None:
    torch = need("torch")
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 2, 1),
    )
    model = torch_onnx(module)
    assert b".py" in model.SerializeToString()  # a stack trace
    changed = canonical(model)
    assert b".py" not in to_bytes(changed)
    assert b"pkg.torch" not in to_bytes(changed)
    assert to_bytes(changed) == to_bytes(canonical(torch_onnx(module)))
    assert_same_results(model, changed, random_batch(1, 3, 24, 24))
