"""Joins archive, metadata and network into a `ModelSpec`, and settles their disagreements.

The network's graph is believed over the metadata, since it is what runs; every value that was not simply read is
recorded in `ModelSpec.origins`, every disagreement in `ModelSpec.warnings`. Nothing is run or compiled here.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path

from czengine.archive import Archive, read_archive, read_member
from czengine.errors import ArchiveError, ModelError, PlanError
from czengine.formats import Metadata, czann, legacy
from czengine.formats.colors import class_colors
from czengine.graph import saved_model, signature
from czengine.graph.signature import Signature
from czengine.spec import ModelClass, ModelSpec, Runtime, Task

_ZIP = b"PK\x03\x04"
_SAVED_MODEL = "saved_model.pb"
_DEFAULT_BORDER = 64  # what ZEISS readers take where a legacy archive has no BorderSize
_MAX_SIDE = 2**15
_MAX_CHANNELS = 2**12


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model ready to be compiled.

    Attributes
    ----------
    spec : ModelSpec
        Everything known about it.
    network : bytes
        ONNX model, or zipped SavedModel, by `spec.runtime`.
    """

    spec: ModelSpec
    network: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class _Notes:
    """What was decided while joining: where values came from, and what a user should know."""

    inferred: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_model(path: Path) -> Model:
    """Read the archive at `path`.

    Raises
    ------
    ArchiveError
        If the file is not an archive that can be opened safely.
    ModelError
        If its metadata or its network describe something that cannot be run.
    PlanError
        If the border leaves nothing of the tile.
    """
    archive = read_archive(path)
    try:
        return Model(spec=_spec(archive), network=archive.network)
    except (ArchiveError, ModelError, PlanError) as error:  # those below know the value, not the file
        raise type(error)(f"{path}: {error}") from error


def _spec(archive: Archive) -> ModelSpec:
    parser = legacy if archive.format == "legacy" else czann
    metadata = parser.parse_metadata(archive.metadata)
    notes = _Notes(inferred=dict(metadata.inferred), warnings=list(metadata.warnings))
    runtime = Runtime.SAVEDMODEL if archive.network.startswith(_ZIP) else Runtime.ONNX
    graph = _signature(archive.network, runtime, metadata)
    metadata = _channels_last(metadata, graph)
    channels = _channels(metadata, graph, notes)
    tile = _tile(metadata, graph, notes)
    outputs = _outputs(metadata, graph, notes)
    digest = hashlib.sha256(archive.network).hexdigest()
    if metadata.postprocessing is not None:
        notes.warnings.append(f"Postprocessing is {metadata.postprocessing!r}, which is not applied here")
    notes.inferred.update(layout="network input shape", output_layout="network output shape")
    if graph is None:
        notes.inferred.update(layout="as all ZEISS tools write", output_layout="as all ZEISS tools write")
    names = (graph.input_name, graph.output_name) if graph and runtime is Runtime.ONNX else (None, None)
    return ModelSpec(
        id=_id(metadata, archive, digest, notes),
        name=_name(metadata, archive, notes),
        description=metadata.description,
        task=metadata.task,
        model_type=metadata.model_type,
        format=metadata.format,
        format_version=metadata.version,
        runtime=runtime,
        tile=tile,
        border=_border(metadata, tile, notes),
        classes=_classes(metadata, outputs, notes),
        channels=channels,
        outputs=outputs,
        pixel_types=metadata.pixel_types,
        color_handling=metadata.color_handling,
        scale_inputs=metadata.scale_inputs,
        pixel_size=metadata.pixel_size,
        postprocessing=metadata.postprocessing,
        layout="NHWC" if graph is None else graph.layout,
        output_layout="NHWC" if graph is None else graph.output_layout,
        input_name=names[0],
        output_name=names[1],
        fixed_batch=graph.fixed_batch if graph else None,
        opset=graph.opset if graph else None,
        licence=archive.licence,
        origins=tuple(notes.inferred.items()),
        warnings=tuple(notes.warnings),
        digest=digest,
    )


def _signature(network: bytes, runtime: Runtime, metadata: Metadata) -> Signature | None:
    """What the graph says; None for a SavedModel whose signature leaves the shapes open."""
    declared = _declared_channels(metadata)
    if runtime is Runtime.ONNX:
        return signature.read_signature(signature.parse_onnx(network), channels=declared)
    graph = read_member(network, _SAVED_MODEL, what="the network inside")
    if graph is None:
        raise ModelError(
            f"the network is a zip without {_SAVED_MODEL}, so no SavedModel but perhaps a PyTorch file;"
            " export it as ONNX"
        )
    return saved_model.read_signature(graph, channels=declared)


def _channels_last(metadata: Metadata, graph: Signature | None) -> Metadata:
    """The metadata with height, width, channels, where a hand-made archive repeats its graph's channels-first."""
    if graph is None:
        return metadata
    inner, outer = metadata.input_shape, metadata.output_shape
    if inner and graph.layout == "NCHW" and inner[0] == graph.channels != inner[2]:
        metadata = replace(metadata, input_shape=(inner[1], inner[2], inner[0]))
    if outer and graph.output_layout == "NCHW" and outer[0] == graph.outputs != outer[2]:
        metadata = replace(metadata, output_shape=(outer[1], outer[2], outer[0]))
    return metadata


def _declared_channels(metadata: Metadata) -> int | None:
    return metadata.input_shape[2] if metadata.input_shape else metadata.channels


def _channels(metadata: Metadata, graph: Signature | None, notes: _Notes) -> int:
    declared = _declared_channels(metadata)
    if graph is None or graph.channels is None:
        if declared is None:
            raise ModelError(
                "neither the network nor the metadata say how many channels it takes; export it again"
            )
        notes.inferred["channels"] = "InputShape" if metadata.input_shape else "pixel types"
        return _sane_channels(declared)
    channels = graph.channels
    notes.inferred["channels"] = "network input shape"
    _compare_channels(metadata, declared, channels, notes)
    return _sane_channels(channels)


def _compare_channels(metadata: Metadata, declared: int | None, channels: int, notes: _Notes) -> None:
    items = len(metadata.pixel_types)
    monochrome = metadata.color_handling == "ConvertToMonochrome" and items > 0
    if declared is None or (monochrome and channels == items):  # colour becomes gray before it gets there
        return
    if channels != declared:
        source = "InputShape says" if metadata.input_shape else "pixel types make"
        notes.warnings.append(
            f"{source} {declared} channels, the network takes {channels}; the network is believed"
        )
    elif monochrome:
        notes.warnings.append(
            f"ColorHandling is 'ConvertToMonochrome', but the network takes {channels} channels; colour is kept"
        )


def _sane_channels(channels: int) -> int:
    if channels > _MAX_CHANNELS:
        raise ModelError(f"the network has {channels} channels; at most {_MAX_CHANNELS} are supported")
    return channels


def _tile(metadata: Metadata, graph: Signature | None, notes: _Notes) -> tuple[int, int]:
    """Tile size, axis by axis: the graph before the metadata."""
    declared = metadata.tile or (metadata.input_shape and metadata.input_shape[:2])
    fixed = graph.size if graph else (None, None)
    height, width = (a or b for a, b in zip(fixed, declared or (None, None), strict=True))
    if height is None or width is None:
        raise ModelError(
            "the tile size is unknown: neither the network's input nor TotalTileHeight and TotalTileWidth fix it;"
            " export it again with a fixed input size"
        )
    if declared and declared != (height, width):
        notes.warnings.append(
            f"the metadata say tiles of {declared[0]} × {declared[1]} pixels, the network takes {height} × {width};"
            " the network is believed"
        )
    if any(fixed):
        notes.inferred["tile"] = "network input shape"
    if max(height, width) > _MAX_SIDE:
        raise ModelError(
            f"the tile has {height} × {width} pixels; at most {_MAX_SIDE} per side are supported"
        )
    return height, width


def _border(metadata: Metadata, tile: tuple[int, int], notes: _Notes) -> tuple[int, int]:
    border = metadata.border
    if border is None and metadata.format == "czann":
        border = (0, 0)
        notes.inferred["border"] = "no MinOverlap: none"
        notes.warnings.append("MinOverlap is missing, so tiles do not overlap; seams may show")
    elif border is None:
        side = min(_DEFAULT_BORDER, min(tile) // 4)
        border = (side, side)
        notes.inferred["border"] = "default"
        notes.warnings.append(f"BorderSize is missing; {side} pixels per side are assumed")
    for name, length, width in zip(("height", "width"), tile, border, strict=True):
        if length <= 2 * width:
            raise PlanError(
                f"a border of {width} pixels per side leaves nothing of a tile {name} of {length};"
                f" it must be at most {(length - 1) // 2}"
            )
    return border


def _outputs(metadata: Metadata, graph: Signature | None, notes: _Notes) -> int:
    declared = metadata.output_shape and metadata.output_shape[2]
    if graph is None or graph.outputs is None:
        notes.inferred["outputs"] = "OutputShape" if declared else "number of classes"
        outputs = declared or len(metadata.classes)
        if not outputs and metadata.task is not Task.REGRESSION:
            raise ModelError(
                "neither the network nor the metadata say how many classes it has; export it again"
            )
        return _sane_channels(outputs)
    notes.inferred["outputs"] = "network output shape"
    if declared and declared != graph.outputs:
        notes.warnings.append(
            f"OutputShape says {declared} channels, the network gives {graph.outputs}; the network is believed"
        )
    return _sane_channels(graph.outputs)


def _classes(metadata: Metadata, outputs: int, notes: _Notes) -> tuple[ModelClass, ...]:
    """One class per output; where their numbers differ, labels count the outputs."""
    if metadata.task is Task.REGRESSION:
        return ()
    classes = metadata.classes
    if metadata.task is Task.SEGMENTATION and outputs == 1:
        _check_single_output(len(classes), notes)
    if len(classes) == outputs:
        return classes
    notes.warnings.append(
        f"the metadata name {len(classes)} classes, the network has {outputs}; the network is believed"
    )
    notes.inferred["classes"] = "network output shape"
    named = {item.label: item for item in classes}
    colors = class_colors(outputs)
    return tuple(
        named.get(label) or ModelClass(name=f"class {label}", label=label, color=color)
        for label, color in enumerate(colors, start=1)
    )


def _check_single_output(classes: int, notes: _Notes) -> None:
    if classes >= 2:
        raise ModelError(
            f"the network has 1 output for {classes} classes, so there is nothing to choose from; give it one output"
            " per class, for example with SigmoidToSoftmaxScores"
        )
    notes.warnings.append(
        "the network has a single output, so every pixel gets class 1; set a min-confidence to tell it from nothing"
    )


def _id(metadata: Metadata, archive: Archive, digest: str, notes: _Notes) -> str:
    if metadata.id:
        return metadata.id
    notes.inferred["id"] = "modelid marker" if archive.id_hint else "digest of the network"
    return archive.id_hint or str(uuid.UUID(digest[:32]))


def _name(metadata: Metadata, archive: Archive, notes: _Notes) -> str:
    if metadata.name:
        return metadata.name
    notes.inferred["name"] = "file name"
    return archive.path.stem
