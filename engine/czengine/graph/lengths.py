"""Lengths of the axes of a tensor for two sizes of the tile at once, and the factors they are products of.

Whole numbers only; knows nothing of operators. Two sizes at once tell a length that follows the tile from one that
only happens to equal it, and factors tell a flattened picture from a constant of as many pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from czengine.graph.lines import NotFollowed


@dataclass(frozen=True, slots=True)
class Part:
    """A factor of the length of an axis.

    Attributes
    ----------
    old, new : int
        At the size that the network was made for, and at the size that it is to have.
    open : bool
        `new` only stands for a length that is to stay open.
    """

    old: int
    new: int
    open: bool = False

    @property
    def moves(self) -> bool:
        """Whether it follows the tile or the batch."""
        return self.open or self.old != self.new


Axis = tuple[Part, ...]
Axes = tuple[Axis, ...]


def old_length(axis: Axis) -> int:
    """Elements along the axis at the old size."""
    return prod(part.old for part in axis)


def new_length(axis: Axis) -> int:
    """Elements along the axis at the new size."""
    return prod(part.new for part in axis)


def moves(axis: Axis) -> bool:
    """Whether the length follows the tile or the batch."""
    return any(part.moves for part in axis)


def is_open(axis: Axis) -> bool:
    """Whether no number can be written down for the new length."""
    return any(part.open for part in axis)


def regrouped(axes: Axes, lengths: Sequence[int]) -> Axes:
    """The axes that a tensor has once it is reshaped to `lengths`, at the old size.

    Elements keep their order in memory, so every factor has its place. Constants may be cut into pieces, what
    follows the tile may not: nobody could say which of the pieces does.

    Raises
    ------
    NotFollowed
        If a factor that follows the tile would have to be cut, or the numbers of elements differ.
    """
    queue = [(part, place) for place, axis in enumerate(axes) for part in axis if part.old != 1 or part.moves]
    queue.reverse()
    found = []
    for place, length in enumerate(lengths):
        axis: list[Part] = []
        while (missing := length // old_length(tuple(axis))) > 1 or _stays(queue, place):
            if not queue:
                raise NotFollowed
            part, source = queue.pop()
            if missing % part.old:
                part, rest = _cut(part, missing)
                queue.append((rest, source))
            axis.append(part)
        if old_length(tuple(axis)) != length:
            raise NotFollowed
        found.append(tuple(axis))
    if queue:
        raise NotFollowed
    return tuple(found)


def _stays(queue: list[tuple[Part, int]], place: int) -> bool:
    """Whether the next factor is an axis of length 1 that grows, and stays where it is."""
    return bool(queue) and queue[-1][0].old == 1 and queue[-1][1] == place


def _cut(part: Part, missing: int) -> tuple[Part, Part]:
    if part.moves or part.old % missing:
        raise NotFollowed
    rest = part.old // missing
    return Part(missing, missing), Part(rest, rest)


def moved_ones(axes: Axes, result: Axes) -> list[int] | None:
    """The order of `axes` in which they are `result`, if a reshape does nothing but move axes of length 1 about."""
    if len(axes) != len(result):
        return None
    ones = [place for place, axis in enumerate(axes) if not axis or new_length(axis) == 1]
    others = [place for place in range(len(axes)) if place not in ones]
    order = []
    for axis in result:
        places = others if axis and new_length(axis) != 1 else ones
        if not places or (places is others and axes[places[0]] != axis):
            return None
        order.append(places.pop(0))
    return order
