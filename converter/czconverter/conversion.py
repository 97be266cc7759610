"""The verb `convert`: source in, archive out, and the proof that both compute the same.

It only puts the parts in order: open the source, settle the metadata, fix the size, write ONNX (or a SavedModel),
pack, and compare before the archive appears under its name. Only this module knows which opset is tried first.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

from czconverter import checks, verify
from czconverter.graphs.canonical import to_bytes
from czconverter.graphs.check import parameters
from czconverter.loaders.base import Network
from czconverter.metadata import REGRESSION, ArchiveMetadata
from czconverter.options import ConvertOptions, TargetFormat
from czconverter.package import archive_bytes
from czconverter.package.contents import Contents, Member, licence_file
from czconverter.package.staging import format_of, staged, target_path
from czconverter.package.zipping import zip_folder
from czconverter.ranges import bridge, input_range
from czconverter.report import Comparison, ConversionReport
from czconverter.sources import Source, lost, opened
from czengine.errors import ModelError, OptionError
from czengine.graph.locality import whole_tile_layers
from czengine.graph.signature import parse_onnx
from czengine.model import Model
from czengine.spec import Runtime

_OPSETS = (17, 18)  # 18 where an exporter has nothing older
_LEGACY_OPSET = 12  # what readers of .czmodel promise
_NAMESPACE = uuid.UUID("6f3cf7e4-6f0b-5d0e-9b61-2d6b1f3c9a57")  # ours, for ids made from content
_ONE_AT_A_TIME = threading.RLock()  # the frameworks keep names, policies and messages for the whole process
Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """All that is settled before anything is exported."""

    network: Network
    metadata: ArchiveMetadata
    format: TargetFormat
    tile: tuple[int, int]
    channels: int
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    licence: Member | None
    lost: tuple[str, ...]

    @property
    def largest(self) -> tuple[float, ...]:
        """Largest input value per channel."""
        return input_range(self.metadata.pixel_types, self.channels, self.format)


def convert(
    source: Any,
    target: str | Path,
    metadata: ArchiveMetadata | None = None,
    *,
    options: ConvertOptions | None = None,
    progress: Tell | None = None,
) -> ConversionReport:
    """Make an archive from a trained network.

    Parameters
    ----------
    source : model, str or Path
        A Keras 2 or 3 model, PyTorch module or exported program, or `onnx.ModelProto` in memory; or the path of a
        `.keras`, `.h5`, `.onnx` or `.pt2` file, SavedModel folder, archive, or JSON spec of the ZEISS packages.
    target : str or Path
        The archive; its extension is appended where it is missing.
    metadata : ArchiveMetadata, optional
        What the network is. What is left out is taken from the source, where that is a JSON spec or an archive.
    options : ConvertOptions, optional
        Size, steps before and after, opset and so on.
    progress : callable, optional
        Called with a few words at the beginning of each part of the work. An exception it raises stops it.

    Returns
    -------
    ConversionReport
        What was written, and how close it is to its source.

    Raises
    ------
    OptionError
        Where metadata or options cannot be, are incomplete, or do not fit the network.
    ArchiveError, ModelError, PlanError
        Where the source cannot be read or converted, or the archive does not compute what its source does.
    OutputError
        Where the target cannot be written, or is there already.
    MissingExtra
        Where the source's framework is not installed.
    """
    started = perf_counter()
    options, tell = options or ConvertOptions(), progress or (lambda _: None)
    format_ = format_of(Path(target), options.format)
    path = target_path(Path(target), format_)
    tell("loading")
    with (
        _ONE_AT_A_TIME,
        staged(path, overwrite=options.overwrite) as part,
        opened(source, options=options) as found,
    ):
        plan = _plan(found, metadata or ArchiveMetadata(), format_, path, options)
        tell("running the source")
        run = verify.source_run(plan.network, plan.before, plan.after)
        batch = verify.pictures(plan.tile, plan.largest)
        expected, seconds = verify.timed(run, batch)
        _check_result(plan, batch, expected, resized=options.tile is not None)
        tell("converting")
        network, warnings = _written(plan, options)
        contents = _contents(plan, network, options.runtime, expected.shape[-1])
        part.write_bytes(archive_bytes(contents, format_))
        tell("comparing")
        with verify.workplace() as folder:
            model, archive = verify.archive_run(part, Path(folder))
            trial = verify.Trial(archive=archive, task=plan.metadata.task)
            comparison = verify.compare(trial, batch, expected, seconds)
            _check_comparison(comparison, options.tolerance)
            leak = verify.border_leak(trial, plan.tile, plan.metadata.sides, plan.largest)
        report = _report(path, plan, model, comparison, leak, options)
    return replace(report, warnings=(*warnings, *report.warnings), seconds=perf_counter() - started)


def _plan(
    found: Source, said: ArchiveMetadata, format_: TargetFormat, path: Path, options: ConvertOptions
) -> _Plan:
    metadata = said.merged(found.metadata)
    metadata = replace(metadata, name=metadata.name or path.stem, color_handling=_handling(metadata))
    dropped = lost(found.spec, format_) if found.spec else ()
    if format_ == "czmodel":
        metadata = _one_border(metadata, archive=found.spec is not None)
    checks.complete(metadata, format_)
    channels = _channels(found.network, metadata, options)
    checks.channels(metadata, channels)
    tile = _tile(found.network, metadata, options)
    checks.tiling(metadata, tile)
    network = found.network
    if options.tile or format_ == "czmodel" or network.needs_size:
        network = network.sized(*tile, channels)
    scaled = found.spec.scale_inputs if found.spec else format_ == "czann"
    bridged = bridge(scaled=scaled, format_=format_, pixel_types=metadata.pixel_types)
    return _Plan(
        network=network,
        metadata=metadata,
        format=format_,
        tile=tile,
        channels=channels,
        before=(*bridged, *options.preprocessing),
        after=tuple(options.postprocessing),
        licence=licence_file(metadata.licence) if metadata.licence else found.licence,
        lost=dropped,
    )


def _handling(metadata: ArchiveMetadata) -> str | None:
    """Colour stays colour where a pixel type is colour."""
    if metadata.color_handling or not metadata.pixel_types:
        return metadata.color_handling
    return (
        "SplitRgb" if any(name.startswith("Bgr") for name in metadata.pixel_types) else "ConvertToMonochrome"
    )


def _one_border(metadata: ArchiveMetadata, *, archive: bool) -> ArchiveMetadata:
    """A `.czmodel` has one border for both axes: the larger one of an archive, the user's own must be one."""
    y, x = metadata.sides
    if y != x and not archive:
        raise OptionError(f"the border is {y} and {x} pixels; a .czmodel has one for both axes")
    return replace(metadata, border=max(y, x))


def _channels(network: Network, metadata: ArchiveMetadata, options: ConvertOptions) -> int:
    """The network's own channels, or what was said about them."""
    if options.channels and network.channels not in (None, options.channels):
        raise OptionError(
            f"--channels is {options.channels}, the network takes {network.channels}; leave it out"
        )
    declared = metadata.shapes[0][2] if metadata.shapes else metadata.pixel_channels
    channels = network.channels or options.channels or declared
    if channels is None:
        raise OptionError("the network does not say how many channels it takes; give --channels")
    return channels


def _tile(network: Network, metadata: ArchiveMetadata, options: ConvertOptions) -> tuple[int, int]:
    height, width = options.tile or network.size
    declared = metadata.tile or (None, None)
    height, width = height or declared[0], width or declared[1]
    if height is None or width is None:
        raise OptionError(
            "the network takes pictures of any size; say which tile it shall get: --spatial-dims HEIGHT WIDTH"
        )
    return height, width


def _check_result(plan: _Plan, batch: verify.Array, result: verify.Array, *, resized: bool) -> None:
    """Check that there is a picture for each picture, with what the metadata say in it."""
    if result.ndim != 4 or result.shape[:3] != batch.shape[:3]:
        raise ModelError(
            f"the network makes {_times(result.shape[1:])} of a picture of {_times(batch.shape[1:3])} pixels; only"
            " networks whose result has the height and width of their input can be tiled"
        )
    height, width, outputs = result.shape[1:]
    found = (*plan.tile, plan.channels), (height, width, outputs)
    checks.shapes(plan.metadata, found, resized=resized)
    checks.outputs(plan.metadata, outputs)
    checks.scores(plan.metadata, result)


def _times(sizes: Sequence[int]) -> str:
    return " × ".join(map(str, sizes))


def _written(plan: _Plan, options: ConvertOptions) -> tuple[bytes, tuple[str, ...]]:
    """The network's bytes, and what to know about them."""
    if options.runtime is Runtime.SAVEDMODEL:
        with verify.workplace() as folder:
            plan.network.to_saved_model(Path(folder), before=plan.before, after=plan.after)
            return zip_folder(Path(folder)), ()
    wanted = _opsets(plan, options)
    for opset in wanted:
        try:
            model = plan.network.to_onnx(opset, before=plan.before, after=plan.after)
        except ModelError:
            if opset == wanted[-1]:
                raise
            continue
        break
    newer = plan.format == "czmodel" and opset > _LEGACY_OPSET
    warning = f"the network needs ONNX opset {opset}; only newer ZEN reads more than {_LEGACY_OPSET} from a .czmodel"
    return to_bytes(model), (warning,) if newer else ()


def _opsets(plan: _Plan, options: ConvertOptions) -> tuple[int, ...]:
    """Opsets to try, in order: the one asked for, or the oldest that readers want, or the source's own."""
    if options.opset is not None:
        return (options.opset,)
    own = plan.network.opset
    usual = _OPSETS if own is None else (own,)
    return (_LEGACY_OPSET, *usual) if plan.format == "czmodel" and _LEGACY_OPSET not in usual else usual


def _contents(plan: _Plan, network: bytes, runtime: Runtime, outputs: int) -> Contents:
    contents = Contents(
        metadata=plan.metadata,
        network=network,
        runtime=runtime,
        tile=plan.tile,
        channels=plan.channels,
        outputs=outputs,
        licence=plan.licence,
    )
    named = plan.metadata.id or str(uuid.uuid5(_NAMESPACE, _fingerprint(contents)))
    return replace(contents, metadata=replace(plan.metadata, id=named.lower()))


def _fingerprint(contents: Contents) -> str:
    """Of everything that is packed: the same input gives the same id, and so the same bytes."""
    said = replace(contents.metadata, licence=None)
    parts = (repr(said), str(contents.tile), repr(contents.licence), sha256(contents.network).hexdigest())
    return sha256("\n".join(parts).encode()).hexdigest()


def _check_comparison(comparison: Comparison, tolerance: float) -> None:
    if comparison.relative_error <= tolerance:
        return
    raise ModelError(
        f"the archive does not compute what its source does: outputs differ by up to {comparison.max_error:.3g}, that"
        f" is {comparison.relative_error:.2g} of their range ({tolerance:g} is allowed, see --tolerance); nothing was"
        " written"
    )


def _report(
    path: Path, plan: _Plan, model: Model, comparison: Comparison, leak: float | None, options: ConvertOptions
) -> ConversionReport:
    spec = model.spec
    graph = parse_onnx(model.network) if spec.runtime is Runtime.ONNX else None
    whole = whole_tile_layers(graph) if graph else ()
    return ConversionReport(
        target=path,
        id=spec.id,
        format=spec.format,
        format_version=spec.format_version,
        runtime=spec.runtime,
        source=plan.network.kind,
        framework=plan.network.framework,
        tile=spec.tile,
        border=spec.border,
        channels=spec.channels,
        outputs=spec.outputs or len(plan.metadata.classes),
        parameters=parameters(graph) if graph else 0,
        opset=spec.opset,
        comparison=comparison,
        tolerance=options.tolerance,
        whole_tile_layers=whole,
        border_leak=leak,
        lost=plan.lost,
        warnings=(*plan.network.notes, *spec.warnings, *_seams(plan, whole, leak)),
        seconds=0.0,
    )


def _seams(plan: _Plan, whole: Sequence[str], leak: float | None) -> tuple[str, ...]:
    """Why tiles of this network may not fit together."""
    found = []
    if plan.metadata.border is None:
        found.append("no border was given, so tiles do not overlap and seams will show; give --border")
    if whole:
        found.append(
            f"layers look at the whole tile, so results depend on where tiles lie: {', '.join(whole)}"
        )
    elif leak:
        what = "of the output's range" if plan.metadata.task == REGRESSION else "of the labels"
        found.append(
            f"the border of {_times(plan.metadata.sides)} pixels is smaller than what the network looks at: in a trial"
            f" pixels farther away changed {leak:.2%} {what}"
        )
    return tuple(found)
