"""The kernels compiled by Numba: the default where the package was installed without a C++ compiler.

Compiled on first use, per pixel type, in a few seconds; kept on disk beside `loops` or in the user's cache
folder (`NUMBA_CACHE_DIR` names another), and only in memory where neither can be written.
One thread each: `pool` splits a call over several (docs/decisions/0002-kernel-threads.md says why).
Importing this module imports Numba, so only `czengine.kernels.load` does it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import from_dtype, types
from numpy.typing import NDArray

from czengine.kernels import loops
from czengine.kernels.plain import copy_channels, is_copy, known_float, require_fit, require_shape

_NARROW = tuple(map(np.dtype, (np.bool_, np.uint8, np.uint16, np.float32)))  # float32 holds all their values
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
        require_fit(source, channels, out)
        if is_copy(source, divisor, out):
            copy_channels(source, channels, constant, out)
        else:
            known = _dividends(source, divisor)
            _gather(known.dtype)(known, channels, divisor, constant, out)

    def argmax(
        self, scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]
    ) -> None:
        """Paste the best class of each pixel; see `Kernels.argmax`."""
        require_shape("out", out.shape, scores.shape[:2])
        require_shape("labels", labels.shape, scores.shape[2:])
        if not labels.size:
            raise ValueError("scores have no classes, at least 1 is needed")
        known = known_float(scores)
        _argmax(known.dtype, labels.dtype)(known, labels, min_confidence, out)

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
            _count(labels.dtype)(labels, counts[np.newaxis])
            return
        tables = np.zeros((_TABLES, counts.size), np.int64)
        _count(labels.dtype)(labels, tables)
        counts += tables.sum(axis=0)

    def is_uniform(self, pixels: NDArray[Any]) -> bool:
        """Whether each channel has one value; see `Kernels.is_uniform`."""
        known = known_float(pixels) if pixels.itemsize > 8 else pixels
        bits = known.view(f"u{known.itemsize}")
        return bool(bits.size == 0 or _is_uniform(bits.dtype)(bits))


def _dividends(source: NDArray[Any], divisor: float) -> NDArray[Any]:
    """The pixels where they can be divided as float32, else in float64: then Numba has few types to compile for.

    They can, where dividend and divisor are float32 numbers: the quotient is the same as in float64 and rounded
    then, because float64 has more than twice the digits.
    """
    with np.errstate(over="ignore"):
        is_narrow = source.dtype in _NARROW and float(np.float32(divisor)) == divisor
    return source if is_narrow else source.astype(np.float64, copy=False)


# One version per type, for views of any strides: what Numba would compile by itself, one per layout, is as fast.


def _given(dtype: Any, rank: int) -> types.Array:
    return types.Array(from_dtype(np.dtype(dtype)), rank, "A", readonly=True)


def _filled(dtype: Any, rank: int) -> types.Array:
    return types.Array(from_dtype(np.dtype(dtype)), rank, "A")


@cache
def _gather(pixel: np.dtype[Any]) -> Callable[..., None]:
    number = types.float32 if pixel in _NARROW else types.float64
    signature = types.void(
        _given(pixel, 3), _given(np.int64, 1), number, types.float32, _filled(np.float32, 3)
    )
    return loops.jit(loops.gather, signature)


@cache
def _argmax(score: np.dtype[Any], label: np.dtype[Any]) -> Callable[..., None]:
    signature = types.void(_given(score, 3), _given(label, 1), types.float64, _filled(label, 2))
    return loops.jit(loops.argmax, signature)


@cache
def _count(label: np.dtype[Any]) -> Callable[..., None]:
    return loops.jit(loops.count, types.void(_given(label, 2), _filled(np.int64, 2)))


@cache
def _is_uniform(bits: np.dtype[Any]) -> Callable[..., bool]:
    return loops.jit(loops.is_uniform, types.boolean(_given(bits, 3)))
