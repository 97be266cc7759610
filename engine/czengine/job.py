"""Everything decided about one image before its first pixel is read, so that errors come before work.

Joins model, image and options; runs nothing. `pipeline` carries a job out, `inspect` shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from czengine.config import InputOptions, OutputOptions, RunOptions
from czengine.errors import OptionError
from czengine.inputs import InputMap, plan_input
from czengine.plan import TilePlan, plan_plane
from czengine.sinks.base import Target
from czengine.sources.base import ImageInfo, PlaneIndex, Source
from czengine.sources.select import planes
from czengine.spec import ModelSpec, Task

_MICROMETRES = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "centimeter": 1e4, "meter": 1e6}


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
    plan : TilePlan
        Tiles of a plane; the same for every plane.
    planes : sequence of PlaneIndex
        The planes to be inferred.
    targets : tuple of Target
        What is written; empty for arrays in memory.
    output : OutputOptions
        Labels or scores, and from which confidence on.
    batch : int
        Tiles per network call.
    """

    spec: ModelSpec
    source: Source
    inputs: InputMap
    plan: TilePlan
    planes: Sequence[PlaneIndex]
    targets: tuple[Target, ...]
    output: OutputOptions
    batch: int

    @property
    def info(self) -> ImageInfo:
        """Facts about the image."""
        return self.source.info

    @property
    def tiles(self) -> int:
        """Network inputs over all planes."""
        return len(self.planes) * len(self.plan)

    @property
    def pixels(self) -> int:
        """Result pixels over all planes."""
        return len(self.planes) * self.plan.height * self.plan.width

    @property
    def memory(self) -> int:
        """Bytes the bands and batches take; the runtime's own memory comes on top and is not known beforehand.

        Two bands of input (as stored and as prepared), the result rows with what a pyramid holds back, and
        one batch in and out.
        """
        rows = max(min(row.roi_stop, self.plan.height) - max(row.roi_start, 0) for row in self.plan.rows)
        read = 2 * rows * self.plan.width * len(self.inputs.read) * self.info.dtype.itemsize
        result = 4 * rows * self.plan.width * sum(_pixel_bytes(t) for t in self.targets)
        tile = int(np.prod(self.plan.tile))
        return read + result + 4 * self.batch * tile * (self.spec.channels + self.spec.outputs)

    @property
    def pixel_area(self) -> float | None:
        """Area of a pixel in square micrometres; None where the image does not say."""
        return pixel_area(self.info)


def prepare_job(
    spec: ModelSpec,
    source: Source,
    *,
    inputs: InputOptions,
    output: OutputOptions,
    run: RunOptions,
    targets: tuple[Target, ...] = (),
) -> Job:
    """Decide everything about one image.

    Raises
    ------
    PlanError, ImageError, OptionError
        Where model, image and options do not go together.
    """
    info = source.info
    if output.min_confidence is not None and spec.task is Task.REGRESSION:
        raise OptionError(
            f"min_confidence is {output.min_confidence}, but a regression model writes no labels; leave it out"
        )
    return Job(
        spec=spec,
        source=source,
        inputs=plan_input(spec, info, inputs),
        plan=plan_plane(info.height, info.width, tile=spec.tile, border=spec.border),
        planes=planes(info, inputs.select),
        targets=targets,
        output=output,
        batch=spec.fixed_batch or run.batch,
    )


def pixel_area(info: ImageInfo) -> float | None:
    """Area of a pixel of the level to be segmented, in square micrometres; None where size or unit is unknown."""
    area = 1.0
    for axis in ("y", "x"):
        index = info.axes.index(axis)
        factor = _MICROMETRES.get(info.units[index] or "")
        if factor is None:
            return None
        area *= abs(info.levels[0].scale[index]) * factor
    return area or None  # some writers say 0 where they do not know


def provenance(spec: ModelSpec, *, inputs: InputMap, output: OutputOptions) -> dict[str, Any]:
    """What the result's metadata keep about how it was made; JSON-able."""
    return {
        "version": version("czengine"),
        "model": {"id": spec.id, "name": spec.name, "sha256": spec.digest},
        "tiling": {"method": "intellesis", "tile": list(spec.tile), "border": list(spec.border)},
        "input": {"channels": list(inputs.read), "divisor": inputs.divisor},
        "min_confidence": output.min_confidence,
    }


def _pixel_bytes(target: Target) -> int:
    return target.dtype.itemsize * max(len(target.channels), 1)
