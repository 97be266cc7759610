"""Everything that goes into an archive, complete and checked; how it is laid out is for `legacy` and `czann`."""

from __future__ import annotations

from dataclasses import dataclass, field

from czconverter.metadata import ArchiveMetadata
from czengine.spec import Runtime

Member = tuple[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """An archive before it is written.

    Attributes
    ----------
    metadata : ArchiveMetadata
        Complete: `name`, `id` and whatever the format needs are there.
    network : bytes
        ONNX model, or zipped SavedModel.
    runtime : Runtime
        Which of them.
    tile : (height, width)
        Pixels, border included.
    channels, outputs : int
        Network channels in and out.
    licence : (name, bytes) or None
        File to pack.
    """

    metadata: ArchiveMetadata
    network: bytes = field(repr=False)
    runtime: Runtime
    tile: tuple[int, int]
    channels: int
    outputs: int
    licence: Member | None = None
