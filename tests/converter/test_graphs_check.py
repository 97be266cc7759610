"""Networks that are no standard ONNX are refused in one sentence; weights are counted."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper, parser

from czconverter.graphs.check import check_onnx, parameters
from czengine.errors import ModelError
from tests.support.archives import onnx_network
from tests.support.exported import keras_onnx
from tests.support.frameworks import need


def network(nodes: str, *, opsets: str = '"" : 17', tail: str = "", weights: str = "") -> ModelProto:
    return parser.parse_model(f"""
        <ir_version: 8, opset_import: [{opsets}]>
        network (float[1,2,2,1] x) => (float[1,2,2,1] y) <{weights}> {{ {nodes} }} {tail}""")


def refused(model: ModelProto) -> str:
    with pytest.raises(ModelError) as caught:
        check_onnx(model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("opset", [9, 12, 13, 17, 23])
def test_standard_networks_pass(opset: int) -> None:
    check_onnx(onnx.load_model_from_string(onnx_network(opset=opset, ir_version=4 if opset < 13 else 8)))


def test_functions_of_the_model_itself_pass() -> None:
    check_onnx(
        network(
            "y = own.twice (x)",
            opsets='"" : 17, "own" : 1',
            tail='<domain: "own", opset_import: ["" : 17]> twice (a) => (b) { b = Add (a, a) }',
        )
    )


def test_operators_of_tensorflow_are_all_named() -> None:
    text = refused(network("a = StatelessRandom (x) b = ImagePatches (a) c = Neg (b) y = ImagePatches (c)"))
    assert text == (
        "ONNX has no such operators: ImagePatches, StatelessRandom; replace the layers they come from, or keep a"
        " TensorFlow network as it is with --runtime savedmodel"
    )


def test_operators_of_later_opsets_ask_for_them() -> None:
    assert refused(network("a = HardSwish (x) y = Celu (a)", opsets='"" : 11')) == (
        "the network uses operators that opset 11 has not: Celu, HardSwish; choose opset 14 or higher"
    )


def test_operators_of_one_runtime_are_named() -> None:
    text = refused(
        network("a = com.microsoft.FusedConv (x, x) y = Neg (a)", opsets='"" : 17, "com.microsoft" : 1')
    )
    assert text == (
        "the network uses operators that are no part of ONNX: com.microsoft.FusedConv;"
        " export it without optimisations for one runtime"
    )


def test_branches_and_functions_are_looked_into() -> None:
    branch = "graph () => (float[1,2,2,1] r) { r = Mystery (x) }"
    condition = "top = ReduceMax <keepdims = 0> (x) high = Greater (top, top)"
    model = network(f"{condition} y = If (high) <then_branch = {branch}, else_branch = {branch}>")
    assert "no such operators: Mystery;" in refused(model)
    function = '<domain: "own", opset_import: ["" : 17]> twice (a) => (b) { b = Mystery (a) }'
    assert "no such operators: Mystery;" in refused(
        network("y = own.twice (x)", opsets='"" : 17, "own" : 1', tail=function)
    )


def test_mistakes_are_told_in_one_sentence() -> None:
    assert refused(network("y = Neg (missing)")).startswith(
        "the network is no valid ONNX model: Nodes in a graph"
    )
    wrong_type = network("y = Cast <to = 7> (x)")
    assert refused(wrong_type).startswith("the network is no valid ONNX model: ")
    assert refused(wrong_type).endswith("; export it again")


def test_weights_are_counted_wherever_they_are() -> None:
    weights = (
        "float[3,1,2,2] kernel = {0,0,0,0,0,0,0,0,0,0,0,0}, float scalar = {1.0}, int64[2] shape = {1, 2}"
    )
    model = network("a = Conv (x, kernel) y = Neg (x)", weights=weights)
    assert parameters(model) == 12
    constant = numpy_helper.from_array(np.zeros((4, 5), np.float32))
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=constant))
    model.graph.node.append(helper.make_node("Constant", [], ["d"], value_floats=[1.0, 2.0]))
    assert parameters(model) == 32


def test_as_many_as_keras_counts() -> None:
    need("tensorflow")
    more = {"padding": "same", "bias_initializer": "random_normal"}  # tf2onnx drops a bias of zeros
    model = keras_onnx(lambda layers, x: layers.Conv2D(2, 1, **more)(layers.Conv2D(4, 3, **more)(x)))
    check_onnx(model)
    assert parameters(model) == (3 * 9 + 1) * 4 + (4 + 1) * 2


def test_what_tf2onnx_cannot_convert_is_named() -> None:
    need("tensorflow")
    tf = need("tensorflow")
    model = keras_onnx(lambda layers, x: layers.Lambda(lambda y: tf.math.betainc(y, y, y))(x))
    assert refused(model).startswith("ONNX has no such operators: Betainc; replace the layers they come from")
