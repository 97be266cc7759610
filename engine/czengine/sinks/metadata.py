"""OME-Zarr attributes of a result, versions 0.4 and 0.5, as plain dictionaries. No I/O.

Only this module knows what a result says about itself: axes and scales like the image's, names and colours of
the classes, which image it was made from, and under "czengine" how.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from czengine.sinks.base import Target
from czengine.sinks.layout import Layout, LevelLayout

_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_DOWNSAMPLING = {
    "method": "nearest",
    "description": "each pixel is the nearest one of full resolution, in world coordinates",
}


def ngff_version(target: Target) -> Literal["0.4", "0.5"]:
    """OME-Zarr version of a result: the image's, else the one of its zarr format."""
    return target.image.ngff or ("0.4" if target.image.zarr_format == 2 else "0.5")


def group_attributes(target: Target, layout: Layout) -> dict[str, Any]:
    """Attributes of the group that holds a result's levels."""
    content = _label_content(target) if target.kind == "labels" else _score_content(target)
    ome = {"multiscales": [_multiscale(target, layout)], **content}
    facts = {"czengine": {**target.provenance, "image": _image_path(target)}}
    if ngff_version(target) == "0.5":
        return {"ome": {"version": "0.5", **ome}, **facts}
    return {**{key: _with_version(value) for key, value in ome.items()}, **facts}


def _multiscale(target: Target, layout: Layout) -> dict[str, Any]:
    axes = [_axis(name, unit) for name, unit in zip(layout.axes, layout.units, strict=True)]
    return {
        "name": target.path.name.removesuffix(".zarr").removesuffix(".ome"),
        "axes": axes,
        "datasets": [_dataset(level) for level in layout.levels],
        "type": _DOWNSAMPLING["method"],
        "metadata": _DOWNSAMPLING,
    }


def _axis(name: str, unit: str | None) -> dict[str, str]:
    axis = {"name": name, "type": _TYPES.get(name, "other")}
    return axis | ({"unit": unit} if unit else {})


def _dataset(level: LevelLayout) -> dict[str, Any]:
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": list(level.scale)}]
    if any(level.translation):
        transforms.append({"type": "translation", "translation": list(level.translation)})
    return {"path": level.path, "coordinateTransformations": transforms}


def _label_content(target: Target) -> dict[str, Any]:
    classes = {c.label: c for c in target.classes}
    colors = [{"label-value": value, "rgba": [*c.color, 255]} for value, c in classes.items()]
    properties = [{"label-value": value, "class": c.name} for value, c in classes.items()]
    label: dict[str, Any] = {"colors": colors, "properties": properties}
    if target.image.ngff is not None:  # only an image group may be named as the source, not a plain array
        label["source"] = {"image": _image_path(target)}
    return {"image-label": label}


def _score_content(target: Target) -> dict[str, Any]:
    colors = [c.color for c in target.classes]
    colors += [(255, 255, 255)] * (len(target.channels) - len(colors))
    channels = [_channel(name, color) for name, color in zip(target.channels, colors, strict=False)]
    return {"omero": {"channels": channels, "rdefs": {"model": "color"}}}


def _channel(name: str, color: tuple[int, int, int]) -> dict[str, Any]:
    window = {"start": 0.0, "end": 1.0, "min": 0.0, "max": 1.0}
    red, green, blue = color
    return {"label": name, "color": f"{red:02X}{green:02X}{blue:02X}", "window": window, "active": True}


def _image_path(target: Target) -> str | None:
    """The image, seen from the result; None where no relative path leads there (another drive)."""
    if target.registry is not None:
        return "../../"
    try:
        path = os.path.relpath(target.image.root / target.image.path, target.path)
    except ValueError:
        return None
    return Path(path).as_posix()


def _with_version(content: Any) -> Any:
    """0.4 keeps its version inside each kind of metadata."""
    return (
        [_with_version(item) for item in content]
        if isinstance(content, list)
        else {"version": "0.4", **content}
    )
