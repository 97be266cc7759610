"""What came out of a run: how many pixels per class, which files, how long it took.

Counts only; how it is shown is the command line's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.spec import ModelClass


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """Pixels of one class over all planes.

    Attributes
    ----------
    name : str
        Class name; "nothing" for label 0.
    label : int
        Value in the label image.
    color : tuple of int
        (red, green, blue).
    pixels : int
        Number of pixels.
    share : float
        Of all pixels looked at, 0-1.
    area : float or None
        In square micrometres; None where the pixel size is unknown.
    """

    name: str
    label: int
    color: tuple[int, int, int]
    pixels: int
    share: float
    area: float | None


@dataclass(frozen=True, kw_only=True)
class ScoreRange:
    """Smallest, mean and largest value of one output channel; numbers only, NaN left out."""

    name: str
    minimum: float
    mean: float
    maximum: float


@dataclass(frozen=True, kw_only=True)
class ImageReport:
    """What one image gave.

    Attributes
    ----------
    image : str
        Name of the image.
    results : tuple of Path
        The images written; empty for arrays in memory.
    planes, tiles, pixels : int
        What was inferred; `pixels` counts result pixels, not tile pixels.
    seconds : float
        Wall time of this image, without loading the model.
    classes : tuple of ClassCount
        For labels; label 0 comes first where it occurs.
    scores : tuple of ScoreRange
        For regression and scores.
    notes : tuple of str
        What the user should know about this image.
    """

    image: str
    results: tuple[Path, ...]
    planes: int
    tiles: int
    pixels: int
    seconds: float
    classes: tuple[ClassCount, ...]
    scores: tuple[ScoreRange, ...]
    notes: tuple[str, ...]


class LabelTally:
    """Counts the pixels of each label value as rows are finished."""

    def __init__(self, *, channels: int, dtype: np.dtype[Any]) -> None:
        self._counts = np.zeros((channels, np.iinfo(dtype).max + 1), np.int64)

    def add(self, rows: NDArray[Any]) -> None:
        """Count (channel, y, x) labels."""
        for counts, channel in zip(self._counts, rows, strict=True):
            counts += np.bincount(channel.ravel(), minlength=counts.size)

    def counts(self, classes: tuple[ModelClass, ...], pixel_area: float | None) -> tuple[ClassCount, ...]:
        """One entry per class: by label value of the one channel, or by channel where each class has its own."""
        own_channel = len(self._counts) == len(classes) and len(classes) > 1
        total = int(self._counts[0].sum())
        nothing = ModelClass(name="nothing", label=0, color=(0, 0, 0))
        rows = [(c, int(self._counts[i, 1] if own_channel else self._counts[0, c.label])) for i, c in enumerate(classes)]
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
            values = channel[np.isfinite(channel)]
            if values.size:
                self._low[i] = min(self._low[i], values.min())
                self._high[i] = max(self._high[i], values.max())
                self._sum[i] += values.sum(dtype=np.float64)
                self._count[i] += values.size

    def ranges(self, names: tuple[str, ...]) -> tuple[ScoreRange, ...]:
        """One entry per channel; NaN where no value was finite."""
        means = [s / n if n else np.nan for s, n in zip(self._sum, self._count, strict=True)]
        return tuple(
            ScoreRange(name=name, minimum=float(low), mean=float(mean), maximum=float(high))
            for name, low, mean, high in zip(names, self._low, means, self._high, strict=True)
        )


def class_totals(reports: Sequence[ImageReport]) -> tuple[ClassCount, ...]:
    """The class counts of several images added up; areas only where every image has one."""
    everything = sum(report.pixels for report in reports)
    counts: dict[int, list[ClassCount]] = {}
    for report in reports:
        for count in report.classes:
            counts.setdefault(count.label, []).append(count)
    return tuple(_total(counts[label], everything) for label in sorted(counts))


def _total(counts: Sequence[ClassCount], everything: int) -> ClassCount:
    pixels = sum(count.pixels for count in counts)
    areas = [count.area for count in counts]
    area = None if None in areas else sum(area for area in areas if area is not None)
    return replace(counts[0], pixels=pixels, share=pixels / everything, area=area)
