"""Functions of a model put in place of the nodes that call them, within limits: a model file is hostile input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from czengine.errors import ModelError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_MOST_FUNCTIONS = 1000
_MOST_NODES = 100_000

Name = tuple[str, str]  # domain and name


def inlined(model: ModelProto) -> ModelProto:
    """The model without functions; the argument stays as it is.

    Raises
    ------
    ModelError
        Where functions call each other in a circle, are wrong in another way, or make more nodes than any network has.
    """
    from onnx import inliner

    if not model.functions:
        return model
    if len(model.functions) > _MOST_FUNCTIONS or _size(model) > _MOST_NODES:
        raise ModelError(
            f"the network's {len(model.functions)} functions make more than {_MOST_NODES} nodes; export it without"
        )
    try:
        return inliner.inline_local_functions(model)
    except Exception as error:  # of onnx, for functions that are wrong in any way
        raise ModelError(f"the network's functions cannot be put in place: {error}") from error


def _size(model: ModelProto) -> int:
    """Nodes of a model once its functions are put in place."""
    bodies = {(f.domain, f.name): [_name(n) for n in _nodes(f.node)] for f in model.functions}
    sizes: dict[Name, int] = {}
    while waiting := [name for name in bodies if name not in sizes]:
        for name in waiting:
            if all(called in sizes or called not in bodies for called in bodies[name]):
                sizes[name] = sum(sizes.get(called, 1) for called in bodies[name])
        if all(name not in sizes for name in waiting):
            raise ModelError(f"the network's function {waiting[0][1]!r} calls itself; export it again")
    return sum(sizes.get(_name(node), 1) for node in _nodes(model.graph.node))


def _name(node: NodeProto) -> Name:
    return node.domain, node.op_type


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """All nodes, also those of loops and branches."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _nodes(graph.node)
