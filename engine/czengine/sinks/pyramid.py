"""Coarser levels of a result: each pixel is the nearest one of full resolution, in world coordinates.

Nearest neighbour for labels and scores alike: values are never mixed, and a level of half the size is exactly
`[::2, ::2]`. Integers only, no pixels and no files: which pixel comes from where, and in which pieces.

        level 0 of 16 pixels     0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15
        level 1 takes            0     2     4     6     8    10    12    14
        level 2 takes            0           4           8          12            all of them are in level 1,
                                                                                  as its 0, 2, 4, 6
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]

_DIGITS = 6  # of a pixel: what is nearest must not depend on the last bits of a scale like 0.227


def nearest(size: int, of: int, *, step: float, offset: float) -> Indices:
    """Index of the full-resolution pixel nearest to each pixel of a coarser axis.

    Parameters
    ----------
    size, of : int
        Pixels along the coarser and the full-resolution axis.
    step : float
        Coarse pixel size in full-resolution pixels, positive.
    offset : float
        Center of the first coarse pixel, in full-resolution pixels. Half-way, the lower pixel is taken.

    Returns
    -------
    ndarray
        (size,) of intp, ascending, each in 0…of-1.
    """
    places = np.round(np.arange(size) * step + offset, _DIGITS)
    return np.clip(np.ceil(places - 0.5), 0, of - 1).astype(np.intp)


def source_of(levels: Sequence[Mapping[str, Indices]], number: int) -> tuple[int, dict[str, Indices]]:
    """The smallest level that a coarser one can be picked from.

    Parameters
    ----------
    levels : sequence of mapping
        Per level and axis, the full-resolution index of each of its pixels, ascending; level 0 takes all.
    number : int
        The level to be made, 1 or more.

    Returns
    -------
    (int, dict)
        The last finer level that holds all its pixels; per axis, where they are in that level.
    """
    for other in range(number - 1, 0, -1):
        found = {name: np.searchsorted(levels[other][name], taken) for name, taken in levels[number].items()}
        if all(_holds(levels[other][name], at, levels[number][name]) for name, at in found.items()):
            return other, found
    return 0, dict(levels[number])


def pieces(indices: Indices, edge: int) -> Iterator[tuple[slice, slice | list[int]]]:
    """Cut ascending indices at multiples of `edge`, so that what lies between two of them is read once.

    Yields
    ------
    into, taken : slice, slice or list of int
        Positions in `indices`; the indices there, as a slice where they have equal distances.
    """
    cuts = np.flatnonzero(np.diff(indices // edge)) + 1
    for start, stop in zip([0, *cuts], [*cuts, len(indices)], strict=True):
        yield slice(int(start), int(stop)), _as_slice(indices[start:stop])


def _holds(have: Indices, at: Indices, wanted: Indices) -> bool:
    return bool((at < len(have)).all() and (have[at] == wanted).all())


def _as_slice(indices: Indices) -> slice | list[int]:
    steps = np.diff(indices)
    step = int(steps[0]) if len(steps) else 1
    if step == 0 or (steps != step).any():
        return [int(index) for index in indices]
    return slice(int(indices[0]), int(indices[-1]) + 1, step)
