"""Coarser levels of a result: each pixel is the nearest one of full resolution, in world coordinates.

Nearest neighbour for labels and scores alike: values are never mixed, and a level of half the size is exactly
`[::2, ::2]`. Built from the rows as they come; less than one row of blocks per level is held.
Knows no files.

        full resolution        level 1 (every second row)
        y=0   a                a     ┐
        y=1   b                c     │ handed on when a whole
        y=2   c                ...   ┘ row of blocks is there
"""

from __future__ import annotations

from typing import Any

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


class LevelRows:
    """Picks one level's pixels out of full-resolution rows, and collects them to whole rows of blocks.

    Parameters
    ----------
    rows, columns : ndarray
        From `nearest`, for y and x.
    block_height : int
        Rows of a block of this level.
    """

    def __init__(self, rows: Indices, columns: Indices, block_height: int) -> None:
        self._rows = rows
        self._columns = columns
        self._block_height = block_height
        self._held: list[NDArray[Any]] = []

    def push(self, y: int, rows: NDArray[Any]) -> tuple[int, NDArray[Any]]:
        """Take the next full-resolution rows of a plane.

        Parameters
        ----------
        y : int
            First row; 0 starts a new plane.
        rows : ndarray
            (channel, height, plane width).

        Returns
        -------
        (int, ndarray)
            First row of the level and (channel, height, level width): whole rows of blocks, everything that
            is left after the plane's last row, height 0 while there is nothing to hand on.
        """
        first, last = np.searchsorted(self._rows, (y, y + rows.shape[1]))
        picked = rows[:, self._rows[first:last] - y][:, :, self._columns]
        held = np.concatenate([*(self._held if y else []), picked], axis=1)
        rest = 0 if last == len(self._rows) else held.shape[1] % self._block_height
        whole = held.shape[1] - rest
        self._held = [held[:, whole:]]
        return int(last) - held.shape[1], held[:, :whole]
