"""Contents of archives to be written: made up, or what an archive by the ZEISS packages holds."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from czconverter.metadata import ArchiveMetadata
from czconverter.package.contents import Contents, Member, licence_inside
from czengine.model import read_model
from czengine.spec import ModelSpec, Runtime, Task
from tests.support.archives import MODEL_ID, onnx_network

_FIELDS = ("runtime", "tile", "channels", "outputs", "licence", "network")


def make_contents(**changes: Any) -> Contents:
    """A small ONNX network for two classes; changes are fields of Contents or of its metadata."""
    own = {key: changes.pop(key) for key in _FIELDS if key in changes}
    metadata = ArchiveMetadata(
        name="Test network",
        classes=("Background", "Object"),
        pixel_types=("Gray8",),
        color_handling="ConvertToMonochrome",
        border=4,
        id=MODEL_ID,
    )
    values: dict[str, Any] = {
        "network": onnx_network() if "network" not in own else b"",
        "runtime": Runtime.ONNX,
        "tile": (32, 32),
        "channels": 1,
        "outputs": 2,
    }
    return Contents(metadata=replace(metadata, **changes), **{**values, **own})


def contents_of(archive: Path) -> Contents:
    """What an archive holds, as the engine reads it."""
    model = read_model(archive)
    spec = model.spec
    return Contents(
        metadata=_metadata(spec),
        network=model.network,
        runtime=spec.runtime,
        tile=spec.tile,
        channels=spec.channels,
        outputs=spec.outputs,
        licence=licence_inside(archive, spec),
    )


def members_of(archive: Path) -> list[Member]:
    """Names and bytes, in the order of the zip."""
    with zipfile.ZipFile(archive) as members:
        return [(name, members.read(name)) for name in members.namelist()]


def _metadata(spec: ModelSpec) -> ArchiveMetadata:
    return ArchiveMetadata(
        name=spec.name,
        classes=tuple(item.name for item in spec.classes),
        colors=tuple(item.color for item in spec.classes),
        model_type=None if spec.task is Task.SEGMENTATION else spec.model_type,
        pixel_types=tuple(item[0] for item in spec.pixel_types),
        color_handling=spec.color_handling,
        border=spec.border,
        pixel_size=spec.pixel_size,
        description=spec.description,
        postprocessing=spec.postprocessing,
        id=spec.id,
    )
