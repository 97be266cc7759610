"""What an image is to the engine: `ImageInfo` (immutable facts) and `Source` (reads rectangles of one plane).

No file format is known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from czengine.geometry import Axes, Region

PlaneIndex = tuple[int, ...]  # one index per axis of `Axes.planes`, in that order


@dataclass(frozen=True, kw_only=True)
class Level:
    """One resolution of an image.

    Attributes
    ----------
    path : str
        Array path inside the image's group; "" where the array is the image.
    shape : tuple of int
        In storage axis order.
    scale, translation : tuple of float
        Pixel size and origin per axis in `ImageInfo.units`, storage axis order.
    """

    path: str
    shape: tuple[int, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ImageInfo:
    """Facts about one image; nothing here is read lazily.

    Attributes
    ----------
    root : Path
        The store the user named (a collection holds several images).
    path : str
        Where the image is inside `root`: "" for the store itself, "A/1/0" for a field of a plate.
    axes : Axes
        Storage order.
    units : tuple of (str or None)
        Unit per axis, e.g. "micrometer"; None where the store does not say.
    dtype : numpy.dtype
        Native byte order; bool, int16, uint8/16/32, float32/64 and the other real types of NumPy.
    levels : tuple of Level
        From `level` (the one to be segmented, first) to the coarsest.
    level : int
        Index in the store's pyramid of `levels[0]`.
    chunks : tuple of int
        Chunk shape of `levels[0]` in storage axis order (the inner chunk of a shard).
    shards : tuple of int or None
        Shard shape of `levels[0]`; None where it is not sharded.
    channel_names : tuple of str
        One per channel; empty where the store does not name them.
    is_color : bool
        The channels are red, green, blue (and alpha) of one colour picture.
    ngff : {"0.4", "0.5"} or None
        Version of the store's OME-NGFF metadata; None for a plain array.
    zarr_format : {2, 3}
        Version of the zarr format.
    """

    root: Path
    path: str
    axes: Axes
    units: tuple[str | None, ...]
    dtype: np.dtype[Any]
    levels: tuple[Level, ...]
    level: int
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    channel_names: tuple[str, ...]
    is_color: bool
    ngff: Literal["0.4", "0.5"] | None
    zarr_format: Literal[2, 3]

    @property
    def name(self) -> str:
        """The image as a person would name it: "plate.ome.zarr/A/1/0"."""
        return f"{self.root.name}/{self.path}" if self.path else self.root.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the level to be segmented, storage axis order."""
        return self.levels[0].shape

    def size(self, axis: str | None) -> int:
        """Length of an axis; 1 for an axis the image does not have."""
        return self.shape[self.axes.index(axis)] if axis is not None and axis in self.axes else 1

    @property
    def height(self) -> int:
        """Rows of a plane."""
        return self.size("y")

    @property
    def width(self) -> int:
        """Columns of a plane."""
        return self.size("x")

    @property
    def channels(self) -> int:
        """Number of channels; 1 where there is no channel axis."""
        return self.size(self.axes.channel)


class Source(Protocol):
    """Reads rectangles of one plane of one image."""

    @property
    def info(self) -> ImageInfo:
        """Facts about the image."""

    def read(self, plane: PlaneIndex, region: Region, channels: Sequence[int]) -> NDArray[Any]:
        """Read `region` of one plane.

        Parameters
        ----------
        plane : tuple of int
            One index per axis of `info.axes.planes`.
        region : Region
            Inside the plane.
        channels : sequence of int
            Image channels, in the order wanted.

        Returns
        -------
        ndarray
            (channel, y, x), C-contiguous, of `info.dtype`.

        Raises
        ------
        ImageError
            Where the store cannot be read; a corrupted chunk is named.
        """
