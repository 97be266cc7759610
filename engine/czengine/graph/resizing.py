"""The way of shapes through a graph for two sizes of the tile at once, changing nodes that have the old one inside.

With the same size twice it only finds shapes. What a node has to become is `sized`'s affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from czengine.graph.lengths import Axes, Axis, Part, is_open, moves, new_length, old_length
from czengine.graph.lines import NotFollowed
from czengine.graph.signature import Signature
from czengine.graph.sized import Outcome, Sized, at_new_size
from czengine.graph.step import Step
from czengine.graph.tensors import Shape, Tensor, calculated, constant, output_types
from czengine.spec import Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, NodeProto

_WRONG = (NotFollowed, LookupError, ValueError, TypeError, ArithmeticError)  # nodes may be malformed

Known = dict[str, Tensor]
Sides = tuple[Part, Part, Part]  # batch, height, width


class Stuck(Exception):
    """A node that ends the walk, and why; it never leaves `graph`."""

    def __init__(self, node: NodeProto, why: str) -> None:
        self.label = f"{node.name or next(iter(node.output), '')} ({node.op_type})"
        self.why = why
        super().__init__(f"{self.label} {why}")


def walk(graph: GraphProto, signature: Signature, sides: Sides) -> Walk:
    """Walk through a graph and change its nodes for the new size.

    Raises
    ------
    Stuck
        If a node has no meaning at the new size, or nobody can tell.
    """
    from onnx import TensorProto, helper

    last = signature.layout == "NHWC"
    depth = Part(signature.channels or 1, signature.channels or 1)
    parts = (*sides, depth) if last else (sides[0], depth, *sides[1:])
    old, new = (
        Tensor(type=helper.make_tensor_type_proto(TensorProto.FLOAT, lengths))
        for lengths in ([part.old for part in parts], [part.new for part in parts])
    )
    found = Walk(opset=signature.opset or 1, sides=sides)
    found.old[signature.input_name], found.new[signature.input_name] = old, new
    found.axes[signature.input_name] = tuple((part,) for part in parts)
    found.follow(graph)
    return found


def axes_of(layout: Layout) -> tuple[int, int]:
    """The axes of height and width."""
    return (1, 2) if layout == "NHWC" else (2, 3)


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A walk through a graph.

    Attributes
    ----------
    opset : int
        Of ONNX.
    sides : tuple of Part
        Batch, height and width at both sizes.
    old, new : dict
        What is known of all tensors by name, subgraphs' too, at either size.
    axes : dict
        Axes of tensors by name.
    """

    opset: int
    sides: tuple[Part, Part, Part]
    old: Known = field(default_factory=dict)
    new: Known = field(default_factory=dict)
    axes: dict[str, Axes] = field(default_factory=dict)

    def follow(self, graph: GraphProto) -> None:
        """Find the shapes of all tensors, and change the graph's nodes for the new size.

        Raises
        ------
        Stuck
            If a node has no meaning at the new size, or nobody can tell.
        """
        for tensor in graph.initializer:
            self.old[tensor.name] = self.new[tensor.name] = constant(tensor)
            self.axes[tensor.name] = tuple((Part(length, length),) for length in tensor.dims)
        nodes = [changed for node in graph.node for changed in self._follow(node)]
        del graph.node[:]
        graph.node.extend(nodes)

    def shapes(self) -> dict[str, Shape]:
        """Those at the new size that are known, by name; subgraphs' too."""
        return {name: shape for name, tensor in self.new.items() if (shape := shape_of(tensor)) is not None}

    def _follow(self, node: NodeProto) -> Sequence[NodeProto]:
        why = "is not understood"
        try:
            if node.op_type == "Loop":
                return self._loop(node)
            self._check(node)
            why = "does not allow it"
            old = self._outputs([node], self.old)
            outcome = self._outcome(node, old)
            self._learn(node, old, self._outputs(outcome.nodes, self.new), outcome.axes)
        except _WRONG as error:
            raise Stuck(node, why) from error
        return outcome.nodes

    def _check(self, node: NodeProto) -> None:
        """Refuse nodes whose meaning is not known at all."""
        from onnx import defs

        inside = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
        if inside or not defs.has(node.op_type, node.domain):
            raise NotFollowed

    def _outcome(self, node: NodeProto, old: Known) -> Outcome:
        inputs = [self.axes.get(name, ()) for name in node.input if name]
        if not any(moves(axis) for axes in inputs for axis in axes):
            return Outcome(nodes=[node])
        result = old[node.output[0]].shape
        steps = [
            Step(
                node=node,
                opset=self.opset,
                inputs=[known.get(name, Tensor()) if name else None for name in node.input],
                result=shape,
                pixels=(0, 0, 0),
            )
            for known, shape in ((self.old, result), (self.new, ()))
        ]
        return at_new_size(Sized(old=steps[0], new=steps[1], axes=inputs))

    def _outputs(self, nodes: Sequence[NodeProto], known: Known) -> Known:
        """What is known of the outputs of nodes that follow each other."""
        found: Known = {}
        for node in nodes:
            before = {name: found.get(name) or known[name] for name in node.input if name}
            types, value = output_types(node, before, self.opset), calculated(node, before, self.opset)
            for name in filter(None, node.output):
                found[name] = Tensor(type=types.get(name), value=value if name == node.output[0] else None)
                if value is None and 0 in (shape_of(found[name]) or ()):  # nothing is left of the pixels
                    raise NotFollowed
        return found

    def _learn(self, node: NodeProto, old: Known, new: Known, axes: Axes | None) -> None:
        self.old.update(old)
        self.new.update(new)
        inputs = [self.axes.get(name, ()) for name in node.input if name]
        for name in old:
            before, after = shape_of(old[name]), shape_of(new[name])
            if before is None or after is None:  # of a constant that may never meet an image
                if any(moves(axis) for each in inputs for axis in each):
                    raise NotFollowed
                continue
            found = self._inherited(before, after, inputs)
            if axes is not None and name == node.output[0]:
                found = axes
            lengths = tuple(map(old_length, found)), tuple(map(new_length, found))
            if lengths != (before, after):
                raise NotFollowed
            self.axes[name] = found

    def _inherited(self, before: Shape, after: Shape, inputs: Sequence[Axes]) -> Axes:
        """Axes are aligned at the last one; those that stay as long as they were are what they were."""
        found: list[Axis] = []
        for place, lengths in enumerate(zip(reversed(before), reversed(after), strict=True), 1):
            there = [axes[-place] for axes in inputs if len(axes) >= place]
            same = (axis for axis in there if (old_length(axis), new_length(axis)) == lengths)
            known = (side for side in self.sides if (side.old, side.new) == lengths)
            old, new = lengths
            part = next(known, Part(old, new, old != new and any(map(is_open, there))))
            found.append(next(filter(moves, same), (part,)))
        return tuple(reversed(found))

    def _loop(self, node: NodeProto) -> Sequence[NodeProto]:
        """A loop over the pictures of a batch; what it hands on keeps its shape."""
        (body,) = (attribute.g for attribute in node.attribute if attribute.name == "body")
        states, names = list(node.input[2:]), [value.name for value in body.input]
        rounds = [_single(known[node.input[0]].value) for known in (self.old, self.new)]
        for known in (self.old, self.new):
            known.update(
                zip(names, [*_counters(), *(Tensor(type=known[s].type) for s in states)], strict=True)
            )
        self.axes.update(zip(names[2:], (self.axes.get(state, ()) for state in states), strict=True))
        self.follow(body)
        results = [value.name for value in body.output][1:]
        for known, count in zip((self.old, self.new), rounds, strict=True):
            carried = results[: len(states)]
            if [known[name].shape for name in carried] != [known[state].shape for state in states]:
                raise NotFollowed
            made = [Tensor(type=known[name].type) for name in carried]
            made += [_stacked(known[name], count) for name in results[len(states) :]]
            known.update(zip(node.output, made, strict=True))
        (turns,) = self._inherited((rounds[0],), (rounds[1],), ())
        found = [self.axes.get(name, ()) for name in results]
        axes = [*found[: len(states)], *((turns, *each) for each in found[len(states) :])]
        self.axes.update(zip(node.output, axes, strict=True))
        return [node]


def shape_of(tensor: Tensor) -> Shape | None:
    """Length of every axis; None where one is not known."""
    try:
        return tensor.shape
    except NotFollowed:
        return None


def _single(value: NDArray[Any] | None) -> int:
    if value is None or value.size != 1:
        raise NotFollowed
    return int(value.item())


def _counters() -> list[Tensor]:
    from onnx import TensorProto, helper

    kinds = (TensorProto.INT64, TensorProto.BOOL)
    return [Tensor(type=helper.make_tensor_type_proto(kind, [])) for kind in kinds]


def _stacked(tensor: Tensor, rounds: int) -> Tensor:
    """What every round of a loop gives, along a new first axis."""
    from onnx import helper

    if tensor.type is None:
        raise NotFollowed
    kind = helper.make_tensor_type_proto(tensor.type.tensor_type.elem_type, [rounds, *tensor.shape])
    return Tensor(type=kind)
