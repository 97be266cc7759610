"""The JSON files that describe a conversion: the flat form of czmodel 0.1 to 1.2, the nested one since 2.0.

Only this module knows their keys. The flat form is for `.czmodel`, the nested one for `.czann`. A few keys of our own
that ZEISS tools pass over let nothing be lost in between: Id, ModelName, Colors and Postprocessing in the flat form,
ModelDescription in the nested one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from czconverter.json_values import Values, read_values
from czconverter.metadata import MODEL_TYPES, REGRESSION, SEMANTIC, ArchiveMetadata, Shape
from czconverter.options import TargetFormat
from czengine.errors import ModelError, OptionError
from czengine.formats.colors import class_colors
from czengine.spec import ModelSpec

_SHAPE = "[height, width, channels], each from 1 up"
_OTHER_TYPES = (
    "SingleClassInstanceSegmentation",
    "MultiClassInstanceSegmentation",
    "SingleClassClassification",
    "MultiClassClassification",
    "ObjectDetection",
)


@dataclass(frozen=True, kw_only=True)
class JsonSpec:
    """What a JSON file says.

    Attributes
    ----------
    format : {"czmodel", "czann"}
        The target its form is for.
    model : Path
        The network, found.
    metadata : ArchiveMetadata
        With the licence, found; the nested form declares shapes too.
    """

    format: TargetFormat
    model: Path
    metadata: ArchiveMetadata


def read_json_spec(path: Path) -> JsonSpec:
    """Read either form.

    A relative path in it is looked for in the folder of the JSON file, then in the current folder; backslashes are
    taken for slashes where there is no file of that very name.

    Raises
    ------
    OptionError
        Where the file cannot be read, lacks keys (all are named), or has a value that cannot be.
    ModelError
        Where it describes a network that cannot be converted: volumes, or not one result per pixel.
    """
    path = Path(path)
    try:
        values = read_values(path)
        is_nested = "ModelMetadata" in values or "Type" in values
        return _nested(values, path.parent) if is_nested else _flat(values, path.parent)
    except (OptionError, ModelError) as error:  # those below know the value, not the file
        raise type(error)(f"{path}: {error}") from error


def legacy_spec(spec: ModelSpec, *, model: str) -> dict[str, Any]:
    """The flat form of what an archive says, with its network at the relative path `model`.

    Where the archive accepts several pixel types for a channel item, the first is named.
    """
    colors = tuple(item.color for item in spec.classes)
    handling = "ConvertToMonochrome" if spec.channels == 1 else "SplitRgb"
    values = {
        "Id": _uuid(spec.id),
        "ModelName": spec.name,
        "BorderSize": max(spec.border),
        "ColorHandling": spec.color_handling or handling,
        "PixelType": [item[0] for item in spec.pixel_types],
        "Classes": [item.name for item in spec.classes],
        "Colors": None if colors == class_colors(len(colors)) else [list(color) for color in colors],
        "Postprocessing": spec.postprocessing,
        "ModelPath": model,
        "LicenseFile": spec.licence,
    }
    return _without_none(values)


def czann_spec(spec: ModelSpec, *, model: str) -> dict[str, Any]:
    """The nested form of what an archive says, with its network at the relative path `model`."""
    metadata = {
        "Type": spec.model_type if spec.model_type in MODEL_TYPES else SEMANTIC,
        "InputShape": [*spec.tile, spec.channels],
        "OutputShape": [*spec.tile, spec.outputs] if spec.outputs else None,
        "Id": _uuid(spec.id),
        "ModelName": spec.name,
        "Classes": [item.name for item in spec.classes] or None,
        "MinOverlap": [2 * side for side in spec.border],
        "Scaling": None if spec.pixel_size is None else list(spec.pixel_size),
        "ModelDescription": spec.description or None,
    }
    values = {"ModelMetadata": _without_none(metadata), "ModelPath": model, "LicenseFile": spec.licence}
    return _without_none(values)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _uuid(text: str) -> str | None:
    """The id where it is a UUID, which not every archive's is."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def _flat(values: Values, folder: Path) -> JsonSpec:
    _require(values.missing("BorderSize", "ColorHandling", "PixelType", "Classes", "ModelPath"))
    model = values.path("ModelPath", folder)
    metadata = ArchiveMetadata(
        id=values.text("Id"),
        name=values.text("ModelName") or _base_name(values, model),
        classes=values.texts("Classes"),
        colors=values.colors("Colors"),
        pixel_types=values.text_or_texts("PixelType"),
        color_handling=values.text("ColorHandling"),
        border=values.whole("BorderSize"),
        postprocessing=values.text("Postprocessing"),
        licence=_licence(values, folder),
    )
    return JsonSpec(format="czmodel", model=model, metadata=metadata)


def _nested(values: Values, folder: Path) -> JsonSpec:
    inner = values.inner("ModelMetadata")
    missing = values.missing("ModelMetadata", "ModelPath")
    _require(missing + inner.missing("Type", "InputShape", "OutputShape", prefix="ModelMetadata."))
    shape = _shape(inner, "InputShape")
    model_type = _type(inner)
    metadata = ArchiveMetadata(
        id=inner.text("Id"),
        name=inner.text("ModelName"),
        classes=() if model_type == REGRESSION else inner.texts("Classes"),
        model_type=model_type,
        border=_border(inner),
        pixel_size=_pixel_size(inner),
        tile=shape[:2],
        shapes=(shape, _shape(inner, "OutputShape")),
        description=inner.text("ModelDescription") or "",
        licence=_licence(values, folder),
    )
    return JsonSpec(format="czann", model=values.path("ModelPath", folder), metadata=metadata)


def _require(missing: list[str]) -> None:
    if missing:
        raise OptionError(f"missing {', '.join(missing)}; add {'it' if len(missing) == 1 else 'them'}")


def _type(values: Values) -> str:
    name = values.text("Type") or ""
    supported = ", ".join(MODEL_TYPES)
    if name in _OTHER_TYPES:
        raise ModelError(f"Type is {name!r}, which cannot be converted yet; supported are {supported}")
    if name not in MODEL_TYPES:
        raise OptionError(f"Type is {name!r}, which is unknown; choose one of {supported}")
    return name


def _shape(values: Values, key: str) -> Shape:
    shape = values.wholes(key, (3, 4), _SHAPE) or ()
    if len(shape) == 4:
        raise ModelError(f"{key} is {list(shape)}: a network for volumes; only 2-D ones can be converted yet")
    if min(shape) < 1:
        raise OptionError(f"{key} is {list(shape)}; it must be {_SHAPE}")
    return shape[0], shape[1], shape[2]


def _border(values: Values) -> tuple[int, int] | None:
    overlap = values.wholes("MinOverlap", (2,), "two whole numbers, 0 or more")
    if overlap is None:
        return None
    if overlap[0] % 2 or overlap[1] % 2:
        raise OptionError(
            f"MinOverlap is {list(overlap)}, which is odd; it is the border of both sides together, so make it even"
        )
    return overlap[0] // 2, overlap[1] // 2


def _pixel_size(values: Values) -> tuple[float, ...] | None:
    """Scaling in metres; [1, 1] is what examples write when they do not know."""
    sizes = values.numbers("Scaling")
    return None if sizes is None or all(size == 1 for size in sizes) else sizes


def _licence(values: Values, folder: Path) -> Path | None:
    if "LicenseFile" not in values:
        return None
    path = values.path("LicenseFile", folder)
    if not path.is_file():
        raise OptionError(f"LicenseFile is {values.text('LicenseFile')!r}, which is no file; name one")
    return path


def _base_name(values: Values, model: Path) -> str:
    """The last part of ModelPath as written, whatever its slashes; of the path as found where that says nothing."""
    written = (values.text("ModelPath") or "").replace("\\", "/").rstrip("/").rpartition("/")[2]
    return model.resolve().name if written in ("", ".", "..") else written
