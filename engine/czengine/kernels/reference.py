"""The kernels in plain NumPy: slow, obvious, and the oracle the fast ones are tested against.

Runs everywhere. Nothing here is tuned: where a line could be faster or clearer, it is clearer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.kernels.base import OPAQUE


class ReferenceKernels:
    """`czengine.kernels.base.Kernels` in NumPy."""

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
        """Cut one tile; see `Kernels.gather`."""
        for index, channel in enumerate(channels):
            if channel == OPAQUE:
                out[:, :, index] = constant
                continue
            picture = source[channel][np.ix_(rows, columns)].astype(np.float64)
            with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, silently
                out[:, :, index] = (picture / divisor).astype(np.float32)

    def argmax(
        self, scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]
    ) -> None:
        """Paste the best class of each pixel; see `Kernels.argmax`."""
        best = scores.max(axis=2).astype(np.float64)  # not a number where any score is not
        out[...] = labels[scores.argmax(axis=2)]
        out[np.isnan(best) | (best < min_confidence)] = 0

    def threshold(self, scores: NDArray[Any], limit: float, out: NDArray[np.uint8]) -> None:
        """Paste each class on its own; see `Kernels.threshold`."""
        out[...] = scores.transpose(2, 0, 1).astype(np.float64) >= limit

    def copy(self, scores: NDArray[Any], out: NDArray[Any]) -> None:
        """Paste the scores; see `Kernels.copy`."""
        with np.errstate(over="ignore"):
            out[...] = scores.transpose(2, 0, 1).astype(np.float32)
