"""Splits the rows of one kernel call over a few threads, for any `Kernels`; computes nothing itself.

A pixel's result does not depend on the split: every kernel treats each pixel on its own, and counts add up.
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
    with this object, or where it is left as a context manager.
    """

    def __init__(self, kernels: Kernels, threads: int, piece: int = PIECE) -> None:
        self._kernels = kernels
        self._threads = threads
        self._piece = piece
        self._helpers = ThreadPoolExecutor(max(threads - 1, 1), thread_name_prefix="czengine-kernels")
        self.is_uniform = kernels.is_uniform  # on the caller's thread: mostly, the first few pixels tell

    def __enter__(self) -> PooledKernels:
        return self

    def __exit__(self, *exception: object) -> None:
        """An error's traceback may hold this object for long: its threads end here."""
        self._helpers.shutdown()

    def gather(
        self,
        source: NDArray[Any],
        channels: NDArray[np.int64],
        divisor: float,
        constant: float,
        out: NDArray[Any],
    ) -> None:
        """Fill a part of a network's input; see `Kernels.gather`."""

        def piece(rows: slice) -> None:
            self._kernels.gather(source[:, rows], channels, divisor, constant, out[rows])

        self._run(piece, source.shape[1], out.size)

    def argmax(
        self, scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]
    ) -> None:
        """Paste the best class of each pixel; see `Kernels.argmax`."""

        def piece(rows: slice) -> None:
            self._kernels.argmax(scores[rows], labels, min_confidence, out[rows])

        self._run(piece, len(scores), scores.size)

    def threshold(self, scores: NDArray[Any], limit: float, out: NDArray[np.uint8]) -> None:
        """Paste each class on its own; see `Kernels.threshold`."""

        def piece(rows: slice) -> None:
            self._kernels.threshold(scores[rows], limit, out[:, rows])

        self._run(piece, len(scores), scores.size)

    def copy(self, scores: NDArray[Any], out: NDArray[Any]) -> None:
        """Paste the scores; see `Kernels.copy`."""

        def piece(rows: slice) -> None:
            self._kernels.copy(scores[rows], out[:, rows])

        self._run(piece, len(scores), scores.size)

    def count(self, labels: NDArray[Any], counts: NDArray[np.int64]) -> None:
        """Add up label values; see `Kernels.count`."""
        work = labels.size * 256 // counts.size  # a table of its own per piece has to be worth it
        if self._pieces(len(labels), work) == 1:
            self._kernels.count(labels, counts)
            return
        tables: list[NDArray[np.int64]] = []  # appending is atomic, adding up is not

        def piece(rows: slice) -> None:
            table = np.zeros_like(counts)
            self._kernels.count(labels[rows], table)
            tables.append(table)

        self._run(piece, len(labels), work)
        for table in tables:
            counts += table

    def _pieces(self, rows: int, values: int) -> int:
        return max(1, min(self._threads, rows, values // self._piece))

    def _run(self, piece: Callable[[slice], None], rows: int, values: int) -> None:
        """Call `piece` with slices of `rows`, the first here; the arrays are free again when this ends.

        The last slice has no end, so that an array with more rows than the others is noticed.
        """
        pieces = self._pieces(rows, values)
        if pieces == 1:
            piece(slice(None))
            return
        cuts = [rows * index // pieces for index in range(1, pieces)]
        helped = [
            self._helpers.submit(piece, slice(*cut)) for cut in zip(cuts, [*cuts[1:], None], strict=True)
        ]
        try:
            piece(slice(cuts[0]))
        finally:
            wait(helped)
        for future in helped:
            future.result()
