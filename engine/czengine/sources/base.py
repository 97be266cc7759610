"""What an image is to the engine: `ImageInfo` (immutable facts) and `Source` (reads rectangles of one plane).

No file format is known here.
"""

from __future__ import annotations

import itertools
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


@dataclass(frozen=True)
class PlaneGroup:
    """Planes that lie in the same chunks, read together: the product of a range per axis of `Axes.planes`.

    Where chunks are one plane deep, as OME-Zarr's usually are, a group is one plane.
    """

    ranges: tuple[range, ...]

    @property
    def planes(self) -> tuple[PlaneIndex, ...]:
        """The planes in storage order, last axis fastest."""
        return tuple(itertools.product(*self.ranges))


class Pending(Protocol):
    """Pixels on their way."""

    def result(self) -> NDArray[Any]:
        """Wait for them: (plane, channel, y, x) of `info.dtype`, planes in the order of the group.

        Raises
        ------
        ImageError
            Where the store cannot be read; a corrupted chunk is named.
        """


class Source(Protocol):
    """Reads rectangles of planes of one image. A context manager: leaving it ends what it has started."""

    @property
    def info(self) -> ImageInfo:
        """Facts about the image."""

    @property
    def reader(self) -> str:
        """What reads the pixels, e.g. "tensorstore", or "zarr-python (tensorstore: no codec lz4)"."""

    @property
    def chunks_decoded(self) -> int:
        """Chunks decoded so far; one that is decoded again counts again."""

    def missing(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> float | None:
        """The fill value, where no chunk of these pixels was ever written; None where one was. Reads no pixels."""

    def request(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> Pending:
        """Begin to read `region` of a group of planes; returns at once.

        Parameters
        ----------
        group : PlaneGroup
            Ranges inside the image.
        region : Region
            Inside the plane.
        channels : sequence of int
            Image channels, in the order wanted.
        """

    def read(self, plane: PlaneIndex, region: Region, channels: Sequence[int]) -> NDArray[Any]:
        """Read `region` of one plane and wait for it: (channel, y, x) of `info.dtype`; see `request`."""

    def __enter__(self) -> Source:
        """The source itself."""

    def __exit__(self, *exception: object) -> None:
        """Wait for, or give up, what is still being read."""
