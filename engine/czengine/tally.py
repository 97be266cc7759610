"""Counts result pixels as rows are finished, so that nobody has to read the result again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.report import ClassCount, ScoreRange
from czengine.spec import ModelClass

_PIECE = 2**20  # pixels: NumPy counts and sums in copies eight times as large as uint8 labels


class LabelTally:
    """Counts the pixels of each label value as rows are finished."""

    def __init__(self, *, channels: int, dtype: np.dtype[Any]) -> None:
        self._counts = np.zeros((channels, np.iinfo(dtype).max + 1), np.int64)

    def add(self, rows: NDArray[Any]) -> None:
        """Count (channel, y, x) labels."""
        for counts, channel in zip(self._counts, rows, strict=True):
            for piece in _pieces(channel):
                counts += np.bincount(piece.ravel(), minlength=counts.size)

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
    """Range and mean of each output channel as rows are finished."""

    def __init__(self, *, channels: int) -> None:
        self._low = np.full(channels, np.inf)
        self._high = np.full(channels, -np.inf)
        self._sum = np.zeros(channels)
        self._count = np.zeros(channels, np.int64)

    def add(self, rows: NDArray[Any]) -> None:
        """Take in (channel, y, x) scores."""
        for i, channel in enumerate(rows):
            for piece in _pieces(channel):
                values = piece[np.isfinite(piece)]
                if values.size:
                    self._low[i] = min(self._low[i], values.min())
                    self._high[i] = max(self._high[i], values.max())
                    self._sum[i] += values.sum(dtype=np.float64)
                    self._count[i] += values.size

    def ranges(self, names: tuple[str, ...]) -> tuple[ScoreRange, ...]:
        """One entry per channel."""
        return tuple(self._range(i, name) for i, name in enumerate(names))

    def _range(self, i: int, name: str) -> ScoreRange:
        if not self._count[i]:
            return ScoreRange(name=name, minimum=None, mean=None, maximum=None)
        mean = float(self._sum[i] / self._count[i])
        return ScoreRange(name=name, minimum=float(self._low[i]), mean=mean, maximum=float(self._high[i]))


def _pieces(channel: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """(y, x) in strips of about `_PIECE` pixels, at least one row each."""
    step = max(_PIECE // max(channel.shape[1], 1), 1)
    return (channel[y : y + step] for y in range(0, channel.shape[0], step))
