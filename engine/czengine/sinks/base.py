"""What a result is to the engine: `Target` (where it goes and what it is) and `Sink` (takes blocks).

No file format is known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from czengine.geometry import Region
from czengine.sources.base import ImageInfo, PlaneIndex
from czengine.spec import ModelClass


@dataclass(frozen=True, kw_only=True)
class Target:
    """One image to be written.

    Attributes
    ----------
    kind : {"labels", "scores"}
        A label image, or a float image with one channel per network output.
    path : Path
        Folder of the new image group.
    registry : Path or None
        The image group whose `labels/` list has to name the new image; None for an image that stands alone.
    image : ImageInfo
        The image it was made from: gives axes, scales, chunks, version.
    classes : tuple of ModelClass
        Names, values and colours (labels).
    channels : tuple of str
        Names of the channels (scores).
    dtype : numpy.dtype
        Type of the pixels written.
    overwrite : bool
        Whether what stands at `path` may be replaced, once the new image is complete.
    provenance : mapping
        JSON-able facts about the run, kept in the new image's attributes under "czengine".
    """

    kind: Literal["labels", "scores"]
    path: Path
    registry: Path | None
    image: ImageInfo
    classes: tuple[ModelClass, ...]
    channels: tuple[str, ...]
    dtype: np.dtype[Any]
    overwrite: bool
    provenance: Mapping[str, Any]


class Sink(Protocol):
    """Takes whole blocks, in any order, each once.

    A context manager: leaving it normally makes the result appear at its place, all at once;
    leaving it with an error removes what was written.
    """

    @property
    def block(self) -> tuple[int, int]:
        """Height and width of a block; blocks start at multiples of it, and end with the plane."""

    @property
    def bytes_written(self) -> int:
        """Bytes handed to the store so far, before compression."""

    def new_block(self, plane: PlaneIndex, region: Region) -> NDArray[Any] | None:
        """Where the pixels of a block are to be put: (channel, y, x) memory of the sink's own; None: anywhere."""

    def write(self, plane: PlaneIndex, region: Region, pixels: NDArray[Any]) -> None:
        """Write a block: `region` of `plane`, (channel, y, x). Several threads may write different blocks at once.

        The pixels are free again when this returns. Threads that write have ended before the sink is left.

        Raises
        ------
        OutputError
            Where the store cannot be written: read-only, disk full.
        """

    def finish(self, threads: int, check: Callable[[], None] | None = None) -> None:
        """Make the coarser levels of the pyramid, once every block is written.

        Parameters
        ----------
        threads : int
            Blocks made at once.
        check : callable, optional
            Called between blocks; may raise to stop.

        Raises
        ------
        OutputError
            As `write`.
        """
