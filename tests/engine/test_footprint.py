"""What a job is said to hold is what its cells and blocks add up to, and it stays below the limit."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from czengine.errors import OptionError
from czengine.footprint import MEMO_ENTRIES, QUEUED, Footprint, Memory, Sizes, plan_memory
from czengine.plan import plan_plane
from czengine.schedule import Grid, Stripe, stripes
from tests.support.limits import needed

PLENTY = 2**40
MIB = 2**20


def sizes_of(size: tuple[int, int], **changes: Any) -> Sizes:
    """A gray 8-bit image with tiles of 64 pixels; `changes` are fields of `Sizes`."""
    values: dict[str, Any] = {
        "plan": plan_plane(*size, tile=(64, 64), border=(8, 8)),
        "cell": (512, 512),
        "chunk": (512, 512),
        "block": (512, 512),
        "pixel": 1,
        "result": 1,
        "input": 4,
        "output": 8,
        "batch": 1,
        "threads": 2,
    }
    return Sizes(**{**values, **changes})


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def jobs(draw: st.DrawFn, widest: int = 600) -> Sizes:
    """Planes that are cut into many stripes, with cells, blocks and tiles that do not fit together."""
    tile = draw(pairs(12, 64))
    border = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    return Sizes(
        plan=plan_plane(draw(st.integers(1, 100)), draw(st.integers(1, widest)), tile=tile, border=border),
        cell=draw(pairs(1, 120)),
        chunk=draw(pairs(1, 60)),
        block=draw(pairs(16, 120)),
        pixel=draw(st.integers(1, 6)),
        result=draw(st.integers(1, 8)),
        input=4,
        output=draw(st.integers(4, 20)),
        batch=draw(st.integers(1, 3)),
        threads=draw(st.integers(1, 4)),
        planes=draw(st.integers(1, 3)),
    )


def somewhere(sizes: Sizes, place: float) -> Memory:
    """With a limit between the smallest and what the whole plane takes."""
    low, high = needed(sizes), plan_memory(sizes, PLENTY).footprint.total
    return plan_memory(sizes, low + round(place * max(high - low, 0)))


# ------------------------------------------------------------------------------------------ the sum


def test_the_total_is_the_sum_of_all_parts() -> None:
    parts = {field.name: 10**i for i, field in enumerate(fields(Footprint))}
    assert Footprint(**parts).total == 1111111


def test_every_part_of_a_plain_job() -> None:
    """1000 × 3000 pixels, cells and blocks of 512, tiles of 64; by hand."""
    found = plan_memory(sizes_of((1000, 3000)), PLENTY)
    assert found.stripe == 6 * 512
    assert found.footprint == Footprint(
        cells=1000 * 3000,  # a row of tiles may touch two rows of cells
        ahead=512 * 3000,
        decoding=3 * 512 * 512,
        batches=64 * 64 * (3 * 4 + 3 * 8),
        blocks=1000 * 3000,
        writing=QUEUED * 512 * 512,
        memo=MEMO_ENTRIES * 64 * 64,
    )


@pytest.mark.parametrize(
    ("change", "part", "factor"),
    [
        ({"pixel": 3}, "cells", 3),
        ({"pixel": 3}, "ahead", 3),
        ({"pixel": 3}, "decoding", 3),
        ({"planes": 2}, "cells", 2),
        ({"planes": 2}, "blocks", 2),
        ({"batch": 5}, "batches", 5),
        ({"result": 7}, "blocks", 7),
        ({"result": 7}, "writing", 7),
        ({"result": 7}, "memo", 7),
        ({"threads": 5}, "decoding", 2),
    ],
)
def test_parts_grow_with_what_they_depend_on(change: dict[str, int], part: str, factor: int) -> None:
    plain = sizes_of((1000, 3000))
    before, after = (plan_memory(s, PLENTY).footprint for s in (plain, replace(plain, **change)))
    assert getattr(after, part) == factor * getattr(before, part)


def test_it_does_not_depend_on_the_height_of_the_image() -> None:
    small, large = (plan_memory(sizes_of((height, 3000)), PLENTY) for height in (5000, 500_000))
    assert small == large


# ------------------------------------------------------------------------------------ what is held


def held_by_cells(sizes: Sizes, stripe: Stripe) -> int:
    """Bytes of the cells under the worst row of tiles, one by one."""
    plan, grid = sizes.plan, Grid(sizes.plan.height, sizes.plan.width, sizes.cell)
    worst = 0
    for row in plan.rows:
        regions = {
            grid.region(*place)
            for tile in plan.row_tiles(row, stripe.spans)
            for place in grid.over(tile.roi.clipped(plan.height, plan.width))
        }
        worst = max(worst, sum(r.height * r.width for r in regions))
    return worst * sizes.pixel * sizes.planes


def held_by_blocks(sizes: Sizes, stripe: Stripe) -> int:
    """Bytes of the blocks under the worst row of tiles, one by one."""
    plan, grid = sizes.plan, Grid(sizes.plan.height, sizes.plan.width, sizes.block)
    worst = 0
    for row in plan.rows:
        places = (
            (y, x) for y in grid.rows(row.start, row.stop) for x in grid.columns(stripe.left, stripe.right)
        )
        worst = max(worst, sum(r.height * r.width for r in (grid.region(*place) for place in places)))
    return worst * sizes.result * sizes.planes


@given(sizes=jobs(), place=st.floats(0, 1))
def test_no_row_of_tiles_in_any_stripe_needs_more_than_was_planned(sizes: Sizes, place: float) -> None:
    memory = somewhere(sizes, place)
    found = stripes(sizes.plan, memory.stripe)
    assert max(held_by_cells(sizes, one) for one in found) <= memory.footprint.cells
    assert max(held_by_blocks(sizes, one) for one in found) <= memory.footprint.blocks


@given(sizes=jobs())
def test_the_whole_plane_is_planned_to_the_byte(sizes: Sizes) -> None:
    memory = plan_memory(sizes, PLENTY)
    (stripe,) = stripes(sizes.plan, memory.stripe)
    assert memory.footprint.cells == held_by_cells(sizes, stripe)
    assert held_by_blocks(sizes, stripe) <= memory.footprint.blocks


# ------------------------------------------------------------------------------------------ the limit


@given(sizes=jobs(), place=st.floats(0, 1))
def test_the_limit_is_kept_and_stripes_are_blocks_shared_out_evenly(sizes: Sizes, place: float) -> None:
    low, high = needed(sizes), plan_memory(sizes, PLENTY).footprint.total
    limit = low + round(place * max(high - low, 0))
    memory = plan_memory(sizes, limit)
    assert memory.footprint.total <= limit
    blocks, count = (-(-sizes.plan.width // width) for width in (sizes.block[1], memory.stripe))
    assert memory.stripe == -(-blocks // count) * sizes.block[1]


@given(sizes=jobs(), place=st.floats(0, 1), more=st.floats(0, 1))
def test_more_memory_gives_stripes_as_wide_or_wider(sizes: Sizes, place: float, more: float) -> None:
    narrow, wide = somewhere(sizes, min(place, more)), somewhere(sizes, max(place, more))
    assert narrow.stripe <= wide.stripe


def test_what_is_left_is_read_ahead_up_to_a_row_of_cells() -> None:
    sizes = sizes_of((5000, 3000))
    most = plan_memory(sizes, PLENTY).footprint
    assert most.ahead == 512 * 3000
    for less in (1, 1000, most.ahead):
        found = plan_memory(sizes, most.total - less)
        assert found.stripe == 6 * 512
        assert found.footprint.ahead == most.ahead - less
    assert plan_memory(sizes, most.total - most.ahead - 1).stripe < 6 * 512


@example(sizes=sizes_of((10, 10)), short=0.5)
@given(sizes=jobs(), short=st.floats(0.01, 0.999))
def test_the_error_names_a_limit_that_is_enough(sizes: Sizes, short: float) -> None:
    limit = int(needed(sizes) * short)
    with pytest.raises(OptionError) as caught:
        plan_memory(sizes, limit)
    message = str(caught.value)
    match = re.fullmatch(
        r"memory_limit is (\d+) MiB, but this image and network need at least (\d+) MiB;"
        r" give that much, or smaller tiles or batches",
        message,
    )
    assert match is not None, message
    given_mib, enough = map(int, match.groups())
    assert given_mib < enough  # or the sentence would contradict itself
    assert plan_memory(sizes, enough * MIB).footprint.total <= enough * MIB
