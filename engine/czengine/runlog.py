"""The report of a run as a JSON file beside its result.

Knows where it goes and how it is written; what is in it comes from `report`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from czengine.report import ImageReport

if TYPE_CHECKING:
    from czengine.sinks.base import Target

SUFFIX = ".report.json"
_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")


def report_path(target: Target) -> Path:
    """Where the report of a run goes: beside a result that stands alone, beside the image of one that lies in it.

    Never into a store: readers of zarr complain about files that are not theirs. The report of a well of a plate lies
    beside the plate.
    """
    is_inside = target.registry is not None
    place = Path(os.path.abspath(target.image.root if is_inside else target.path))
    store = place
    while any(os.path.exists(store.parent / name) for name in _ZARR_FILES):
        store = store.parent
    names = [*place.relative_to(store.parent).parts, *([target.path.name] if is_inside else [])]
    return store.with_name(".".join(names) + SUFFIX)


def save_reports(reports: Sequence[ImageReport], path: Path) -> Path | None:
    """Write the reports of a run into one file, replacing what is there; None where that is not possible.

    The result is there already, so a place that cannot be written is no reason to fail.
    """
    part = path.with_name(f".{path.name}.part")
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    values = {"finished": finished, "images": [as_json(report) for report in reports]}
    try:
        part.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        return None
    return path


def as_json(report: ImageReport) -> dict[str, Any]:
    """A report as JSON-able values."""
    return {
        **asdict(report),
        "results": [str(path) for path in report.results],
        "device_busy": round(report.device_busy, 4),
    }
