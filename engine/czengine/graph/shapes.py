"""Shapes and small values of a graph's tensors, as far as they can be told without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from czengine.graph.lines import NotFollowed
from czengine.graph.signature import Signature
from czengine.graph.tensors import MALFORMED, Shape, Tensor, calculated, constant, output_types

if TYPE_CHECKING:
    from onnx import ModelProto

_OPEN_SIDES = (256, 320)  # stand for an open height and width; as even as networks of six poolings need
_OPEN_BATCH = 2  # not 1, which could be any axis of length 1


def tile_tensors(model: ModelProto, signature: Signature) -> dict[str, Tensor]:
    """Types and small values by name, for a tile of the size the graph insists on, or else of a usual one.

    Node by node, and not by onnx for the whole graph at once: some graphs end the process there.
    """
    from onnx import TensorProto, helper

    batch = signature.fixed_batch or _OPEN_BATCH
    sides = [fixed or side for fixed, side in zip(signature.size, _OPEN_SIDES, strict=True)]
    last = signature.layout == "NHWC"
    dims = [batch, *sides, signature.channels] if last else [batch, signature.channels, *sides]
    found = {signature.input_name: Tensor(type=helper.make_tensor_type_proto(TensorProto.FLOAT, dims))}
    found.update((tensor.name, constant(tensor)) for tensor in model.graph.initializer)
    opset = signature.opset or 1
    for node in model.graph.node:
        try:
            types, value = output_types(node, found, opset), calculated(node, found, opset)
        except (NotFollowed, *MALFORMED):
            continue
        found.update((name, Tensor(type=kind)) for name, kind in types.items())
        if value is not None:
            found[node.output[0]] = Tensor(type=types.get(node.output[0]), value=value)
    return found


def shapes_of(tensors: dict[str, Tensor]) -> dict[str, Shape]:
    """Those shapes that are known in full, of tensors that hold anything."""
    found = {}
    for name, tensor in tensors.items():
        try:
            shape = tensor.shape
        except NotFollowed:
            continue
        if shape and min(shape) > 0:
            found[name] = shape
    return found


def numbers_of(tensors: dict[str, Tensor]) -> dict[str, list[int]]:
    """Short lists of whole numbers: axes, indices, shapes."""
    values = {name: tensor.value for name, tensor in tensors.items() if tensor.value is not None}
    return {n: v.ravel().tolist() for n, v in values.items() if v.dtype.kind == "i" and v.ndim < 2}
