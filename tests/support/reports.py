"""A report to start from, for tests that run nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from czengine.report import ImageReport

_REPORT = ImageReport(
    image="image.zarr",
    results=(Path("image.zarr/labels/cells"),),
    planes=1,
    tiles=4,
    repeats=1,
    pixels=12,
    seconds=2.0,
    recompute_factor=1.5,
    device="CPU, 2 threads",
    network=(),
    reader="tensorstore",
    chunks_decoded=3,
    bytes_read=24,
    bytes_written=12,
    memory_planned=1000,
    memory_peak=2000,
    stages=(),
    classes=(),
    scores=(),
    notes=(),
)


def make_report(**changes: Any) -> ImageReport:
    """One image; `changes` are fields of `ImageReport`."""
    return replace(_REPORT, **changes)
