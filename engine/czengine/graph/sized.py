"""Operators that may have the size of a tile written inside: what they say at another size.

Every rule changes a number only where it equals the length of an axis that follows the tile, in the place where it
means that axis. A crop that keeps a certain number of rows, an axis cut into pieces, a sum over all pixels: what a
network of another size would do there is not known, and they are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from czengine.graph.edits import as_transposition, with_attributes, with_constant
from czengine.graph.lengths import (
    Axes,
    is_open,
    moved_ones,
    moves,
    new_length,
    old_length,
    regrouped,
)
from czengine.graph.lines import NotFollowed
from czengine.graph.rules import ALIGNED, REDUCTIONS
from czengine.graph.step import Step
from czengine.graph.tensors import Tensor

if TYPE_CHECKING:
    from onnx import NodeProto

_TO_THE_END = 2**31 - 1
_MEANS = ("ReduceMax", "ReduceMean", "ReduceMin")  # of any number of pixels
_WINDOWS = (
    "AveragePool BatchNormalization Conv DepthToSpace GlobalAveragePool GlobalMaxPool GroupNormalization"
    " InstanceNormalization LRN LpPool MaxPool SpaceToDepth"
)
_ANY_LENGTH = "Concat Dropout LogSoftmax MatMul Pad Shape Size Softmax Tile Upsample"


@dataclass(frozen=True, kw_only=True)
class Sized:
    """A node that an axis follows the tile in.

    Attributes
    ----------
    old, new : Step
        What is known of it at the old size; and at the new size, where `result` is not known and empty.
    axes : tuple of Axes
        Of all inputs.
    """

    old: Step
    new: Step
    axes: Sequence[Axes]

    @property
    def node(self) -> NodeProto:
        """As it is in the graph."""
        return self.old.node

    @property
    def first(self) -> Axes:
        """Axes of the first input."""
        return self.axes[0]

    def fixed(self, *places: int) -> None:
        """Refuse nodes that need a certain length of these axes of the first input."""
        if any(moves(self.first[place]) for place in places):
            raise NotFollowed

    def values(self, name: str, index: int) -> tuple[list[int], list[int]]:
        """What an attribute of early opsets, or an input of later ones, says at both sizes.

        Raises
        ------
        NotFollowed
            If only running the network tells.
        """
        old, new = self.old.setting(name, index), self.new.setting(name, index)
        if old is None or new is None or len(old) != len(new):
            raise NotFollowed
        return old, new


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What does at the new size as a node did, and axes of its output where they are known."""

    nodes: Sequence[NodeProto]
    axes: Axes | None = None


def at_new_size(sized: Sized) -> Outcome:
    """What a node becomes.

    Raises
    ------
    NotFollowed
        If nobody can tell.
    """
    rule = _rules().get(sized.node.op_type)
    if rule is None or sized.node.domain not in ("", "ai.onnx"):
        raise NotFollowed
    return rule(sized)


def _rules() -> Mapping[str, Callable[[Sized], Outcome]]:
    return {
        **dict.fromkeys(ALIGNED.split(), _aligned),
        **dict.fromkeys(REDUCTIONS.split(), _reduced),
        **dict.fromkeys(_WINDOWS.split(), _windows),
        **dict.fromkeys(_ANY_LENGTH.split(), _kept),
        **dict.fromkeys(("Flatten", "Reshape"), _reshaped),
        **dict.fromkeys(("ArgMax", "ArgMin"), _argument),
        "ConvTranspose": _transposed,
        "Expand": _expanded,
        "Gather": _gathered,
        "Gemm": _product,
        "LayerNormalization": _normalised,
        "Resize": _resized,
        "Slice": _sliced,
        "Split": _split,
        "Squeeze": _squeezed,
        "Transpose": _turned,
        "Unsqueeze": _unsqueezed,
    }


def _kept(sized: Sized) -> Outcome:
    return Outcome(nodes=[sized.node])


def _aligned(sized: Sized) -> Outcome:
    """A constant with a value for each pixel does not fit; onnx does not look at all of them."""
    lengths: dict[int, set[int]] = {}
    for axes in sized.axes:
        for place, axis in enumerate(reversed(axes)):
            lengths.setdefault(place, set()).add(new_length(axis))
    if any(len(found - {1}) > 1 for found in lengths.values()):
        raise NotFollowed
    return _kept(sized)


def _windows(sized: Sized) -> Outcome:
    sized.fixed(1)
    return _kept(sized)


def _reduced(sized: Sized) -> Outcome:
    """A mean of pixels is one of any number of them, a sum may be divided by a constant later."""
    rank = len(sized.first)
    axes = sized.old.setting("axes", 1)
    if axes is None and not sized.old.get("noop_with_empty_axes", 0):
        axes = list(range(rank))
    places = {axis % rank for axis in axes or ()}
    if sized.node.op_type not in _MEANS:
        sized.fixed(*places)
    return _without(sized, places)


def _argument(sized: Sized) -> Outcome:
    place = sized.old.get("axis", 0) % len(sized.first)
    sized.fixed(place)
    return _without(sized, {place})


def _without(sized: Sized, places: set[int]) -> Outcome:
    if sized.old.get("keepdims", 1):
        return _kept(sized)
    axes = tuple(axis for place, axis in enumerate(sized.first) if place not in places)
    return Outcome(nodes=[sized.node], axes=axes)


def _product(sized: Sized) -> Outcome:
    sized.fixed(*((0, 1) if sized.old.get("transA", 0) else (1,)))
    return _kept(sized)


def _normalised(sized: Sized) -> Outcome:
    rank = len(sized.first)
    sized.fixed(*range(sized.old.get("axis", -1) % rank, rank))
    return _kept(sized)


def _split(sized: Sized) -> Outcome:
    sized.fixed(sized.old.get("axis", 0) % len(sized.first))
    return _kept(sized)


def _gathered(sized: Sized) -> Outcome:
    axes = sized.first
    place = sized.old.get("axis", 0) % len(axes)
    sized.fixed(place)
    return Outcome(nodes=[sized.node], axes=(*axes[:place], *sized.axes[1], *axes[place + 1 :]))


def _turned(sized: Sized) -> Outcome:
    axes = sized.first
    order = sized.old.get("perm", range(len(axes))[::-1])
    return Outcome(nodes=[sized.node], axes=tuple(axes[place] for place in order))


def _squeezed(sized: Sized) -> Outcome:
    axes = sized.first
    ones = [place for place, axis in enumerate(axes) if old_length(axis) == 1]
    gone = {place % len(axes) for place in sized.old.setting("axes", 1) or ones}
    sized.fixed(*gone)
    return Outcome(
        nodes=[sized.node], axes=tuple(axis for place, axis in enumerate(axes) if place not in gone)
    )


def _unsqueezed(sized: Sized) -> Outcome:
    rank = len(sized.old.result)
    added = {place % rank for place in sized.old.setting("axes", 1) or ()}
    rest = iter(sized.first)
    return Outcome(
        nodes=[sized.node], axes=tuple(() if place in added else next(rest) for place in range(rank))
    )


def _reshaped(sized: Sized) -> Outcome:
    """Reshape, also where it stands for a transposition of a picture of one channel."""
    node, before, axes = sized.node, sized.first, regrouped(sized.first, sized.old.result)
    if node.op_type == "Flatten" or _given(sized) == [new_length(axis) for axis in axes]:
        return Outcome(nodes=[node], axes=axes)
    target = [
        new_length(axis) if not is_open(axis) else 0 if before[place : place + 1] == (axis,) else -1
        for place, axis in enumerate(axes)
    ]
    if target.count(-1) < 2:
        return Outcome(nodes=with_constant(node, {1: _int64(target)}, drop="allowzero"), axes=axes)
    order = moved_ones(before, axes)
    if order is None:
        raise NotFollowed
    return Outcome(nodes=[as_transposition(node, order)], axes=axes)


def _given(sized: Sized) -> list[int] | None:
    """Lengths that a Reshape makes at the new size as it is; None where the elements do not fill them."""
    target = sized.new.numbers(1)
    if target is None:
        raise NotFollowed
    if not sized.old.get("allowzero", 0):
        target = [length or new_length(sized.first[place]) for place, length in enumerate(target)]
    rest, left = divmod(prod(map(new_length, sized.first)), abs(prod(target)))
    return None if left else [rest if length == -1 else length for length in target]


def _expanded(sized: Sized) -> Outcome:
    """An axis that is as long already stays as it is, which a 1 says at any size."""
    old, new = sized.values("shape", 1)
    target = list(new)
    for place, axis in zip(range(len(old) - 1, -1, -1), reversed(sized.first), strict=False):
        if moves(axis) and old[place] == new[place]:
            target[place] = 1
    return _kept(sized) if target == new else Outcome(nodes=with_constant(sized.node, {1: _int64(target)}))


def _sliced(sized: Sized) -> Outcome:
    """Rows cut off at either end are as many at any size; those that are kept are not."""
    starts, ends = sized.values("starts", 1), sized.values("ends", 2)
    places = sized.old.setting("axes", 3) or list(range(len(starts[0])))
    paces = sized.old.numbers(4) or [1] * len(places)
    target = list(ends[1])
    for i, place in enumerate(places):
        axis = sized.first[place]
        computed = starts[0][i] != starts[1][i] or ends[0][i] != ends[1][i]
        if not moves(axis) or computed:
            continue
        length, end = old_length(axis), ends[0][i]
        if (0 <= end < length) or (paces[i] < 0 <= starts[0][i]):
            raise NotFollowed
        target[i] = max(end, _TO_THE_END) if end >= length else end
    if target == ends[1]:
        return _kept(sized)
    if any(attribute.name == "ends" for attribute in sized.node.attribute):
        return Outcome(nodes=[with_attributes(sized.node, ends=target)])
    return Outcome(nodes=with_constant(sized.node, {2: _like(sized.old.tensor(2), target)}))


def _transposed(sized: Sized) -> Outcome:
    """ConvTranspose: the same number of rows is cut off at the ends."""
    sized.fixed(1)
    step, first = sized.old, sized.first
    given = step.get("output_shape", None)
    if given is None:
        return _kept(sized)
    if len(given) != len(first) - 2:
        raise NotFollowed
    if any(is_open(axis) for axis in first[2:]):
        return Outcome(
            nodes=[with_attributes(sized.node, output_shape=None, auto_pad=None, pads=_trims(step))]
        )
    strides = step.get("strides", [1] * len(given))
    longer = (new_length(axis) - old_length(axis) for axis in first[2:])
    target = [old + pace * more for old, pace, more in zip(given, strides, longer, strict=True)]
    return Outcome(nodes=[with_attributes(sized.node, output_shape=target)])


def _trims(step: Step) -> list[int]:
    """Rows that a ConvTranspose of a given output shape cuts off; equally many at both ends, or nobody can tell."""
    count = len(step.result) - 2
    strides, dilations = (step.get(name, [1] * count) for name in ("strides", "dilations"))
    extra, kernel = step.get("output_padding", [0] * count), step.tensor(1).shape[2:]
    totals = [
        strides[i] * (step.shape[i + 2] - 1)
        + extra[i]
        + (kernel[i] - 1) * dilations[i]
        + 1
        - step.result[i + 2]
        for i in range(count)
    ]
    if any(total < 0 or total % 2 for total in totals):
        raise NotFollowed
    return [total // 2 for total in totals] * 2


def _resized(sized: Sized) -> Outcome:
    """A constant size becomes the scale that it stands for; one that the network computes is its own affair."""
    import numpy as np

    node, step = sized.node, sized.old
    if len(node.input) < 4 or not node.input[3]:
        return _kept(sized)
    old, new = sized.values("sizes", 3)
    axes = [sized.first[place] for place in step.get("axes", range(len(sized.first)))]
    scales = [
        Fraction(before, old_length(axis)) if before == after else Fraction(after, new_length(axis))
        for axis, before, after in zip(axes, old, new, strict=True)
    ]
    lengths = [scale * new_length(axis) for scale, axis in zip(scales, axes, strict=True)]
    if lengths == new:
        return _kept(sized)
    stretched = step.get("keep_aspect_ratio_policy", "stretch") == "stretch"
    if not stretched or any(length.denominator != 1 for length in lengths):
        raise NotFollowed
    rounded = np.array([float(scale) for scale in scales], np.float32)
    if all(Fraction(float(value)) == scale for value, scale in zip(rounded, scales, strict=True)):
        return Outcome(nodes=with_constant(node, {2: rounded, 3: None}))
    if any(map(is_open, axes)):
        raise NotFollowed
    return Outcome(nodes=with_constant(node, {3: _int64([int(length) for length in lengths])}))


def _int64(numbers: list[int]) -> NDArray[Any]:
    import numpy as np

    return np.array(numbers, np.int64)


def _like(tensor: Tensor, numbers: list[int]) -> NDArray[Any]:
    """An array of the tensor's own type."""
    import numpy as np

    return np.array(numbers, None if tensor.value is None else tensor.value.dtype)
