"""A conversion as a person or a program sees it: what is being done, and what came of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from czconverter.report import Comparison, ConversionReport
from czengine.cli.listeners import ProgressMode, emit
from czengine.cli.tables import print_notes
from czengine.describe import describe_certificate


@contextmanager
def telling(mode: ProgressMode, stop_if_asked: Callable[[], None]) -> Iterator[Callable[[str], None]]:
    """Something to call with what is being done now; it is where Ctrl-C strikes."""
    if mode == "bar" or (mode == "auto" and sys.stderr.isatty()):
        from rich.console import Console

        with Console(stderr=True).status("") as status:
            yield _stoppable(lambda text: status.update(f"{text} …"), stop_if_asked)
    elif mode == "json":
        yield _stoppable(lambda text: emit("progress", doing=text), stop_if_asked)
    else:
        yield _stoppable(lambda text: None, stop_if_asked)


def show_report(report: ConversionReport, *, as_json: bool, quiet: bool) -> None:
    """Print what was written and how close it is to its source."""
    if as_json:
        print(json.dumps(report_values(report)))
        return
    if quiet:
        return
    print_notes([*report.lost, *report.warnings])
    for name, value in _facts(report).items():
        print(f"{name:<14}{value}")
    print(f"{'result:':<14}{report.target}")


def report_values(report: ConversionReport) -> dict[str, Any]:
    """Every field of a report, as JSON-able values."""
    error = report.comparison.relative_error
    return {
        **asdict(report),
        "target": str(report.target),
        "certificate": describe_certificate(report.certificate),
        "comparison": {**asdict(report.comparison), "relative_error": error},
    }


def _facts(report: ConversionReport) -> dict[str, str]:
    tile, border = report.tile, report.border
    inside = f"ONNX, opset {report.opset}" if report.opset else "TensorFlow SavedModel"
    weights = f", {report.parameters:,} weights" if report.parameters else ""
    return {
        "source:": f"{report.source} ({report.framework})",
        "inside:": f"{inside}{weights}",
        "tile:": f"{tile[0]} × {tile[1]} pixels, border {border[0]} and {border[1]} (y, x)",
        "certificate:": report.certificate.sentence,
        "channels:": f"{report.channels} in, {report.outputs} out",
        "compared:": _comparison(report.comparison),
        "time:": f"{report.seconds:.1f} s in all",
        "per picture:": f"source {_each(report, 'source')}, archive {_each(report, 'archive')}",
    }


def _comparison(comparison: Comparison) -> str:
    text = (
        f"{comparison.pictures} pictures, error at most {comparison.max_error:.2g},"
        f" on average {comparison.mean_error:.2g}"
    )
    return text if comparison.agreement is None else f"{text}; {comparison.agreement:.4%} of the labels equal"


def _each(report: ConversionReport, side: str) -> str:
    seconds = getattr(report.comparison, f"{side}_seconds") / report.comparison.pictures
    return f"{seconds * 1e3:.0f} ms"


def _stoppable(tell: Callable[[str], None], stop_if_asked: Callable[[], None]) -> Callable[[str], None]:
    def told(text: str) -> None:
        stop_if_asked()
        tell(text)

    return told
