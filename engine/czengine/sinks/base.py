"""What a result is to the engine: `Target` (where it goes and what it is) and `Sink` (takes rows of blocks).

No file format is known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

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
    """Takes whole rows of blocks, plane by plane, top to bottom.

    A context manager: leaving it normally makes the result appear at its place, all at once;
    leaving it with an error removes what was written.
    """

    @property
    def block_height(self) -> int:
        """Rows of one block; every `write` but the last of a plane has a multiple of it."""

    def write(self, plane: PlaneIndex, y: int, rows: NDArray[Any]) -> None:
        """Write `rows`, (channel, height, plane width), at row `y`, a multiple of `block_height`.

        Raises
        ------
        OutputError
            Where the store cannot be written: read-only, disk full.
        """
