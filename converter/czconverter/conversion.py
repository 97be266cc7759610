"""The verb `convert`: source in, archive out, and the proof that both compute the same.

It only puts the parts in order: open the source, settle the metadata, fix the size, write ONNX (or a SavedModel),
pack, and compare before the archive appears under its name. Only this module knows which opset is tried first.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

from czconverter import checks, frameworks, verify
from czconverter.graphs.canonical import to_bytes
from czconverter.graphs.check import parameters
from czconverter.metadata import ArchiveMetadata
from czconverter.options import ConvertOptions
from czconverter.package import archive_bytes
from czconverter.package.contents import Contents
from czconverter.package.staging import format_of, staged, target_path
from czconverter.package.zipping import zip_folder
from czconverter.planning import Plan, hints, make_plan, times, with_steps_parsed
from czconverter.report import Comparison, ConversionReport
from czconverter.sources import opened
from czengine.certificate import Certificate, certify, reach_of
from czengine.errors import ModelError
from czengine.graph.signature import parse_onnx
from czengine.model import Model
from czengine.spec import Runtime

_OPSETS = (17, 18)  # 18 where an exporter has nothing older
_LEGACY_OPSET = 12  # what readers of .czmodel promise
_LEAK = 1e-3  # of the outputs' range: less is not worth a word
_UNREST = 10  # times what the source differs from itself, an archive may differ from it
_NAMESPACE = uuid.UUID("6f3cf7e4-6f0b-5d0e-9b61-2d6b1f3c9a57")  # ours, for ids made from content
_ONE_AT_A_TIME = threading.RLock()  # the frameworks keep names, policies and messages for the whole process
Tell = Callable[[str], None]


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
    options, tell = with_steps_parsed(options or ConvertOptions()), progress or (lambda _: None)
    format_ = format_of(Path(target), options.format)
    path = target_path(Path(target), format_)
    tell("loading")
    if options.runtime is Runtime.ONNX:
        frameworks.load("onnxruntime")  # which compares at the end; better told now
    with (
        _ONE_AT_A_TIME,
        staged(path, overwrite=options.overwrite) as part,
        opened(source, options=options) as found,
    ):
        plan = make_plan(found, metadata or ArchiveMetadata(), format_, path, options)
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
            if comparison.relative_error > options.tolerance:
                restless = verify.unrest(run, batch, expected, plan.largest)
                warnings = (*warnings, _excuse(comparison, options.tolerance, restless))
            leak = verify.border_leak(trial, plan.tile, plan.metadata.sides, plan.largest)
        report = _report(path, plan, model, comparison, leak, options)
    return replace(report, warnings=(*warnings, *report.warnings), seconds=perf_counter() - started)


def _check_result(plan: Plan, batch: verify.Array, result: verify.Array, *, resized: bool) -> None:
    """Check that there is a picture for each picture, with what the metadata say in it."""
    if result.ndim != 4 or result.shape[:3] != batch.shape[:3]:
        raise ModelError(
            f"the network makes {times(result.shape[1:])} of a picture of {times(batch.shape[1:3])} pixels; only"
            " networks whose result has the height and width of their input can be tiled"
        )
    height, width, outputs = result.shape[1:]
    found = (*plan.tile, plan.channels), (height, width, outputs)
    checks.shapes(plan.metadata, found, resized=resized)
    checks.outputs(plan.metadata, outputs)
    checks.scores(plan.metadata, result)


def _written(plan: Plan, options: ConvertOptions) -> tuple[bytes, tuple[str, ...]]:
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


def _opsets(plan: Plan, options: ConvertOptions) -> tuple[int, ...]:
    """Opsets to try, in order: the one asked for, or the oldest that readers want, or the source's own."""
    if options.opset is not None:
        return (options.opset,)
    own = plan.network.opset
    usual = _OPSETS if own is None else (own,)
    return (_LEGACY_OPSET, *usual) if plan.format == "czmodel" and _LEGACY_OPSET not in usual else usual


def _contents(plan: Plan, network: bytes, runtime: Runtime, outputs: int) -> Contents:
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


def _excuse(comparison: Comparison, tolerance: float, unrest: float) -> str:
    """Why a difference above the tolerance is no fault of the archive.

    Raises
    ------
    ModelError
        Where it is one.
    """
    error = comparison.relative_error
    if error <= _UNREST * unrest:
        return (
            f"the archive differs from its source by {error:.2g} of the range of its outputs, and so does the source"
            f" from itself ({unrest:.2g}) when pixels change in their last bit: the network amplifies rounding"
        )
    raise ModelError(
        f"the archive does not compute what its source does: outputs differ by up to {comparison.max_error:.3g}, that"
        f" is {error:.2g} of their range ({tolerance:g} is allowed, see --tolerance; half precision needs about 0.01,"
        " and random layers or ones that mix the pictures of a batch never agree); nothing was written"
    )


def _report(
    path: Path, plan: Plan, model: Model, comparison: Comparison, leak: float | None, options: ConvertOptions
) -> ConversionReport:
    spec = model.spec
    graph = parse_onnx(model.network) if spec.runtime is Runtime.ONNX else None
    certificate = certify(reach_of(spec, model.network), plan.metadata.sides)
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
        certificate=certificate,
        border_leak=leak,
        lost=plan.lost,
        warnings=(*plan.network.notes, *spec.warnings, *hints(plan), *_seams(plan, certificate, leak)),
        seconds=0.0,
    )


def _seams(plan: Plan, certificate: Certificate, leak: float | None) -> tuple[str, ...]:
    """Why tiles of this network may not fit together."""
    found = []
    if plan.metadata.border is None:
        found.append("no border was given, so tiles do not overlap and seams will show; give --border")
    leaking = leak is not None and leak > _LEAK
    if certificate.reasons or leaking or (certificate.radius and not certificate.exact):
        found.append(f"{certificate.sentence}{_measured(leak)}")
    return tuple(found)


def _measured(leak: float | None) -> str:
    if not leak:  # nothing was seen, which proves nothing
        return ""
    return f"; in a trial pixels beyond the border changed outputs by up to {leak:.1%} of their range"
