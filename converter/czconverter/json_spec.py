"""The JSON files that describe a conversion: the flat form of czmodel 0.1 to 1.2, the nested one since 2.0.

Only this module knows their keys. The flat form is for `.czmodel`, the nested one for `.czann`. A few keys of our own
that ZEISS tools pass over let nothing be lost in between: Id, ModelName, Colors and Postprocessing in the flat form,
ModelDescription in the nested one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any

from czconverter.json_values import Values, read_values, require
from czconverter.metadata import MODEL_TYPES, REGRESSION, SEMANTIC, ArchiveMetadata, Shape, valid_uuid
from czconverter.options import TargetFormat
from czengine.errors import ModelError, OptionError
from czengine.formats.colors import class_colors
from czengine.spec import ModelSpec

SHAPE = "[height, width, channels], each from 1 up"
OVERLAP = "two whole numbers, 0 or more: the overlap in pixels, [y, x]"
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


def read_json_spec(path: Path, values: Values | None = None) -> JsonSpec:
    """Read either form.

    A relative path in it is looked for in the folder of the JSON file, then in the current folder; backslashes are
    taken for slashes where there is no file of that very name.

    Parameters
    ----------
    path : Path
        The JSON file.
    values : Values, optional
        What was read from it, where it was.

    Raises
    ------
    OptionError
        Where the file cannot be read, lacks keys (all are named), or has a value that cannot be.
    ModelError
        Where it describes a network that cannot be converted: volumes, or not one result per pixel.
    """
    path = Path(path)
    try:
        values = read_values(path) if values is None else values
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
        "Id": valid_uuid(spec.id),
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
        "Id": valid_uuid(spec.id),
        "ModelName": spec.name,
        "Classes": [item.name for item in spec.classes] or None,
        "MinOverlap": [2 * side for side in spec.border],
        "Scaling": None if spec.pixel_size is None else list(spec.pixel_size),
        "ModelDescription": spec.description or None,
    }
    values = {"ModelMetadata": _without_none(metadata), "ModelPath": model, "LicenseFile": spec.licence}
    return _without_none(values)


def shape_of(name: str, value: Any) -> Shape:
    """(height, width, channels), from a list of whole numbers; `name` is for the sentence about what is none.

    Raises
    ------
    OptionError
        Where it is something else.
    ModelError
        Where it has an axis more, for volumes.
    """
    sizes = _whole_numbers(value)
    if len(sizes) == 4:
        raise for_volumes(name, sizes)
    if len(sizes) != 3 or min(sizes) < 1:
        raise OptionError(f"{name} is {list(sizes) or value!r}; it must be {SHAPE}")
    return sizes[0], sizes[1], sizes[2]


def for_volumes(name: str, sizes: Sequence[int]) -> ModelError:
    """What to raise about a shape with an axis more."""
    return ModelError(f"{name} is {list(sizes)}: a network for volumes; only 2-D ones can be converted yet")


def border_of(name: str, overlap: Any) -> tuple[int, int] | None:
    """Border per side (y, x), half of an overlap; None where there is none.

    Raises
    ------
    OptionError
        Where it is odd, or something else than two whole numbers.
    """
    if overlap is None:
        return None
    sizes = _whole_numbers(overlap)
    if len(sizes) != 2 or min(sizes) < 0:
        raise OptionError(f"{name} is {list(sizes) or overlap!r}; it must be {OVERLAP}")
    if sizes[0] % 2 or sizes[1] % 2:
        raise OptionError(
            f"{name} is {list(sizes)}, which is odd; it is the border of both sides together, so make it even"
        )
    return sizes[0] // 2, sizes[1] // 2


def pixel_size_of(scaling: Any) -> Any:
    """Pixel size in metres, as it is given; [1, 1] is what examples write when they do not know."""
    unknown = isinstance(scaling, Sequence) and all(size == 1 for size in scaling)
    return None if unknown else scaling


def _whole_numbers(values: Any) -> tuple[int, ...]:
    """The whole numbers in a list, those of NumPy too; none where it is something else."""
    try:
        return tuple(index(value) for value in values)
    except TypeError:
        return ()


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _flat(values: Values, folder: Path) -> JsonSpec:
    require(values.missing("BorderSize", "ColorHandling", "PixelType", "Classes", "ModelPath"))
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
    require(missing + inner.missing("Type", "InputShape", "OutputShape", prefix="ModelMetadata."))
    shape = _shape(inner, "InputShape")
    model_type = _type(inner)
    metadata = ArchiveMetadata(
        id=inner.text("Id"),
        name=inner.text("ModelName"),
        classes=() if model_type == REGRESSION else inner.texts("Classes"),
        model_type=model_type,
        border=_border(inner),
        pixel_size=pixel_size_of(inner.numbers("Scaling")),
        tile=shape[:2],
        shapes=(shape, _shape(inner, "OutputShape")),
        description=inner.text("ModelDescription") or "",
        licence=_licence(values, folder),
    )
    return JsonSpec(format="czann", model=values.path("ModelPath", folder), metadata=metadata)


def _type(values: Values) -> str:
    name = values.text("Type") or ""
    supported = ", ".join(MODEL_TYPES)
    if name in _OTHER_TYPES:
        raise ModelError(f"Type is {name!r}, which cannot be converted yet; supported are {supported}")
    if name not in MODEL_TYPES:
        raise OptionError(f"Type is {name!r}, which is unknown; choose one of {supported}")
    return name


def _shape(values: Values, key: str) -> Shape:
    return shape_of(key, values.wholes(key, (3, 4), SHAPE))


def _border(values: Values) -> tuple[int, int] | None:
    return border_of("MinOverlap", values.wholes("MinOverlap", (2,), OVERLAP))


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
