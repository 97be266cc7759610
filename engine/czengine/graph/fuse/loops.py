"""Writes out loops that run a known number of times, as Keras' map over a batch of fixed size leaves them.

Some runtimes cannot read such loops at all. Nothing that is computed changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from czengine.graph.fuse.draft import Draft, attribute, made_by, operator, rename_all
from czengine.graph.lines import NotFollowed
from czengine.graph.tensors import Tensor, calculated, constant

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, NodeProto

Known = dict[str, Tensor]

_MOST_ROUNDS = 16
_MOST_NODES = 10_000  # a network may be made to grow without end
_OPEN_SIZES = ((1, 2), (640, 512))  # stand for an open height and width; both must lead to as many rounds
_AXES_AS_INPUT = 13  # opset


def unroll(draft: Draft) -> int:
    """Write out all loops whose rounds are known beforehand.

    Returns
    -------
    int
        How many there were.
    """
    count = 0
    while _unroll_first(draft):
        count += 1
    if count:
        draft.prune()
    return count


def _unroll_first(draft: Draft) -> bool:
    if not any(operator(node) == "Loop" for node in draft.graph.node):
        return False
    sizes = [_known(draft, size) for size in _OPEN_SIZES]
    for index, node in enumerate(draft.graph.node):
        if operator(node) != "Loop":
            continue
        first, second = (_rounds(node, known, draft.opset) for known in sizes)
        nodes = len(draft.graph.node) + (first or 0) * len(_body(node).node)
        if first and first == second and not _body(node).sparse_initializer and nodes <= _MOST_NODES:
            written = _written_out(draft, node, first)
            del draft.graph.node[index]
            for offset, new in enumerate(written):
                draft.graph.node.insert(index + offset, new)
            return True
    return False


def _known(draft: Draft, size: tuple[int, int]) -> Known:
    """Numbers that follow from constants, and from the shape of an input whose batch is fixed."""
    from onnx import helper

    known: Known = {}
    batch = draft.signature.fixed_batch
    if batch is not None:
        dims = [dim.dim_value for dim in draft.source.type.tensor_type.shape.dim]
        spatial = (1, 2) if draft.signature.layout == "NHWC" else (2, 3)
        for axis, side in zip(spatial, size, strict=True):
            dims[axis] = dims[axis] or side
        if all(dims):
            kind = helper.make_tensor_type_proto(draft.source.type.tensor_type.elem_type, dims)
            known[draft.source.name] = Tensor(type=kind)
    _follow(draft.graph, known, draft.opset)
    return known


def _follow(graph: GraphProto, known: Known, opset: int) -> None:
    """Add what can be calculated from a few numbers."""
    known.update((tensor.name, constant(tensor)) for tensor in graph.initializer)
    for node in graph.node:
        if operator(node) and all(name in known for name in node.input if name):
            try:
                value = calculated(node, known, opset)
            except NotFollowed:
                continue
            if value is not None:
                known[node.output[0]] = Tensor(value=value)


def _rounds(node: NodeProto, known: Known, opset: int) -> int | None:
    """How often a loop runs; None where only running it could tell, or too often."""
    import numpy as np

    body = _body(node)
    most, going = (_number(name, known) for name in node.input[:2])
    if (node.input[0] and most is None) or (node.input[1] and going is None):
        return None
    going = True if going is None else going
    names = [value.name for value in body.input]
    states = [known.get(name) for name in node.input[2:]]
    for count in range(_MOST_ROUNDS + 1):
        if not going or count == most:
            return count
        given = [Tensor(value=np.array(count)), Tensor(value=np.ones((), np.bool_)), *states]
        inner = known | {name: t for name, t in zip(names, given, strict=True) if t is not None}
        _follow(body, inner, opset)
        results = [inner.get(value.name) for value in body.output]
        going = _number(body.output[0].name, inner)
        if going is None:
            return None
        states = results[1 : 1 + len(states)]
    return None


def _number(name: str, known: Mapping[str, Tensor]) -> Any:
    value: NDArray[Any] | None = known.get(name, Tensor()).value
    return value.item() if value is not None and value.size == 1 else None


def _written_out(draft: Draft, node: NodeProto, rounds: int) -> list[NodeProto]:
    """The nodes of all rounds, and those that give the loop's outputs."""
    import numpy as np
    from onnx import helper

    body, states, written = _body(node), list(node.input[2:]), []
    shared = {tensor.name: draft.fresh(tensor.name) for tensor in body.initializer}
    for tensor in body.initializer:
        draft.graph.initializer.add().CopyFrom(tensor)
        draft.graph.initializer[-1].name = shared[tensor.name]
    layers = []
    for count in range(rounds):
        begin = [
            draft.weight(np.int64(count), "round"),
            draft.weight(np.ones((), np.bool_), "going"),
            *states,
        ]
        given = dict(zip((value.name for value in body.input), begin, strict=True))
        names = shared | given | {name: draft.fresh(name) for name in made_by(body.node)}
        written += [_copied(draft, inner, names) for inner in body.node]
        results = [names.get(value.name, value.name) for value in body.output[1:]]
        states, layer = results[: len(states)], results[len(states) :]
        layers.append(layer)
    written += [
        helper.make_node("Identity", [last], [name], name=draft.fresh(name))
        for last, name in zip(states, node.output, strict=False)
        if name
    ]
    for parts, name in zip(zip(*layers, strict=True), node.output[len(states) :], strict=False):
        written += _stacked(draft, list(parts), name) if name else []
    return written


def _copied(draft: Draft, node: NodeProto, names: Mapping[str, str]) -> NodeProto:
    copy = type(node)()
    copy.CopyFrom(node)
    rename_all(copy, names)
    copy.name = draft.fresh(node.name or node.op_type)
    return copy


def _stacked(draft: Draft, parts: list[str], name: str) -> list[NodeProto]:
    """What every round gave, along a new first axis."""
    import numpy as np

    as_input = draft.opset >= _AXES_AS_INPUT
    more = [draft.weight(np.array([0], np.int64), "first_axis")] if as_input else []
    settings = {} if as_input else {"axes": [0]}
    nodes = [draft.node("Unsqueeze", [part, *more], name, **settings) for part in parts]
    if len(parts) > 1:
        nodes.append(draft.node("Concat", [node.output[0] for node in nodes], name, axis=0))
    nodes[-1].output[0] = name
    return nodes


def _body(node: NodeProto) -> GraphProto:
    from onnx import GraphProto

    body = attribute(node, "body", None)
    if not isinstance(body, GraphProto):
        raise ValueError("a loop without a body")
    return body
