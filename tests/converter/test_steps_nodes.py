"""Steps as ONNX nodes do what the reference does, in every opset."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, parser

from czconverter.graphs.running import OnnxRunner
from czconverter.steps import (
    PerImageStandardization,
    RgbToBgr,
    Scale,
    Shift,
    SigmoidToSoftmaxScores,
    Softmax,
    Step,
    arrays,
)
from czconverter.steps.nodes import with_steps
from czengine.errors import ModelError, OptionError
from tests.support.archives import onnx_network
from tests.support.steps import pictures, steps

OPSETS = range(9, 24)
IR_VERSIONS = {opset: 4 if opset < 11 else 7 if opset < 15 else 8 if opset < 21 else 10 for opset in OPSETS}


def negative(channels: int | None, opset: int, **ends: Any) -> ModelProto:
    """A network that turns the sign of its input around."""
    dims = ["batch", "height", "width", channels]
    names = {"source": "input", "result": "output", "type": TensorProto.FLOAT} | ends
    graph = helper.make_graph(
        [helper.make_node("Neg", [names["source"]], [names["result"]], name="negative")],
        "network",
        [helper.make_tensor_value_info(names["source"], names["type"], dims)],
        [helper.make_tensor_value_info(names["result"], names["type"], dims)],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSIONS[opset])


def computed(steps: Sequence[Step], batch: NDArray[np.float32]) -> NDArray[np.float32]:
    return reduce(lambda values, step: arrays.apply(step, values), steps, batch)


def dims_of(value: Any) -> list[int | str]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


@settings(max_examples=120)
@given(data=st.data(), opset=st.sampled_from(OPSETS), channels=st.integers(1, 4), batch=st.integers(1, 3))
def test_nodes_compute_what_arrays_compute(
    data: st.DataObject, opset: int, channels: int, batch: int
) -> None:
    fitting = steps(channels).filter(lambda step: not isinstance(step, SigmoidToSoftmaxScores))
    before = data.draw(st.lists(fitting, max_size=3))
    after = [*data.draw(st.lists(fitting, max_size=2)), *data.draw(st.lists(steps(channels), max_size=1))]
    model = with_steps(negative(channels, opset), before=before, after=after)
    onnx.checker.check_model(model, full_check=True)
    given_pictures = pictures(data.draw(st.integers(0, 99)), batch, channels)
    expected = computed(after, -computed(before, given_pictures))
    scale = 1 + float(np.abs(expected).max())
    np.testing.assert_allclose(OnnxRunner(model).run(given_pictures) / scale, expected / scale, atol=2e-4)


@pytest.mark.parametrize("opset", OPSETS)
def test_the_steps_that_opsets_differ_in(opset: int) -> None:
    model = with_steps(
        negative(1, opset), before=[PerImageStandardization()], after=[SigmoidToSoftmaxScores(), Softmax()]
    )
    onnx.checker.check_model(model, full_check=True)
    given_pictures = pictures(opset, 2, 1)
    expected = computed(
        [SigmoidToSoftmaxScores(), Softmax()], -computed([PerImageStandardization()], given_pictures)
    )
    np.testing.assert_allclose(OnnxRunner(model).run(given_pictures), expected, atol=1e-5)


def test_names_and_dims_stay() -> None:
    model = negative(3, 17, source="picture", result="scores")
    changed = with_steps(model, before=[RgbToBgr(), Scale(2)], after=[Shift([1, 2, 3])])
    assert changed.graph.input == model.graph.input
    assert changed.graph.output == model.graph.output
    assert len(model.graph.node) == 1  # the argument stays as it is


def test_one_score_becomes_two_channels() -> None:
    model = with_steps(negative(1, 12), before=[], after=[SigmoidToSoftmaxScores()])
    assert dims_of(model.graph.output[0]) == ["batch", "height", "width", 2]
    assert dims_of(model.graph.input[0]) == ["batch", "height", "width", 1]


def test_without_steps_nothing_changes() -> None:
    model = negative(3, 17)
    assert with_steps(model, before=[], after=[]) == model


def test_around_a_convolution() -> None:
    data = onnx_network(8, 8, channels=3, outputs=2, opset=12)
    model = onnx.load_model_from_string(data)
    batch = pictures(1, 1, 3)
    batch = np.resize(batch, (1, 8, 8, 3)).astype(np.float32)
    changed = with_steps(model, before=[RgbToBgr(), Scale(1 / 7)], after=[Shift(1)])
    expected = OnnxRunner(model).run(computed([RgbToBgr(), Scale(1 / 7)], batch)) + 1
    np.testing.assert_allclose(OnnxRunner(changed).run(batch), expected, rtol=1e-5)


def test_what_a_branch_takes_from_outside_is_renamed_as_well() -> None:
    model = parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        network (float[1,2,2,1] input) => (float[1,2,2,1] output) {
            top = ReduceMax <keepdims = 0> (input)
            limit = Constant <value_float = 5.0> ()
            high = Greater (top, limit)
            output = If (high) <
                then_branch = big () => (float[1,2,2,1] a) { a = Neg (input) },
                else_branch = small () => (float[1,2,2,1] b) { b = Identity (input) }
            >
        }""")
    changed = with_steps(model, before=[Scale(10)], after=[Shift(1)])
    onnx.checker.check_model(changed, full_check=True)
    ones = np.ones((1, 2, 2, 1), np.float32)
    np.testing.assert_array_equal(OnnxRunner(changed).run(ones), -9 * ones)
    np.testing.assert_array_equal(OnnxRunner(changed).run(0.1 * ones), 2 * ones)


def test_names_that_are_taken_are_left_alone() -> None:
    """A network that has been given steps can be given more."""
    once = with_steps(negative(2, 17), before=[Scale(2)], after=[Shift(1)])
    twice = with_steps(once, before=[Scale(3)], after=[Shift(1)])
    onnx.checker.check_model(twice, full_check=True)
    names = [node.name for node in twice.graph.node]
    assert len(set(names)) == len(names)
    np.testing.assert_allclose(
        OnnxRunner(twice).run(np.ones((1, 1, 1, 2), np.float32)), np.full((1, 1, 1, 2), -4)
    )


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ([RgbToBgr()], [], "RgbToBgr puts 3 channels in order, and is given 2"),
        ([], [SigmoidToSoftmaxScores()], "takes one score per pixel, i.e. 1 channel, and is given 2"),
        ([], [Shift(1), Scale([1, 2, 3])], "Scale has numbers for 3 channels, and is given 2"),
        ([SigmoidToSoftmaxScores()], [], "put it after the network, not before"),
    ],
)
def test_steps_that_do_not_fit_are_refused(before: list[Step], after: list[Step], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        with_steps(negative(2, 17), before=before, after=after)


def test_channels_that_are_open_take_any_step() -> None:
    model = with_steps(negative(None, 17), before=[RgbToBgr()], after=[])
    batch = pictures(3, 1, 3)
    np.testing.assert_array_equal(OnnxRunner(model).run(batch), -batch[..., ::-1])


def test_only_float_pictures_are_taken() -> None:
    with pytest.raises(
        ModelError, match=r"'input' of the network is no float32 \(batch, height, width, channel\)"
    ):
        with_steps(negative(1, 17, type=TensorProto.FLOAT16), before=[Scale(2)], after=[])


def test_two_outputs_are_refused() -> None:
    model = negative(1, 17)
    model.graph.output.add().CopyFrom(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))
    with pytest.raises(ModelError, match=r"the network has 2 outputs \(output, other\); exactly one"):
        with_steps(model, before=[Scale(2)], after=[])
