"""Counts result pixels as blocks are finished, so that nobody has to read the result again.

Any thread may add, in any order: the sums come out the same to the last bit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from czengine.kernels.base import Kernels
from czengine.report import ClassCount, ScoreRange
from czengine.spec import ModelClass

_PIECE = 2**17  # pixels: what is looked at several times should stay in the cache


class Tally(Protocol):
    """Takes in every block of a result once."""

    def add(self, pixels: NDArray[Any]) -> None:
        """Count (channel, y, x)."""


class LabelTally:
    """Counts the pixels of each label value.

    Parameters
    ----------
    kernels : Kernels
        The inner loops.
    channels : int
        Result channels.
    dtype : numpy.dtype
        uint8 or uint16.
    """

    def __init__(self, kernels: Kernels, *, channels: int, dtype: np.dtype[Any]) -> None:
        self._kernels = kernels
        self._lock = threading.Lock()
        self._counts = np.zeros((channels, np.iinfo(dtype).max + 1), np.int64)

    def add(self, pixels: NDArray[Any]) -> None:
        """Count (channel, y, x) labels."""
        found = np.zeros_like(self._counts)
        for counts, channel in zip(found, pixels, strict=True):
            self._kernels.count(channel, counts)
        with self._lock:
            self._counts += found

    def counts(self, classes: tuple[ModelClass, ...], pixel_area: float | None) -> tuple[ClassCount, ...]:
        """One entry per class: by label value of the one channel, or by channel where each class has its own."""
        own_channel = len(self._counts) > 1
        total = int(self._counts[0].sum())
        nothing = ModelClass(name="nothing", label=0, color=(0, 0, 0))
        rows = [
            (c, int(self._counts[i, 1] if own_channel else self._counts[0, c.label]))
            for i, c in enumerate(classes)
        ]
        if not own_channel and self._counts[0, 0]:
            rows.insert(0, (nothing, int(self._counts[0, 0])))
        return tuple(
            ClassCount(
                name=c.name,
                label=c.label,
                color=c.color,
                pixels=n,
                share=n / total,
                area=None if pixel_area is None else n * pixel_area,
            )
            for c, n in rows
        )


class ScoreTally:
    """Range and mean of each output channel."""

    def __init__(self, *, channels: int) -> None:
        self._lock = threading.Lock()
        self._low = np.full(channels, np.inf)
        self._high = np.full(channels, -np.inf)
        self._sums = [Fraction(0)] * channels  # exact, so that the order of blocks does not matter
        self._count = np.zeros(channels, np.int64)

    def add(self, pixels: NDArray[Any]) -> None:
        """Take in (channel, y, x) scores; those that are not finite do not count."""
        for i, channel in enumerate(pixels):
            for piece in _pieces(channel):
                low, high = piece.min(), piece.max()
                if not (np.isfinite(low) and np.isfinite(high)):
                    piece = piece[np.isfinite(piece)]
                    if not piece.size:
                        continue
                    low, high = piece.min(), piece.max()
                self._add(i, float(low), float(high), float(piece.sum(dtype=np.float64)), piece.size)

    def _add(self, i: int, low: float, high: float, total: float, count: int) -> None:
        with self._lock:
            self._low[i], self._high[i] = min(self._low[i], low), max(self._high[i], high)
            self._sums[i] += Fraction(total)
            self._count[i] += count

    def ranges(self, names: tuple[str, ...]) -> tuple[ScoreRange, ...]:
        """One entry per channel."""
        return tuple(self._range(i, name) for i, name in enumerate(names))

    def _range(self, i: int, name: str) -> ScoreRange:
        if not self._count[i]:
            return ScoreRange(name=name, minimum=None, mean=None, maximum=None)
        mean = float(self._sums[i] / int(self._count[i]))
        return ScoreRange(name=name, minimum=float(self._low[i]), mean=mean, maximum=float(self._high[i]))


def _pieces(channel: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """(y, x) in strips of about `_PIECE` pixels, at least one row each."""
    step = max(_PIECE // max(channel.shape[1], 1), 1)
    return (channel[y : y + step] for y in range(0, channel.shape[0], step))
