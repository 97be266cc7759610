"""Splits the rows of one kernel call over a few threads, for any `Kernels`; computes nothing itself.

A pixel's result does not depend on the split: every kernel treats each pixel on its own.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.kernels.base import Kernels

PIECE = 1 << 17  # values: some tenths of a millisecond of work, well above what handing it over costs


class PooledKernels:
    """`kernels` on up to `threads` threads, the caller's included, each with at least `piece` values.

    Several threads may call at once; they share the helpers, which start with the first large call and end
    with this object.
    """

    def __init__(self, kernels: Kernels, threads: int, piece: int = PIECE) -> None:
        self._kernels = kernels
        self._threads = threads
        self._piece = piece
        self._helpers = ThreadPoolExecutor(max(threads - 1, 1), thread_name_prefix="czengine-kernels")

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

        def piece(rows: NDArray[np.int64], out: NDArray[np.float32]) -> None:
            self._kernels.gather(source, channels, rows, columns, divisor, constant, out)

        n = self._pieces(out)
        self._run(piece, np.array_split(rows, n), np.array_split(out, n))

    def argmax(
        self, scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]
    ) -> None:
        """Paste the best class of each pixel; see `Kernels.argmax`."""

        def piece(scores: NDArray[Any], out: NDArray[Any]) -> None:
            self._kernels.argmax(scores, labels, min_confidence, out)

        n = self._pieces(scores)
        self._run(piece, np.array_split(scores, n), np.array_split(out, n))

    def threshold(self, scores: NDArray[Any], limit: float, out: NDArray[np.uint8]) -> None:
        """Paste each class on its own; see `Kernels.threshold`."""

        def piece(scores: NDArray[Any], out: NDArray[np.uint8]) -> None:
            self._kernels.threshold(scores, limit, out)

        n = self._pieces(scores)
        self._run(piece, np.array_split(scores, n), np.array_split(out, n, axis=1))

    def copy(self, scores: NDArray[Any], out: NDArray[Any]) -> None:
        """Paste the scores; see `Kernels.copy`."""
        n = self._pieces(scores)
        self._run(self._kernels.copy, np.array_split(scores, n), np.array_split(out, n, axis=1))

    def _pieces(self, work: NDArray[Any]) -> int:
        return max(1, min(self._threads, len(work), work.size // self._piece))

    def _run(
        self, piece: Callable[[Any, Any], None], inputs: list[NDArray[Any]], outs: list[NDArray[Any]]
    ) -> None:
        """Call `piece` on each pair, the first one here; the arrays are free again when this returns or raises."""
        helped = [self._helpers.submit(piece, *pair) for pair in zip(inputs[1:], outs[1:], strict=True)]
        try:
            piece(inputs[0], outs[0])
        finally:
            wait(helped)
        for future in helped:
            future.result()
