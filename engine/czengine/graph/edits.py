"""Copies of networks without, and of nodes with other, numbers in them. What they mean is not known here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


def copy_of(model: ModelProto) -> ModelProto:
    """A copy that shares nothing with the network."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def bare(model: ModelProto) -> ModelProto:
    """A copy without functions, and without what it says about shapes between its nodes."""
    from onnx import inliner

    copy = inliner.inline_local_functions(model) if model.functions else copy_of(model)
    for graph in graphs_of(copy.graph):
        del graph.value_info[:]
        for value in graph.output if graph is not copy.graph else ():
            value.type.tensor_type.ClearField("shape")
    return copy


def graphs_of(graph: GraphProto) -> Iterator[GraphProto]:
    """The graph and all those inside."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from graphs_of(inner)


def with_constant(
    node: NodeProto, inputs: Mapping[int, NDArray[Any] | None], *, drop: str = ""
) -> list[NodeProto]:
    """The node with constants as inputs, each made by a node of its own before it; None leaves an input out.

    Parameters
    ----------
    drop : str
        An attribute that the copy does not have.
    """
    from onnx import helper, numpy_helper

    copy = _copy(node, drop)
    made = []
    for index, values in inputs.items():
        name = "" if values is None else f"{node.output[0]}:resized:{index}"
        if values is not None:
            made.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values)))
        copy.input.extend([""] * (index + 1 - len(copy.input)))
        copy.input[index] = name
    while copy.input and not copy.input[-1]:
        copy.input.pop()
    return [*made, copy]


def with_attributes(node: NodeProto, **attributes: Sequence[int] | None) -> NodeProto:
    """The node with these attributes; None leaves one out."""
    from onnx import helper

    copy = _copy(node, *attributes)
    copy.attribute.extend(
        helper.make_attribute(name, value) for name, value in attributes.items() if value is not None
    )
    return copy


def as_transposition(node: NodeProto, order: Sequence[int]) -> NodeProto:
    """A Transpose of the node's first input in place of the node."""
    from onnx import helper

    return helper.make_node("Transpose", node.input[:1], node.output, name=node.name, perm=order)


def _copy(node: NodeProto, *without: str) -> NodeProto:
    import onnx

    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    kept = [attribute for attribute in copy.attribute if attribute.name not in without]
    del copy.attribute[:]
    copy.attribute.extend(kept)
    return copy
