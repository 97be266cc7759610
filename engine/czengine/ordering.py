"""In which order a job is done so that it fits into memory: joins `schedule` and `footprint`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from czengine.errors import OptionError
from czengine.footprint import Memory, Sizes, plan_memory
from czengine.schedule import Grid, Sweep, plane_groups, stripes
from czengine.sources.base import PlaneGroup, PlaneIndex


@dataclass(frozen=True, kw_only=True)
class Order:
    """What was decided.

    Attributes
    ----------
    cells : Grid
        The parts of a plane that are read at once.
    sweeps : tuple of Sweep
        The order of the work.
    memory : Memory
        What is held at once.
    """

    cells: Grid
    sweeps: tuple[Sweep, ...]
    memory: Memory


def plan_order(sizes: Sizes, planes: Sequence[PlaneIndex], depths: Sequence[int], limit: int) -> Order:
    """Planes that share chunks are read together where memory allows; otherwise each of them reads them again.

    Parameters
    ----------
    sizes : Sizes
        For one plane at a time.
    planes : sequence of PlaneIndex
        Those of the job.
    depths : sequence of int
        Chunk length along every axis that counts planes.
    limit : int
        Bytes.

    Raises
    ------
    OptionError
        Where even a single plane in the narrowest stripes needs more.
    """
    together = plane_groups(planes, depths)
    if len(together) < len(planes):
        try:
            return _order(sizes, together, limit)
        except OptionError:  # too much at once
            pass
    return _order(sizes, plane_groups(planes, [1] * len(depths)), limit)


def _order(sizes: Sizes, groups: Sequence[PlaneGroup], limit: int) -> Order:
    plan = sizes.plan
    memory = plan_memory(replace(sizes, planes=max(len(group.planes) for group in groups)), limit)
    cut = stripes(plan, memory.stripe)
    return Order(
        cells=Grid(plan.height, plan.width, sizes.cell),
        sweeps=tuple(Sweep(group, stripe) for group in groups for stripe in cut),
        memory=memory,
    )
