"""OME-NGFF attributes 0.4 and 0.5 as plain values: axes, units, pyramid levels, channel names and colours.

Takes dictionaries, opens nothing. Strict about what a result depends on (axes, paths, scales), lenient about
what only a viewer needs: a broken `omero` block is read as far as it makes sense.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from reprlib import repr as shown
from typing import Any, Literal, cast

from czengine.errors import ImageError
from czengine.geometry import Axes
from czengine.sources.axes import axes_problem, axis_name

Version = Literal["0.4", "0.5"]

_LARGEST = 1e300  # beyond it, and in NaN, there is no place in the world
_NAME_OF_TYPE = {"time": "t", "channel": "c"}


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One level of a pyramid: array path in the group, pixel size and origin per axis."""

    path: str
    scale: tuple[float, ...]
    translation: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Multiscale:
    """What the attributes of an image group say.

    `channel_names` and `channel_colors` (RRGGBB, None where a channel has none) have one entry per channel
    the `omero` block describes, and are empty without one.
    """

    version: Version
    axes: Axes
    units: tuple[str | None, ...]
    datasets: tuple[Dataset, ...]
    channel_names: tuple[str, ...]
    channel_colors: tuple[str | None, ...]


def ome_attributes(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of a group that are OME-NGFF's: those under "ome", or all of them before 0.5."""
    ome = attributes.get("ome")
    return ome if isinstance(ome, Mapping) else attributes


def parse_multiscale(attributes: Mapping[str, Any], where: str) -> Multiscale:
    """Read the first multiscale image of a group's attributes; `where` names the image in messages.

    Raises
    ------
    ImageError
        Where the version is not supported, or a part the result depends on is missing or makes no sense.
    """
    ome = ome_attributes(attributes)
    images = _items(ome, "multiscales", where)
    image = images[0]
    if not isinstance(image, Mapping):
        raise ImageError(f"the OME metadata of {where} are damaged: multiscales[0] is not an object")
    version = _version(attributes, image, where)
    axes, units = _axes(_items(image, "axes", where), where)
    shared = image.get("coordinateTransformations")
    datasets = tuple(_dataset(d, shared, len(axes), where) for d in _items(image, "datasets", where))
    channels = _omero_channels(ome)
    return Multiscale(
        version=version,
        axes=axes,
        units=units,
        datasets=datasets,
        channel_names=_names(channels),
        channel_colors=tuple(_text(channel.get("color")) for channel in channels),
    )


def dataset_paths(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Array paths of a group's first multiscale image, full resolution first; none where it is not one."""
    try:
        image = _items(ome_attributes(attributes), "multiscales", "")[0]
        return listed_paths(image, "datasets", "")
    except ImageError:
        return ()


def listed_paths(container: object, key: str, where: str) -> tuple[str, ...]:
    """The "path" of each entry of a list in a plate's or well's metadata, each once, in order.

    Raises
    ------
    ImageError
        Where the list or a path in it is missing.
    """
    if not isinstance(container, Mapping):
        raise ImageError(f"the OME metadata of {where} are damaged: the object that lists {key!r} is missing")
    return tuple(dict.fromkeys(_path(item, key, where) for item in _items(container, key, where)))


def _items(container: Mapping[str, Any], key: str, where: str) -> Sequence[Any]:
    value = container.get(key)
    if not isinstance(value, list) or not value:
        raise ImageError(f"the OME metadata of {where} are damaged: the list {key!r} is missing or empty")
    return value


def _version(attributes: Mapping[str, Any], image: Mapping[str, Any], where: str) -> Version:
    nested = isinstance(attributes.get("ome"), Mapping)
    default = "0.5" if nested else "0.4"
    version = str((attributes["ome"] if nested else image).get("version") or default)
    if version != default:
        raise ImageError(
            f"{where} is OME-Zarr {version}; supported are 0.4 and 0.5, convert it to one of them"
        )
    return cast(Version, default)


def _axes(items: Sequence[Any], where: str) -> tuple[Axes, tuple[str | None, ...]]:
    if not all(isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in items):
        raise ImageError(f"the OME metadata of {where} are damaged: an axis has no name")
    axes = Axes(tuple(_NAME_OF_TYPE.get(str(i.get("type")), axis_name(i["name"])) for i in items))
    problem = axes_problem(axes)
    if problem:
        raise ImageError(f"{where} has the axes {axes}: {problem}")
    return axes, tuple(_text(item.get("unit")) for item in items)


def _dataset(item: object, shared: object, dimensions: int, where: str) -> Dataset:
    path = _path(item, "datasets", where)
    own = item.get("coordinateTransformations") if isinstance(item, Mapping) else None
    scale, translation = [1.0] * dimensions, [0.0] * dimensions
    for step in [*_steps(own), *_steps(shared)]:  # those of the whole pyramid come after those of the level
        kind = step.get("type")
        if kind not in ("scale", "translation"):
            continue
        numbers = _numbers(step.get(str(kind)), str(kind), dimensions, where)
        if kind == "scale":
            scale = [s * n for s, n in zip(scale, numbers, strict=True)]
            translation = [t * n for t, n in zip(translation, numbers, strict=True)]
        else:
            translation = [t + n for t, n in zip(translation, numbers, strict=True)]
    return Dataset(path=path, scale=tuple(scale), translation=tuple(translation))


def _path(item: object, key: str, where: str) -> str:
    path = item.get("path") if isinstance(item, Mapping) else None
    parts = [part for part in path.split("/") if part not in ("", ".")] if isinstance(path, str) else []
    if not parts:
        raise ImageError(f"the OME metadata of {where} are damaged: an entry of {key!r} has no path")
    if ".." in parts:
        raise ImageError(
            f"the OME metadata of {where} list {path!r}, which lies outside of it; give its own path"
        )
    return "/".join(parts)


def _steps(value: object) -> list[Mapping[str, Any]]:
    return [step for step in value if isinstance(step, Mapping)] if isinstance(value, list) else []


def _numbers(value: object, kind: str, dimensions: int, where: str) -> list[float]:
    numbers = value if isinstance(value, list) else []
    if len(numbers) != dimensions or not all(type(n) in (int, float) and abs(n) < _LARGEST for n in numbers):
        raise ImageError(
            f"the OME metadata of {where} are damaged: a {kind} is {shown(value)}, not {dimensions} numbers"
        )
    return [float(n) for n in numbers]


def _omero_channels(ome: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    omero = ome.get("omero")
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(channels, list):
        return []
    return [channel if isinstance(channel, Mapping) else {} for channel in channels]


def _names(channels: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Labels of the channels, their index for one without; none at all where none has a label."""
    labels = [_text(channel.get("label")) for channel in channels]
    return tuple(label or str(index) for index, label in enumerate(labels)) if any(labels) else ()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
