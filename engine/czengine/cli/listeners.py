"""Progress as a person sees it (a bar) and as a program reads it (JSON lines)."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal

from czengine.progress import Listener, Progress
from czengine.report import ImageReport
from czengine.runlog import as_json

ProgressMode = Literal["auto", "bar", "json", "none"]
_SECONDS_BETWEEN_LINES = 0.2


@contextmanager
def listening(mode: ProgressMode) -> Iterator[Listener | None]:
    """A listener for the time of a run; None where nobody wants to know."""
    if mode == "json":
        yield json_lines()
    elif mode == "bar" or (mode == "auto" and sys.stderr.isatty()):
        with _bar() as listener:
            yield listener
    else:
        yield None


def emit(event: str, **values: Any) -> None:
    """Print one JSON line on stdout."""
    print(json.dumps({"event": event, **values}), flush=True)


def emit_report(report: ImageReport) -> None:
    """Print what one image gave as a JSON line."""
    emit("image", **as_json(report))


def json_lines(clock: Callable[[], float] = time.monotonic) -> Listener:
    """A listener that prints JSON lines, a few per second at most, and always the last one."""
    last = -_SECONDS_BETWEEN_LINES

    def listen(progress: Progress) -> None:
        nonlocal last
        now = clock()
        if now - last < _SECONDS_BETWEEN_LINES and progress.pixels_done < progress.pixels:
            return
        last = now
        emit(
            "progress",
            **asdict(progress),
            mpix_per_s=round(progress.rate, 3),
            eta_s=None if progress.remaining is None else round(progress.remaining, 1),
        )

    return listen


@contextmanager
def _bar() -> Iterator[Listener]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]:.1f} MPix/s"),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None, rate=0.0)

        def listen(progress: Progress) -> None:
            counted = f" ({progress.images_done + 1}/{progress.images})" if progress.images > 1 else ""
            bar.update(
                task,
                description=f"{progress.image}{counted}",
                total=progress.pixels,
                completed=progress.pixels_done,
                rate=progress.rate,
            )

        yield listen
