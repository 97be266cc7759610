"""A NumPy array in memory as a result. No files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.geometry import Region
from czengine.sources.base import PlaneIndex

_BLOCK_ROWS = 1024  # blocks are views: their height is only how often they are handed on


def array_block(height: int, width: int) -> tuple[int, int]:
    """Height and width of a block of an array: whole rows."""
    return min(_BLOCK_ROWS, height), width


class ArraySink:
    """Collects blocks in one array; see `Sink`. Blocks are whole rows.

    Attributes
    ----------
    array : ndarray
        (channel, plane axes…, y, x); planes never written stay 0.
    """

    bytes_written = 0

    def __init__(
        self, *, channels: int, planes: tuple[int, ...], height: int, width: int, dtype: np.dtype[Any]
    ) -> None:
        self.array = np.zeros((channels, *planes, height, width), dtype)
        self.block = array_block(height, width)

    def new_block(self, plane: PlaneIndex, region: Region) -> NDArray[Any]:
        """The part of the array that is the block: what is put there is written."""
        rows, columns = slice(region.y, region.bottom), slice(region.x, region.right)
        index: tuple[int | slice, ...] = (slice(None), *plane, rows, columns)
        place: NDArray[Any] = self.array[index]
        return place

    def write(self, plane: PlaneIndex, region: Region, pixels: NDArray[Any]) -> None:
        """Take a block; nothing is left to do where it is the memory that `new_block` gave."""
        place = self.new_block(plane, region)
        if pixels.__array_interface__ != place.__array_interface__:
            place[...] = pixels

    def finish(self, threads: int, check: Callable[[], None] | None = None) -> None:
        """An array has no pyramid."""
