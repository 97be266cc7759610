"""Steps written as ONNX nodes around a channels-last network, for every opset from 9 to 23.

Only operators of the default domain, none newer than opset 9. What a step computes is defined by `arrays`; how a
channels-first network becomes a channels-last one is not judged here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
from numpy.typing import DTypeLike

from czconverter.graphs.names import copy_of, ends, fresh, nested, rename, tensor_names
from czconverter.graphs.opset import opset_of
from czconverter.steps import (
    Normalization,
    Numbers,
    PerImageStandardization,
    Scale,
    Shift,
    SigmoidToSoftmaxScores,
    Softmax,
    Step,
    TransposeChannels,
)
from czconverter.steps.channels import channels_after
from czengine.errors import ModelError, OptionError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

_CHANNEL = 3  # not -1, which many operators understand from opset 11 only
_AXES_ARE_AN_INPUT = 18  # of the Reduce operators, from this opset on


def with_steps(model: ModelProto, *, before: Sequence[Step], after: Sequence[Step]) -> ModelProto:
    """A copy of the network with steps before its input and after its output, in this order.

    Parameters
    ----------
    model : ModelProto
        One input and one output, both float32 (batch, y, x, channel).
    before, after : sequence of Step
        `SigmoidToSoftmaxScores` only after.

    Returns
    -------
    ModelProto
        Names and dims of input and output as before, except that `SigmoidToSoftmaxScores` makes two channels.

    Raises
    ------
    ModelError
        Where the network has other ends, or no ONNX operator set.
    OptionError
        Where a step does not fit the number of channels.
    """
    changed = copy_of(model)
    source, result = ends(changed)
    _check_image(source)
    _check_image(result)
    _check_before(before, _channels(source))
    outputs = _channels(result)
    for step in after:
        outputs = channels_after(step, outputs)
    writer = _Writer(changed)
    head = writer.before(before, source.name)
    tail = writer.after(after, result.name)
    nodes = [*head, *changed.graph.node, *tail]
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    if outputs is not None:
        result.type.tensor_type.shape.dim[_CHANNEL].dim_value = outputs
    return changed


class _Writer:
    """Writes the nodes of one step after the other, under names that are free in the network."""

    def __init__(self, model: ModelProto) -> None:
        self._graph = model.graph
        self._opset = opset_of(model)
        self._tensor = fresh(tensor_names(model.graph))
        self._name = fresh(node.name for graph in nested(model.graph) for node in graph.node)
        self._nodes: list[NodeProto] = []

    def before(self, steps: Sequence[Step], source: str) -> list[NodeProto]:
        if steps:
            inside = self._tensor("preprocessed")
            value = next(value for value in self._graph.input if value.name == source)
            rename(self._graph, {source: inside})
            value.name = source
            self._chain(steps, source, inside)
        return self._written()

    def after(self, steps: Sequence[Step], result: str) -> list[NodeProto]:
        if steps:
            inside = self._tensor("unprocessed")
            rename(self._graph, {result: inside})
            self._graph.output[0].name = result
            self._chain(steps, inside, result)
        return self._written()

    def _written(self) -> list[NodeProto]:
        nodes, self._nodes = self._nodes, []
        return nodes

    def _chain(self, steps: Sequence[Step], source: str, target: str) -> None:
        for step in steps[:-1]:
            source = self._step(step, source, self._tensor(type(step).__name__))
        self._step(steps[-1], source, target)

    def _step(self, step: Step, x: str, target: str) -> str:
        match step:
            case TransposeChannels():
                order = self._constant("order", step.order, np.int64)
                return self._add("Gather", [x, order], target, axis=_CHANNEL)
            case Normalization():
                centered = self._add("Sub", [x, self._numbers("mean", step.mean)])
                return self._add("Div", [centered, self._numbers("std", step.std)], target)
            case Shift():
                return self._add("Add", [x, self._numbers("shift", step.shift)], target)
            case Scale():
                return self._add("Mul", [x, self._numbers("scale", step.scale)], target)
            case PerImageStandardization():
                return self._standardize(x, target)
            case SigmoidToSoftmaxScores():
                other = self._add("Sub", [self._numbers("one", 1), x])
                return self._add("Concat", [x, other], target, axis=_CHANNEL)
            case Softmax():  # before opset 13 it flattens, but all that comes before its axis, and this is the last
                return self._add("Softmax", [x], target, axis=_CHANNEL)
        assert_never(step)

    def _standardize(self, x: str, target: str) -> str:
        centered = self._add("Sub", [x, self._mean(x)])
        deviation = self._add("Sqrt", [self._mean(self._add("Mul", [centered, centered]))])
        sizes = self._add(
            "Gather", [self._add("Shape", [x]), self._constant("sides", (1, 2, 3), np.int64)], axis=0
        )
        count = self._add("ReduceProd", [self._add("Cast", [sizes], to=1)], keepdims=0)  # to float32
        least = self._add("Reciprocal", [self._add("Sqrt", [count])])
        return self._add("Div", [centered, self._add("Max", [deviation, least])], target)

    def _mean(self, x: str) -> str:
        """Mean of each picture."""
        if self._opset < _AXES_ARE_AN_INPUT:
            return self._add("ReduceMean", [x], axes=[1, 2, 3], keepdims=1)
        return self._add("ReduceMean", [x, self._constant("axes", (1, 2, 3), np.int64)], keepdims=1)

    def _numbers(self, name: str, value: Numbers) -> str:
        return self._constant(name, value, np.float32)

    def _constant(self, name: str, value: Numbers, dtype: DTypeLike) -> str:
        """A Constant node: an initializer would have to be an input as well before IR version 4."""
        from onnx import numpy_helper

        return self._add(
            "Constant", [], self._tensor(name), value=numpy_helper.from_array(np.array(value, dtype))
        )

    def _add(self, op: str, inputs: list[str], target: str | None = None, **attributes: Any) -> str:
        from onnx import helper

        output = target or self._tensor(op)
        self._nodes.append(
            helper.make_node(op, inputs, [output], name=self._name(f"step/{op}"), **attributes)
        )
        return output


def _check_image(value: ValueInfoProto) -> None:
    from onnx import TensorProto

    tensor = value.type.tensor_type
    if tensor.elem_type != TensorProto.FLOAT or len(tensor.shape.dim) != 4:
        raise ModelError(
            f"{value.name!r} of the network is no float32 (batch, height, width, channel) picture;"
            " steps can be put before and after such networks only"
        )


def _check_before(steps: Sequence[Step], channels: int | None) -> None:
    for step in steps:
        if isinstance(step, SigmoidToSoftmaxScores):
            raise OptionError(
                "SigmoidToSoftmaxScores turns scores into scores; put it after the network, not before"
            )
        channels = channels_after(step, channels)


def _channels(value: ValueInfoProto) -> int | None:
    return value.type.tensor_type.shape.dim[_CHANNEL].dim_value or None
