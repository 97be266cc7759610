"""Every promise of the seamless layout, and that no smaller plan keeps them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from czengine.errors import PlanError
from czengine.plan import Span, TilePlan
from czengine.seamless import plan_seamless, seamless_tile

Cut = tuple[int, int, int, int, int]  # length, largest tile, before, after, stride


def plan_of(y: Cut, x: Cut | None = None) -> TilePlan:
    x = x or (1, 1, 0, 0, 1)
    _, tile, before, after, stride = zip(y, x, strict=True)
    return plan_seamless(y[0], x[0], tile=tile, before=before, after=after, stride=stride)


def padded(length: int, stride: int) -> int:
    return -(-length // stride) * stride


@st.composite
def cuts(draw: st.DrawFn, longest: int = 5000, most_spans: int = 200) -> Cut:
    """An axis with a tile that is large enough, not cut into absurdly many spans."""
    stride = draw(st.one_of(st.integers(1, 16), st.sampled_from([1, 2, 4, 8, 16, 32])))
    before, after = draw(st.integers(0, 40)), draw(st.integers(0, 40))
    smallest = max(padded(before + after, stride) + stride, 2 * stride)
    tile = draw(st.integers(smallest, smallest + draw(st.sampled_from([0, stride, 100, 2000]))))
    length = draw(st.integers(1, longest))
    assume(length <= most_spans * (tile - before - after - stride + 1))
    return length, tile, before, after, stride


@given(cut=cuts())
def test_centers_tessellate_the_axis(cut: Cut) -> None:
    rows = plan_of(cut).rows
    assert rows[0].start == 0
    assert all(left.stop == right.start for left, right in pairwise(rows))
    assert rows[-1].stop == cut[0]
    assert all(span.size > 0 for span in rows)


@given(cut=cuts())
def test_tiles_are_equally_long_on_the_grid_and_end_with_the_padded_plane(cut: Cut) -> None:
    length, largest, _, _, stride = cut
    plan = plan_of(cut)
    tile = plan.tile[0]
    assert tile % stride == 0
    assert tile <= max(largest // stride * stride, 1)
    assert {span.roi_stop - span.roi_start for span in plan.rows} == {tile}
    assert [span.roi_start % stride for span in plan.rows] == [0] * len(plan.rows)
    assert all(left.roi_start < right.roi_start for left, right in pairwise(plan.rows))
    assert plan.rows[0].roi_start == 0
    assert plan.rows[-1].roi_stop == padded(length, stride)


@given(cut=cuts())
def test_inner_borders_are_as_wide_as_the_network_looks(cut: Cut) -> None:
    length, _, before, after, stride = cut
    rows = plan_of(cut).rows
    assert rows[0].before == 0
    assert rows[-1].after == padded(length, stride) - length
    assert all(span.before >= before for span in rows[1:])
    assert all(span.after >= after for span in rows[:-1])


@given(cut=cuts())
def test_what_is_mirrored_lies_in_the_same_tile(cut: Cut) -> None:
    length = cut[0]
    rows = plan_of(cut).rows
    for span in rows[:-1]:
        assert span.roi_stop <= length or span.roi_start <= 2 * (length - 1) - (span.roi_stop - 1)
    if len(rows) > 1:
        mirrored = np.pad(np.arange(length), (0, rows[-1].roi_stop - length), mode="reflect")
        assert mirrored[rows[-1].roi_start :].min() >= rows[-1].roi_start


@given(length=st.integers(1, 300), stride=st.sampled_from([1, 2, 3, 4, 8]), more=st.integers(0, 40))
def test_a_plane_that_fits_is_one_tile(length: int, stride: int, more: int) -> None:
    whole = padded(length, stride)
    plan = plan_of((length, whole + more, 30, 30, stride))
    assert plan.rows == (Span(0, length, 0, whole - length),)


def slow_plan(cut: Cut) -> tuple[int, int] | None:
    """Fewest tiles and shortest tile, by laying tiles of every length as far apart as the borders let them."""
    length, largest, before, after, stride = cut
    end, best = padded(length, stride), None
    for tile in range(stride, min(largest, end) + 1, stride):
        count, origin = 1, 0
        while origin + tile < end:
            ahead = range(origin + stride, origin + tile + 1, stride)
            allowed = [o for o in ahead if o + before <= origin + tile - after and o + tile <= end]
            if not allowed:
                count = 0
                break
            origin, count = max(allowed), count + 1
        if count > 1 and length <= end - tile + (
            end - length
        ):  # something mirrored lies before the last tile
            continue
        if count and (best is None or count < best[0]):
            best = (count, tile)
    return best


@given(
    length=st.integers(1, 60),
    tile=st.integers(1, 40),
    before=st.integers(0, 6),
    after=st.integers(0, 6),
    stride=st.integers(1, 5),
)
def test_no_other_plan_has_fewer_or_smaller_tiles(
    length: int, tile: int, before: int, after: int, stride: int
) -> None:
    cut = (length, tile, before, after, stride)
    best = slow_plan(cut)
    try:
        plan = plan_of(cut)
    except PlanError:
        assert best is None or best[1] < 2 * stride  # two steps are asked for even where one might do
        return
    if best is not None and best[1] >= 2 * stride:
        assert (len(plan.rows), plan.tile[0]) == best


@given(y=cuts(longest=400, most_spans=20), x=cuts(longest=400, most_spans=20))
def test_a_plane_is_covered_exactly_once(y: Cut, x: Cut) -> None:
    plan = plan_of(y, x)
    hits = np.zeros((y[0], x[0]), int)
    for tile in plan.tiles():
        c = tile.center
        hits[c.y : c.bottom, c.x : c.right] += 1
        assert (tile.roi.height, tile.roi.width) == plan.tile
    assert (hits == 1).all()


def test_tiles_are_no_larger_than_their_number_needs() -> None:
    plan = plan_of((4096, 1280, 16, 16, 4))
    assert plan.tile[0] == 1048
    assert [span.roi_start for span in plan.rows] == [0, 1016, 2032, 3048]
    assert [span.start for span in plan.rows] == [0, 1032, 2048, 3064]


def test_a_far_look_to_one_side_only() -> None:
    rows = plan_of((40, 24, 0, 12, 4)).rows
    assert rows == (Span(0, 10, 0, 14), Span(10, 8, 2, 14), Span(18, 22, 2, 0))


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ((100, 20, 8, 8, 8), "at least 24 are needed"),
        ((100, 15, 0, 0, 8), "at least 16 are needed"),
        ((30, 24, 16, 16, 4), "looks 16 pixels back and 16 ahead with a stride of 4: at least 32 are needed"),
        ((100, 3, 0, 0, 4), "a tile of 3 pixels is too small"),
        ((0, 64, 8, 8, 1), "0 pixels cannot be cut"),
        ((100, 0, 0, 0, 1), "tiles of 0"),
        ((100, 9, -1, 0, 1), "borders of -1 and 0"),
        ((100, 9, 0, 0, 0), "a stride of 0"),
    ],
)
def test_impossible_plans_say_why(cut: Cut, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan_of(cut)


@given(cut=cuts())
def test_the_smallest_tile_named_works(cut: Cut) -> None:
    length, _, before, after, stride = cut
    try:
        plan_of((length, 1, before, after, stride))
    except PlanError as error:
        smallest = int(str(error).split("at least ")[1].split()[0])
        assume(length < 200 * stride)
        assert plan_of((length, smallest, before, after, stride)).tile[0] <= smallest
        with pytest.raises(PlanError):
            plan_of((length, smallest - 1, before, after, stride))


class TestChoice:
    """The tile allowed where nobody asked for one."""

    def choose(self, *, budget: int, bytes_per_pixel: float = 100, batch: int = 1) -> tuple[int, int]:
        return seamless_tile(
            before=(23, 5),
            after=(20, 5),
            stride=(4, 16),
            bytes_per_pixel=bytes_per_pixel,
            budget=budget,
            batch=batch,
        )

    def test_as_large_as_runs_fast(self) -> None:
        assert self.choose(budget=2**40) == (1280, 1280)
        assert self.choose(budget=1, bytes_per_pixel=0) == (1280, 1280)

    def test_as_large_as_the_budget(self) -> None:
        assert self.choose(budget=100 * 500**2) == (500, 496)
        assert self.choose(budget=100 * 500**2, batch=4) == (248, 240)

    def test_never_too_small_for_the_borders(self) -> None:
        tile = self.choose(budget=1)
        assert tile == (48, 32)
        plan_seamless(4000, 4000, tile=tile, before=(23, 5), after=(20, 5), stride=(4, 16))

    def test_an_edge_of_ones_own(self) -> None:
        tile = seamless_tile(
            before=(0, 0), after=(0, 0), stride=(1, 1), bytes_per_pixel=0, budget=1, edge=300
        )
        assert tile == (300, 300)
