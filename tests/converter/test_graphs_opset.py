"""Other opsets, and the oldest file version that goes with them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from czconverter.graphs.opset import opset_of, weights_inside, with_opset
from czconverter.graphs.running import OnnxRunner
from czconverter.steps import Scale
from czconverter.steps.nodes import with_steps
from czengine.errors import ModelError
from tests.support.archives import onnx_network
from tests.support.frameworks import need
from tests.support.onnx_text import network


def _model(opset: int, ir_version: int = 9) -> onnx.ModelProto:
    return onnx.ModelProto.FromString(onnx_network(kernel=3, opset=opset, ir_version=ir_version))


@pytest.mark.parametrize(("before", "after"), [(12, 17), (9, 18), (11, 12), (18, 17), (12, 13), (21, 17)])
def test_a_network_computes_the_same_in_another_opset(before: int, after: int) -> None:
    need("onnxruntime")
    model = _model(before)
    changed = with_opset(model, after)
    onnx.checker.check_model(changed, full_check=True)
    assert opset_of(changed) == after
    picture = np.random.default_rng(0).random((2, 32, 32, 1), dtype=np.float32)
    np.testing.assert_allclose(OnnxRunner(changed).run(picture), OnnxRunner(model).run(picture), atol=1e-6)


@pytest.mark.parametrize(("opset", "ir_version"), [(9, 4), (12, 7), (15, 8), (17, 8), (18, 8), (21, 10)])
def test_the_file_version_is_the_oldest_that_has_the_opset(opset: int, ir_version: int) -> None:
    changed = with_opset(_model(opset, 11), opset)
    assert changed.ir_version == ir_version
    assert changed.graph == _model(opset).graph
    onnx.checker.check_model(changed, full_check=True)


def test_operators_that_only_learnt_more_types_are_kept() -> None:
    """onnx has no way down for Relu, which means the same in every opset."""
    model = network("output = Relu (input)", opset=17, ir_version=8)
    older = with_opset(model, 12)
    assert (opset_of(older), older.ir_version) == (12, 7)
    assert [node.op_type for node in older.graph.node] == ["Relu"]


def test_operators_that_an_opset_does_not_have_are_named() -> None:
    model = network(
        "scale = Constant <value_floats = [1.0]> ()  output = LayerNormalization (input, scale)",
        opset=17,
        ir_version=8,
    )
    with pytest.raises(
        ModelError, match=r"opset 12 from its opset 17: .*LayerNormalization.*; convert it with opset 17"
    ):
        with_opset(model, 12)


def test_operators_that_mean_something_else_are_not_relabelled() -> None:
    """Before opset 13 Softmax flattens what is behind its axis: checked alike, computed otherwise."""
    model = network("sum = Relu (input)  output = Softmax <axis = 1> (sum)", opset=17, ir_version=8)
    with pytest.raises(ModelError, match="cannot be written in opset 12"):
        with_opset(model, 12)


def test_weights_are_no_inputs() -> None:
    model = _model(9, 3)
    for tensor in model.graph.initializer:
        kind = onnx.helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        model.graph.input.append(onnx.helper.make_value_info(tensor.name, kind))
    inside = weights_inside(model)
    assert [value.name for value in inside.graph.input] == ["input"]
    assert inside.ir_version == 4
    assert len(model.graph.input) == 3
    onnx.checker.check_model(with_opset(model, 12), full_check=True)


def test_other_domains_do_not_matter() -> None:
    model = _model(12)
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    assert with_opset(model, 12).ir_version == 7
    assert opset_of(model) == 12


@pytest.mark.parametrize(
    ("domains", "shown"), [([], "none"), (["com.example", "ai.onnx.ml"], "com.example, ai.onnx.ml")]
)
def test_a_network_without_onnx_operators(domains: list[str], shown: str) -> None:
    model = _model(12)
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(domain, 1) for domain in domains)
    message = rf"^the network has no ONNX operator set \(its operator sets: {shown}\); export it again with"
    with pytest.raises(ModelError, match=message):
        opset_of(model)
    with pytest.raises(ModelError, match=message):
        with_opset(model, 12)
    with pytest.raises(ModelError, match=message):
        with_steps(model, before=[Scale(scale=2.0)], after=[])


def test_functions_need_a_newer_file() -> None:
    model = _model(12)
    model.functions.append(
        onnx.helper.make_function(
            "com.example",
            "Twice",
            ["x"],
            ["y"],
            [onnx.helper.make_node("Add", ["x", "x"], ["y"])],
            [onnx.helper.make_opsetid("", 12)],
        )
    )
    assert with_opset(model, 12).ir_version == 8
