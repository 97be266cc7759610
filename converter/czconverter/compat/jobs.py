"""What a ModelSpec or a JSON spec asks for, handed to `czconverter.convert`.

Only this module knows how an archive that is not what its ModelMetadata declares is kept from appearing. The
signatures of the ZEISS packages are in `convert` and `pytorch.convert`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from czconverter.compat.legacy_model_metadata import LegacyModelMetadata
from czconverter.compat.model_metadata import ModelMetadata, ModelSpec, checked_shape
from czconverter.json_spec import Shape, read_json_spec
from czconverter.metadata import ArchiveMetadata
from czconverter.options import ConvertOptions, TargetFormat
from czconverter.package.staging import staged, target_path
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
    shapes : (input, output) or None
        Declared shapes, each (height, width, channels); `.czmodel` declares none.
    """

    model: Any
    metadata: ArchiveMetadata
    format: TargetFormat
    shapes: tuple[Shape, Shape] | None = None


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
        shapes = (
            checked_shape("input_shape", said.input_shape),
            checked_shape("output_shape", said.output_shape),
        )
        job = Job(model=spec.model, metadata=said.archive_metadata(), format="czann", shapes=shapes)
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
    shapes = (spec.input_shape, spec.output_shape) if spec.input_shape and spec.output_shape else None
    job = Job(model=spec.model, metadata=spec.metadata, format=spec.format, shapes=shapes)
    return _of_format(job, format_, f"{path} has the form")


def carry_out(
    job: Job, output_path: str | Path, output_name: str, options: ConvertOptions
) -> ConversionReport:
    """Convert, and let the archive appear only if it is what was declared."""
    from czconverter.conversion import convert  # here, so that a script's imports stay light

    target = target_path(Path(output_path) / output_name, job.format)
    options = replace(options, format=job.format, overwrite=True)
    if job.shapes is None:
        return convert(job.model, target, job.metadata, options=options)
    with staged(target, overwrite=True) as part, TemporaryDirectory(prefix="czconverter-") as folder:
        report = convert(job.model, Path(folder) / target.name, job.metadata, options=options)
        _check_shapes(report, *job.shapes, tile=options.tile)
        shutil.copyfile(report.target, part)
    return replace(report, target=target)


def _of_format(job: Job, wanted: TargetFormat | None, what: str) -> Job:
    if wanted in (None, job.format):
        return job
    raise OptionError(
        f"{what} of a .{job.format}, and {_CONVERTERS[wanted]} makes .{wanted}; use {_CONVERTERS[job.format]}"
    )


def _check_shapes(
    report: ConversionReport, declared_in: Shape, declared_out: Shape, *, tile: tuple[int, int] | None
) -> None:
    """Sizes that spatial_dims gave are the later word; all others must be as declared."""
    for name, declared, found in (
        ("input", declared_in, (*report.tile, report.channels)),
        ("output", declared_out, (*report.tile, report.outputs)),
    ):
        expected = declared if tile is None else (*tile, declared[2])
        if found != expected:
            raise OptionError(
                f"{name}_shape is {list(declared)}, but the network's is {list(found)}; correct the metadata"
            )
