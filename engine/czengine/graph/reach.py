"""How far a network looks, and on which grid it may be moved: the certificate's side of the graph.

Every axis of pixels is followed through the graph exactly, phase by phase, with nothing rounded. It is a proof: what
is not understood is named, and then nothing else is said. Positions that padding reaches do not count. Whether tiles
keep to what is found here is for the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from czengine.graph.lines import Line, NotFollowed
from czengine.graph.locality import whole_tile_layers
from czengine.graph.rules import outcome
from czengine.graph.signature import Signature, read_signature
from czengine.graph.step import Step
from czengine.graph.tensors import Tensor, calculated, constant, output_types

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_OPEN_SIZES = ((2, 256, 384), (3, 640, 512))  # batch, height, width that stand for open ones; both must agree
_WRONG = (NotFollowed, LookupError, ValueError, TypeError, ArithmeticError)  # nodes may be malformed
_SIZES = ("Shape", "Size")
_UNSURE = ("Random", "Bernoulli", "Multinomial")


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far a network looks; None throughout where some node could not be followed.

    Attributes
    ----------
    before, after : (y, x) or None
        Pixels that an output pixel looks at most towards the first, and towards the last, row and column.
    stride : (y, x) or None
        The stride grid: a picture moved by a multiple of it moves the output equally. Of a network that pads by
        the size of its input, this holds for sizes that are multiples of it too.
    unknown : tuple of str
        Nodes that look at the whole tile or are not understood: name and operator, e.g. "gap (GlobalMaxPool)".
    """

    before: tuple[int, int] | None = None
    after: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    unknown: tuple[str, ...] = ()

    @property
    def radius(self) -> tuple[int, int] | None:
        """The larger of both sides, (y, x): with a border of as many pixels no tile's edge is seen."""
        if self.before is None or self.after is None:
            return None
        return max(self.before[0], self.after[0]), max(self.before[1], self.after[1])


def analyze(model: ModelProto) -> Reach:
    """How far a network looks.

    Parameters
    ----------
    model : ModelProto
        One image in, one image out of the same size, in any layout.

    Raises
    ------
    ModelError
        Where the network is not one image in, one image out.
    """
    from onnx import inliner

    signature = read_signature(model)
    if model.functions:
        model = inliner.inline_local_functions(model)
    whole = whole_tile_layers(model)
    found = [_analyze(model, signature, size) for size in _OPEN_SIZES]
    unknown = tuple(dict.fromkeys([name for reach in found for name in reach.unknown] + list(whole)))
    if not unknown and found[0] != found[1]:  # it has numbers inside that are meant for one size
        unknown = (_last(model, signature),)
    return Reach(unknown=unknown) if unknown else found[0]


def _analyze(model: ModelProto, signature: Signature, size: tuple[int, int, int]) -> Reach:
    """For tiles of a given size, where the graph leaves that open."""
    from onnx import TensorProto, helper

    batch, *sides = size
    height, width = (fixed or side for fixed, side in zip(signature.size, sides, strict=True))
    last = signature.layout == "NHWC"
    lines = (None, Line(source=0), Line(source=1))
    dims = [signature.fixed_batch or batch, height, width]
    image = Tensor(
        type=helper.make_tensor_type_proto(
            TensorProto.FLOAT,
            [*dims, signature.channels] if last else [dims[0], signature.channels, *dims[1:]],
        ),
        lines=(*lines, None) if last else (None, *lines),
        varies=True,
    )
    walk = _Walk(pixels=(height, width), opset=signature.opset or 1)
    walk.follow(model.graph, known := {signature.input_name: image})
    if walk.unknown:
        return Reach(unknown=tuple(walk.unknown))
    result = known.get(signature.output_name, Tensor()).lines or ()
    result = result if len(result) == 4 else (None,) * 4  # no image, or not made of one
    y, x = result[1:3] if signature.output_layout == "NHWC" else result[2:4]
    if (
        y is None
        or x is None
        or (y.source, x.source) != (0, 1)
        or any(len(line.spans) != line.period for line in (y, x))
    ):
        return Reach(unknown=(_last(model, signature),))
    return _reach(y, x)


def _reach(y: Line, x: Line) -> Reach:
    before, after = [], []
    for line in (y, x):
        before.append(max(0, *(element - line.span(element)[0] for element in range(line.period))))
        after.append(max(0, *(line.span(element)[1] - element for element in range(line.period))))
    return Reach(before=(before[0], before[1]), after=(after[0], after[1]), stride=(y.period, x.period))


@dataclass(frozen=True, kw_only=True)
class _Walk:
    """The way through a graph for a tile of (height, width) pixels; `unknown` collects where it is lost."""

    pixels: tuple[int, int]
    opset: int
    unknown: list[str] = field(default_factory=list)

    def follow(self, graph: GraphProto, known: dict[str, Tensor]) -> None:
        """Add what is known of all tensors of a graph."""
        known.update((tensor.name, constant(tensor)) for tensor in graph.initializer)
        for node in graph.node:
            names = [name for name in node.output if name]
            inputs = [known.get(name, Tensor()) for name in node.input if name]
            lost = any(tensor.varies and tensor.lines is None for tensor in inputs)
            try:
                found = [Tensor(varies=True)] * len(names) if lost else list(self._outputs(node, known))
            except _WRONG:
                self.unknown.append(_label(node))
                found = [Tensor(varies=True)] * len(names)
            known.update(zip(names, found, strict=True))

    def _outputs(self, node: NodeProto, known: dict[str, Tensor]) -> Iterator[Tensor]:
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
        return (Tensor(type=types.get(name), lines=lines, varies=True) for name in node.output if name)

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
        """A loop whose rounds know nothing of each other's pixels: it maps over the batch."""
        from onnx import TensorProto, helper

        (body,) = (attribute.g for attribute in node.attribute if attribute.name == "body")
        states = [known.get(name, Tensor()) for name in node.input[2:]]
        counter, going = (
            Tensor(type=helper.make_tensor_type_proto(kind, []))
            for kind in (TensorProto.INT64, TensorProto.BOOL)
        )
        rounds = known.get(node.input[0], Tensor()).value
        if rounds is None or rounds.size != 1 or any(state.varies for state in states):
            raise NotFollowed
        carried = [Tensor(type=state.type, measured=state.measured) for state in states]
        inner = known | dict(
            zip((value.name for value in body.input), [counter, going, *carried], strict=True)
        )
        self.follow(body, inner)
        results = [inner.get(value.name, Tensor()) for value in body.output]
        if any(result.varies for result in results[: 1 + len(states)]):
            raise NotFollowed
        stacked = [_stacked(result, int(rounds.item())) for result in results[1 + len(states) :]]
        found = zip(node.output, [*carried, *stacked], strict=False)
        return (tensor for name, tensor in found if name)


def _stacked(tensor: Tensor, rounds: int) -> Tensor:
    """What every round of a loop gives, along a new first axis."""
    from onnx import helper

    if tensor.type is None or (tensor.varies and tensor.lines is None):
        return replace(tensor, type=None, value=None)
    kind = helper.make_tensor_type_proto(tensor.type.tensor_type.elem_type, [rounds, *tensor.shape])
    return replace(tensor, type=kind, value=None, lines=tensor.lines and (None, *tensor.lines))


def _last(model: ModelProto, signature: Signature) -> str:
    """Label of the node that gives the output."""
    made = {name: node for node in model.graph.node for name in node.output}
    node = made.get(signature.output_name)
    return signature.output_name if node is None else _label(node)


def _label(node: NodeProto) -> str:
    return f"{node.name or next(iter(node.output), '')} ({node.op_type})"
