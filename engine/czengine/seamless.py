"""Which tiles cover a plane so that nothing of them is seen: the seamless layout, as integers.

No I/O, no pixels, no model. Only this module knows where seamless tiles lie, and how large they are.

What comes out of the tiles is what one call on the whole plane would give, where the plane is mirrored at its bottom
and right (`numpy.pad` with "reflect") up to a multiple of the network's stride, and the result cut back. So every
tile begins on a multiple of the stride and is one long; at the ends of the plane there is no border, for the network
has to find the same end there; everywhere else the borders are at least as far as it looks.

    |<----------- length ----------->|pad|
    |     size      | after |        .   |
            | before |  size | after |   .    every span is `tile` long in all;
    .       |        .  | before | size  |    all of them begin on the grid: . marks some of it
"""

from __future__ import annotations

import math
from itertools import pairwise

from czengine.errors import PlanError
from czengine.plan import Span, TilePlan

CACHED_EDGE = 1280  # pixels; tiles larger than that run no faster on a CPU, whose caches they overflow


def plan_seamless(
    height: int,
    width: int,
    *,
    tile: tuple[int, int],
    before: tuple[int, int],
    after: tuple[int, int],
    stride: tuple[int, int],
) -> TilePlan:
    """Cover a plane with tiles that cannot be seen in the result.

    Parameters
    ----------
    height, width : int
        Size of the plane in pixels, at least 1.
    tile : (int, int)
        Height and width of the largest tile allowed, borders included. The plan's own are the smallest that need no
        more tiles than that.
    before, after : (int, int)
        How far the network looks towards the first, and towards the last, row and column.
    stride : (int, int)
        The network's stride grid.

    Returns
    -------
    TilePlan
        Rois may end below and right of the plane, by less than the stride: pixels to be mirrored, all of which the
        same roi has unless it is the only one along that axis.

    Raises
    ------
    PlanError
        Where the plane is empty, or the tile is too small for the borders.
    """
    axes = zip((height, width), tile, before, after, stride, strict=True)
    rows, columns = (_spans(*axis) for axis in axes)
    size = rows[0].roi_stop, columns[0].roi_stop
    return TilePlan(height, width, size, rows, columns)


def seamless_tile(
    *,
    before: tuple[int, int],
    after: tuple[int, int],
    stride: tuple[int, int],
    bytes_per_pixel: float,
    budget: int,
    batch: int = 1,
    edge: int = CACHED_EDGE,
) -> tuple[int, int]:
    """The largest tile to allow where nobody asked for one.

    Parameters
    ----------
    before, after, stride : (int, int)
        As for `plan_seamless`.
    bytes_per_pixel : float
        What the network holds while it runs, per pixel of a tile; 0 where that is not known.
    budget : int
        Bytes for all tiles of a batch.
    batch : int
        Tiles per call.
    edge : int
        Pixels that neither side is longer than, unless the borders need it.

    Returns
    -------
    (height, width)
        Square but for the stride grid; where the budget is too small, the smallest that works for any plane.
    """
    affordable = math.isqrt(int(budget / (batch * bytes_per_pixel))) if bytes_per_pixel > 0 else edge
    longest = min(affordable, edge)
    height, width = (
        max(longest // step * step, _shortest(first, last, step))
        for first, last, step in zip(before, after, stride, strict=True)
    )
    return height, width


def _spans(length: int, longest: int, before: int, after: int, stride: int) -> tuple[Span, ...]:
    """The cut of one axis; see `plan_seamless`."""
    if min(length, longest, stride) < 1 or min(before, after) < 0:
        raise PlanError(
            f"{length} pixels cannot be cut into tiles of {longest} with borders of {before} and {after} and a stride"
            f" of {stride}"
        )
    padded, overlap = _up(length, stride), _up(before + after, stride)
    smallest = min(_shortest(before, after, stride), padded)
    if longest < smallest:
        raise PlanError(
            f"a tile of {longest} pixels is too small for a network that looks {before} pixels back and {after} ahead"
            f" with a stride of {stride}: at least {smallest} are needed"
        )
    if padded <= longest:
        return (Span(0, length, 0, padded - length),)
    longest = longest // stride * stride
    count = 1 + _over(padded - longest, longest - overlap)
    tile = max(_up(_over(padded + (count - 1) * overlap, count), stride), smallest)
    steps = (padded - tile) // stride
    origins = [i * steps // (count - 1) * stride for i in range(count)]
    edges = [0]
    for left, right in pairwise(origins):
        spare = left + tile - right - before - after
        edges.append(right + before + spare // 2)
    ends = [*edges[1:], length]
    return tuple(
        Span(start, end - start, start - origin, origin + tile - end)
        for origin, start, end in zip(origins, edges, ends, strict=True)
    )


def _shortest(before: int, after: int, stride: int) -> int:
    """What borders and stride leave something of, and two steps: the last may have to be mirrored into the other."""
    overlap = _up(before + after, stride)
    return overlap + stride if overlap or stride == 1 else 2 * stride


def _up(number: int, step: int) -> int:
    return _over(number, step) * step


def _over(number: int, by: int) -> int:
    return -(-number // by)
