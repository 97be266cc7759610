"""How many bytes of pixels a network holds at most while it runs: an estimate, for choosing a tile size.

What a runtime makes of it is its own affair: it may reuse a place before that, or need room besides. Weights are not
counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import TYPE_CHECKING

from czengine.graph.edits import bare
from czengine.graph.lengths import Part
from czengine.graph.resizing import Stuck, shape_of, walk
from czengine.graph.signature import read_signature
from czengine.graph.tensors import Tensor

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


def activation_bytes(model: ModelProto, size: tuple[int, int], batch: int) -> int | None:
    """Most bytes that are alive at once where nodes run one after the other, and inputs go with their last reader.

    Parameters
    ----------
    model : ModelProto
        One image in, one image out.
    size : (height, width)
        Of the tile.
    batch : int
        Tiles per call.

    Returns
    -------
    int or None
        None where the network does not take such tiles, or shapes are not known before it runs.

    Raises
    ------
    ModelError
        Where the network is not one image in, one image out.
    """
    signature = read_signature(model)
    fixed = (signature.fixed_batch, *signature.size)
    wanted = (batch, *size)
    if any(old not in (None, new) for old, new in zip(fixed, wanted, strict=True)):
        return None
    graph = bare(model).graph
    weights = {tensor.name for tensor in graph.initializer}
    height, width = size
    try:
        found = walk(graph, signature, (Part(batch, batch), Part(height, height), Part(width, width)))
    except Stuck:
        return None
    sizes = {name: _bytes(tensor) for name, tensor in found.new.items() if name not in weights}
    return _peak(graph, sizes, alive=(signature.input_name,))


def _peak(graph: GraphProto, sizes: Mapping[str, int], alive: Iterable[str]) -> int:
    """Most bytes at once while a graph runs; what outer graphs hold is not counted."""
    last = {name: index for index, node in enumerate(graph.node) for name in _reads(node)}
    kept = {value.name for value in graph.output}
    live = {name: sizes.get(name, 0) for name in alive}
    peak = sum(live.values())
    for index, node in enumerate(graph.node):
        if node.op_type != "Constant":
            live.update((name, sizes.get(name, 0)) for name in node.output)
        inside = max((_peak(body, sizes, ()) for body in _bodies(node)), default=0)
        peak = max(peak, sum(live.values()) + inside)
        live = {name: size for name, size in live.items() if name in kept or last.get(name, -1) > index}
    return peak


def _reads(node: NodeProto) -> Iterable[str]:
    """Names that the node and all inside of it read."""
    yield from node.input
    for body in _bodies(node):
        for inner in body.node:
            yield from _reads(inner)


def _bodies(node: NodeProto) -> Iterable[GraphProto]:
    return (attribute.g for attribute in node.attribute if attribute.HasField("g"))


def _bytes(tensor: Tensor) -> int:
    from onnx import helper

    shape = shape_of(tensor)
    if tensor.type is None or shape is None:
        return 0
    kind = helper.tensor_dtype_to_np_dtype(tensor.type.tensor_type.elem_type)
    return prod(shape) * int(kind.itemsize)
