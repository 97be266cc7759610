"""Gives a network channels-last float32 ends, by Transpose and Cast nodes where its own are others.

The names of input and output stay. Only this module adds nodes at the ends; steps before and after are not its task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from czconverter.graphs.names import copy_of, fresh, rename, tensor_names, used_by
from czengine.errors import ModelError
from czengine.spec import Layout

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

_TO_FIRST = [0, 3, 1, 2]
_TO_LAST = [0, 2, 3, 1]


def channels_last(model: ModelProto, *, layout: Layout, output_layout: Layout) -> ModelProto:
    """The network with (batch, y, x, channel) at both ends.

    A Transpose that the graph has at its end already is taken away rather than undone by a second one.

    Parameters
    ----------
    layout, output_layout : {"NHWC", "NCHW"}
        Axis order that input and output have in `model`.
    """
    copy = copy_of(model)
    graph = copy.graph
    if layout == "NCHW":
        if not _without_first(graph):
            _prepend(graph, "Transpose", "channels_first", perm=_TO_FIRST)
        _permute(graph.input[0])
    if output_layout == "NCHW":
        if not _without_last(graph):
            _append(graph, "Transpose", "channels_first", perm=_TO_LAST)
        _permute(graph.output[0])
    return copy


def float_ends(model: ModelProto) -> ModelProto:
    """The network with float32 at both ends; what it computes in stays.

    Where it takes whole numbers, the nearest ones are fed: a cast alone would cut off what rounding left below them.

    Raises
    ------
    ModelError
        For ends of a type that pixels and scores do not have.
    """
    from onnx import TensorProto

    copy = copy_of(model)
    graph = copy.graph
    for value, put in ((graph.input[0], _prepend), (graph.output[0], _append)):
        tensor, source = value.type.tensor_type, put is _prepend
        if tensor.elem_type == TensorProto.FLOAT or value.type.WhichOneof("value") != "tensor_type":
            continue  # what is no tensor is refused where the signature is read
        _check_type(value)
        put(graph, "Cast", "own_type", to=tensor.elem_type if source else TensorProto.FLOAT)
        if source and tensor.elem_type in (TensorProto.UINT8, TensorProto.UINT16):
            _prepend(graph, "Round", "whole")
        tensor.elem_type = TensorProto.FLOAT
    return copy


def _check_type(value: ValueInfoProto) -> None:
    from onnx import TensorProto

    names = ("FLOAT16", "DOUBLE", "BFLOAT16", "UINT8", "UINT16")
    found = value.type.tensor_type.elem_type
    if found not in {TensorProto.DataType.Value(name) for name in names}:
        raise ModelError(
            f"{value.name!r} of the network is {TensorProto.DataType.Name(found).lower()}; pixels and scores have to be"
            f" float, {', '.join(names).lower()}"
        )


def _prepend(graph: GraphProto, operator: str, suffix: str, **attributes: Any) -> None:
    """A node between the input, which keeps its name, and all that uses it."""
    from onnx import helper

    value = graph.input[0]
    outer, inner = value.name, fresh(tensor_names(graph))(f"{value.name}_{suffix}")
    rename(graph, {outer: inner})
    value.name = outer
    graph.node.insert(0, helper.make_node(operator, [outer], [inner], name=inner, **attributes))


def _append(graph: GraphProto, operator: str, suffix: str, **attributes: Any) -> None:
    """A node between what gave the output and the output, which keeps its name."""
    from onnx import helper

    value = graph.output[0]
    outer, inner = value.name, fresh(tensor_names(graph))(f"{value.name}_{suffix}")
    rename(graph, {outer: inner})
    value.name = outer
    graph.node.append(helper.make_node(operator, [inner], [outer], name=inner, **attributes))


def _without_first(graph: GraphProto) -> bool:
    """Take away the Transpose to channels-last that the graph begins with; False where it does not."""
    name = graph.input[0].name
    users = [node for node in graph.node if name in used_by(node)]
    if len(users) != 1 or not _is_transpose(users[0], _TO_LAST) or users[0].output[0] == graph.output[0].name:
        return False
    inner = users[0].output[0]
    graph.node.remove(users[0])
    _replace(graph, inner, name)
    return True


def _without_last(graph: GraphProto) -> bool:
    """Take away the Transpose to channels-first that the graph ends with; False where it does not."""
    name = graph.output[0].name
    giver = next((node for node in graph.node if name in node.output), None)
    used = any(name in used_by(node) for node in graph.node)
    if giver is None or used or not _is_transpose(giver, _TO_FIRST):
        return False
    inner = giver.input[0]
    if not any(inner in node.output for node in graph.node):  # an input or a weight cannot be renamed
        return False
    graph.node.remove(giver)
    _replace(graph, inner, name)
    return True


def _is_transpose(node: NodeProto, perm: list[int]) -> bool:
    return node.op_type == "Transpose" and [list(a.ints) for a in node.attribute] == [perm]


def _replace(graph: GraphProto, old: str, new: str) -> None:
    """Rename a value to an end's name; what was noted about its shape goes, since the end says it."""
    rename(graph, {old: new})
    noted = [value for value in graph.value_info if value.name != new]
    del graph.value_info[:]
    graph.value_info.extend(noted)


def _permute(value: ValueInfoProto) -> None:
    """Dims of channels-first become those of channels-last."""
    dims = value.type.tensor_type.shape.dim
    before = [type(dim).FromString(dim.SerializeToString()) for dim in dims]
    for dim, axis in zip(dims, _TO_LAST, strict=True):
        dim.CopyFrom(before[axis])
