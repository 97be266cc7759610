"""`unpack_model` of the ZEISS packages: an archive's files into a folder, its metadata as a value.

`czconverter.unpacking` does the work. Only this module turns what the engine knows about an archive into the metadata
classes; where metadata and network disagree, they say what the network is.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from czconverter.compat.legacy_model_metadata import LegacyModelMetadata, SegmentationClass
from czconverter.compat.model_metadata import ModelMetadata, ModelType
from czconverter.options import TargetFormat
from czengine.errors import ArchiveError, OutputError
from czengine.spec import ModelSpec, Runtime

_FORMATS: dict[str, TargetFormat] = {"czann": "czann", "legacy": "czmodel"}


def unpack_model(
    model_file: str | Path, target_dir: str | Path, *, format_: TargetFormat | None = None
) -> tuple[ModelMetadata | LegacyModelMetadata, Path]:
    """Write the files of an archive into a folder, which may hold others; those of the same name are replaced.

    The metadata classes have no place for how a ZEN archive scales intensities: to make another archive of one, give
    it to `czconverter.convert`, not its parts to `convert_from_model_spec`.

    Parameters
    ----------
    model_file : str or Path
        `.czann`, `.czmodel` or `.czseg`, whatever its name.
    target_dir : str or Path
        Made where it is missing.
    format_ : {"czann", "czmodel"}, optional
        The only kind that is wanted.

    Returns
    -------
    ModelMetadata or LegacyModelMetadata
        By the kind of archive. Where a channel item accepts several pixel types, the first is named.
    Path
        The ONNX file, or the folder of the SavedModel.

    Raises
    ------
    ArchiveError, ModelError, PlanError
        Where the archive cannot be opened safely, holds no model the engine knows, or is of another kind.
    OutputError
        Where the folder cannot be written.
    """
    from czconverter.unpacking import (
        NETWORK,
        SAVED_MODEL,
        write_parts,
    )  # here, so that a script's imports stay light
    from czengine.model import read_model

    archive, target = Path(model_file), Path(target_dir)
    model = read_model(archive)
    spec = model.spec
    found = _FORMATS[spec.format]
    if format_ not in (None, found):
        raise ArchiveError(
            f"{archive} is a .{found} inside, not a .{format_}; use the converter for .{found}"
        )
    with TemporaryDirectory(prefix="czconverter-") as folder:
        files = Path(folder) / "files"
        write_parts(archive, model, files)
        _copy(files, target)
    network = NETWORK if spec.runtime is Runtime.ONNX else SAVED_MODEL
    return (_czann(spec) if found == "czann" else _legacy(spec)), target / network


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copytree(source, target, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise OutputError(f"cannot write {target} ({error}); choose another place") from error


def _czann(spec: ModelSpec) -> ModelMetadata:
    return ModelMetadata(
        model_type=ModelType(spec.model_type),
        input_shape=[*spec.tile, spec.channels],
        output_shape=[*spec.tile, spec.outputs],
        min_overlap=None if "border" in spec.inferred else [2 * side for side in spec.border],
        classes=[item.name for item in spec.classes] or None,
        model_name=spec.name,
        scaling=spec.pixel_size,
        model_id=spec.id,
    )


def _legacy(spec: ModelSpec) -> LegacyModelMetadata:
    return LegacyModelMetadata(
        name=spec.name,
        color_handling=spec.color_handling or ("ConvertToMonochrome" if spec.channels == 1 else "SplitRgb"),
        pixel_types=[alternatives[0] for alternatives in spec.pixel_types],
        classes=[SegmentationClass(item.name, item.color) for item in spec.classes],
        border_size=max(spec.border),
        post_processing=spec.postprocessing,
        model_id=spec.id,
    )
