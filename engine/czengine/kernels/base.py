"""What the kernels do, in words; `reference`, `compiled` (Numba) and `native` (C++) do it, and are tested equal.

All arrays belong to the caller and may be strided views: a crop is a slice, a layout is a transpose.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

OPAQUE = -1  # channel index that means "a constant", e.g. the alpha a colour image does not have


class Kernels(Protocol):
    """The inner loops. Every one releases the GIL and may be called from several threads at once."""

    def gather(
        self,
        source: NDArray[Any],
        channels: NDArray[np.int64],
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        divisor: float,
        constant: float,
        out: NDArray[np.float32],
    ) -> None:
        """Cut one tile: `out[y, x, c] = float32(source[channels[c], rows[y], columns[x]] / divisor)`.

        Parameters
        ----------
        source : ndarray
            (channel, y, x), any bool, integer or float type, native byte order.
        channels : ndarray of int64
            Source channel of each network channel; `OPAQUE` fills it with `constant`.
        rows, columns : ndarray of int64
            Source row of each tile row, source column of each tile column; padding is repeated indices.
        divisor : float
            1.0 leaves values as they are. The division is done in float64 and rounded once.
        constant : float
            What `OPAQUE` channels hold, after scaling.
        out : ndarray of float32
            (y, x, channel) view of the network's input, whatever its layout.
        """

    def argmax(
        self, scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]
    ) -> None:
        """Paste the best class of each pixel: `out[y, x] = labels[argmax(scores[y, x, :])]`.

        The first of equal scores wins. A pixel whose best score is below `min_confidence`
        (-inf: never), or with a score that is not a number, gets 0.

        Parameters
        ----------
        scores : ndarray of float
            (y, x, class).
        labels : ndarray of uint8 or uint16
            Label value per class, of the type of `out`.
        min_confidence : float
            Compared in the type of the scores' values as float64.
        out : ndarray of uint8 or uint16
            (y, x).
        """

    def threshold(self, scores: NDArray[Any], limit: float, out: NDArray[np.uint8]) -> None:
        """Paste each class on its own: `out[k, y, x] = scores[y, x, k] >= limit`, for (class, y, x) `out`."""

    def copy(self, scores: NDArray[Any], out: NDArray[Any]) -> None:
        """Paste the scores: `out[k, y, x] = scores[y, x, k]`, cast to float32, for (channel, y, x) `out`."""
