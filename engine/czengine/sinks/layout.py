"""The shape of a result: axes in OME-Zarr order, pyramid levels, chunks, shards. Integers and floats, no I/O.

Only this module knows how an image's axes and chunking become those of its result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from czengine.errors import OutputError
from czengine.geometry import CHANNEL_AXES, SPATIAL_AXES, Axes
from czengine.sinks.base import Target
from czengine.sources.base import ImageInfo

SMALLEST_CHUNK, DEFAULT_CHUNK, LARGEST_CHUNK = 256, 1024, 2048
LARGEST_SHARD = 4096  # a block is held in memory whole

_RANKS = {"t": 0, "z": 2, "y": 2, "x": 2}  # time, then channel and the unknown one, then space
_KNOWN = frozenset({"t", "c", "z", "y", "x"})


@dataclass(frozen=True, kw_only=True)
class LevelLayout:
    """One resolution of a result; every tuple in the order of `Layout.axes`.

    Attributes
    ----------
    path : str
        Array path inside the image group.
    shape, chunks : tuple of int
        Of the array.
    shards : tuple of int or None
        None where the array is not sharded.
    scale, translation : tuple of float
        Pixel size and origin, equal to those of the image's level; 1 and 0 for channels.
    """

    path: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    scale: tuple[float, ...]
    translation: tuple[float, ...]

    @property
    def blocks(self) -> tuple[int, ...]:
        """Shape of the part one write fills: a whole shard, or a whole chunk."""
        return self.shards or self.chunks


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a result lies in its store.

    Attributes
    ----------
    axes : Axes
        Storage order, one that OME-Zarr allows.
    units : tuple of (str or None)
        Unit per axis.
    levels : tuple of LevelLayout
        As many as the image has, finest first.
    """

    axes: Axes
    units: tuple[str | None, ...]
    levels: tuple[LevelLayout, ...]


def plan_layout(target: Target) -> Layout:
    """Lay out the arrays of one result.

    The axes keep the image's order where OME-Zarr allows it, else they are sorted: time, channel and at most
    one axis of unknown kind, space. Samples ("s") become channels ("c"). Where only part of the image's
    pyramid is segmented (`ImageInfo.level` > 0), coarser levels are added by halving y and x, because a label
    image has to have as many levels as its image.

    Raises
    ------
    OutputError
        Where OME-Zarr has no place for the image's axes.
    """
    image, channels = target.image, max(len(target.channels), 1)
    axes = _axes(image, channels)
    levels = [
        _level(target, axes, str(number), spans | {"c": _Span(channels, 1.0, 0.0)})
        for number, spans in enumerate(_pyramid(image))
    ]
    units = dict(zip(image.axes, image.units, strict=True))
    return Layout(axes=axes, units=tuple(units.get(name) for name in axes), levels=tuple(levels))


@dataclass(frozen=True)
class _Span:
    size: int
    scale: float
    translation: float

    def halved(self) -> _Span:
        return _Span((self.size + 1) // 2, self.scale * 2, self.translation)


def _axes(image: ImageInfo, channels: int) -> Axes:
    names = ["c" if name in CHANNEL_AXES else name for name in image.axes]
    if channels > 1 and "c" not in names:
        names.append("c")
    unknown = [name for name in names if name not in _KNOWN]
    if len(unknown) > 1 or len(names) > 5:
        raise OutputError(
            f"{image.name} has the axes {image.axes} and its result needs {len(names)}; an OME-Zarr image has at"
            " most 5, at most one of them other than T, C, Z, Y and X: split the image along the others"
        )
    return Axes(tuple(sorted(names, key=lambda name: _RANKS.get(name, 1))))


def _pyramid(image: ImageInfo) -> list[dict[str, _Span]]:
    levels = [
        {
            name: _Span(size, scale, start)
            for name, size, scale, start in zip(
                image.axes, level.shape, level.scale, level.translation, strict=True
            )
        }
        for level in image.levels
    ]
    for _ in range(image.level):
        last = levels[-1]
        levels.append({name: s.halved() if name in SPATIAL_AXES else s for name, s in last.items()})
    return levels


def _level(target: Target, axes: Axes, path: str, spans: Mapping[str, _Span]) -> LevelLayout:
    edges = {name: _edge(target.image, name, spans[name].size) for name in SPATIAL_AXES}
    blocks = {name: _block(target.image, name, edges[name], spans[name].size) for name in SPATIAL_AXES}
    return LevelLayout(
        path=path,
        shape=tuple(spans[name].size for name in axes),
        chunks=tuple(edges.get(name, 1) for name in axes),
        shards=tuple(blocks.get(name, 1) for name in axes) if blocks != edges else None,
        scale=tuple(spans[name].scale for name in axes),
        translation=tuple(spans[name].translation for name in axes),
    )


def _edge(image: ImageInfo, axis: str, size: int) -> int:
    """Edge of a chunk: the image's where it is reasonable, never beyond the plane."""
    edge = image.chunks[image.axes.index(axis)]
    return min(edge if SMALLEST_CHUNK <= edge <= LARGEST_CHUNK else DEFAULT_CHUNK, size)


def _block(image: ImageInfo, axis: str, edge: int, size: int) -> int:
    """Edge of a shard: about the image's, a multiple of the chunk; the chunk itself without shards."""
    if image.shards is None:
        return edge
    wanted = min(image.shards[image.axes.index(axis)], LARGEST_SHARD)
    return edge * min(max(wanted // edge, 1), -(-size // edge))
