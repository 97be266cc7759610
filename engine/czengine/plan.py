"""Which tiles cover a plane: the Intellesis layout, as integers.

No I/O, no pixels, no model. Only this module knows how ZEISS places tiles.

A plane is cut along each axis on its own, and its tiles are the product of the two cuts:

    |<------------------- length -------------------->|
    |     size     | after |
             | before | size | after |
                             | before |     size      |     every span is `tile` long in all;
    |              |         |                        |     the sizes cover the axis exactly once

The rule is the "almost equal border" strategy of the package cztile (Carl Zeiss, Apache-2.0): as few tiles as
the smallest allowed border permits, no border at the two ends, and the pixels left over spread so that
all other borders differ by at most one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from czengine.errors import PlanError
from czengine.geometry import Border, Region


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one axis.

    Attributes
    ----------
    start, size : int
        The center: pixels whose result is kept.
    before, after : int
        Border on each side. `start - before` is negative where the axis is shorter than a tile.
    """

    start: int
    size: int
    before: int
    after: int

    @property
    def stop(self) -> int:
        """First pixel after the center."""
        return self.start + self.size

    @property
    def roi_start(self) -> int:
        """First pixel the network sees."""
        return self.start - self.before

    @property
    def roi_stop(self) -> int:
        """First pixel after those the network sees."""
        return self.stop + self.after


@dataclass(frozen=True, slots=True)
class Tile:
    """What one network call sees (`roi`) and what is kept of it (`center`)."""

    center: Region
    border: Border

    @property
    def roi(self) -> Region:
        """Center and border together; always of the plan's tile size."""
        top, left = self.border.top, self.border.left
        height = top + self.center.height + self.border.bottom
        return Region(
            self.center.y - top, self.center.x - left, height, left + self.center.width + self.border.right
        )


@dataclass(frozen=True)
class TilePlan:
    """All tiles of a plane.

    Attributes
    ----------
    height, width : int
        Size of the plane.
    tile : (int, int)
        Height and width of every roi.
    rows, columns : tuple of Span
        The cut of each axis; tile (i, j) is `rows[i]` × `columns[j]`.
    """

    height: int
    width: int
    tile: tuple[int, int]
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def row_tiles(self, row: Span, columns: Sequence[Span] | None = None) -> Iterator[Tile]:
        """The tiles of one of `rows`, left to right: all, or those of some `columns`."""
        for column in self.columns if columns is None else columns:
            yield Tile(
                Region(row.start, column.start, row.size, column.size),
                Border(row.before, row.after, column.before, column.after),
            )

    def tiles(self) -> Iterator[Tile]:
        """Every tile, row by row."""
        for row in self.rows:
            yield from self.row_tiles(row)


def plan_plane(height: int, width: int, *, tile: tuple[int, int], border: tuple[int, int]) -> TilePlan:
    """Cover a plane with tiles.

    Parameters
    ----------
    height, width : int
        Size of the plane in pixels, at least 1.
    tile : (int, int)
        Tile height and width, border included.
    border : (int, int)
        Smallest border per side, along y and along x.

    Raises
    ------
    PlanError
        Where the plane is empty, or two borders leave nothing of a tile.
    """
    rows = plan_axis(height, tile=tile[0], border=border[0])
    columns = plan_axis(width, tile=tile[1], border=border[1])
    return TilePlan(height, width, tile, rows, columns)


def plan_axis(length: int, *, tile: int, border: int) -> tuple[Span, ...]:
    """Cut one axis of `length` pixels into spans of `tile` pixels; see `plan_plane`."""
    if length < 1 or tile < 1 or border < 0:
        raise PlanError(f"{length} pixels cannot be cut into tiles of {tile} with a border of {border}")
    if 2 * border >= tile:
        raise PlanError(
            f"a border of {border} pixels on both sides leaves nothing of a tile of {tile}; "
            f"the border has to be smaller than half the tile"
        )
    if length <= tile:
        before = (tile - length) // 2
        return (Span(0, length, before, tile - length - before),)
    return _overlapping_spans(length, tile, border)


def _overlapping_spans(length: int, tile: int, border: int) -> tuple[Span, ...]:
    inner = max(0, length - 2 * (tile - border))
    count = 2 + -(-inner // (tile - 2 * border))
    sums = _border_sums(count * tile - length, 2 * count - 2, border)
    edges = [0, *(i * tile - sums[2 * i - 1] for i in range(1, count)), length]
    spans = []
    for i in range(count):
        size = edges[i + 1] - edges[i]
        before = 0 if i == 0 else sums[2 * i] - sums[2 * i - 1] if i < count - 1 else tile - size
        spans.append(Span(edges[i], size, before, tile - size - before))
    return tuple(spans)


def _border_sums(total: int, count: int, border: int) -> list[int]:
    """Sum of the first j of `count` borders, for j = 0 … count; all together are `total` pixels.

    Exact fractions would be `j * total // count`. cztile rounds to double precision at three places, which
    moves a boundary by one pixel in about one plan of forty; equal results need the same roundings.
    """
    share = (total - count * border) / count + border
    return [math.floor(j * share) for j in range(count + 1)]
