"""The kernels in plain NumPy: slow, obvious, and the oracle the fast ones are tested against.

Runs everywhere. Nothing here is tuned: where a line could be faster or clearer, it is clearer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.kernels.base import OPAQUE
from czengine.kernels.plain import copy_channels, is_copy, known_float, require_fit, require_shape


class ReferenceKernels:
    """`czengine.kernels.base.Kernels` in NumPy."""

    def gather(
        self,
        source: NDArray[Any],
        channels: NDArray[np.int64],
        divisor: float,
        constant: float,
        out: NDArray[Any],
    ) -> None:
        """Fill a part of a network's input; see `Kernels.gather`."""
        require_fit(source, channels, out)
        if is_copy(source, divisor, out):
            copy_channels(source, channels, constant, out)
            return
        for index, channel in enumerate(channels):
            if channel == OPAQUE:
                out[:, :, index] = constant
                continue
            with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, silently
                out[:, :, index] = (source[channel].astype(np.float64) / divisor).astype(np.float32)

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

    def count(self, labels: NDArray[Any], counts: NDArray[np.int64]) -> None:
        """Add up label values; see `Kernels.count`."""
        require_shape("counts", counts.shape, (np.iinfo(labels.dtype).max + 1,))
        counts += np.bincount(labels.ravel(), minlength=counts.size)

    def is_uniform(self, pixels: NDArray[Any]) -> bool:
        """Whether each channel has one value; see `Kernels.is_uniform`."""
        bits = known_float(pixels) if pixels.itemsize > 8 else pixels
        bits = np.ascontiguousarray(bits).view(f"u{bits.itemsize}")
        return all(bool(np.all(channel == channel.flat[0])) for channel in bits if channel.size)
