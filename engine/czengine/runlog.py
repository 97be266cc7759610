"""The report of a run as a JSON file beside its result.

Knows where it goes and how it is written; what is in it comes from `report`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from czengine.report import ImageReport
from czengine.sinks.base import Target

SUFFIX = ".report.json"


def report_path(target: Target) -> Path:
    """Where the report of a run goes: beside a result that stands alone, beside the image of one that lies in it.

    Never into a store: readers of zarr complain about files that are not theirs.
    """
    if target.registry is None:
        return _beside(target.path, target.path.name)
    root = target.image.root
    return _beside(root, f"{root.name}.{target.path.name}")


def save_reports(reports: Sequence[ImageReport], path: Path) -> Path | None:
    """Write the reports of a run into one file, replacing what is there; None where that is not possible.

    The result is there already, so a place that cannot be written is no reason to fail.
    """
    part = path.with_name(f".{path.name}.part")
    values = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "images": [as_json(r) for r in reports],
    }
    try:
        part.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError:
        return None
    return path


def as_json(report: ImageReport) -> dict[str, Any]:
    """A report as JSON-able values."""
    return {
        **asdict(report),
        "results": [str(path) for path in report.results],
        "device_busy": round(report.device_busy, 4),
    }


def _beside(place: Path, name: str) -> Path:
    parent = Path(os.path.abspath(place)).parent
    stem = name.removesuffix("/")
    return parent / f"{stem}{SUFFIX}"
