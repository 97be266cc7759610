"""A NumPy array in memory as a result. No files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.sources.base import PlaneIndex


class ArraySink:
    """Collects result rows in one array.

    Attributes
    ----------
    array : ndarray
        (channel, plane axes…, y, x); planes never written stay 0.
    """

    block_height = 1

    def __init__(
        self, *, channels: int, planes: tuple[int, ...], height: int, width: int, dtype: np.dtype[Any]
    ) -> None:
        self.array = np.zeros((channels, *planes, height, width), dtype)

    def write(self, plane: PlaneIndex, y: int, rows: NDArray[Any]) -> None:
        """Take `rows`, (channel, height, width), of one plane; see `Sink.write`."""
        for channel, values in zip(self.array, rows, strict=True):
            channel[plane][y : y + rows.shape[1]] = values
