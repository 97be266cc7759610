"""The way through a graph, node by node: what becomes known of every tensor, and where it is lost.

What a single operator does is for `rules`; loops are followed here, round by round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from czengine.graph.lines import BATCH, Line, NotFollowed
from czengine.graph.rules import outcome, picked
from czengine.graph.step import Step
from czengine.graph.tensors import MALFORMED, Tensor, calculated, constant, output_types

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, NodeProto

_MOST_ROUNDS = 64
_SIZES = ("Shape", "Size")
_UNSURE = ("Random", "Bernoulli", "Multinomial")


@dataclass(frozen=True, kw_only=True)
class Walk:
    """The way through a graph.

    Attributes
    ----------
    pixels : (height, width, batch)
        Of the tiles.
    opset : int
        Of ONNX.
    unknown : list of str
        Labels of the nodes where it was lost, in order.
    inside : bool
        Whether this is the body of a loop.
    """

    pixels: tuple[int, int, int]
    opset: int
    unknown: list[str] = field(default_factory=list)
    inside: bool = False

    def follow(self, graph: GraphProto, known: dict[str, Tensor]) -> None:
        """Add what is known of all tensors of a graph."""
        known.update((tensor.name, constant(tensor)) for tensor in graph.initializer)
        for node in graph.node:
            names = [name for name in node.output if name]
            inputs = [known.get(name, Tensor()) for name in node.input if name]
            lost = any(tensor.varies and tensor.lines is None for tensor in inputs)
            found = [Tensor(varies=True)] * len(names)
            try:
                found = found if lost else list(self._outputs(node, known))
                known.update(zip(names, found, strict=True))
            except (NotFollowed, *MALFORMED):
                self.unknown.append(label(node))
                known.update(dict.fromkeys(names, Tensor(varies=True)))

    def _outputs(self, node: NodeProto, known: dict[str, Tensor]) -> Iterator[Tensor]:
        if node.domain not in ("", "ai.onnx"):
            raise NotFollowed
        if node.op_type == "Loop":
            return self._loop(node, known)
        if node.op_type.startswith(_UNSURE) or any(a.HasField("g") or a.graphs for a in node.attribute):
            raise NotFollowed
        inputs = [known.get(name, Tensor()) if name else None for name in node.input]
        if node.op_type not in _SIZES and any(tensor is not None and tensor.varies for tensor in inputs):
            return self._images(node, known, inputs)
        measured = node.op_type in _SIZES or any(tensor is not None and tensor.measured for tensor in inputs)
        return self._constants(node, known, measured=measured)

    def _images(
        self, node: NodeProto, known: dict[str, Tensor], inputs: list[Tensor | None]
    ) -> Iterator[Tensor]:
        types = output_types(node, known, self.opset)
        result = Tensor(type=types.get(node.output[0])).shape
        step = Step(node=node, opset=self.opset, inputs=inputs, result=result, pixels=self.pixels)
        if len(lines := outcome(step)) != len(result):
            raise NotFollowed
        pictures = {tensor.picture for tensor in inputs if tensor is not None and tensor.varies}
        if len(pictures) > 1:
            raise NotFollowed
        picture = pictures.pop()
        picture = picked(step) if picture is None else picture
        return (
            Tensor(type=types.get(name), lines=lines, varies=True, picture=picture)
            for name in node.output
            if name
        )

    def _constants(self, node: NodeProto, known: dict[str, Tensor], *, measured: bool) -> Iterator[Tensor]:
        """Nothing is said against a constant that nobody can tell before it meets an image."""
        names = [name for name in node.output if name]
        try:
            types, value = output_types(node, known, self.opset), calculated(node, known, self.opset)
        except NotFollowed:
            return (Tensor(measured=measured) for _ in names)
        first = node.output[0]
        return (
            Tensor(type=types.get(name), value=value if name == first else None, measured=measured)
            for name in names
        )

    def _loop(self, node: NodeProto, known: dict[str, Tensor]) -> Iterator[Tensor]:
        """A loop whose rounds know nothing of each other's pixels: it maps over the batch.

        Whatever changes from round to round counts as measured: it tells one picture of a batch from the other.
        """
        import numpy as np

        (body,) = (attribute.g for attribute in node.attribute if attribute.name == "body")
        always = _scalar(np.ones((), np.bool_))
        often, going, *states = (known.get(name, Tensor()) if name else always for name in node.input)
        rounds = _number(often)
        if self.inside or not 0 < rounds <= _MOST_ROUNDS or not _number(going) or not node.input[0]:
            raise NotFollowed
        scans: list[list[Tensor]] = []
        carried = list(map(_measured, states, _changing(body)))
        for number in range(rounds):
            again, carried, scanned = self._round(body, known, number, carried)
            carried = list(map(_measured, carried, _changing(body)))
            if number + 1 < rounds and not _number(again):
                raise NotFollowed
            scans.append(scanned)
        stacked = [self._stacked(tensors) for tensors in zip(*scans, strict=True)]
        return (tensor for name, tensor in zip(node.output, [*carried, *stacked], strict=True) if name)

    def _round(
        self, body: GraphProto, known: dict[str, Tensor], number: int, states: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Whether there is another round, what is handed on to it, and what this one gives."""
        import numpy as np

        walk = replace(self, inside=True)
        counter = replace(_scalar(np.full((), number, np.int64)), measured=True)
        given = [counter, _scalar(np.ones((), np.bool_)), *states]
        inner = known | dict(zip((value.name for value in body.input), given, strict=True))
        walk.follow(body, inner)
        again, *results = (inner.get(value.name, Tensor()) for value in body.output)
        handed, made = results[: len(states)], results[len(states) :]
        if any(tensor.varies for tensor in (again, *handed)):
            raise NotFollowed
        return again, handed, made

    def _stacked(self, tensors: Sequence[Tensor]) -> Tensor:
        """What all rounds of a loop give, along a new first axis: the pictures of a batch, where each gives its own."""
        from onnx import helper

        first, rounds = tensors[0], len(tensors)
        varies = any(tensor.varies for tensor in tensors)
        if any(tensor.lines != first.lines or tensor.type != first.type for tensor in tensors):
            raise NotFollowed
        if first.type is None or (varies and first.lines is None):
            return Tensor(varies=varies, measured=True)
        kind = helper.make_tensor_type_proto(first.type.tensor_type.elem_type, [rounds, *first.shape])
        if first.lines is None:
            return Tensor(type=kind, measured=True)
        pictures = [tensor.picture for tensor in tensors]
        line = Line(source=BATCH) if pictures == list(range(self.pixels[2])) else None
        if line is None and any(picture is not None for picture in pictures):
            raise NotFollowed
        return Tensor(type=kind, lines=(line, *first.lines), varies=True)


def _changing(body: GraphProto) -> list[bool]:
    """For each state of a loop, whether a round may hand on another value than it was given."""
    made = {node.output[0]: node.input[0] for node in body.node if node.op_type == "Identity"}
    found = []
    for given, handed in zip(body.input[2:], body.output[1:], strict=False):
        name = handed.name
        while name != given.name and name in made:
            name = made.pop(name)
        found.append(name != given.name)
    return found


def _measured(tensor: Tensor, changing: bool) -> Tensor:  # noqa: FBT001 - for `map`
    return replace(tensor, measured=tensor.measured or changing)


def label(node: NodeProto) -> str:
    """How a node is called in messages: name and operator."""
    return f"{node.name or next(iter(node.output), '')} ({node.op_type})"


def _number(tensor: Tensor) -> int:
    """Value of a tensor with one element.

    Raises
    ------
    NotFollowed
        If only running the network tells it.
    """
    if tensor.value is None or tensor.value.size != 1:
        raise NotFollowed
    return int(tensor.value.item())


def _scalar(value: NDArray[Any]) -> Tensor:
    from onnx import helper

    kind = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(value.dtype), [])
    return Tensor(type=kind, value=value)
