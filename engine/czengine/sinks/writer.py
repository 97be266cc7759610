"""The arrays of one result: whole blocks of every pyramid level, each written once, by one owner.

Joins the parts: `layout` says where pixels go, `pyramid` where those of the coarser levels come from, `metadata`
describes them. Only this module makes arrays; that they lie in the right folder is the business of `omezarr`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czengine.geometry import Axes, Region, shrinkage
from czengine.sinks.base import Target
from czengine.sinks.layout import LevelLayout, plan_layout
from czengine.sinks.metadata import group_attributes
from czengine.sinks.pyramid import Indices, nearest, pieces, source_of
from czengine.sources.base import PlaneIndex
from czengine.sources.pixels import Part, open_pixels, reason

if TYPE_CHECKING:
    import zarr

    Array = zarr.Array[Any]

_COMPRESSION = 3  # zstd level
_PIECE = 2048  # pixels a side read at once for a coarser level, if blocks are not larger

Place = Mapping[str, Part]  # a part per axis


class ImageWriter:
    """One result: its group, and an array per level. Threads may write different blocks at once.

    Parameters
    ----------
    target : Target
        What it is.
    folder : Path
        Empty folder that becomes the group.
    threads : int or None
        Chunks coded at once; None takes one per core.

    Attributes
    ----------
    channels : int
        Channels of the pixels it takes.
    block : (int, int)
        Height and width of a block at full resolution.
    levels : int
        Number of levels.
    """

    def __init__(self, target: Target, folder: Path, threads: int | None = None) -> None:
        import zarr

        layout = plan_layout(target)
        group = zarr.create_group(
            store=folder, zarr_format=target.image.zarr_format, attributes=group_attributes(target, layout)
        )
        self._plane_axes = target.image.axes.planes
        self._levels = [
            _Level(_create_array(group, target, layout.axes, level), folder, layout.axes, level, threads)
            for level in layout.levels
        ]
        full = layout.levels[0]
        self._picks = [
            {name: _picked(full, level, axis) for axis, name in enumerate(layout.axes)}
            for level in layout.levels
        ]
        self.channels = max(len(target.channels), 1)
        self.block = self._levels[0].block
        self.levels = len(self._levels)

    def close(self) -> None:
        """End the threads that write, where there are some of our own."""
        for level in self._levels:
            level.close()

    def write(self, plane: PlaneIndex, region: Region, pixels: NDArray[Any]) -> int:
        """Write a block of full resolution, (channel, y, x), and tell its bytes; see `Sink.write`."""
        place = {name: _one(index) for name, index in zip(self._plane_axes, plane, strict=True)}
        for channel, picture in enumerate(pixels):
            self._levels[0].write({**place, "c": _one(channel)}, region, picture)
        return pixels.nbytes

    def blocks(self, number: int) -> Iterator[Callable[[], int]]:
        """Makes each block of a coarser level and tells its bytes; in any order, once all finer levels are there."""
        level = self._levels[number]
        source, picks = source_of(self._picks, number)
        for place, region in level.blocks():
            yield partial(_make_block, self._levels[source], picks, level, place, region)


class _Level:
    """One array."""

    def __init__(
        self, array: Array, folder: Path, axes: Axes, layout: LevelLayout, threads: int | None
    ) -> None:
        self._pixels = open_pixels(array, folder / layout.path, threads=threads, writable=True)
        self._axes = axes
        self._size = dict(zip(axes, layout.shape, strict=True))
        self.dtype = array.dtype
        self.close = self._pixels.close
        edges = dict(zip(axes, layout.blocks, strict=True))
        self.block = edges["y"], edges["x"]
        self._order = [axes.index(name) for name in axes if name not in "yx"]
        self._order += [axes.index("y"), axes.index("x")]

    def blocks(self) -> Iterator[tuple[dict[str, int], Region]]:
        """Every block: plane and channel by axis, and the region of the plane."""
        others = [name for name in self._axes if name not in "yx"]
        height, width = self._size["y"], self._size["x"]
        for place in product(*(range(self._size[name]) for name in others)):
            for y, x in product(range(0, height, self.block[0]), range(0, width, self.block[1])):
                yield dict(zip(others, place, strict=True)), Region(y, x, *self.block).clipped(height, width)

    def read(self, place: Place) -> NDArray[Any]:
        """Pixels of one plane and channel: (y, x)."""
        selection = tuple(place[name] for name in self._axes)
        try:
            pixels = self._pixels.read(selection, self._order, check=lambda: None).result()
        except ValueError as error:  # tensorstore's: what was just written cannot be read back
            raise OSError(reason(error)) from error
        return pixels.reshape(pixels.shape[-2:])

    def write(self, place: Place, region: Region, picture: NDArray[Any]) -> None:
        """Write a block of one plane and channel, (y, x); an axis that the array does not have is passed over."""
        area = {"y": slice(region.y, region.bottom), "x": slice(region.x, region.right)}
        selection = tuple({**place, **area}[name] for name in self._axes)
        turned = picture if self._axes.index("y") < self._axes.index("x") else picture.T
        missing = tuple(axis for axis, name in enumerate(self._axes) if name not in "yx")
        self._pixels.write(selection, np.expand_dims(turned, missing))


def _make_block(
    source: _Level, picks: Mapping[str, Indices], level: _Level, place: Mapping[str, int], region: Region
) -> int:
    """Pick one block out of a finer level, in pieces of whole blocks of that."""
    pixels = np.empty((region.height, region.width), level.dtype)
    at: dict[str, Part] = {name: _one(int(picks[name][index])) for name, index in place.items()}
    rows, columns = picks["y"][region.y : region.bottom], picks["x"][region.x : region.right]
    edges = [max(_PIECE // edge, 1) * edge for edge in source.block]
    for (y, at_y), (x, at_x) in product(pieces(rows, edges[0]), pieces(columns, edges[1])):
        pixels[y, x] = source.read({**at, "y": at_y, "x": at_x})
    level.write({name: _one(index) for name, index in place.items()}, region, pixels)
    return pixels.nbytes


def _one(index: int) -> slice:
    return slice(index, index + 1)


def _picked(full: LevelLayout, level: LevelLayout, axis: int) -> Indices:
    """Index along one axis at full resolution, for each index at another level."""
    size, of = level.shape[axis], full.shape[axis]
    scale = abs(full.scale[axis])
    step = abs(level.scale[axis]) / scale if scale else 0.0
    if step == 0 or (step == 1 and size != of):  # scales that say nothing about the levels: their sizes do
        return nearest(size, of, step=shrinkage(of, size), offset=0.0)
    offset = (level.translation[axis] - full.translation[axis]) / full.scale[axis]
    return nearest(size, of, step=step, offset=offset)


def _create_array(group: zarr.Group, target: Target, axes: Axes, level: LevelLayout) -> Array:
    return group.create_array(
        level.path,
        shape=level.shape,
        chunks=level.chunks,
        shards=level.shards,
        dtype=target.dtype,
        fill_value=0,
        **(_v2_storage(target) if target.image.zarr_format == 2 else _v3_storage(target, axes)),
    )


# Labels are zstd's strength. Floats are not: lz4 behind a bit shuffle packs them tighter than zstd without one, in an
# eighth of the time; writing them would otherwise take longer than many networks do.


def _v2_storage(target: Target) -> dict[str, Any]:
    """Blosc, because every reader of 0.4 has it; zstd with a checksum is one that tensorstore refuses."""
    compressor = {"id": "blosc", "cname": "zstd", "clevel": _COMPRESSION, "shuffle": 1}
    if target.dtype.kind == "f":
        compressor |= {"cname": "lz4", "clevel": 5, "shuffle": 2}
    return {"compressors": [compressor], "chunk_key_encoding": {"name": "v2", "separator": "/"}}


def _v3_storage(target: Target, axes: Axes) -> dict[str, Any]:
    """With a checksum: the codecs alone decode most flipped bits to wrong values without a word."""
    from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

    if target.dtype.kind == "f":
        width = target.dtype.itemsize
        fast = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=width)
        return {"compressors": [fast, Crc32cCodec()], "dimension_names": list(axes)}
    return {"compressors": [ZstdCodec(level=_COMPRESSION, checksum=True)], "dimension_names": list(axes)}
