"""The Intellesis layout against the package it has to equal, and against its own promises."""

from __future__ import annotations

import numpy as np
import pytest
from cztile.fixed_total_area_strategy_2d import AlmostEqualBorderFixedTotalAreaStrategy2D
from cztile.tiling_strategy import TileInput
from hypothesis import assume, example, given
from hypothesis import strategies as st

from czengine.errors import PlanError
from czengine.geometry import Border, Region
from czengine.plan import Span, Tile, plan_axis, plan_plane

Cut = tuple[int, int, int]  # length, tile, border


@st.composite
def cuts(draw: st.DrawFn, most_spans: int = 300) -> Cut:
    """An axis length with a tile and border that fit together, not cut into absurdly many spans."""
    tile = draw(st.one_of(st.integers(1, 64), st.integers(1, 2048), st.sampled_from([128, 256, 512, 1024])))
    border = draw(st.integers(0, (tile - 1) // 2))
    length = draw(st.integers(1, 20000))
    assume(length <= most_spans * (tile - 2 * border))
    return length, tile, border


def cztile_tiles(y: Cut, x: Cut) -> set[tuple[int, ...]]:
    """Every field of every tile as the reference package gives it."""
    strategy = AlmostEqualBorderFixedTotalAreaStrategy2D(
        width=TileInput(total_tile_length=x[1], min_border_length=x[2]),
        height=TileInput(total_tile_length=y[1], min_border_length=y[2]),
    )
    return {
        (*t.center, t.border.left, t.border.top, t.border.right, t.border.bottom, *t.roi)
        for t in strategy.calculate_2d_tiles((0, 0, x[0], y[0]))
    }


def our_tiles(y: Cut, x: Cut) -> set[tuple[int, ...]]:
    """The same fields in the same order from our plan."""

    def fields(region: Region) -> tuple[int, ...]:
        return (region.x, region.y, region.width, region.height)

    plan = plan_plane(y[0], x[0], tile=(y[1], x[1]), border=(y[2], x[2]))
    tiles = list(plan.tiles())
    assert len(tiles) == len(plan)
    return {
        (*fields(t.center), t.border.left, t.border.top, t.border.right, t.border.bottom, *fields(t.roi))
        for t in tiles
    }


# Sizes at which exact fractions and cztile's double precision part ways by one pixel.
@example(y=(1064, 128, 32), x=(9215, 341, 3))
@example(y=(13981, 145, 64), x=(1, 1, 0))
@given(y=cuts(most_spans=40), x=cuts(most_spans=40))
def test_every_field_of_every_tile_equals_cztile(y: Cut, x: Cut) -> None:
    assert our_tiles(y, x) == cztile_tiles(y, x)


@given(cut=cuts())
def test_long_axes_equal_cztile(cut: Cut) -> None:
    assert our_tiles(cut, (1, 1, 0)) == cztile_tiles(cut, (1, 1, 0))


@given(cut=cuts())
def test_centers_tessellate_and_rois_have_the_tile_size(cut: Cut) -> None:
    length, tile, border = cut
    spans = plan_axis(length, tile=tile, border=border)
    assert [s.start for s in spans] == [0, *(s.stop for s in spans[:-1])]
    assert spans[-1].stop == length
    assert {s.roi_stop - s.roi_start for s in spans} == {tile}


@given(cut=cuts())
def test_inner_borders_hold_the_minimum_and_outer_ones_are_empty(cut: Cut) -> None:
    length, tile, border = cut
    assume(length > tile)
    spans = plan_axis(length, tile=tile, border=border)
    inner = [s.before for s in spans[1:]] + [s.after for s in spans[:-1]]
    assert spans[0].before == spans[-1].after == 0
    assert min(inner) >= border
    assert max(inner) - min(inner) <= 1


def test_a_plane_is_covered_exactly_once() -> None:
    plan = plan_plane(275, 367, tile=(102, 64), border=(6, 13))
    hits = np.zeros((275, 367), int)
    for tile in plan.tiles():
        c = tile.center
        hits[c.y : c.bottom, c.x : c.right] += 1
    assert (hits == 1).all()


def test_an_axis_shorter_than_a_tile_sticks_out_on_both_sides() -> None:
    assert plan_axis(5, tile=16, border=4) == (Span(0, 5, 5, 6),)


def test_roi_is_center_and_border() -> None:
    assert Tile(Region(10, 20, 30, 40), Border(1, 2, 3, 4)).roi == Region(9, 17, 33, 47)


@pytest.mark.parametrize(
    ("length", "tile", "border", "message"),
    [
        (100, 64, 32, "a border of 32 pixels on both sides leaves nothing of a tile of 64"),
        (0, 64, 8, "0 pixels cannot be cut into tiles of 64 with a border of 8"),
        (100, 0, 0, "100 pixels cannot be cut into tiles of 0"),
        (100, 64, -1, "with a border of -1"),
    ],
)
def test_impossible_cuts_say_why(length: int, tile: int, border: int, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan_axis(length, tile=tile, border=border)
