"""Cells are read once, in time, within their budget, and give the pixels of the image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.cells import Cells, Piece
from czengine.errors import ImageError, OptionError
from czengine.footprint import Sizes, plan_memory
from czengine.geometry import Region
from czengine.inputs import InputMap
from czengine.kernels.reference import ReferenceKernels
from czengine.meter import Meter
from czengine.schedule import Placed
from tests.support.schedules import Case, cases, input_map, touched
from tests.support.streams import MemorySource

WHOLE = Case(
    size=(12, 20),
    tile=(6, 8),
    border=(1, 1),
    cell=(4, 5),
    block=(4, 4),
    stripe=20,
    first=(),
    counts=(),
    depths=(),
)
COLOR = input_map(read=(0, 1, 2), gray=True)


def pixels(shape: tuple[int, ...], channels: int = 1, seed: int = 0) -> NDArray[np.uint8]:
    """Random, (plane axes…, channel, y, x) for a `shape` of (plane axes…, y, x)."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 255, (*shape[:-2], channels, *shape[-2:]), np.uint8)


def cells_of(
    case: Case,
    source: MemorySource,
    *,
    budget: int,
    inputs: InputMap | None = None,
    meter: Meter | None = None,
) -> Cells:
    return Cells(
        source,
        inputs or input_map(),
        case.plan,
        case.cells,
        case.sweeps,
        budget=budget,
        kernels=ReferenceKernels(),
        meter=meter or Meter(),
    )


def walk(cells: Cells, case: Case) -> Iterator[tuple[Placed, list[Piece]]]:
    """Every tile with its pixels, asked for as a `Gatherer` asks."""
    before = None
    for number, position, placed in case.placed:
        if (number, placed.tile.roi.y) != before:
            cells.drop(number, above=placed.tile.roi.y)
            before = number, placed.tile.roi.y
        cells.read_ahead()
        yield placed, cells.pieces(number, position, placed.tile.roi.clipped(*case.size))


def joined(pieces: list[Piece], region: Region) -> NDArray[np.uint8]:
    """(channel, y, x) of a region; every pixel has to come from exactly one piece."""
    times = np.zeros((region.height, region.width), int)
    whole = np.zeros((pieces[0].pixels.shape[0], region.height, region.width), pieces[0].pixels.dtype)
    for place, part, *_ in pieces:
        y, x = place.y - region.y, place.x - region.x
        times[y : y + place.height, x : x + place.width] += 1
        whole[:, y : y + place.height, x : x + place.width] = part
    assert (times == 1).all()
    return whole


# --------------------------------------------------------------------------------------------- pixels


@given(case=cases(), budget=st.integers(0, 3000), read=st.permutations([0, 1, 2]))
def test_pieces_are_the_pixels_of_the_image(case: Case, budget: int, read: list[int]) -> None:
    image = pixels(case.shape, 3)
    inputs = input_map(read=tuple(read[:2]))
    source = MemorySource(image)
    for placed, pieces in walk(cells_of(case, source, budget=budget, inputs=inputs), case):
        r = placed.tile.roi.clipped(*case.size)
        wanted = image[placed.plane][read[:2], r.y : r.bottom, r.x : r.right]
        np.testing.assert_array_equal(joined(pieces, r), wanted, strict=True)


@given(case=cases(axes=1), budget=st.integers(0, 3000))
def test_colour_becomes_gray_before_it_is_cut(case: Case, budget: int) -> None:
    image = pixels(case.shape, 3)
    for placed, pieces in walk(cells_of(case, MemorySource(image), budget=budget, inputs=COLOR), case):
        r = placed.tile.roi.clipped(*case.size)
        luma = image[placed.plane].astype(float) * np.array([0.299, 0.587, 0.114])[:, None, None]
        wanted = luma.sum(axis=0)[r.y : r.bottom, r.x : r.right]
        (gray,) = joined(pieces, r)
        assert gray.dtype == np.uint8
        assert np.abs(gray - wanted).max() <= 0.5 + 1e-9


# --------------------------------------------------------------------------------------- what is read


@given(case=cases(), budget=st.integers(0, 3000))
def test_every_cell_is_read_once_per_sweep_and_only_if_a_tile_needs_it(case: Case, budget: int) -> None:
    source = MemorySource(pixels(case.shape))
    for _ in walk(cells_of(case, source, budget=budget), case):
        pass
    needed = {(n, c) for n, _, p in case.placed for c in touched(case.cells, p.tile.roi.clipped(*case.size))}
    wanted = Counter((case.sweeps[n].group, case.cells.region(*cell), (0,)) for n, cell in needed)
    assert source.requests == wanted


@given(case=cases(), budget=st.integers(0, 3000))
def test_cells_are_asked_for_in_the_order_of_first_need(case: Case, budget: int) -> None:
    source = MemorySource(pixels(case.shape))
    first: dict[tuple[int, Region], int] = {}
    for turn, (number, _, placed) in enumerate(case.placed):
        for place in touched(case.cells, placed.tile.roi.clipped(*case.size)):
            first.setdefault((number, case.cells.region(*place)), turn)
    for _ in walk(cells_of(case, source, budget=budget), case):
        pass
    asked, seen = [], Counter[Region]()
    numbers = {region: sorted(n for n, r in first if r == region) for region in source.order}
    for region in source.order:
        asked.append(first[numbers[region][seen[region]], region])
        seen[region] += 1
    assert asked == sorted(asked)


@given(case=cases(), ahead=st.integers(0, 4000), pixel=st.sampled_from([1, 3]))
def test_what_is_held_stays_within_what_was_planned(case: Case, ahead: int, pixel: int) -> None:
    planes = max(len(sweep.group.planes) for sweep in case.sweeps)
    sizes = Sizes(
        plan=case.plan,
        cell=case.cell,
        chunk=case.cell,
        block=(case.block[0], case.stripe),
        pixel=pixel,
        result=1,
        input=4,
        output=8,
        batch=1,
        threads=1,
        planes=planes,
    )
    try:
        memory = plan_memory(sizes, ahead)
    except OptionError:
        memory = plan_memory(sizes, 2**20)
    case = replace(case, stripe=memory.stripe)
    source = MemorySource(pixels(case.shape, pixel))
    budget = memory.footprint.cells + memory.footprint.ahead
    inputs = input_map() if pixel == 1 else COLOR
    for _, pieces in walk(cells_of(case, source, budget=budget, inputs=inputs), case):
        del pieces
    assert source.peak <= budget


def test_reading_ahead_fills_the_budget_and_stops_there() -> None:
    source = MemorySource(pixels(WHOLE.shape))
    cells = cells_of(WHOLE, source, budget=5 * 20 + 7)
    cells.read_ahead()
    assert len(source.order) == 5
    cells.read_ahead()
    assert len(source.order) == 5
    cells.pieces(0, 0, source.order[4])
    assert len(source.order) == 5


def test_what_is_dropped_makes_room_to_read_ahead() -> None:
    source = MemorySource(pixels(WHOLE.shape))
    cells = cells_of(WHOLE, source, budget=8 * 20)  # two of the three rows of cells
    cells.read_ahead()
    assert len(source.order) == 8
    cells.drop(0, above=4)
    cells.read_ahead()
    assert len(source.order) == 12
    assert source.alive == 8 * 20


def test_without_a_budget_what_a_tile_needs_is_read_all_the_same() -> None:
    source = MemorySource(pixels(WHOLE.shape))
    cells = cells_of(WHOLE, source, budget=0)
    cells.read_ahead()
    assert source.order == []
    assert len(cells.pieces(0, 0, Region(0, 0, 6, 8))) == 4
    assert len(source.order) == 4


def test_rows_above_and_earlier_sweeps_are_dropped() -> None:
    case = replace(WHOLE, stripe=10)
    source = MemorySource(pixels(case.shape))
    cells = cells_of(case, source, budget=10**6)
    for _ in case.plan.rows:  # on to the last row of the first sweep, from where the second one is in sight
        cells.drop(0, above=0)
    cells.read_ahead()
    of_first = len(case.cells.rows(0, 12)) * len(case.cells.columns(0, case.sweeps[0].stripe.seen[1]))
    everything = source.alive
    cells.drop(0, above=3)
    assert source.alive == everything
    cells.drop(0, above=4)
    assert source.alive == everything - 20 * of_first // 3
    cells.drop(1, above=0)
    assert source.alive == everything - 20 * of_first
    with pytest.raises(LookupError, match="not in the plan"):
        cells.pieces(0, 0, Region(0, 0, 1, 1))


def test_no_more_than_the_next_row_of_tiles_is_asked_for() -> None:
    """Whatever the budget: the cells of a sparse image cost nothing, and there may be millions of them."""
    case = WHOLE
    source = MemorySource(pixels(case.shape))
    cells = cells_of(case, source, budget=10**9)
    for number, row in enumerate(case.plan.rows):
        cells.drop(0, above=row.roi_start)
        cells.read_ahead()
        seen = case.plan.rows[min(number + 1, len(case.plan.rows) - 1)].roi_stop
        asked = {region.y for region in source.order}
        assert asked == {y for y in range(0, case.shape[-2], case.cell[0]) if y < seen}


def test_bytes_read_are_those_of_the_pixels_waited_for() -> None:
    case = replace(WHOLE, first=(0,), counts=(2,), depths=(2,))
    source = MemorySource(pixels(case.shape, 3))
    meter = Meter()
    cells = cells_of(case, source, budget=10**6, inputs=input_map(read=(0, 2)), meter=meter)
    cells.read_ahead()
    assert cells.bytes_read == 0
    cells.pieces(0, 1, Region(0, 0, 4, 5))
    cells.pieces(0, 0, Region(0, 0, 4, 5))
    assert cells.bytes_read == 2 * 2 * 20
    assert [stage.items for stage in meter.stages("read")] == [1]


@pytest.mark.parametrize("budget", [0, 10**6])
def test_an_error_comes_where_the_pixels_are_needed(budget: int) -> None:
    source = MemorySource(pixels(WHOLE.shape), fail_at=5)
    finished: list[Region] = []
    tiles = (placed.tile.roi for placed, _ in walk(cells_of(WHOLE, source, budget=budget), WHOLE))
    with pytest.raises(ImageError, match="corrupted"):
        finished.extend(tiles)
    broken = source.order[5]
    rois = [placed.tile.roi for *_, placed in WHOLE.placed]
    untouched = [roi for roi in rois if not roi.common(broken).width * roi.common(broken).height]
    assert finished == rois[: len(finished)]
    assert set(finished) <= set(untouched)
    assert rois[len(finished)] not in untouched


# --------------------------------------------------------------------------------- nothing and constants


@given(case=cases(axes=1), data=st.data())
def test_what_was_never_written_is_not_read_and_costs_nothing(case: Case, data: st.DataObject) -> None:
    image = pixels(case.shape, 3)
    places = list(case.cells.over(Region(0, 0, *case.size)))
    absent = [
        (plane, case.cells.region(*place))
        for plane in case.planes
        for place in data.draw(st.sets(st.sampled_from(places)))
    ]
    for plane, r in absent:
        image[plane][:, r.y : r.bottom, r.x : r.right] = 0
    source = MemorySource(image, unwritten=absent)
    inputs = data.draw(st.sampled_from([input_map(read=(2, 0)), COLOR]))
    cells = cells_of(case, source, budget=data.draw(st.integers(0, 2000)), inputs=inputs)
    for placed, pieces in walk(cells, case):
        r = placed.tile.roi.clipped(*case.size)
        wanted = inputs.prepare(image[placed.plane][list(inputs.read)])[:, r.y : r.bottom, r.x : r.right]
        np.testing.assert_array_equal(joined(pieces, r), wanted)
    for group, region, _ in source.requests:
        assert not all((plane, region) in absent for plane in group.planes)


@pytest.mark.parametrize("inputs", [input_map(read=(0, 1)), COLOR], ids=["as they are", "gray"])
def test_unwritten_cells_hold_no_pixels_and_are_uniform_without_a_look(inputs: InputMap) -> None:
    class NoLook(ReferenceKernels):
        def is_uniform(self, pixels: NDArray[np.uint8]) -> bool:
            raise AssertionError("nobody has to look")

    image = np.zeros((3, 100, 100), np.uint8)
    case = replace(WHOLE, size=(100, 100), tile=(100, 100), cell=(50, 50), stripe=100)
    source = MemorySource(image, unwritten=[((), Region(0, 0, 100, 100))])
    cells = Cells(
        source,
        inputs,
        case.plan,
        case.cells,
        case.sweeps,
        budget=0,
        kernels=NoLook(),
        meter=Meter(),
    )
    pieces = cells.pieces(0, 0, Region(0, 0, 100, 100))
    assert len(pieces) == 4
    assert source.order == []
    assert cells.bytes_read == 0
    for piece in pieces:
        low, high = np.lib.array_utils.byte_bounds(piece.pixels)
        assert high - low <= 3
    assert cells.constant(pieces) == bytes(1 if inputs.gray else 2)


@given(case=cases(most=20, axes=1), values=st.integers(1, 3), channels=st.integers(1, 2), data=st.data())
def test_a_constant_is_found_exactly_where_numpy_finds_one(
    case: Case, values: int, channels: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    coarse = rng.integers(0, values, (*case.shape[:-2], channels, 3, 3)).astype(np.float32)
    image = coarse.repeat(7, axis=-2).repeat(7, axis=-1)[..., : case.size[0], : case.size[1]]
    source = MemorySource(image)
    cells = cells_of(case, source, budget=0, inputs=input_map(read=tuple(range(channels))))
    for placed, pieces in walk(cells, case):
        r = placed.tile.roi.clipped(*case.size)
        cut = image[placed.plane][:, r.y : r.bottom, r.x : r.right]
        value = cut[:, 0, 0]
        wanted = value.tobytes() if (cut == value[:, None, None]).all() else None
        assert cells.constant(pieces) == wanted


def test_constants_are_compared_bit_by_bit() -> None:
    zeros = np.zeros((1, 12, 20), np.float32)
    zeros[0, 0, 8] = -0.0
    cells = cells_of(WHOLE, MemorySource(zeros), budget=0)
    assert cells.constant(cells.pieces(0, 0, Region(0, 0, 1, 8))) == bytes(4)
    assert cells.constant(cells.pieces(0, 0, Region(0, 0, 1, 9))) is None
