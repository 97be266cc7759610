"""The kernels compiled by Numba: the default.

Compiled on first use, per pixel type, in a few tenths of a second; kept on disk beside this file or in the
user's cache folder (`NUMBA_CACHE_DIR` names another), and only in memory where neither can be written.
One thread each: `pool` splits a call over several (docs/decisions/0002-kernel-threads.md says why).
Importing this module imports Numba, so only `czengine.kernels.load` does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from czengine.kernels.base import OPAQUE

_Function = TypeVar("_Function", bound=Callable[..., None])


class CompiledKernels:
    """`czengine.kernels.base.Kernels` in Numba, and in NumPy where that is as fast."""

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
        _same_shape("out", out.shape, (rows.size, columns.size, channels.size))
        _inside("channels", channels, source.shape[0], lowest=OPAQUE)
        _inside("rows", rows, source.shape[1])
        _inside("columns", columns, source.shape[2])
        _gather(_plain(source), channels, rows, columns, float(divisor), float(constant), out)

    def argmax(
        self, scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]
    ) -> None:
        """Paste the best class of each pixel; see `Kernels.argmax`."""
        _same_shape("out", out.shape, scores.shape[:2])
        _same_shape("labels", labels.shape, scores.shape[2:])
        if not labels.size:
            raise ValueError("scores have no classes, at least 1 is needed")
        _argmax(_plain(scores), np.ascontiguousarray(labels), float(min_confidence), out)

    def threshold(self, scores: NDArray[Any], limit: float, out: NDArray[np.uint8]) -> None:
        """Paste each class on its own; see `Kernels.threshold`. NumPy's own loop: measured as fast."""
        by_class = scores.transpose(2, 0, 1)
        _same_shape("out", out.shape, by_class.shape)
        np.greater_equal(by_class, np.float64(limit), out=out, casting="unsafe")

    def copy(self, scores: NDArray[Any], out: NDArray[Any]) -> None:
        """Paste the scores; see `Kernels.copy`. NumPy's own loop: measured as fast."""
        by_channel = scores.transpose(2, 0, 1)
        _same_shape("out", out.shape, by_channel.shape)
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            np.copyto(out, by_channel, casting="unsafe")


def _jit(function: _Function) -> _Function:
    def compiled(*, cache: bool) -> _Function:
        return cast(_Function, numba.njit(function, cache=cache, nogil=True, error_model="numpy"))

    try:
        return compiled(cache=True)
    except RuntimeError:  # no folder to keep the machine code in: compile in every process
        return compiled(cache=False)


# Compiled code follows no index outside an array, it just reads there: hence the checks.


def _same_shape(name: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if got != wanted:
        raise ValueError(f"{name} has shape {got}, {wanted} is needed")


def _inside(name: str, indices: NDArray[np.int64], size: int, lowest: int = 0) -> None:
    if indices.size and (indices.min() < lowest or indices.max() >= size):
        raise IndexError(f"{name} run from {indices.min()} to {indices.max()} in an axis of {size}")


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself, or in float64 where Numba lacks its type (float16, extended precision)."""
    known = array.dtype.kind != "f" or array.dtype.itemsize in (4, 8)
    return array if known else array.astype(np.float64)


@_jit
def _gather(
    source: NDArray[Any],
    channels: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    divisor: float,
    constant: float,
    out: NDArray[np.float32],
) -> None:
    for c in range(channels.size):
        channel = channels[c]
        for y in range(rows.size):
            if channel == OPAQUE:
                for x in range(columns.size):
                    out[y, x, c] = np.float32(constant)
            else:
                row = source[channel, rows[y]]
                for x in range(columns.size):
                    out[y, x, c] = np.float32(np.float64(row[columns[x]]) / divisor)


@_jit
def _argmax(scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]) -> None:
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            best = scores[y, x, 0]
            winner = 0
            a_number = not np.isnan(best)
            for k in range(1, labels.size):
                score = scores[y, x, k]
                if np.isnan(score):
                    a_number = False
                if score > best:
                    best = score
                    winner = k
            kept = a_number and not np.float64(best) < min_confidence
            out[y, x] = labels[winner] if kept else 0
