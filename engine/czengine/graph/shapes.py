"""Shapes and small constants of a graph, as far as they can be told without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from czengine.graph.signature import Signature

if TYPE_CHECKING:
    from onnx import ModelProto

Shape = tuple[int, ...]

_OPEN_SIDES = (256, 320)  # stand for an open height and width; as even as networks of six poolings need
_OPEN_BATCH = 2  # not 1, which could be any axis of length 1


def tile_shapes(model: ModelProto, signature: Signature) -> dict[str, Shape]:
    """Shapes of tensors by name, for a tile of the size the graph insists on, or else of a usual one.

    Only shapes that are known in full; none for what the graph computes from the shape of its input in ways that
    onnx's shape inference cannot follow.
    """
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    source = next(value for value in copy.graph.input if value.name == signature.input_name)
    dims = source.type.tensor_type.shape.dim
    first = 1 if signature.layout == "NHWC" else 2
    for axis, length in zip((0, first, first + 1), (_OPEN_BATCH, *_OPEN_SIDES), strict=True):
        if dims[axis].dim_value <= 0:
            dims[axis].dim_value = length
    try:
        copy = onnx.shape_inference.infer_shapes(copy, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return {}
    values = [*copy.graph.input, *copy.graph.value_info, *copy.graph.output]
    found = {value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim) for value in values}
    return {name: shape for name, shape in found.items() if shape and min(shape) > 0}


def whole_numbers(model: ModelProto) -> dict[str, list[int]]:
    """Constant lists of whole numbers by name: axes, indices, shapes."""
    from onnx import TensorProto, numpy_helper

    tensors = [(tensor.name, tensor) for tensor in model.graph.initializer]
    for node in model.graph.node:
        if node.op_type == "Constant":
            tensors += [(node.output[0], a.t) for a in node.attribute if a.name == "value"]
    return {
        name: numpy_helper.to_array(tensor).ravel().tolist()
        for name, tensor in tensors
        if tensor.data_type == TensorProto.INT64 and len(tensor.dims) < 2
    }
