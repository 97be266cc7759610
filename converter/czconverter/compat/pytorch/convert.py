"""`czmodel.pytorch.convert`: the converters for PyTorch models, which are told the shape the network gets.

PyTorch modules do not know it themselves. There is no pre- or post-processing: it belongs into the module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from czconverter.compat.jobs import Job, carry_out, job_of, job_of_json
from czconverter.compat.model_metadata import ModelSpec
from czconverter.compat.unpacking import unpack_model
from czconverter.json_spec import for_volumes
from czconverter.options import ConvertOptions, TargetFormat
from czconverter.report import ConversionReport
from czengine.errors import OptionError

__all__ = ["DefaultConverter", "LegacyConverter"]


class _Converter:
    """One kind of archive."""

    format: ClassVar[TargetFormat]

    def convert_from_model_spec(
        self,
        model_spec: ModelSpec,
        output_path: str | Path,
        input_shape: Sequence[int],
        output_name: str = "DNNModel",
    ) -> ConversionReport:
        """As `czconverter.compat.convert_from_model_spec`, for pictures of `input_shape` (channels, height, width).

        Raises
        ------
        OptionError
            For an input shape that is something else, and for metadata of the other kind.
        ModelError
            For an input shape of volumes.
        """
        job = job_of(model_spec, self.format)
        return carry_out(job, output_path, output_name, _options(input_shape, job))

    def convert_from_json_spec(
        self,
        model_spec_path: str | Path,
        output_path: str | Path,
        input_shape: Sequence[int],
        output_name: str = "DNNModel",
    ) -> ConversionReport:
        """As `czconverter.compat.convert_from_json_spec`, for pictures of `input_shape` (channels, height, width).

        Raises
        ------
        OptionError
            For an input shape that is something else, and for a JSON spec of the other form.
        ModelError
            For an input shape of volumes.
        """
        job = job_of_json(model_spec_path, self.format)
        return carry_out(job, output_path, output_name, _options(input_shape, job))

    def unpack_model(self, model_file: str | Path, target_dir: str | Path) -> tuple[Any, Path]:
        """As `czconverter.compat.unpack_model`; an archive of the other kind is an ArchiveError."""
        return unpack_model(model_file, target_dir, format_=self.format)


class DefaultConverter(_Converter):
    """Makes and unpacks `.czann`."""

    format = "czann"


class LegacyConverter(_Converter):
    """Makes and unpacks `.czmodel`."""

    format = "czmodel"


def _options(input_shape: Sequence[int], job: Job) -> ConvertOptions:
    sizes = tuple(input_shape)
    if len(sizes) == 4:
        raise for_volumes("input_shape", sizes)
    if len(sizes) != 3:
        raise OptionError(f"input_shape is {sizes}; give (channels, height, width)")
    options = ConvertOptions(channels=sizes[0], spatial_dims=sizes[1:])
    declared = job.metadata.shapes
    if declared is not None and declared[0] != (*sizes[1:], sizes[0]):
        raise OptionError(
            f"input_shape is {sizes}, but the metadata declare {list(declared[0])} (height, width, channels);"
            " correct one of them"
        )
    return options
