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
        divisor: float,
        constant: float,
        out: NDArray[Any],
    ) -> None:
        """Fill a part of a network's input: `out[y, x, c] = source[channels[c], y, x] / divisor`.

        Parameters
        ----------
        source : ndarray
            (channel, y, x), any bool, integer or float type, native byte order; strided, also with stride 0.
        channels : ndarray of int64
            Source channel of each network channel; `OPAQUE` fills it with `constant`.
        divisor : float
            1.0 leaves values as they are. The result is that of a division in float64 rounded once to float32.
        constant : float
            What `OPAQUE` channels hold, after scaling.
        out : ndarray
            (y, x, channel) view of the network's input, whatever its layout, with the height and width of
            `source`. float32; or of the type of `source`, which needs a divisor of 1.0: a copy.
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

    def count(self, labels: NDArray[Any], counts: NDArray[np.int64]) -> None:
        """Add up label values: `counts[v] += number of pixels with label v`.

        Parameters
        ----------
        labels : ndarray of uint8 or uint16
            (y, x).
        counts : ndarray of int64
            One element per value of the type: 256 or 65536.
        """

    def is_uniform(self, pixels: NDArray[Any]) -> bool:
        """Whether all pixels of (channel, y, x) equal the first one of their channel, bit for bit.

        Stops at the first that does not, so that asking costs next to nothing where the answer is no.
        """
