"""A NumPy array in memory as an image. No files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from czengine.errors import ImageError
from czengine.geometry import Axes, Region
from czengine.sources.axes import is_color, plain_axes
from czengine.sources.base import ImageInfo, Level, PlaneGroup, PlaneIndex

_NAME = Path("array")
_CELL = 2048  # pixels a side: nothing is decoded, but what is made of the pixels is made cell by cell


def open_array(array: NDArray[Any], axes: str | None) -> ArraySource:
    """A NumPy array as an image.

    Parameters
    ----------
    array : ndarray
        Anything NumPy can index: also a memory map.
    axes : str or None
        One letter per axis; None is enough for two dimensions.

    Raises
    ------
    OptionError
        Where `axes` does not fit the array.
    ImageError
        Where the axes are unknown, or the array is empty or not of numbers.
    """
    if not hasattr(array, "ndim"):
        raise ImageError(
            f"the image is a {type(array).__name__}, not an array; convert it with numpy.asarray"
        )
    named = plain_axes(axes, array.ndim, (), "the array")
    if array.size == 0:
        raise ImageError(f"the array is empty: its shape is {array.shape}; there is nothing to segment")
    if array.dtype.kind not in "biuf":
        raise ImageError(f"the array holds {array.dtype}; convert it to bool, integers or floats")
    channels = array.shape[named.index(named.channel)] if named.channel else 1
    return ArraySource(array, named, is_color=is_color(named, channels, array.dtype))


class ArraySource:
    """Reads rectangles of a NumPy array: views wherever NumPy can make one. See `Source`.

    Parameters
    ----------
    array : ndarray
        The image.
    axes : Axes
        Names of its axes, in order; checked by the caller.
    is_color : bool
        The channels are red, green, blue (and alpha).
    """

    reader = "memory"
    chunks_decoded = 0

    def __init__(self, array: NDArray[Any], axes: Axes, *, is_color: bool) -> None:
        self._array = array
        ndim = array.ndim
        cell = dict.fromkeys(axes.planes, 1) | {"y": _CELL, "x": _CELL}
        self.info = ImageInfo(
            root=_NAME,
            path="",
            axes=axes,
            units=(None,) * ndim,
            dtype=array.dtype.newbyteorder("="),
            levels=(Level(path="", shape=array.shape, scale=(1.0,) * ndim, translation=(0.0,) * ndim),),
            level=0,
            chunks=tuple(min(cell.get(name, n), n) for name, n in zip(axes, array.shape, strict=True)),
            shards=None,
            channel_names=(),
            is_color=is_color,
            ngff=None,
            zarr_format=3,
        )

    def missing(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> None:
        """All pixels are there."""
        return None

    def request(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> _Here:
        """Pixels of a group of planes; see `Source`."""
        axes = self.info.axes
        parts = {
            name: slice(taken.start, taken.stop, taken.step)
            for name, taken in zip(axes.planes, group.ranges, strict=True)
        }
        parts["y"], parts["x"] = slice(region.y, region.bottom), slice(region.x, region.right)
        cut = self._array[tuple(parts.get(name, slice(None)) for name in axes)]
        kept = [name for name in (axes.channel, "y", "x") if name is not None]
        cut = cut.transpose([axes.index(name) for name in (*axes.planes, *kept)])
        cut = cut.reshape(len(group.planes), self.info.channels, region.height, region.width)
        return _Here(cut[:, _picked(channels)].astype(self.info.dtype, copy=False))

    def read(self, plane: PlaneIndex, region: Region, channels: Sequence[int]) -> NDArray[Any]:
        """Pixels of one plane, (channel, y, x); see `Source`."""
        group = PlaneGroup(tuple(range(index, index + 1) for index in plane))
        pixels: NDArray[Any] = self.request(group, region, channels).result()[0]
        return pixels

    def __enter__(self) -> ArraySource:
        """The source itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing is under way."""


class _Here:
    """Pixels that are there already; see `Pending`."""

    def __init__(self, pixels: NDArray[Any]) -> None:
        self._pixels = pixels

    def result(self) -> NDArray[Any]:
        """The pixels."""
        return self._pixels


def _picked(channels: Sequence[int]) -> slice | list[int]:
    """A slice where the channels lie at equal distances: NumPy copies for any other index."""
    first, count = channels[0], len(channels)
    step = channels[1] - first if count > 1 else 1
    stop = first + count * step
    if step == 0 or list(channels) != list(range(first, stop, step)):
        return list(channels)
    return slice(first, stop if stop >= 0 else None, step)
