"""In which order the tiles of an image are inferred, which cells of the image they read and which blocks they fill.

Integers only, no I/O and no pixels. *Cells* are chunk-aligned rectangles, read once each; *blocks* are what one
writer owns. Both cut a plane by a `Grid`.

        for every group of planes that share their chunks
          for every stripe of the plane                      |  a stripe is as wide as memory allows,
            for every row of tiles                           |  almost always the whole plane
              for every plane of the group
                for every tile of the row in the stripe
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from czengine.geometry import Region
from czengine.plan import Span, Tile, TilePlan
from czengine.sources.base import PlaneGroup, PlaneIndex

SMALLEST_CELL = 512  # pixels per edge: smaller chunks are read several at a time


@dataclass(frozen=True, slots=True)
class Grid:
    """A plane cut into rectangles of one size; the last ones end with the plane.

    Attributes
    ----------
    height, width : int
        Of the plane.
    step : (int, int)
        Height and width of a rectangle.
    """

    height: int
    width: int
    step: tuple[int, int]

    def region(self, row: int, column: int) -> Region:
        """The rectangle at a place of the grid."""
        height, width = self.step
        return Region(row * height, column * width, height, width).clipped(self.height, self.width)

    def rows(self, top: int, bottom: int) -> range:
        """Rows of the grid that pixel rows `top` … `bottom` - 1 touch."""
        return range(top // self.step[0], -(-bottom // self.step[0]))

    def columns(self, left: int, right: int) -> range:
        """Columns of the grid that pixel columns `left` … `right` - 1 touch."""
        return range(left // self.step[1], -(-right // self.step[1]))

    def over(self, region: Region) -> Iterator[tuple[int, int]]:
        """Places of the grid that a region touches, row by row."""
        return product(self.rows(region.y, region.bottom), self.columns(region.x, region.right))


@dataclass(frozen=True, slots=True)
class Stripe:
    """Columns of a plane, from the top to the bottom, that are finished together.

    Attributes
    ----------
    left, right : int
        First column, and the first one after it.
    spans : tuple of Span
        The tiles whose centers touch it. One that touches two stripes is inferred in both.
    """

    left: int
    right: int
    spans: tuple[Span, ...]

    @property
    def seen(self) -> tuple[int, int]:
        """Columns that its tiles see; may lie outside of the plane."""
        return self.spans[0].roi_start, self.spans[-1].roi_stop


@dataclass(frozen=True, slots=True)
class Placed:
    """A tile at its place.

    Attributes
    ----------
    plane : tuple of int
        The plane, one index per plane axis.
    tile : Tile
        The tile.
    kept : Region
        What is kept of it: its center, as far as it lies in the stripe.
    """

    plane: PlaneIndex
    tile: Tile
    kept: Region

    def __str__(self) -> str:
        at = self.tile.center
        place = f"the tile at rows {at.y} to {at.bottom - 1}, columns {at.x} to {at.right - 1}"
        return f"{place} of plane {self.plane}" if self.plane else place


@dataclass(frozen=True, slots=True)
class Sweep:
    """One way through a group of planes along a stripe, top to bottom."""

    group: PlaneGroup
    stripe: Stripe

    def row(self, plan: TilePlan, row: Span, plane: PlaneIndex) -> Iterator[Placed]:
        """The tiles of one row in one plane, left to right."""
        left, right = self.stripe.left, self.stripe.right
        for tile in plan.row_tiles(row, self.stripe.spans):
            center = tile.center
            x = max(center.x, left)
            kept = Region(center.y, x, center.height, min(center.right, right) - x)
            yield Placed(plane, tile, kept)


def cell_size(plane: tuple[int, int], chunk: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a cell: a chunk, or as many small ones as make `SMALLEST_CELL`, never beyond the plane."""
    height, width = (
        min(length, edge * -(-SMALLEST_CELL // edge)) for length, edge in zip(plane, chunk, strict=True)
    )
    return height, width


def stripes(plan: TilePlan, width: int) -> tuple[Stripe, ...]:
    """Cut a plane into stripes of `width` pixels, the last one narrower."""
    edges = [*range(0, plan.width, width), plan.width]
    return tuple(Stripe(left, right, _touching(plan.columns, left, right)) for left, right in pairwise(edges))


def _touching(spans: tuple[Span, ...], start: int, stop: int) -> tuple[Span, ...]:
    """Those whose centers touch pixels `start` … `stop` - 1; planes can be a million pixels wide."""
    first = bisect_right(spans, start, key=lambda span: span.stop)
    return spans[first : bisect_left(spans, stop, key=lambda span: span.start)]


def plane_groups(planes: Sequence[PlaneIndex], depths: Sequence[int]) -> tuple[PlaneGroup, ...]:
    """Planes that share chunks, together.

    Parameters
    ----------
    planes : sequence of PlaneIndex
        The product of one range per axis, as `sources.select.planes` gives them.
    depths : sequence of int
        Chunk length along every plane axis; 1 takes every plane by itself.
    """
    axes = []
    for first, last, depth in zip(planes[0], planes[-1], depths, strict=True):
        starts = [first, *range((first // depth + 1) * depth, last + 1, depth)]
        axes.append([range(a, b) for a, b in pairwise([*starts, last + 1])])
    return tuple(PlaneGroup(ranges) for ranges in product(*axes))
