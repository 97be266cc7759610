"""Random jobs for the tests of the stages: planes, tiles, chunks, blocks and stripes that have nothing in common."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hypothesis import strategies as st

from czengine.geometry import Region
from czengine.inputs import InputMap
from czengine.plan import TilePlan, plan_plane
from czengine.schedule import Grid, Placed, Sweep, plane_groups, stripes
from czengine.sources.base import PlaneIndex


@dataclass(frozen=True, kw_only=True)
class Case:
    """Sizes of a job; `first` and `counts` say which planes of each plane axis are taken."""

    size: tuple[int, int]
    tile: tuple[int, int]
    border: tuple[int, int]
    cell: tuple[int, int]
    block: tuple[int, int]
    stripe: int
    first: tuple[int, ...]
    counts: tuple[int, ...]
    depths: tuple[int, ...]

    @cached_property
    def plan(self) -> TilePlan:
        return plan_plane(*self.size, tile=self.tile, border=self.border)

    @cached_property
    def cells(self) -> Grid:
        return Grid(*self.size, self.cell)

    @cached_property
    def blocks(self) -> Grid:
        return Grid(*self.size, self.block)

    @cached_property
    def planes(self) -> tuple[PlaneIndex, ...]:
        return tuple(
            itertools.product(*(range(a, a + n) for a, n in zip(self.first, self.counts, strict=True)))
        )

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Of all planes of an image that has these: (plane axes…, y, x)."""
        return (*(a + n for a, n in zip(self.first, self.counts, strict=True)), *self.size)

    @cached_property
    def sweeps(self) -> tuple[Sweep, ...]:
        groups = plane_groups(self.planes, self.depths)
        return tuple(Sweep(group, one) for group in groups for one in stripes(self.plan, self.stripe))

    @cached_property
    def placed(self) -> list[tuple[int, int, Placed]]:
        """Every tile in the order of the work, with the number of its sweep and the position of its plane."""
        return [
            (number, position, placed)
            for number, sweep in enumerate(self.sweeps)
            for row in self.plan.rows
            for position, plane in enumerate(sweep.group.planes)
            for placed in sweep.row(self.plan, row, plane)
        ]


@st.composite
def cases(draw: st.DrawFn, *, most: int = 40, axes: int = 2) -> Case:
    """Planes of up to `most` × `most` pixels, and not too many tiles."""
    tile = draw(pairs(1, 16))
    border = [draw(st.integers(0, (edge - 1) // 2)) for edge in tile]
    height, width = (
        draw(st.integers(1, min(most, 6 * (edge - 2 * b)))) for edge, b in zip(tile, border, strict=True)
    )
    count = draw(st.integers(0, axes))
    return Case(
        size=(height, width),
        tile=tile,
        border=(border[0], border[1]),
        cell=draw(pairs(1, 20)),
        block=draw(pairs(1, 20)),
        stripe=draw(st.integers(1, most)),
        first=draw(tuples(0, 3, count)),
        counts=draw(tuples(1, 3, count)),
        depths=draw(tuples(1, 3, count)),
    )


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    """Two whole numbers."""
    return st.tuples(st.integers(low, high), st.integers(low, high))


def tuples(low: int, high: int, count: int) -> st.SearchStrategy[tuple[int, ...]]:
    """`count` whole numbers."""
    return st.tuples(*[st.integers(low, high)] * count)


def input_map(**changes: Any) -> InputMap:
    """One channel, passed as it is; `changes` are fields of `InputMap`."""
    values = {"read": (0,), "channels": (0,), "gray": False, "divisor": 1.0, "constant": 1.0, "notes": ()}
    return InputMap(**{**values, **changes})


def touched(grid: Grid, region: Region) -> set[tuple[int, int]]:
    """Places of a grid whose rectangles share a pixel with a region, looked at one by one."""
    rows, columns = -(-grid.height // grid.step[0]), -(-grid.width // grid.step[1])
    found = set()
    for row, column in itertools.product(range(rows), range(columns)):
        part = grid.region(row, column).common(region)
        if part.height and part.width:
            found.add((row, column))
    return found
