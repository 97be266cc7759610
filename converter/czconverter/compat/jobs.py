"""What a ModelSpec or a JSON spec asks for, handed to `czconverter.convert`.

The signatures of the ZEISS packages are in `convert` and `pytorch.convert`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from czconverter.compat.legacy_model_metadata import LegacyModelMetadata
from czconverter.compat.model_metadata import ModelMetadata, ModelSpec
from czconverter.json_spec import read_json_spec
from czconverter.metadata import ArchiveMetadata
from czconverter.options import ConvertOptions, TargetFormat
from czconverter.report import ConversionReport
from czengine.errors import OptionError

_CONVERTERS: dict[TargetFormat, str] = {"czann": "DefaultConverter", "czmodel": "LegacyConverter"}


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is converted, told alike by a ModelSpec and by a JSON spec.

    Attributes
    ----------
    model : model, str or Path
        As `czconverter.convert` takes it.
    metadata : ArchiveMetadata
        All that is known about it.
    format : {"czmodel", "czann"}
        What it becomes.
    """

    model: Any
    metadata: ArchiveMetadata
    format: TargetFormat


def job_of(spec: ModelSpec, format_: TargetFormat | None = None) -> Job:
    """What a ModelSpec says.

    Raises
    ------
    OptionError
        For values that cannot be, and for metadata of another kind than `format_` needs.
    """
    if not isinstance(spec, ModelSpec):
        raise OptionError(f"model_spec is a {type(spec).__name__}; give a ModelSpec of czconverter.compat")
    said, licence = spec.model_metadata, spec.license_file
    if isinstance(said, LegacyModelMetadata):
        job = Job(model=spec.model, metadata=said.archive_metadata(), format="czmodel")
    elif isinstance(said, ModelMetadata):
        job = Job(model=spec.model, metadata=said.archive_metadata(), format="czann")
    else:
        raise OptionError(
            f"model_metadata is a {type(said).__name__}; give a ModelMetadata or LegacyModelMetadata"
        )
    if licence is not None:
        job = replace(job, metadata=replace(job.metadata, licence=Path(licence)))
    return _of_format(job, format_, "the ModelSpec has metadata")


def job_of_json(path: str | Path, format_: TargetFormat | None = None) -> Job:
    """What a JSON spec says.

    Raises
    ------
    OptionError
        Where it cannot be read, lacks keys (all are named), or is of the other form than `format_` needs.
    """
    spec = read_json_spec(Path(path))
    job = Job(model=spec.model, metadata=spec.metadata, format=spec.format)
    return _of_format(job, format_, f"{path} has the form")


def carry_out(
    job: Job, output_path: str | Path, output_name: str, options: ConvertOptions
) -> ConversionReport:
    """Convert; a file of that name is replaced."""
    from czconverter.conversion import convert  # here, so that a script's imports stay light
    from czconverter.package.staging import target_path

    target = target_path(Path(output_path) / output_name, job.format)
    options = replace(options, format=job.format, overwrite=True)
    return convert(job.model, target, job.metadata, options=options)


def _of_format(job: Job, wanted: TargetFormat | None, what: str) -> Job:
    if wanted in (None, job.format):
        return job
    raise OptionError(
        f"{what} of a .{job.format}, and {_CONVERTERS[wanted]} makes .{wanted}; use {_CONVERTERS[job.format]}"
    )
