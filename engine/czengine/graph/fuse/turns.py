"""Nodes that only turn axes, by whatever name: Transpose, Identity, and what tf2onnx writes for one channel.

An image of one channel holds the same numbers in the same order channels-first and channels-last, so that tf2onnx
replaces the Transpose by a Reshape to a fixed size, or for open sizes by one of five axes, of which the first is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from czengine.graph.fuse.draft import Draft, attribute, operator

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

Perm = tuple[int, ...]  # axis of the source that each axis is, as in Transpose

TO_FIRST: Perm = (0, 3, 1, 2)
TO_LAST: Perm = (0, 2, 3, 1)
SAME: Perm = (0, 1, 2, 3)

_SMALL = 64  # elements of constants that shapes may follow from


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A tensor that is another one with its axes turned.

    Attributes
    ----------
    source : str
        The other tensor.
    perm : tuple of int
        Of 4 axes.
    between : str or None
        A tensor on the way, where it takes two nodes.
    """

    source: str
    perm: Perm
    between: str | None = None


def turns(draft: Draft) -> dict[str, Turn]:
    """All tensors of four axes that are only others turned, by name."""
    shapes = _shapes(draft.model)
    found = {}
    for node in draft.graph.node:
        turn = _turn(draft, node, shapes)
        if turn is not None:
            found[node.output[0]] = turn
    return found


def origin(name: str, known: dict[str, Turn]) -> Turn:
    """Where a tensor comes from when all turns are undone; itself where there are none."""
    perm = SAME
    for step in path(name, known):
        if step in known:
            perm = tuple(known[step].perm[axis] for axis in perm)
            name = known[step].source
    return Turn(source=name, perm=perm)


def _turn(draft: Draft, node: NodeProto, shapes: dict[str, list[int | None]]) -> Turn | None:
    kind, shape = operator(node), shapes.get(node.input[0]) if node.input else None
    if kind == "Identity":
        return Turn(source=node.input[0], perm=SAME) if shape is not None and len(shape) == 4 else None
    if kind == "Transpose":
        perm = tuple(attribute(node, "perm", None) or (3, 2, 1, 0))
        known = len(perm) == 4 and (shape is None or len(shape) == 4)
        return Turn(source=node.input[0], perm=perm) if known else None
    if kind == "Reshape" and not attribute(node, "allowzero", 0):
        return _reshape(draft, node, shapes)
    return _squeeze(draft, node, shapes) if kind == "Squeeze" else None


def path(name: str, known: dict[str, Turn]) -> list[str]:
    """The tensor, all on the way to where it comes from, and that."""
    found = [name]
    while name in known:
        turn = known[name]
        name = turn.source
        if name in found:
            raise ValueError("a tensor is made of itself")
        found += [turn.between, name] if turn.between else [name]
    return found


def _reshape(draft: Draft, node: NodeProto, shapes: dict[str, list[int | None]]) -> Turn | None:
    """(n, y, x, 1) to (n, 1, y, x) or back, or (1, n, y, x, 1) to (n, 1, y, x)."""
    target, shape = draft.setting(node, "shape", 1), shapes.get(node.input[0])
    if target is None or shape is None:
        return None
    if len(shape) == len(target) == 4 and (target[0] in (0, -1) or target[0] == shape[0]):
        if shape[3] == 1 and target[1:] == [1, *shape[1:3]]:
            return Turn(source=node.input[0], perm=TO_FIRST)
        if shape[1] == 1 and target[1:] == [*shape[2:4], 1]:
            return Turn(source=node.input[0], perm=TO_LAST)
    before = draft.maker(node.input[0])
    if (
        before is None
        or target != [-1, 1, 0, 0]
        or operator(before) != "Unsqueeze"
        or not _of_first(draft, before)
    ):
        return None
    shape = shapes.get(before.input[0])
    if shape is None or len(shape) != 4 or shape[3] != 1:
        return None
    return Turn(source=before.input[0], perm=TO_FIRST, between=node.input[0])


def _squeeze(draft: Draft, node: NodeProto, shapes: dict[str, list[int | None]]) -> Turn | None:
    """(n, 1, y, x) to (1, n, y, x, 1) to (n, y, x, 1)."""
    before = draft.maker(node.input[0])
    if before is None or operator(before) != "Reshape" or not _of_first(draft, node):
        return None
    target, shape = draft.setting(before, "shape", 1), shapes.get(before.input[0])
    if target is None or shape is None or len(shape) != 4 or shape[1] != 1:
        return None
    batch = shape[0] or -1
    if attribute(before, "allowzero", 0) or target not in ([1, -1, 0, 0, 1], [1, batch, 0, 0, 1]):
        return None
    return Turn(source=before.input[0], perm=TO_LAST, between=node.input[0])


def _of_first(draft: Draft, node: NodeProto) -> bool:
    """Whether a Squeeze or Unsqueeze is about the first axis only."""
    return draft.setting(node, "axes", 1) == [0]


def _shapes(model: ModelProto) -> dict[str, list[int | None]]:
    """Dims of tensors as far as onnx can tell; None for open ones. Nothing large is copied."""
    import onnx

    graph = model.graph
    inputs = [*graph.input, *(_port(tensor) for tensor in graph.initializer if not _is_small(tensor))]
    small = [tensor for tensor in graph.initializer if _is_small(tensor)]
    bare = onnx.helper.make_graph(graph.node, graph.name or "network", inputs, graph.output, small)
    skeleton = onnx.helper.make_model(bare, opset_imports=model.opset_import, ir_version=model.ir_version)
    try:
        skeleton = onnx.shape_inference.infer_shapes(skeleton)
    except onnx.shape_inference.InferenceError:
        return {}
    return {
        value.name: [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
        for value in (*skeleton.graph.input, *skeleton.graph.value_info, *skeleton.graph.output)
        if (tensor := value.type.tensor_type).HasField("shape")
    }


def _is_small(tensor: TensorProto) -> bool:
    return bool(prod(tensor.dims) <= _SMALL)


def _port(tensor: TensorProto) -> ValueInfoProto:
    from onnx import helper

    return helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
