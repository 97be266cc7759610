"""Everything a source brings: the network, and what is known about it already.

A model file brings the network only. A JSON spec and an archive bring metadata, a licence, and an archive also the
range of pixel values its network expects. What an archive says that another format cannot hold is listed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from czconverter.json_spec import read_json_spec
from czconverter.loaders.base import Network
from czconverter.loaders.open import kind_of, open_network
from czconverter.metadata import MULTILABEL, REGRESSION, SEMANTIC, ArchiveMetadata, valid_uuid
from czconverter.options import ConvertOptions, TargetFormat
from czconverter.package.contents import Member, licence_inside
from czengine.errors import ModelError, OptionError
from czengine.model import Model, read_model
from czengine.spec import ModelSpec, Runtime, Task

_TYPES = {Task.SEGMENTATION: SEMANTIC, Task.MULTILABEL: MULTILABEL, Task.REGRESSION: REGRESSION}


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is converted.

    Attributes
    ----------
    network : Network
        The network.
    metadata : ArchiveMetadata
        What is known about it; the user's word goes first.
    scaled : bool or None
        Whether the network expects integers divided by their maximum; None where only its user knows.
    licence : (name, bytes) or None
        From the archive.
    """

    network: Network
    metadata: ArchiveMetadata = field(default_factory=ArchiveMetadata)
    scaled: bool | None = None
    licence: Member | None = None


@contextmanager
def opened(source: Any, *, options: ConvertOptions) -> Iterator[Source]:
    """Open a source for as long as it is needed: SavedModels from archives live in a temporary folder.

    Raises
    ------
    CzEngineError
        Where it cannot be opened; see `loaders.open`, `json_spec` and `czengine.open_model`.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    kind = kind_of(path) if path else None
    if path and kind == "json":
        spec = read_json_spec(path)
        if kind_of(spec.model) == "json":
            raise OptionError(
                f"{path}: its ModelPath leads to another JSON file, {spec.model}; name the model"
            )
        with opened(spec.model, options=options) as inner:
            # each form is for one kind of archive, and for networks that are fed as in those
            scaled = spec.format == "czann" if inner.scaled is None else inner.scaled
            yield replace(inner, metadata=spec.metadata.merged(inner.metadata), scaled=scaled)
    elif path and kind == "archive":
        with TemporaryDirectory(prefix="czconverter-") as folder:
            yield _from_archive(path, Path(folder), options)
    else:
        yield Source(network=open_network(source, options=options))


def lost(metadata: ArchiveMetadata, format_: TargetFormat) -> tuple[str, ...]:
    """What an archive of this format has no place for, one sentence each."""
    if format_ == "czann":
        said: dict[str, object] = {
            "class colours": metadata.colors,
            "pixel types": metadata.pixel_types,
            "color handling": metadata.color_handling,
            "postprocessing": metadata.postprocessing,
        }
    else:
        said = {
            "pixel size": metadata.pixel_size,
            "description": metadata.description,
            "a border that differs in y and x": metadata.sides[0] != metadata.sides[1],
        }
    return tuple(f"{what} left out: .{format_} has no place for it" for what, value in said.items() if value)


def _from_archive(path: Path, folder: Path, options: ConvertOptions) -> Source:
    model = read_model(path)
    spec = model.spec
    return Source(
        network=_network(model, folder, options),
        metadata=_metadata(spec),
        scaled=spec.scale_inputs,
        licence=licence_inside(path, spec),
    )


def _network(model: Model, folder: Path, options: ConvertOptions) -> Network:
    if model.spec.runtime is Runtime.SAVEDMODEL:
        from czconverter.loaders.saved_model import load_saved_model_zip

        return load_saved_model_zip(model.network, folder, trust=options.trust)
    from czconverter.loaders.onnx import load_onnx

    return load_onnx(model.network, layout=options.layout or model.spec.layout, channels=model.spec.channels)


def _metadata(spec: ModelSpec) -> ArchiveMetadata:
    labels, names = tuple(c.label for c in spec.classes), tuple(c.name for c in spec.classes)
    if labels != tuple(range(1, len(labels) + 1)):
        raise ModelError(
            f"the label values of {spec.name!r} are {list(labels)}; archives written here count classes from 1, so its"
            " results would change"
        )
    generated = "classes" in spec.inferred
    single = all(len(item) == 1 for item in spec.pixel_types)
    return ArchiveMetadata(
        name=spec.name,
        classes=names if len(set(names)) == len(names) else (),  # else the user has to name them
        colors=() if generated or len(set(names)) < len(names) else tuple(c.color for c in spec.classes),
        model_type=_TYPES[spec.task],
        pixel_types=tuple(item[0] for item in spec.pixel_types) if single else (),
        color_handling=spec.color_handling,
        border=spec.border,
        pixel_size=spec.pixel_size,
        tile=spec.tile,
        description=spec.description,
        postprocessing=spec.postprocessing,
        id=valid_uuid(spec.id),
    )
