"""The `model.json` of a `.czann`, specification 1.0 to 2.1, from bytes to `Metadata`.

Only this module knows the JSON's keys, and that MinOverlap is the total of both sides. Which tile the network
takes and how many classes it has is settled with the graph, by `model`.
"""

from __future__ import annotations

import math
from typing import Any

from czengine.errors import ArchiveError, ModelError
from czengine.formats import MAX_LABEL, Metadata, check_version, clean_text, strict_json
from czengine.formats.colors import class_colors
from czengine.formats.strict_json import shown
from czengine.spec import ModelClass, Task

_KNOWN = {1: 1, 2: 1}  # major: newest minor
_MAX_SIDE = 2**31

_TASKS = {
    "SingleClassSemanticSegmentation": Task.SEGMENTATION,
    "MultiClassSemanticSegmentation": Task.MULTILABEL,
    "Regression": Task.REGRESSION,
}
_OTHER_TYPES = {
    "SingleClassInstanceSegmentation": "instance segmentation",
    "MultiClassInstanceSegmentation": "instance segmentation",
    "SingleClassClassification": "classification of whole images",
    "MultiClassClassification": "classification of whole images",
    "ObjectDetection": "object detection",
}


def parse_metadata(data: bytes) -> Metadata:
    """Read the JSON of a czann archive.

    Raises
    ------
    ArchiveError
        If it is not JSON, or JSON that readers disagree about.
    ModelError
        If its type is not one result per pixel, its version is unknown, or it has a value that cannot be.
    """
    values = _parse(data)
    version, warnings = _version(values)
    model_type, task = _type(values)
    input_shape = _shape(values, "InputShape")
    if input_shape is None:
        raise ModelError("InputShape is missing; it must be [height, width, channels]")
    classes = () if task is Task.REGRESSION else _classes(values)
    inferred = {"scale_inputs": "rule for czann: networks take 0 to 1"}
    if classes:
        inferred["classes"] = "labels by order, colours of the ZEISS colour generator"
    return Metadata(
        format="czann",
        version=version,
        id=_text(values, "Id"),
        name=_text(values, "ModelName"),
        description=_text(values, "ModelDescription") or "",
        task=task,
        model_type=model_type,
        classes=classes,
        border=_border(values, warnings),
        scale_inputs=True,
        input_shape=input_shape,
        output_shape=_shape(values, "OutputShape"),
        pixel_size=_pixel_size(values, warnings),
        inferred=inferred,
        warnings=tuple(warnings),
    )


def _parse(data: bytes) -> dict[str, Any]:
    try:
        values = strict_json.parse(data)
    except RecursionError as error:
        raise ArchiveError("the JSON metadata are nested too deeply; refused as unsafe") from error
    except ValueError as error:  # also UnicodeDecodeError and JSONDecodeError
        raise ArchiveError(f"the JSON metadata cannot be read ({error}); export the model again") from error
    if not isinstance(values, dict):
        raise ArchiveError(f"the JSON metadata are a {type(values).__name__}; an object is needed")
    return values


def _version(values: dict[str, Any]) -> tuple[str | None, list[str]]:
    written = values.get("FormatVersion")
    if written is None:
        return None, []
    text = clean_text(written) if isinstance(written, str) else shown(written)
    _, warnings = check_version("FormatVersion", text, _KNOWN)
    return text, warnings


def _type(values: dict[str, Any]) -> tuple[str, Task]:
    supported = ", ".join(_TASKS)
    written = values.get("Type")
    if not isinstance(written, str):
        found = "missing" if written is None else shown(written)
        raise ModelError(f"Type is {found}; it must be one of {supported}")
    name = clean_text(written)
    if name in _OTHER_TYPES:
        raise ModelError(
            f"Type is {name!r} ({_OTHER_TYPES[name]}), which is not supported; supported are {supported}"
        )
    if name not in _TASKS:
        raise ModelError(f"Type is {name!r}, which is unknown; supported are {supported}")
    return name, _TASKS[name]


def _shape(values: dict[str, Any], key: str) -> tuple[int, int, int] | None:
    written = values.get(key)
    if written is None:
        return None
    shape = _integers(written, low=1)
    if shape is not None and len(shape) == 4:
        raise ModelError(f"{key} is {shown(written)}: a 3-D network; only 2-D ones are supported")
    if shape is None or len(shape) != 3:
        raise ModelError(f"{key} is {shown(written)}; it must be [height, width, channels], each from 1 up")
    return shape[0], shape[1], shape[2]


def _border(values: dict[str, Any], warnings: list[str]) -> tuple[int, int] | None:
    """Half of MinOverlap per axis, rounded up; None where there is none."""
    written = values.get("MinOverlap")
    if written is None or written == []:
        return None
    overlap = _integers(written, low=0)
    if overlap is None or (len(overlap) != 2 and len(set(overlap)) != 1):
        raise ModelError(f"MinOverlap is {shown(written)}; it must be two whole numbers from 0 up")
    if len(overlap) != 2:
        warnings.append(
            f"MinOverlap has {len(overlap)} numbers instead of 2; {overlap[0]} counts for both axes"
        )
        overlap = [overlap[0]] * 2
    if any(number % 2 for number in overlap):
        warnings.append(f"MinOverlap is {shown(overlap)}, which is odd; the border per side is rounded up")
    return (overlap[0] + 1) // 2, (overlap[1] + 1) // 2


def _classes(values: dict[str, Any]) -> tuple[ModelClass, ...]:
    written = values.get("Classes")
    if written is None:
        return ()
    if not isinstance(written, list) or not all(isinstance(name, str) for name in written):
        raise ModelError(f"Classes is {shown(written)}; it must be a list of names")
    if len(written) > MAX_LABEL:
        raise ModelError(f"Classes has {len(written)} names; a label image holds at most {MAX_LABEL} classes")
    named = zip(written, class_colors(len(written)), strict=True)
    return tuple(
        ModelClass(name=clean_text(name) or f"class {label}", label=label, color=color)
        for label, (name, color) in enumerate(named, start=1)
    )


def _pixel_size(values: dict[str, Any], warnings: list[str]) -> tuple[float, ...] | None:
    """Scaling in metres, x first; [1, 1] is what examples write when they do not know."""
    written = values.get("Scaling")
    if written is None or written == []:
        return None
    valid = isinstance(written, list) and all(_is_size(number) for number in written)
    if not valid or len(written) not in (2, 3):
        warnings.append(f"Scaling is {shown(written)}, not two or three pixel sizes in metres; it is ignored")
        return None
    if all(number == 1 for number in written):
        return None
    return tuple(float(number) for number in written)


def _is_size(number: object) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    return 0 < number < 1e6 and math.isfinite(number)


def _integers(written: object, *, low: int) -> list[int] | None:
    """The list of whole numbers from `low` up that it is, else None."""
    if not isinstance(written, list) or any(type(number) is not int for number in written):
        return None
    return written if all(low <= number <= _MAX_SIDE for number in written) else None


def _text(values: dict[str, Any], key: str) -> str | None:
    written = values.get(key)
    if written is None:
        return None
    if not isinstance(written, str):
        raise ModelError(f"{key} is {shown(written)}; it must be a text")
    return clean_text(written) or None
