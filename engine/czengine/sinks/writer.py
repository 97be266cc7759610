"""The arrays of one result: whole blocks of every pyramid level, each written once, by one owner.

Joins the parts: `layout` says where pixels go, `pyramid` makes the coarser levels, `metadata` describes them.
Only this module writes arrays; that they lie in the right folder is the business of `omezarr`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czengine.geometry import Axes, shrinkage
from czengine.sinks.base import Target
from czengine.sinks.layout import LevelLayout, plan_layout
from czengine.sinks.metadata import group_attributes
from czengine.sinks.pyramid import LevelRows, nearest
from czengine.sources.base import PlaneIndex

if TYPE_CHECKING:
    import zarr

    Array = zarr.Array[Any]

_COMPRESSION = 3  # zstd level


class ImageWriter:
    """One result: its group, and an array per level.

    Parameters
    ----------
    target : Target
        What it is.
    folder : Path
        Empty folder that becomes the group.

    Attributes
    ----------
    channels : int
        Channels of the rows it takes.
    block_height : int
        Rows of a block at full resolution.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        import zarr

        layout = plan_layout(target)
        group = zarr.create_group(
            store=folder, zarr_format=target.image.zarr_format, attributes=group_attributes(target, layout)
        )
        self._plane_axes = target.image.axes.planes
        full = layout.levels[0]
        self._levels = [
            _Level(_create_array(group, target, layout.axes, level), layout.axes, full, level)
            for level in layout.levels
        ]
        self.channels = max(len(target.channels), 1)
        self.block_height = full.blocks[layout.axes.index("y")]

    def write(self, plane: PlaneIndex, y: int, rows: NDArray[Any]) -> None:
        """Write rows of one plane to every level; see `Sink.write`."""
        at = dict(zip(self._plane_axes, plane, strict=True))
        for level in self._levels:
            level.write(at, y, rows)


class _Level:
    """One array, and which pixels of full resolution it takes."""

    def __init__(self, array: Array, axes: Axes, full: LevelLayout, level: LevelLayout) -> None:
        self._array = array
        self._axes = axes
        self._block = dict(zip(axes, level.blocks, strict=True))
        self._sources = {name: _sources(full, level, axis) for axis, name in enumerate(axes)}
        self._rows: LevelRows | None = None
        if level is not full:
            self._rows = LevelRows(self._sources["y"], self._sources["x"], self._block["y"])

    def write(self, plane: Mapping[str, int], y: int, rows: NDArray[Any]) -> None:
        found = [np.flatnonzero(self._sources[name] == index) for name, index in plane.items()]
        places = [dict(zip(plane, place, strict=True)) for place in product(*found)]
        if not places:  # this level skips the plane
            return
        if self._rows is not None:
            y, rows = self._rows.push(y, rows)
        for place in places:
            self._write_blocks(place, y, rows)

    def _write_blocks(self, place: Mapping[str, Any], y: int, rows: NDArray[Any]) -> None:
        """Each block in a write of its own, so that an error means that nothing is being written any more."""
        channels, height, width = rows.shape
        steps = (range(channels), range(0, height, self._block["y"]), range(0, width, self._block["x"]))
        swap = self._axes.index("x") < self._axes.index("y")
        for c, top, left in product(*steps):
            block = rows[c, top : top + self._block["y"], left : left + self._block["x"]]
            area: dict[str, Any] = {
                "c": c,
                "y": slice(y + top, y + top + block.shape[0]),
                "x": slice(left, left + block.shape[1]),
            }
            self._array[tuple({**place, **area}[name] for name in self._axes)] = block.T if swap else block


def _sources(full: LevelLayout, level: LevelLayout, axis: int) -> NDArray[np.intp]:
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
        **(_v2_storage() if target.image.zarr_format == 2 else _v3_storage(axes)),
    )


def _v2_storage() -> dict[str, Any]:
    """Blosc, because every reader of 0.4 has it; zstd with a checksum is one that tensorstore refuses."""
    compressor = {"id": "blosc", "cname": "zstd", "clevel": _COMPRESSION, "shuffle": 1}
    return {"compressors": [compressor], "chunk_key_encoding": {"name": "v2", "separator": "/"}}


def _v3_storage(axes: Axes) -> dict[str, Any]:
    """With a checksum: zstd alone decodes most flipped bits to wrong labels without a word."""
    from zarr.codecs import ZstdCodec

    return {"compressors": [ZstdCodec(level=_COMPRESSION, checksum=True)], "dimension_names": list(axes)}
