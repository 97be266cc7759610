"""The console scripts of the ZEISS packages: `savedmodel2czmodel` and `savedmodel2czann`.

They take a JSON spec, so anything `czconverter.convert` takes can be named in it, not only a SavedModel.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from czconverter.options import ConvertOptions, TargetFormat
from czengine.errors import Cancelled, CzEngineError


def savedmodel2czmodel() -> NoReturn:
    """Make a `.czmodel` from a flat JSON spec, and exit."""
    _run("savedmodel2czmodel", "czmodel")


def savedmodel2czann() -> NoReturn:
    """Make a `.czann` from a nested JSON spec, and exit."""
    _run("savedmodel2czann", "czann")


def _run(name: str, format_: TargetFormat) -> NoReturn:
    typed = _parser(name, format_).parse_args()
    try:
        summary = _convert(typed, format_)
    except KeyboardInterrupt:
        _fail(name, Cancelled("stopped; nothing half-written was left behind"))
    except CzEngineError as error:
        _fail(name, error)
    print(summary)
    sys.exit(0)


def _fail(name: str, error: CzEngineError) -> NoReturn:
    print(f"{name}: {error}", file=sys.stderr)
    sys.exit(error.exit_code)


def _convert(typed: argparse.Namespace, format_: TargetFormat) -> str:
    from czconverter.compat.jobs import carry_out, job_of_json

    job = job_of_json(typed.model_spec, format_)
    if typed.license_file is not None:
        job = replace(job, metadata=replace(job.metadata, licence=typed.license_file))
    report = carry_out(job, typed.output_path, typed.output_name, ConvertOptions())
    for note in (*report.lost, *report.warnings):
        print(f"note: {note}", file=sys.stderr)
    return (
        f"{report.target}: {report.tile[0]} by {report.tile[1]} pixels, {report.channels} channels in,"
        f" {report.outputs} out; largest difference to the source {report.comparison.max_error:.2g}"
    )


def _parser(name: str, format_: TargetFormat) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=name, description=f"Make a .{format_} from a JSON spec of a trained network."
    )
    parser.add_argument("model_spec", type=Path, metavar="MODEL_SPEC", help="JSON file that names the model")
    parser.add_argument("output_path", type=Path, metavar="OUTPUT_PATH", help="folder of the archive")
    parser.add_argument("output_name", metavar="OUTPUT_NAME", help="name of the archive")
    parser.add_argument("--license_file", type=Path, help="file to pack, instead of the one in MODEL_SPEC")
    return parser
