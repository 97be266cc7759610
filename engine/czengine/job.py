"""Everything decided about one image before its first pixel is read, so that errors come before work.

Joins model, image and options; runs nothing. `pipeline` carries a job out, `inspect` shows it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from czengine.config import InputOptions, OutputOptions, RunOptions
from czengine.errors import OptionError
from czengine.footprint import Memory, Sizes
from czengine.geometry import METRES
from czengine.inputs import InputMap, plan_input
from czengine.ordering import plan_order
from czengine.plan import TilePlan
from czengine.schedule import Grid, Sweep, cell_size
from czengine.session.devices import available_cores
from czengine.sinks.array import array_block
from czengine.sinks.base import Target
from czengine.sinks.layout import plan_layout
from czengine.sinks.targets import plan_targets
from czengine.sources.base import ImageInfo, PlaneIndex, Source
from czengine.sources.select import planes
from czengine.spec import ModelSpec, Task
from czengine.tiling import Tiling

DEFAULT_THRESHOLD = 0.5  # multi-label classes, where the user names none
_FLOAT = 4  # bytes
_MIXING = 16  # bytes per pixel that `InputMap.prepare` takes meanwhile, at most
_PIXEL_SIZES_DIFFER = 1.1  # ratio from which on a model sees things at another size than in training


@dataclass(frozen=True, kw_only=True)
class Job:
    """One image, one model, all decisions.

    Attributes
    ----------
    spec : ModelSpec
        The model.
    source : Source
        The image.
    inputs : InputMap
        Which channels, in which order, on which scale.
    tiling : Tiling
        How planes are cut.
    plan : TilePlan
        Tiles of a plane; the same for every plane.
    planes : sequence of PlaneIndex
        The planes to be inferred.
    sweeps : sequence of Sweep
        The order of the work.
    cells : Grid
        The parts of a plane that are read at once.
    memory : Memory
        What is held at once.
    targets : tuple of Target
        What is written; empty for arrays in memory.
    task : Task
        What is made of the network's outputs: the model's own task, or `REGRESSION` to keep them.
    min_confidence : float or None
        Labels need at least this score; None labels every pixel.
    batch : int
        Tiles per network call.
    memo : bool
        Tiles of one constant value are run once per value.
    notes : tuple of str
        What the user should know about this model on this image.
    """

    spec: ModelSpec
    source: Source
    inputs: InputMap
    tiling: Tiling
    plan: TilePlan
    planes: Sequence[PlaneIndex]
    sweeps: Sequence[Sweep]
    cells: Grid
    memory: Memory
    targets: tuple[Target, ...]
    task: Task
    min_confidence: float | None
    batch: int
    memo: bool
    notes: tuple[str, ...]

    @property
    def info(self) -> ImageInfo:
        """Facts about the image."""
        return self.source.info

    @property
    def tiles(self) -> int:
        """Tiles over all planes; those on the edge of two stripes count twice."""
        return len(self.plan.rows) * sum(
            len(sweep.group.planes) * len(sweep.stripe.spans) for sweep in self.sweeps
        )

    @property
    def recompute_factor(self) -> float:
        """Pixels the network computes per result pixel; 1.0 would be no overlap at all."""
        return self.tiles * self.plan.tile[0] * self.plan.tile[1] / self.pixels

    @property
    def pixels(self) -> int:
        """Result pixels over all planes."""
        return len(self.planes) * self.plan.height * self.plan.width

    @property
    def pixel_area(self) -> float | None:
        """Area of a pixel in square micrometres; None where the image does not say."""
        height, width = (_pixel_size(self.info, axis) for axis in ("y", "x"))
        return None if height is None or width is None else height * width * 1e12


def prepare_job(
    spec: ModelSpec,
    source: Source,
    *,
    tiling: Tiling,
    inputs: InputOptions,
    output: OutputOptions,
    run: RunOptions,
    to_files: bool,
) -> Job:
    """Decide everything about one image; `to_files` also decides what is written where.

    Raises
    ------
    PlanError, ImageError, OptionError, OutputError
        Where model, image and options do not go together.
    """
    info = source.info
    task = Task.REGRESSION if output.scores else spec.task
    confidence = _min_confidence(task, output)
    input_map = plan_input(spec, info, inputs)
    chosen = planes(info, inputs.select)
    plan = tiling.plan(info.height, info.width)
    batch, batch_notes = _batch(spec, len(plan) * len(chosen), run)
    made_by = _provenance(
        spec, info, input_map, inputs, tiling, plan, planes=len(chosen), min_confidence=confidence
    )
    targets = plan_targets(spec, info, output, provenance=made_by) if to_files else ()
    sizes = _sizes(spec, info, input_map, plan, targets, batch=batch, run=run)
    order = plan_order(sizes, chosen, _plane_depths(info), run.memory_limit)
    return Job(
        spec=spec,
        source=source,
        inputs=input_map,
        tiling=tiling,
        plan=plan,
        planes=chosen,
        sweeps=order.sweeps,
        cells=order.cells,
        memory=order.memory,
        targets=targets,
        task=task,
        min_confidence=confidence,
        batch=batch,
        memo=run.memo,
        notes=(*tiling.notes, *input_map.notes, *_scale_notes(spec, info), *batch_notes),
    )


def _sizes(
    spec: ModelSpec,
    info: ImageInfo,
    input_map: InputMap,
    plan: TilePlan,
    targets: Sequence[Target],
    *,
    batch: int,
    run: RunOptions,
) -> Sizes:
    chunk = (info.chunks[info.axes.index("y")], info.chunks[info.axes.index("x")])
    cell = cell_size((info.height, info.width), chunk)
    return Sizes(
        plan=plan,
        cell=cell,
        chunk=chunk,
        block=_block(info, targets),
        pixel=info.dtype.itemsize * len(input_map.read) if targets else 0,  # arrays are there anyway
        result=_result_bytes(targets),
        input=_FLOAT * spec.channels,
        output=_FLOAT * spec.outputs,
        batch=batch,
        threads=run.threads or available_cores(),
        chunk_bytes=math.prod(info.chunks) * info.dtype.itemsize if targets else 0,
        mixing=_MIXING * math.prod(cell) if input_map.gray else 0,
    )


def _plane_depths(info: ImageInfo) -> tuple[int, ...]:
    """Chunk length along every axis that counts planes."""
    return tuple(info.chunks[info.axes.index(axis)] for axis in info.axes.planes)


def _block(info: ImageInfo, targets: Sequence[Target]) -> tuple[int, int]:
    """Height and width of a block of the result."""
    if not targets:
        return array_block(info.height, info.width)
    layout = plan_layout(targets[0])
    blocks = dict(zip(layout.axes, layout.levels[0].blocks, strict=True))
    return blocks["y"], blocks["x"]


def _result_bytes(targets: Sequence[Target]) -> int:
    """Bytes of one result pixel, all channels; an array in memory is the caller's."""
    return sum(target.dtype.itemsize * max(len(target.channels), 1) for target in targets)


def _min_confidence(task: Task, output: OutputOptions) -> float | None:
    if task is Task.REGRESSION and output.min_confidence is not None:
        raise OptionError(
            f"min_confidence is {output.min_confidence}, but a regression model writes no labels; leave it out"
        )
    if task is Task.MULTILABEL and output.min_confidence is None:
        return DEFAULT_THRESHOLD
    return output.min_confidence


def _batch(spec: ModelSpec, tiles: int, run: RunOptions) -> tuple[int, tuple[str, ...]]:
    """A batch larger than the job would infer tiles nobody asked for."""
    if spec.fixed_batch is None:
        return min(run.batch, tiles), ()
    if run.batch in (1, spec.fixed_batch):
        return spec.fixed_batch, ()
    return spec.fixed_batch, (
        f"batch is {run.batch}, but the network only takes {spec.fixed_batch} tiles at once",
    )


def _pixel_size(info: ImageInfo, axis: str) -> float | None:
    """Pixel size of the level to be segmented in metres; None where the store does not know it."""
    index = info.axes.index(axis)
    metres = METRES.get(info.units[index] or "")
    return abs(info.levels[0].scale[index]) * metres or None if metres else None


def _scale_notes(spec: ModelSpec, info: ImageInfo) -> tuple[str, ...]:
    size = _pixel_size(info, "x")
    if spec.pixel_size is None or size is None:
        return ()
    trained = spec.pixel_size[0]
    if 1 / _PIXEL_SIZES_DIFFER < size / trained < _PIXEL_SIZES_DIFFER:
        return ()
    return (
        f"pixels of the image are {size * 1e6:.3g} µm wide, the model was trained on {trained * 1e6:.3g} µm; "
        f"a level or an image of that pixel size may give better results",
    )


def _provenance(
    spec: ModelSpec,
    info: ImageInfo,
    input_map: InputMap,
    options: InputOptions,
    tiling: Tiling,
    plan: TilePlan,
    *,
    planes: int,
    min_confidence: float | None,
) -> dict[str, Any]:
    """What the result's metadata keep about how it was made; JSON-able."""
    select = {axis: list(bounds) for axis, bounds in (options.select or {}).items()}
    return {
        "version": version("czengine"),
        "model": {"id": spec.id, "name": spec.name, "sha256": spec.digest},
        "tiling": {"method": tiling.method, "tile": list(plan.tile), "border": list(tiling.border)},
        "input": {
            "level": info.level,
            "channels": list(input_map.read),
            "order": list(input_map.channels),
            "gray": input_map.gray,
            "divisor": input_map.divisor,
        },
        "select": select,
        "planes": planes,
        "min_confidence": min_confidence,
    }
