"""Planes are read together where that fits into memory, and everything is done once either way."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.errors import OptionError
from czengine.footprint import Sizes, plan_memory
from czengine.ordering import Order, plan_order
from czengine.plan import plan_plane
from czengine.schedule import Grid, plane_groups
from czengine.sources.base import PlaneIndex
from tests.support.limits import needed

PLENTY = 2**40
MIB = 2**20


def sizes_of(height: int = 1000, width: int = 3000) -> Sizes:
    return Sizes(
        plan=plan_plane(height, width, tile=(64, 64), border=(8, 8)),
        cell=(512, 512),
        chunk=(512, 512),
        block=(256, 256),
        pixel=1,
        result=1,
        input=4,
        output=8,
        batch=1,
        threads=2,
    )


def planes_of(*counts: int) -> tuple[PlaneIndex, ...]:
    return tuple(itertools.product(*map(range, counts)))


def groups_of(order: Order) -> list[tuple[PlaneIndex, ...]]:
    """The planes of every group, in order, each group once."""
    return [planes for planes, _ in itertools.groupby(sweep.group.planes for sweep in order.sweeps)]


@given(
    counts=st.lists(st.integers(1, 5), max_size=2),
    depth=st.integers(1, 4),
    limit=st.sampled_from([3 * MIB, 4 * MIB, 8 * MIB, 32 * MIB, PLENTY]),
)
def test_every_pixel_of_every_plane_is_in_one_sweep(counts: list[int], depth: int, limit: int) -> None:
    planes, sizes = planes_of(*counts), sizes_of()
    order = plan_order(sizes, planes, [depth] * len(counts), limit)
    times = np.zeros((len(planes), sizes.plan.width), int)
    for sweep in order.sweeps:
        for plane in sweep.group.planes:
            times[planes.index(plane), sweep.stripe.left : sweep.stripe.right] += 1
    assert (times == 1).all()
    assert order.cells == Grid(1000, 3000, (512, 512))
    assert order.memory.footprint.total <= limit
    assert {s.stripe.right - s.stripe.left for s in order.sweeps if s.stripe.right < 3000} <= {
        order.memory.stripe
    }


def test_planes_that_share_chunks_go_together_where_memory_allows() -> None:
    planes = planes_of(2, 7)
    together = list(plane_groups(planes, (1, 3)))
    order = plan_order(sizes_of(), planes, (1, 3), PLENTY)
    assert groups_of(order) == [group.planes for group in together]
    assert order.memory == plan_memory(replace(sizes_of(), planes=3), PLENTY)


def test_planes_go_one_by_one_where_memory_is_short() -> None:
    planes = planes_of(7)
    for_all = needed(replace(sizes_of(), planes=7))
    assert groups_of(plan_order(sizes_of(), planes, (10,), for_all)) == [planes]
    order = plan_order(sizes_of(), planes, (10,), for_all - 1)
    assert groups_of(order) == [(plane,) for plane in planes]
    assert order.memory == plan_memory(sizes_of(), for_all - 1)


@pytest.mark.parametrize("depth", [1, 5])
def test_the_error_is_that_of_single_planes_and_names_a_limit_that_is_enough(depth: int) -> None:
    planes, sizes = planes_of(5), sizes_of()
    with pytest.raises(OptionError, match="need at least 3 MiB; give that much"):
        plan_order(sizes, planes, (depth,), MIB)
    order = plan_order(sizes, planes, (depth,), 3 * MIB)
    assert groups_of(order) == [(plane,) for plane in planes]


def test_a_group_is_done_stripe_by_stripe() -> None:
    planes = planes_of(4)
    order = plan_order(sizes_of(), planes, (2,), needed(replace(sizes_of(), planes=2)))
    work = [(sweep.group.planes, sweep.stripe.left) for sweep in order.sweeps]
    lefts = range(0, 3000, order.memory.stripe)
    assert len(lefts) > 1
    assert work == list(itertools.product([((0,), (1,)), ((2,), (3,))], lefts))
