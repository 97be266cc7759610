"""The kernels compiled by Numba: the default where the package was installed without a C++ compiler.

Compiled on first use, per pixel type, in a few seconds; kept on disk beside `loops` or in the user's cache
folder (`NUMBA_CACHE_DIR` names another), and only in memory where neither can be written.
One thread each: `pool` splits a call over several (docs/decisions/0002-kernel-threads.md says why).
Importing this module imports Numba, so only `czengine.kernels.load` does it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.kernels import loops
from czengine.kernels.base import OPAQUE
from czengine.kernels.plain import copy_channels, is_copy, known_float, require_shape

_TABLES = 4


class CompiledKernels:
    """`czengine.kernels.base.Kernels` in Numba, and in NumPy where that is as fast."""

    def gather(
        self,
        source: NDArray[Any],
        channels: NDArray[np.int64],
        divisor: float,
        constant: float,
        out: NDArray[Any],
    ) -> None:
        """Fill a part of a network's input; see `Kernels.gather`."""
        require_shape("out", out.shape, (*source.shape[1:], channels.size))
        _require_inside(channels, source.shape[0])
        if is_copy(source, divisor, out):
            copy_channels(source, channels, constant, out)
        else:
            known = known_float(source)
            loops.gather(known, channels, _number(known.dtype, divisor), np.float32(constant), out)

    def argmax(
        self, scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]
    ) -> None:
        """Paste the best class of each pixel; see `Kernels.argmax`."""
        require_shape("out", out.shape, scores.shape[:2])
        require_shape("labels", labels.shape, scores.shape[2:])
        if not labels.size:
            raise ValueError("scores have no classes, at least 1 is needed")
        loops.argmax(known_float(scores), np.ascontiguousarray(labels), float(min_confidence), out)

    def threshold(self, scores: NDArray[Any], limit: float, out: NDArray[np.uint8]) -> None:
        """Paste each class on its own; see `Kernels.threshold`."""
        by_class = scores.transpose(2, 0, 1)
        require_shape("out", out.shape, by_class.shape)
        np.greater_equal(by_class, np.float64(limit), out=out, casting="unsafe")

    def copy(self, scores: NDArray[Any], out: NDArray[Any]) -> None:
        """Paste the scores; see `Kernels.copy`."""
        by_channel = scores.transpose(2, 0, 1)
        require_shape("out", out.shape, by_channel.shape)
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            np.copyto(out, by_channel, casting="unsafe")

    def count(self, labels: NDArray[Any], counts: NDArray[np.int64]) -> None:
        """Add up label values; see `Kernels.count`."""
        require_shape("counts", counts.shape, (np.iinfo(labels.dtype).max + 1,))
        if labels.itemsize > 1:  # several tables would not fit a processor's caches
            loops.count(labels, counts[np.newaxis])
            return
        tables = np.zeros((_TABLES, counts.size), np.int64)
        loops.count(labels, tables)
        counts += tables.sum(axis=0)

    def is_uniform(self, pixels: NDArray[Any]) -> bool:
        """Whether each channel has one value; see `Kernels.is_uniform`."""
        known = known_float(pixels) if pixels.itemsize > 8 else pixels
        return bool(loops.is_uniform(known.view(f"u{known.itemsize}")))


def _number(dtype: np.dtype[Any], divisor: float) -> np.floating[Any]:
    """The divisor as float32 where every quotient is the same as in float64 and rounded, else as float64.

    It is, where dividend and divisor are float32 numbers: float64 has more than twice their digits.
    """
    narrow = np.float32(divisor)
    is_exact = (dtype.itemsize <= 2 or dtype == np.float32) and float(narrow) == divisor
    return narrow if is_exact else np.float64(divisor)


# Compiled code follows no index outside an array, it just reads there: hence the check.


def _require_inside(channels: NDArray[np.int64], size: int) -> None:
    if channels.size and (channels.min() < OPAQUE or channels.max() >= size):
        raise IndexError(f"channels run from {channels.min()} to {channels.max()} in an axis of {size}")
