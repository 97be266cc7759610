"""The same network in the same bytes: what an exporter leaves in a graph that is not the network goes.

tf2onnx counts names through the life of a process, torch writes stack traces with the paths of the machine, and
both may write nodes in any order that runs. What is computed stays as it is, operator by operator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from czconverter.graphs.names import ends, fresh, nested, rename, subgraphs, used_by
from czconverter.graphs.opset import weights_inside

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_COUNTERS = re.compile(r"(__\d+|:\d+)+$")


def canonical(
    model: ModelProto, *, input_name: str = "input", output_name: str = "output", graph_name: str = "network"
) -> ModelProto:
    """A copy whose bytes depend on what it computes and on the exporter's version, and on nothing else.

    Parameters
    ----------
    model : ModelProto
        One input (apart from weights) and one output, of any kind.
    input_name, output_name, graph_name : str
        What they are called from now on.

    Returns
    -------
    ModelProto
        Without docs, metadata, shapes of tensors in between, and nodes and weights that the output does not need.

    Raises
    ------
    ModelError
        Where the network has more inputs or outputs, or none.
    """
    copy = weights_inside(model)
    source, result = (value.name for value in ends(copy))
    _strip(copy)
    _sort(copy.graph)
    for graph in nested(copy.graph):
        _prune(graph)
    _name_nodes(copy.graph)
    rename(copy.graph, _names(copy.graph, {source: input_name, result: output_name}))
    _name_dims(copy.graph)
    copy.graph.name = graph_name
    for graph in nested(copy.graph):
        _by_name(graph.initializer, lambda tensor: tensor.name)
        _by_name(graph.sparse_initializer, lambda tensor: tensor.values.name)
    _drop_opsets(copy)
    _by_name(copy.opset_import, lambda opset: opset.domain)
    return copy


def to_bytes(model: ModelProto) -> bytes:
    """The model as the bytes of a file, the same for the same model."""
    return bytes(model.SerializeToString(deterministic=True))


def _strip(message: Any) -> None:
    """Clear docs and metadata wherever there can be some: functions, subgraphs, values, attributes, tensors."""
    for field in ("doc_string", "metadata_props"):
        if field in message.DESCRIPTOR.fields_by_name:
            message.ClearField(field)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for child in [value] if hasattr(value, "DESCRIPTOR") else value:
                _strip(child)


def _sort(graph: GraphProto) -> None:
    """Put the nodes in the order in which the outputs need them; what no output needs goes."""
    makers = {name: node for node in graph.node for name in node.output if name}
    ordered: list[NodeProto] = []
    done: set[int] = set()
    waiting: list[tuple[NodeProto, Iterator[str]]] = []
    for value in graph.output:
        _enter(makers.get(value.name), done, waiting)
        while waiting:
            node, needs = waiting[-1]
            needed = next((makers[name] for name in needs if name in makers), None)
            if needed is None:
                ordered.append(waiting.pop()[0])
            else:
                _enter(needed, done, waiting)
    for node in ordered:
        for inner in subgraphs(node):
            _sort(inner)
    del graph.node[:]
    graph.node.extend(ordered)


def _enter(node: NodeProto | None, done: set[int], waiting: list[tuple[NodeProto, Iterator[str]]]) -> None:
    if node is not None and id(node) not in done:
        done.add(id(node))
        waiting.append((node, iter(list(used_by(node)))))


def _prune(graph: GraphProto) -> None:
    """Drop weights that nothing uses, and all that only helps a reader along."""
    del graph.value_info[:]
    del graph.quantization_annotation[:]
    used = {name for node in graph.node for name in used_by(node)} | {value.name for value in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    sparse = [tensor for tensor in graph.sparse_initializer if tensor.values.name in used]
    del graph.initializer[:]
    del graph.sparse_initializer[:]
    graph.initializer.extend(kept)
    graph.sparse_initializer.extend(sparse)


def _drop_opsets(model: ModelProto) -> None:
    """Drop those of domains without a node; tf2onnx imports "ai.onnx.ml" for nothing."""
    used = {"", *(node.domain for graph in nested(model.graph) for node in graph.node)}
    used |= {opset.domain for function in model.functions for opset in function.opset_import}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _name_nodes(graph: GraphProto) -> None:
    give = fresh(())
    for inner in nested(graph):
        for node in inner.node:
            node.name = give(_base(node.name) or node.op_type)
            for body in subgraphs(node):
                body.name = node.name


def _names(graph: GraphProto, given: dict[str, str]) -> dict[str, str]:
    """New names of all tensors, after the node that makes them, or else the first that uses them.

    Their own names are of no use: where two constants are equal, tf2onnx keeps one or the other, by chance.
    """
    names = dict(given)
    give = fresh(given.values())
    for name, wanted in _appearing(graph):
        if name and name not in names:
            names[name] = give(wanted)
    return names


def _appearing(graph: GraphProto) -> Iterator[tuple[str, str]]:
    """Tensors in order of appearance, with the names they shall have; some more than once."""
    yield from ((value.name, f"{graph.name}/input") for value in graph.input)
    for node in graph.node:
        yield from ((name, f"{node.name}/{_role(node, index)}") for index, name in enumerate(node.input))
        for inner in subgraphs(node):
            yield from _appearing(inner)
        yield from ((name, node.name) for name in node.output)
    yield from ((value.name, f"{graph.name}/output") for value in graph.output)


def _role(node: NodeProto, index: int) -> str:
    """What the operator calls its input, e.g. "W" for the kernel of a Conv."""
    from onnx import defs

    if not defs.has(node.op_type, node.domain):
        return "input"
    formal = defs.get_schema(node.op_type, domain=node.domain).inputs
    return formal[min(index, len(formal) - 1)].name


def _name_dims(graph: GraphProto) -> None:
    """Open dims carry counters as well, e.g. "unk__17"."""
    names: dict[str, str] = {}
    give = fresh(())
    for inner in nested(graph):
        for value in (*inner.input, *inner.output):
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_param:
                    names[dim.dim_param] = names.get(dim.dim_param) or give(_base(dim.dim_param) or "dim")
                    dim.dim_param = names[dim.dim_param]


def _base(name: str) -> str:
    return _COUNTERS.sub("", name)


def _by_name(repeated: Any, key: Callable[[Any], str]) -> None:
    ordered = sorted(repeated, key=key)
    del repeated[:]
    repeated.extend(ordered)
