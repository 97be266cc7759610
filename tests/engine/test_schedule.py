"""The order of the work covers every pixel of every plane once, whatever the sizes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.geometry import Region
from czengine.schedule import SMALLEST_CELL, Grid, cell_size, plane_groups, stripes
from tests.support.schedules import Case, cases, pairs, touched


@given(cases())
def test_every_pixel_of_every_plane_is_kept_once(case: Case) -> None:
    kept = np.zeros(case.shape, int)
    for _, _, placed in case.placed:
        r = placed.kept
        kept[placed.plane][r.y : r.bottom, r.x : r.right] += 1
    wanted = np.zeros(case.shape, int)
    for plane in case.planes:
        wanted[plane] = 1
    np.testing.assert_array_equal(kept, wanted)


@given(cases())
def test_what_is_kept_is_the_center_as_far_as_it_lies_in_the_stripe(case: Case) -> None:
    for number, _, placed in case.placed:
        stripe, center = case.sweeps[number].stripe, placed.tile.center
        assert placed.kept == center.common(Region(0, stripe.left, case.size[0], stripe.right - stripe.left))
        assert placed.kept.width > 0
        assert placed.kept.height == center.height


@given(cases())
def test_stripes_are_of_one_width_and_see_all_that_their_tiles_see(case: Case) -> None:
    found = stripes(case.plan, case.stripe)
    edges = [one.left for one in found] + [found[-1].right]
    assert edges == [*range(0, case.size[1], case.stripe), case.size[1]]
    assert [one.right for one in found] == edges[1:]
    for one in found:
        touching = [s for s in case.plan.columns if s.start < one.right and s.stop > one.left]
        assert list(one.spans) == touching
        assert one.seen == (min(s.roi_start for s in touching), max(s.roi_stop for s in touching))


@given(cases())
def test_a_row_of_tiles_is_done_in_all_planes_before_the_next_one_begins(case: Case) -> None:
    keys = [(n, p.tile.center.y, case.planes.index(p.plane), p.tile.center.x) for n, _, p in case.placed]
    groups = [case.sweeps[number].group.planes for number, *_ in keys]
    ranked = [
        (n, y, group.index(case.planes[p]), x) for (n, y, p, x), group in zip(keys, groups, strict=True)
    ]
    assert ranked == sorted(ranked)


@pytest.mark.parametrize(
    ("plane", "place"),
    [
        ((), "the tile at rows 0 to 29, columns 30 to 39"),
        ((2, 5), "the tile at rows 0 to 29, columns 30 to 39 of plane (2, 5)"),
    ],
)
def test_a_tile_says_where_it_is(plane: tuple[int, ...], place: str) -> None:
    case = Case(
        size=(30, 40),
        tile=(30, 20),
        border=(0, 5),
        cell=(8, 8),
        block=(8, 8),
        stripe=40,
        first=plane,
        counts=(1,) * len(plane),
        depths=(1,) * len(plane),
    )
    *_, (_, _, last) = case.placed
    assert last.tile.center == Region(0, 25, 30, 15)
    assert str(last) == place.replace("30 to", "25 to")


# ---------------------------------------------------------------------------------------------- grids


@given(size=pairs(1, 30), step=pairs(1, 35), data=st.data())
def test_a_region_touches_exactly_the_rectangles_it_shares_a_pixel_with(
    size: tuple[int, int], step: tuple[int, int], data: st.DataObject
) -> None:
    y, x = (data.draw(st.integers(0, length - 1)) for length in size)
    region = Region(y, x, data.draw(st.integers(1, size[0] - y)), data.draw(st.integers(1, size[1] - x)))
    grid = Grid(*size, step)
    found = list(grid.over(region))
    assert found == sorted(touched(grid, region))
    assert {row for row, _ in found} == set(grid.rows(region.y, region.bottom))
    assert {column for _, column in found} == set(grid.columns(region.x, region.right))


@given(size=pairs(1, 30), step=pairs(1, 35))
def test_the_rectangles_of_a_grid_cover_the_plane_once(size: tuple[int, int], step: tuple[int, int]) -> None:
    grid, covered = Grid(*size, step), np.zeros(size, int)
    for place in grid.over(Region(0, 0, *size)):
        r = grid.region(*place)
        assert (r.y, r.x) == (place[0] * step[0], place[1] * step[1])
        assert r.height <= step[0]
        assert r.width <= step[1]
        covered[r.y : r.bottom, r.x : r.right] += 1
    assert (covered == 1).all()


@given(plane=pairs(1, 5000), chunk=pairs(1, 3000))
def test_cells_are_whole_chunks_of_at_least_the_smallest_size_or_the_plane(
    plane: tuple[int, int], chunk: tuple[int, int]
) -> None:
    for length, edge, size in zip(plane, chunk, cell_size(plane, chunk), strict=True):
        assert size == length or (size < length and size % edge == 0 and size >= SMALLEST_CELL)
        if size != length:
            assert size == edge or size - edge < SMALLEST_CELL


# ---------------------------------------------------------------------------------------------- planes


@given(
    axes=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(1, 12)), max_size=3),
)
def test_groups_take_every_plane_once_and_never_cross_a_chunk(axes: list[tuple[int, int, int]]) -> None:
    planes = tuple(itertools.product(*(range(first, first + count) for first, count, _ in axes)))
    depths = [depth for *_, depth in axes]
    groups = plane_groups(planes, depths)
    assert sorted(plane for group in groups for plane in group.planes) == list(planes)
    chunks = [
        {tuple(i // d for i, d in zip(p, depths, strict=True)) for p in group.planes} for group in groups
    ]
    assert all(len(chunk) == 1 for chunk in chunks)
    assert len(set.union(*chunks)) == len(groups)  # and no chunk is split among groups


def test_an_image_of_one_plane_is_one_group() -> None:
    (group,) = plane_groups([()], [])
    assert group.planes == ((),)
