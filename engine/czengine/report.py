"""What came out of a run: how many pixels per class, which files, how long it took.

Values only: `tally` counts, the command line shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from czengine.meter import StageTime


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
    """Smallest, mean and largest finite value of one output channel; None where no value is finite."""

    name: str
    minimum: float | None
    mean: float | None
    maximum: float | None


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
    repeats : int
        Tiles that were one constant value, and took the result of an earlier one.
    seconds : float
        Wall time of this image, without loading the model.
    recompute_factor : float
        Pixels the network computed per result pixel: tiles overlap, and `repeats` cost nothing.
    device : str
        What ran the network.
    network : tuple of str
        How it was rewritten before.
    reader : str
        What read the image.
    chunks_decoded : int
        Chunks of the image that were decoded; one that was decoded again counts again.
    bytes_read, bytes_written : int
        Pixels in and out, uncompressed.
    memory_planned : int
        Bytes that czengine itself planned to hold; see `footprint`.
    memory_peak : int or None
        Largest resident set of the process so far, all included; None where the system does not tell.
    stages : tuple of StageTime
        Where the time went. Stages work at the same time.
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
    repeats: int
    pixels: int
    seconds: float
    recompute_factor: float
    device: str
    network: tuple[str, ...]
    reader: str
    chunks_decoded: int
    bytes_read: int
    bytes_written: int
    memory_planned: int
    memory_peak: int | None
    stages: tuple[StageTime, ...]
    classes: tuple[ClassCount, ...]
    scores: tuple[ScoreRange, ...]
    notes: tuple[str, ...]

    @property
    def device_busy(self) -> float:
        """Share of the wall time, 0-1, in which the network ran."""
        run = next((stage.busy for stage in self.stages if stage.stage == "run"), 0.0)
        return min(run / self.seconds, 1.0) if self.seconds > 0 else 0.0


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
