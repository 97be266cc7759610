"""Tensors by name: where a graph and its subgraphs use them, and the same graph under other names.

ONNX lets no subgraph reuse a name that it can see from outside, so that one mapping serves a graph with all of its
subgraphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from czconverter.graphs.serializing import serialized
from czengine.errors import ModelError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto


def copy_of(model: ModelProto) -> ModelProto:
    """A copy to change.

    Raises
    ------
    ModelError
        Where it has more than 2 GB, which protobuf cannot copy.
    """
    import onnx

    copy: ModelProto = onnx.ModelProto.FromString(serialized(model))
    return copy


def ends(model: ModelProto) -> tuple[ValueInfoProto, ValueInfoProto]:
    """The only input that is no weight, and the only output.

    Raises
    ------
    ModelError
        Where there are more, or none.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    for what, found in (("inputs", inputs), ("outputs", list(model.graph.output))):
        if len(found) != 1:
            names = ", ".join(value.name for value in found) or "none"
            raise ModelError(f"the network has {len(found)} {what} ({names}); exactly one is supported")
    return inputs[0], model.graph.output[0]


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """Graphs among the attributes of a node: branches of an If, the body of a Loop."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def nested(graph: GraphProto) -> Iterator[GraphProto]:
    """The graph and all graphs inside of it, outermost first."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from nested(inner)


def used_by(node: NodeProto) -> Iterator[str]:
    """Tensors that a node needs, also those its subgraphs take from outside, in order; names may repeat."""
    yield from filter(None, node.input)
    for graph in subgraphs(node):
        own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
        own |= {tensor.values.name for tensor in graph.sparse_initializer}
        own |= {name for inner in graph.node for name in inner.output}
        inside = (name for inner in graph.node for name in used_by(inner))
        results = (value.name for value in graph.output)
        yield from (name for names in (inside, results) for name in names if name not in own)


def rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Give tensors other names, in place, subgraphs included; those not in `names` keep theirs."""
    for inner in nested(graph):
        for values in (inner.input, inner.output, inner.value_info, inner.initializer):
            for value in values:
                value.name = names.get(value.name, value.name)
        for sparse in inner.sparse_initializer:
            sparse.values.name = names.get(sparse.values.name, sparse.values.name)
        for node in inner.node:
            for ends_of_node in (node.input, node.output):
                ends_of_node[:] = [names.get(name, name) for name in ends_of_node]


def fresh(taken: Iterable[str]) -> Callable[[str], str]:
    """A function that gives names not in `taken` and never twice: the one it is asked for, or with a number."""
    used = set(taken)
    last: dict[str, int] = {}

    def give(base: str) -> str:
        name = base
        while name in used:
            last[base] = last.get(base, 0) + 1
            name = f"{base}_{last[base]}"
        used.add(name)
        return name

    return give


def tensor_names(graph: GraphProto) -> set[str]:
    """Names of all tensors of a graph and its subgraphs."""
    found: set[str] = set()
    for inner in nested(graph):
        found |= {value.name for values in (inner.input, inner.output, inner.initializer) for value in values}
        found |= {sparse.values.name for sparse in inner.sparse_initializer}
        found |= {name for node in inner.node for name in (*node.input, *node.output)}
    return found
