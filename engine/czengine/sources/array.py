"""A NumPy array in memory as an image. No files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.errors import ImageError
from czengine.geometry import Axes, Region
from czengine.sources.axes import is_color, plain_axes
from czengine.sources.base import ImageInfo, Level, PlaneIndex

_NAME = Path("array")


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
    """Reads rectangles of a NumPy array.

    Parameters
    ----------
    array : ndarray
        The image.
    axes : Axes
        Names of its axes, in order; checked by the caller.
    is_color : bool
        The channels are red, green, blue (and alpha).
    """

    def __init__(self, array: NDArray[Any], axes: Axes, *, is_color: bool) -> None:
        self._array = array
        ndim = array.ndim
        self.info = ImageInfo(
            root=_NAME,
            path="",
            axes=axes,
            units=(None,) * ndim,
            dtype=array.dtype.newbyteorder("="),
            levels=(Level(path="", shape=array.shape, scale=(1.0,) * ndim, translation=(0.0,) * ndim),),
            level=0,
            chunks=array.shape,
            shards=None,
            channel_names=(),
            is_color=is_color,
            ngff=None,
            zarr_format=3,
        )

    def read(self, plane: PlaneIndex, region: Region, channels: Sequence[int]) -> NDArray[Any]:
        """Pixels of `region`, (channel, y, x); see `Source.read`."""
        axes = self.info.axes
        index: dict[str, int | slice] = dict(zip(axes.planes, plane, strict=True))
        index["y"] = slice(region.y, region.bottom)
        index["x"] = slice(region.x, region.right)
        cut = self._array[tuple(index.get(name, slice(None)) for name in axes)]
        left = [name for name in axes if name not in axes.planes]
        if axes.channel is None:
            cut, left = cut[np.newaxis], ["c", *left]
        order = [left.index(axes.channel or "c"), left.index("y"), left.index("x")]
        return np.ascontiguousarray(cut.transpose(order)[list(channels)], dtype=self.info.dtype)
