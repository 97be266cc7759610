"""Which layers of a network look at the whole tile: global pooling, normalisation over pixels, dense layers.

The axes that run over pixels are followed from the input through the graph. What is named is certain; what is not
named may still look far: operators unknown here, branches and loops, and shapes that are computed while the network
runs are taken as local, and nothing is said about receptive fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from czengine.graph.functions import inlined
from czengine.graph.shapes import numbers_of, shapes_of, tile_tensors
from czengine.graph.signature import read_signature
from czengine.graph.tensors import MALFORMED, Shape
from czengine.spec import Layout

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Axes = tuple[bool, ...]  # of a tensor, for each axis: whether it runs over pixels

_GLOBAL_POOLS = ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
_OVER_PIXELS = (*_GLOBAL_POOLS, "InstanceNormalization", "GroupNormalization")  # channels-first by definition
_FROM_AXIS = ("LayerNormalization", "RMSNormalization")
_SOFTMAX = ("Softmax", "LogSoftmax", "Hardmax")
_ARGUMENTS = ("ArgMax", "ArgMin")
_ALONG_AXIS = ("LpNormalization", "TopK", *_ARGUMENTS)
_PRODUCTS = ("MatMul", "Gemm")
_NOT_FOLLOWED = ("Shape", "Size", "NonZero", "If", "Loop", "Scan", "Einsum", "GridSample", "OneHot")


def whole_tile_layers(model: ModelProto, *, layout: Layout | None = None) -> tuple[str, ...]:
    """Layers whose every output depends on a whole row, column or all of the tile.

    Parameters
    ----------
    model : ModelProto
        One image in, one image out, in any layout.
    layout : {"NHWC", "NCHW"}, optional
        Where it is known better than the sizes of the input tell it.

    Returns
    -------
    tuple of str
        Node name and operator, e.g. "encoder/gap/Mean (ReduceMean)", in the order of the graph.

    Raises
    ------
    ModelError
        Where the network is not one image in, one image out, or its functions cannot be put in place.
    """
    signature = read_signature(model, layout=layout)
    model = inlined(model)
    pixels = (1, 2) if signature.layout == "NHWC" else (2, 3)
    axes: dict[str, Axes] = {signature.input_name: tuple(axis in pixels for axis in range(4))}
    tensors = tile_tensors(model, signature)
    shapes, numbers = shapes_of(tensors), numbers_of(tensors)
    found = []
    for node in model.graph.node:
        inputs = [axes.get(name) for name in node.input]
        layer = _Layer(node, signature.opset or 1, inputs, shapes, numbers)
        try:
            if layer.is_global():
                found.append(f"{node.name or node.output[0]} ({node.op_type})")
            axes.update(layer.outputs())
        except MALFORMED:
            continue
    return tuple(found)


@dataclass(frozen=True)
class _Layer:
    """A node, and what is known of its inputs: None where no axis runs over pixels, or nobody can tell."""

    node: NodeProto
    opset: int
    inputs: Sequence[Axes | None]
    shapes: Mapping[str, Shape]
    numbers: Mapping[str, list[int]]

    def is_global(self) -> bool:
        """Whether it sums up, or compares, along an axis of pixels."""
        if self.node.op_type in _PRODUCTS:
            left, right = self._factors()
            return left[-1] or right[-2]
        axes = self.inputs[0] if self.inputs else None
        return axes is not None and any(axes[axis] for axis in self._reduced(len(axes)))

    def outputs(self) -> dict[str, Axes]:
        """Axes of those outputs that have some over pixels."""
        found = {}
        for name in self.node.output if any(self.inputs) else ():
            shape = self.shapes.get(name)
            axes = self._result(shape)
            if shape is not None and axes is not None:
                axes = _longer(axes, shape) if len(axes) == len(shape) else None
            if axes is not None and any(axes):
                found[name] = axes
        return found

    def _reduced(self, rank: int) -> Iterable[int]:
        """Axes of the first input that are summed up or compared along."""
        op = self.node.op_type
        if op in _OVER_PIXELS:
            return range(2, rank)
        if op in _FROM_AXIS:
            return range(self._get("axis", -1) % rank, rank)
        if op in _SOFTMAX and self.opset < 13:  # it flattens what comes from this axis on
            return range(self._get("axis", 1) % rank, rank)
        if op in _SOFTMAX or op in _ALONG_AXIS:
            return [self._get("axis", 0 if op in _ARGUMENTS else -1) % rank]
        if op == "MeanVarianceNormalization":
            return [axis % rank for axis in self._get("axes", [0, 2, 3])]
        return (
            self._axes(rank, empty=self._get("noop_with_empty_axes", 0) == 0)
            if op.startswith("Reduce")
            else ()
        )

    def _result(self, shape: Shape | None) -> Axes | None:
        op, axes = self.node.op_type, self.inputs[0]
        if op in _PRODUCTS:
            left, right = self._factors()
            return (*_aligned([left[:-2], right[:-2]]), left[-2], right[-1])
        if op in _NOT_FOLLOWED:
            return None
        if axes is not None:
            if op == "Transpose":
                return tuple(axes[axis] for axis in self._get("perm", range(len(axes))[::-1]))
            if op == "Flatten":
                cut = self._get("axis", 1)
                return any(axes[:cut]), any(axes[cut:])
            if op in ("Reshape", "Unsqueeze", "Gather"):
                return None if shape is None else self._reshaped(axes, shape)
            if op == "Squeeze" or op.startswith("Reduce") or op in (*_ARGUMENTS, *_GLOBAL_POOLS):
                return self._shortened(axes)
        return _aligned([known for known in self.inputs if known is not None])

    def _shortened(self, axes: Axes) -> Axes:
        op, rank = self.node.op_type, len(axes)
        gone = set(self._axes(rank, empty=False) if op == "Squeeze" else self._reduced(rank))
        keep = op in _GLOBAL_POOLS or (op != "Squeeze" and self._get("keepdims", 1))
        return tuple(axes[i] and i not in gone for i in range(rank) if keep or i not in gone)

    def _reshaped(self, axes: Axes, shape: Shape) -> Axes | None:
        """An axis of pixels goes where all of it goes; one that is cut into pieces is taken as local."""
        before = self.shapes.get(self.node.input[0])
        if self.node.op_type == "Gather":
            axis = self._get("axis", 0) % len(axes)
            return axes if len(shape) == len(axes) else axes[:axis] + axes[axis + 1 :]
        if before is None:
            return None
        pixels = [span for span, of_pixels in zip(_spans(before), axes, strict=True) if of_pixels]
        return tuple(any(start <= a and b <= stop for a, b in pixels) for start, stop in _spans(shape))

    def _factors(self) -> tuple[Axes, Axes]:
        """Axes of both factors of a product, the second input's last but one along the first one's last."""
        left, right = (axes if axes and len(axes) > 1 else (False, False) for axes in self.inputs[:2])
        left = left[::-1] if self._get("transA", 0) else left
        return left, right[::-1] if self._get("transB", 0) else right

    def _axes(self, rank: int, *, empty: bool) -> list[int]:
        """Axes given as an attribute or, in later opsets, as an input; all of them where none are and `empty`."""
        axes = self._get("axes", None)
        if axes is None and len(self.node.input) > 1 and self.node.input[1]:
            axes, empty = self.numbers.get(self.node.input[1]), False  # else computed while the network runs
        return [axis % rank for axis in axes or (range(rank) if empty else ())]

    def _get(self, name: str, default: Any) -> Any:
        """Value of an attribute."""
        from onnx import helper

        found = (helper.get_attribute_value(a) for a in self.node.attribute if a.name == name)
        return next(found, default)


def _longer(axes: Axes, shape: Shape) -> Axes:
    """Without axes of length 1: nothing is left of the pixels there."""
    return tuple(pixels and length > 1 for pixels, length in zip(axes, shape, strict=True))


def _aligned(inputs: list[Axes]) -> Axes:
    """The rule of all operators that leave axes where they are: they are aligned at the end."""
    rank = max(map(len, inputs), default=0)
    return tuple(map(any, zip(*((False,) * (rank - len(axes)) + axes for axes in inputs), strict=True)))


def _spans(shape: Shape) -> list[tuple[int, int]]:
    """For each axis the step between neighbours in memory, and what the whole axis spans there."""
    sizes = list(accumulate(reversed(shape), lambda a, b: a * b, initial=1))
    return list(pairwise(sizes))[::-1]
