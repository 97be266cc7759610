"""Results and models as tables for people. Formats only; every number comes from elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from czengine.report import ImageReport, class_totals

if TYPE_CHECKING:
    from rich.table import Table

_MOST_PATHS = 10


def print_notes(notes: Iterable[str]) -> None:
    """Each note once, on stderr, before the work begins."""
    for note in dict.fromkeys(notes):
        print(f"note: {note}", file=sys.stderr)


def print_reports(reports: Sequence[ImageReport]) -> None:
    """What was found and where it is."""
    for report in reports if reports[0].scores else ():
        _print(_scores_table(report))
    if reports[0].classes:
        _print(_classes_table(reports))
    _print(_stages_table(reports))
    pixels = sum(report.pixels for report in reports) / 1e6
    seconds = sum(report.seconds for report in reports)
    tiles = sum(report.tiles for report in reports)
    planes = sum(report.planes for report in reports)
    print(
        f"{_count(len(reports), 'image')}, {_count(planes, 'plane')}, {_count(tiles, 'tile')}: "
        f"{pixels:.1f} MPix in {seconds:.1f} s ({pixels / seconds:.1f} MPix/s)"
    )
    print(_summary(reports))
    paths = [path for report in reports for path in report.results]
    for path in paths[:_MOST_PATHS]:
        print(f"result:  {path}")
    if len(paths) > _MOST_PATHS:
        print(f"result:  … and {len(paths) - _MOST_PATHS} more")


def print_description(description: dict[str, Any]) -> None:
    """What `czengine.api.inspect` returned, as tables."""
    model = description["model"]
    _print(_facts_table(model["name"], _model_facts(model)))
    if model["classes"]:
        table = _table("label", "class", "colour", numbers=1)
        for c in model["classes"]:
            table.add_row(str(c["label"]), _plain(c["name"]), _swatch(c["color"]))
        _print(table)
    print_notes(model["warnings"])
    for image in description["images"]:
        _print(_facts_table(image["name"], _image_facts(image)))
        print_notes(image["notes"])


def _model_facts(model: dict[str, Any]) -> dict[str, str]:
    """Facts by field of ModelSpec; those that say nothing are left out."""
    tile, border, certificate = model["tile"], model["border"], model["certificate"]
    stride = certificate["stride"]
    facts = {
        "id": model["id"],
        "description": model["description"],
        "task": f"{model['task']} ({model['model_type']})",
        "format": f"{model['format']} {model['format_version'] or '(version not stored)'}",
        "runtime": model["runtime"],
        "channels": model["channels"],
        "outputs": model["outputs"],
        "layout": model["layout"],
        "output_layout": model["output_layout"],
        "input_name": model["input_name"],
        "output_name": model["output_name"],
        "fixed_batch": model["fixed_batch"],
        "opset": model["opset"],
        "tile": f"{tile[0]} × {tile[1]} pixels (height × width)",
        "border": f"{border[0]} and {border[1]} pixels per side (y, x)",
        "certificate": certificate["sentence"],
        "stride_grid": stride and f"{stride[0]} and {stride[1]} pixels (y, x)",
        "pixel_types": ", ".join(" or ".join(item) for item in model["pixel_types"]),
        "color_handling": model["color_handling"],
        "scale_inputs": "integers divided by their maximum" if model["scale_inputs"] else "raw values",
        "pixel_size": model["pixel_size"] and " × ".join(f"{s * 1e6:g}" for s in model["pixel_size"]) + " µm",
        "postprocessing": model["postprocessing"],
        "licence": model["licence"],
        "digest": model["digest"],
    }
    origins = model["inferred"]
    return {
        name.replace("_", " "): f"{value}" + (f"  (from: {origins[name]})" if name in origins else "")
        for name, value in facts.items()
        if value
    }


def _image_facts(image: dict[str, Any]) -> dict[str, str]:
    exists = set(image["exists"])
    facts = {
        "axes": f"{image['axes']} {' × '.join(map(str, image['shape']))}, {image['dtype']}",
        "format": f"OME-Zarr {image['ngff']}" if image["ngff"] else "plain zarr",
        "work": f"{_count(image['planes'], 'plane')} of {_count(image['tiles_per_plane'], 'tile')}",
        "grid": image["grid"]["sentence"],
        "seams": image["grid"]["verdict"],
        "recompute factor": f"{image['recompute_factor']:.2f}",
        "input": f"channels {image['channels']}, divided by {image['divisor']:g}",
        "memory": f"{image['memory_bytes'] / 2**20:.0f} MiB and what the network itself needs",
        "stripes": f"{image['stripes']} per plane" if image["stripes"] > 1 else "",
        "result": "\n".join(f"{p}  (exists already)" if p in exists else p for p in image["results"]),
    }
    return {name: value for name, value in facts.items() if value}


def _classes_table(reports: Sequence[ImageReport]) -> Table:
    table = _table("label", "class", "colour", "pixels", "share", "area", numbers=4)
    for count in class_totals(reports):
        area = "unknown" if count.area is None else _area(count.area)
        table.add_row(
            str(count.label),
            _plain(count.name),
            _swatch(count.color),
            f"{count.pixels:,}",
            f"{count.share:.2%}",
            area,
        )
    return table


def _scores_table(report: ImageReport) -> Table:
    table = _table("output", "minimum", "mean", "maximum", numbers=3)
    for score in report.scores:
        numbers = (score.minimum, score.mean, score.maximum)
        table.add_row(_plain(score.name), *("none" if n is None else f"{n:.4g}" for n in numbers))
    return table


def _stages_table(reports: Sequence[ImageReport]) -> Table:
    """Seconds of every stage over all images; they work at the same time."""
    table = _table("stage", "busy", "waiting", "of the time", numbers=3)
    seconds = sum(report.seconds for report in reports)
    for stages in zip(*(report.stages for report in reports), strict=True):
        busy, waiting = sum(s.busy for s in stages), sum(s.waiting for s in stages)
        share = busy / seconds if seconds else 0.0
        table.add_row(stages[0].stage, f"{busy:.2f} s", f"{waiting:.2f} s", f"{share:.0%}")
    return table


def _summary(reports: Sequence[ImageReport]) -> str:
    """The rest of the report in two lines."""
    busy = sum(report.device_busy * report.seconds for report in reports)
    seconds = sum(report.seconds for report in reports)
    computed = sum(report.recompute_factor * report.pixels for report in reports)
    pixels = sum(report.pixels for report in reports)
    repeats = sum(report.repeats for report in reports)
    facts = [
        f"{computed / pixels:.2f} pixels computed per pixel",
        f"{_count(sum(report.chunks_decoded for report in reports), 'chunk')} decoded",
        f"{sum(report.bytes_read for report in reports) / 1e6:,.1f} MB read",
        f"{sum(report.bytes_written for report in reports) / 1e6:,.1f} MB written",
    ]
    if repeats:
        facts.append(f"{_count(repeats, 'constant tile')} not run again")
    peak = max(report.memory_peak or 0 for report in reports)
    if peak:
        facts.append(f"peak memory {peak / 1e6:,.0f} MB")
    device = f"{reports[0].device}, busy {busy / seconds if seconds else 0:.0%} of the time"
    return f"device:  {device}\nwork:    {', '.join(facts)}"


def _facts_table(title: str, facts: dict[str, str]) -> Table:
    table = _table("", _plain(title), numbers=0)
    for name, value in facts.items():
        table.add_row(name, _plain(value))
    return table


def _table(*headers: str, numbers: int) -> Table:
    """A table whose last `numbers` columns are set flush right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for index, header in enumerate(headers):
        justify: Literal["left", "right"] = "right" if index >= len(headers) - numbers else "left"
        table.add_column(header, justify=justify, overflow="fold")  # a path that is cut is no path
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    Console().print(table)


def _plain(text: str) -> str:
    """Text that is not markup, whatever a model's author put into a class name."""
    from rich.markup import escape

    return escape(text)


def _swatch(color: Sequence[int]) -> str:
    red, green, blue = color
    return f"[rgb({red},{green},{blue})]███[/] #{red:02x}{green:02x}{blue:02x}"


def _area(square_micrometres: float) -> str:
    if square_micrometres >= 1e5:
        return f"{square_micrometres / 1e6:,.3f} mm²"
    return f"{square_micrometres:,.1f} µm²"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
