"""The kernels compiled by Numba: the default where the package was installed without a C++ compiler.

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
from czengine.kernels.plain import PlainKernels, known_float, require_shape

_Function = TypeVar("_Function", bound=Callable[..., None])


class CompiledKernels(PlainKernels):
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
        require_shape("out", out.shape, (rows.size, columns.size, channels.size))
        _inside("channels", channels, source.shape[0], lowest=OPAQUE)
        _inside("rows", rows, source.shape[1])
        _inside("columns", columns, source.shape[2])
        _gather(known_float(source), channels, rows, columns, float(divisor), float(constant), out)

    def argmax(
        self, scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]
    ) -> None:
        """Paste the best class of each pixel; see `Kernels.argmax`."""
        require_shape("out", out.shape, scores.shape[:2])
        require_shape("labels", labels.shape, scores.shape[2:])
        if not labels.size:
            raise ValueError("scores have no classes, at least 1 is needed")
        _argmax(known_float(scores), np.ascontiguousarray(labels), float(min_confidence), out)


def _jit(function: _Function) -> _Function:
    def compiled(*, cache: bool) -> _Function:
        return cast(_Function, numba.njit(function, cache=cache, nogil=True, error_model="numpy"))

    try:
        return compiled(cache=True)
    except RuntimeError:  # no folder to keep the machine code in: compile in every process
        return compiled(cache=False)


# Compiled code follows no index outside an array, it just reads there: hence the checks.


def _inside(name: str, indices: NDArray[np.int64], size: int, lowest: int = 0) -> None:
    if indices.size and (indices.min() < lowest or indices.max() >= size):
        raise IndexError(f"{name} run from {indices.min()} to {indices.max()} in an axis of {size}")


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
