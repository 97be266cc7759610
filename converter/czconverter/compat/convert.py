"""The functions and converters of the ZEISS packages, by their own names and signatures, for any kind of model.

A ModelSpec with metadata of a `.czmodel` becomes one, any other a `.czann`. How is for `jobs`; the other signature of
the PyTorch converters is in `pytorch.convert`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from czconverter.compat.jobs import carry_out, job_of, job_of_json
from czconverter.compat.model_metadata import ModelSpec
from czconverter.compat.unpacking import unpack_model
from czconverter.options import ConvertOptions, TargetFormat
from czconverter.report import ConversionReport

__all__ = ["DefaultConverter", "LegacyConverter", "convert_from_json_spec", "convert_from_model_spec"]

Layers = Any  # a step, a Keras layer, or a sequence of them


def convert_from_model_spec(
    model_spec: ModelSpec,
    output_path: str | Path,
    output_name: str = "DNNModel",
    spatial_dims: Sequence[int] | None = None,
    preprocessing: Layers = None,
    postprocessing: Layers = None,
) -> ConversionReport:
    """Make a `.czmodel` or a `.czann`, by the kind of its metadata.

    Parameters
    ----------
    model_spec : ModelSpec
        Model and metadata.
    output_path : str or Path
        Folder of the archive; made where it is missing.
    output_name : str
        Name of the archive; its extension is appended unless it is there. A file of that name is replaced.
    spatial_dims : (height, width), optional
        Another tile for a network that can do with any.
    preprocessing, postprocessing : step or Keras layer, or a sequence of them, optional
        Put before and after the network.

    Returns
    -------
    ConversionReport
        What was written, and how close it is to its source.

    Raises
    ------
    CzEngineError
        As `czconverter.convert`; OptionError also where network and metadata differ in shape.
    """
    options = _options(spatial_dims, preprocessing, postprocessing)
    return carry_out(job_of(model_spec), output_path, output_name, options)


def convert_from_json_spec(
    model_spec_path: str | Path,
    output_path: str | Path,
    output_name: str = "DNNModel",
    spatial_dims: Sequence[int] | None = None,
    preprocessing: Layers = None,
    postprocessing: Layers = None,
) -> ConversionReport:
    """Make a `.czmodel` from a flat JSON spec, or a `.czann` from a nested one.

    Relative paths in it are looked for beside it, then in the current folder. All else as
    `convert_from_model_spec`.
    """
    options = _options(spatial_dims, preprocessing, postprocessing)
    return carry_out(job_of_json(model_spec_path), output_path, output_name, options)


class _Converter:
    """One kind of archive; the methods are those of the functions and of `unpack_model`."""

    format: ClassVar[TargetFormat]

    def convert_from_model_spec(
        self,
        model_spec: ModelSpec,
        output_path: str | Path,
        output_name: str = "DNNModel",
        spatial_dims: Sequence[int] | None = None,
        preprocessing: Layers = None,
        postprocessing: Layers = None,
    ) -> ConversionReport:
        """As `czconverter.compat.convert_from_model_spec`; metadata of the other kind are an OptionError."""
        options = _options(spatial_dims, preprocessing, postprocessing)
        return carry_out(job_of(model_spec, self.format), output_path, output_name, options)

    def convert_from_json_spec(
        self,
        model_spec_path: str | Path,
        output_path: str | Path,
        output_name: str = "DNNModel",
        spatial_dims: Sequence[int] | None = None,
        preprocessing: Layers = None,
        postprocessing: Layers = None,
    ) -> ConversionReport:
        """As `czconverter.compat.convert_from_json_spec`; the other form is an OptionError."""
        options = _options(spatial_dims, preprocessing, postprocessing)
        return carry_out(job_of_json(model_spec_path, self.format), output_path, output_name, options)

    def unpack_model(self, model_file: str | Path, target_dir: str | Path) -> tuple[Any, Path]:
        """As `czconverter.compat.unpack_model`; an archive of the other kind is an ArchiveError."""
        return unpack_model(model_file, target_dir, format_=self.format)


class DefaultConverter(_Converter):
    """Makes and unpacks `.czann`."""

    format = "czann"


class LegacyConverter(_Converter):
    """Makes and unpacks `.czmodel`."""

    format = "czmodel"


def _options(
    spatial_dims: Sequence[int] | None, preprocessing: Layers, postprocessing: Layers
) -> ConvertOptions:
    """Options by the names the TensorFlow converters have for them."""
    return ConvertOptions(
        spatial_dims=spatial_dims,
        preprocessing=_several(preprocessing),
        postprocessing=_several(postprocessing),
    )


def _several(layers: Layers) -> tuple[Any, ...]:
    if layers is None:
        return ()
    return tuple(layers) if isinstance(layers, Sequence) else (layers,)
