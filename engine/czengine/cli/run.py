"""A run as the command line shows it: notes first, progress meanwhile, a table and the places to look at the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from czengine.cli.interrupt import deferred_interrupt
from czengine.cli.listeners import ProgressMode, emit, emit_report, listening
from czengine.cli.tables import print_notes, print_reports
from czengine.config import InputOptions, OutputOptions, RunOptions, TilingOptions
from czengine.errors import CzEngineError
from czengine.report import ImageReport
from czengine.runlog import report_path, save_reports


@dataclass(frozen=True, kw_only=True)
class Show:
    """What a person, or a program, gets to see of a run.

    Attributes
    ----------
    progress : {"auto", "bar", "json", "none"}
        "auto" is a bar where stderr is a terminal.
    quiet : bool
        Print nothing but errors.
    preview : Path or None
        Picture to save of the first image's result.
    """

    progress: ProgressMode = "auto"
    quiet: bool = False
    preview: Path | None = None


def carry_out(
    model: Path,
    image: Path,
    *,
    inputs: InputOptions,
    output: OutputOptions,
    tiling: TilingOptions,
    run: RunOptions,
    show: Show,
) -> None:
    """Plan, run and show; the errors are those of `czengine.api.predict`."""
    try:
        _carry_out(model, image, inputs=inputs, output=output, tiling=tiling, run=run, show=show)
    except CzEngineError as error:
        if show.progress == "json":
            emit("error", message=str(error), exit_code=error.exit_code)
        raise


def _carry_out(
    model: Path,
    image: Path,
    *,
    inputs: InputOptions,
    output: OutputOptions,
    tiling: TilingOptions,
    run: RunOptions,
    show: Show,
) -> None:
    with deferred_interrupt() as stop_if_asked:
        from czengine import api
        from czengine.preview import check_preview_path, write_preview

        if show.preview is not None:
            check_preview_path(show.preview)
        opened = api.open_model(model)
        jobs = api.plan(opened, image, inputs=inputs, output=output, tiling=tiling, run=run)
        if not show.quiet:
            print_notes([*opened.spec.warnings, *(note for job in jobs for note in job.notes)])
        mode: ProgressMode = "none" if show.quiet and show.progress == "auto" else show.progress
        with listening(mode) as listener:
            reports = api.run_jobs(opened, jobs, run=run, progress=listener, check=stop_if_asked)
        saved = save_reports(reports, report_path(jobs[0].targets[0]))
        _show_reports(reports, saved, show)
        if not show.quiet:  # what came up while the network was compiled
            told = {note for job in jobs for note in job.notes}
            print_notes(note for report in reports for note in report.notes if note not in told)
        if show.preview is not None:
            first = jobs[0]
            write_preview(show.preview, first.targets, plane=first.planes[0], channels=first.inputs.read)
            _show_preview(show.preview, show)
        if show.progress == "json":
            emit("done", images=len(reports))


def _show_reports(reports: tuple[ImageReport, ...], saved: Path | None, show: Show) -> None:
    if show.progress == "json":
        for report in reports:
            emit_report(report)
    elif not show.quiet:
        print_reports(reports)
        print(f"report:  {'could not be written' if saved is None else _shown(saved)}")


def _shown(path: Path) -> Path:
    """A path as short as it can be said here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _show_preview(path: Path, show: Show) -> None:
    if show.progress == "json":
        emit("preview", path=str(path))
    elif not show.quiet:
        print(f"preview: {path}")
