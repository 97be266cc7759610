"""A tile whose result is remembered gives exactly what running it would have given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.geometry import Border, Region
from czengine.kernels.reference import ReferenceKernels
from czengine.memo import Memo
from czengine.plan import Tile
from czengine.schedule import Grid, Placed
from czengine.spec import Task
from czengine.stitch import Block, Blocks, Stitcher
from tests.support.schedules import Case, cases
from tests.support.specs import make_spec
from tests.support.streams import PixelSession

TASKS = st.sampled_from(list(Task))


def stitcher_of(session: PixelSession, task: Task) -> Stitcher:
    return Stitcher(ReferenceKernels(), make_spec(), session.network, task=task, confidence=0.0)


def blocks_of(stitcher: Stitcher, grid: Grid) -> Blocks:
    return Blocks(grid, channels=stitcher.channels, dtype=stitcher.dtype, memory=lambda plane, region: None)


def scores_of(session: PixelSession, value: float) -> NDArray[Any]:
    """What the network gives for a tile of one value."""
    scores: NDArray[Any] = session.run(np.full(session.input_shape, value, np.float32))[0]
    return scores


@given(
    case=cases(axes=1),
    task=TASKS,
    layout=st.sampled_from(["NHWC", "NCHW"]),
    slope=st.sampled_from([0.0, 1.0]),
    values=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_remembered_tiles_are_pasted_like_any_other(
    case: Case, task: Task, layout: Any, slope: float, values: int, seed: int
) -> None:
    """Every tile of a made-up image is of one value; of each value the first is run and the others are remembered.

    With a slope the results depend on the place in the tile, so that it matters which part is taken.
    """
    session = PixelSession(1, case.tile, output_layout=layout, slope=slope)
    stitcher, rng = stitcher_of(session, task), np.random.default_rng(seed)
    memo, blocks, known = Memo(stitcher, case.tile), blocks_of(stitcher, case.blocks), set[bytes]()
    wanted = np.zeros((*case.shape[:-2], stitcher.channels, *case.size), stitcher.dtype)
    found = np.zeros_like(wanted)
    for *_, placed in case.placed:
        value = float(rng.integers(0, values))
        key, roi, kept = bytes([int(value)]), placed.tile.roi, placed.kept
        out = np.zeros((stitcher.channels, kept.height, kept.width), stitcher.dtype)
        stitcher.paste(scores_of(session, value), Region(kept.y - roi.y, kept.x - roi.x, *out.shape[1:]), out)
        wanted[placed.plane][:, kept.y : kept.bottom, kept.x : kept.right] = out
        if key not in known:
            memo.remember(key, scores_of(session, value))
            known.add(key)
        for block in memo.paste(placed, key, blocks):
            assert block.pixels is not None
            r = block.region
            found[block.plane][:, r.y : r.bottom, r.x : r.right] = block.pixels
    for plane in case.planes:
        np.testing.assert_array_equal(found[plane], wanted[plane])


def placed_at(y: int, x: int) -> Placed:
    """A tile of 8 × 8 pixels with a border of 2."""
    center = Region(y, x, 4, 4)
    return Placed((), Tile(center, Border(2, 2, 2, 2)), center)


def four(memo: Memo, key: bytes, blocks: Blocks) -> list[Block]:
    return [block for y in (0, 4) for x in (0, 4) for block in memo.paste(placed_at(y, x), key, blocks)]


def test_parts_of_one_value_make_blocks_without_memory() -> None:
    session = PixelSession(1, (8, 8), slope=0.0)
    stitcher = stitcher_of(session, Task.REGRESSION)
    memo = Memo(stitcher, (8, 8))
    memo.remember(b"\1", scores_of(session, 1.0))
    (block,) = four(memo, b"\1", blocks_of(stitcher, Grid(8, 8, (8, 8))))
    assert block.pixels is not None
    assert block.pixels.strides[1:] == (0, 0)
    np.testing.assert_array_equal(block.pixels[:, 0, 0], scores_of(session, 1.0)[0, 0])


def test_only_the_part_that_is_kept_has_to_be_of_one_value() -> None:
    """Borders of tiles often differ, since networks pad them with zeros."""
    session = PixelSession(1, (8, 8), slope=0.0)
    stitcher = stitcher_of(session, Task.SEGMENTATION)
    scores = np.zeros((8, 8, 2), np.float32)
    scores[..., 0] = 1
    scores[:2, :, 1] = 2
    memo = Memo(stitcher, (8, 8))
    memo.remember(b"\1", scores)
    (block,) = four(memo, b"\1", blocks_of(stitcher, Grid(8, 8, (8, 8))))
    assert block.pixels is not None
    assert block.pixels.strides[1:] == (0, 0)
    assert (block.pixels == 1).all()


def test_scores_that_are_no_numbers_are_kept() -> None:
    session = PixelSession(1, (8, 8), slope=0.0)
    stitcher = stitcher_of(session, Task.REGRESSION)
    scores = np.full((8, 8, 2), np.nan, np.float32)
    scores[..., 1] = -np.inf
    memo = Memo(stitcher, (8, 8))
    memo.remember(b"\1", scores)
    (block,) = four(memo, b"\1", blocks_of(stitcher, Grid(8, 8, (8, 8))))
    np.testing.assert_array_equal(
        block.pixels, np.broadcast_to(np.array([np.nan, -np.inf], np.float32)[:, None, None], (2, 8, 8))
    )


def test_what_is_remembered_is_a_copy() -> None:
    session = PixelSession(1, (8, 8))
    stitcher = stitcher_of(session, Task.REGRESSION)
    scores = scores_of(session, 1.0)
    memo = Memo(stitcher, (8, 8))
    memo.remember(b"\1", scores)
    before = scores[2:6, 2:6].transpose(2, 0, 1).copy()
    scores[...] = 0
    (block,) = memo.paste(placed_at(0, 0), b"\1", blocks_of(stitcher, Grid(4, 4, (4, 4))))
    np.testing.assert_array_equal(block.pixels, before)


def test_results_of_values_do_not_mix() -> None:
    session = PixelSession(1, (8, 8), slope=0.0)
    stitcher = stitcher_of(session, Task.REGRESSION)
    memo = Memo(stitcher, (8, 8))
    for value in (1, 2):
        memo.remember(bytes([value]), scores_of(session, value))
    for value in (2, 1, 2):
        (block,) = four(memo, bytes([value]), blocks_of(stitcher, Grid(8, 8, (8, 8))))
        assert block.pixels is not None
        np.testing.assert_array_equal(block.pixels[:, 0, 0], scores_of(session, value)[0, 0])


def test_a_value_nobody_remembered_is_a_mistake() -> None:
    session = PixelSession(1, (8, 8))
    stitcher = stitcher_of(session, Task.REGRESSION)
    blocks = blocks_of(stitcher, Grid(8, 8, (8, 8)))
    with pytest.raises(KeyError):
        list(Memo(stitcher, (8, 8)).paste(placed_at(0, 0), b"\1", blocks))


def test_many_classes_need_two_bytes() -> None:
    session = PixelSession(1, (8, 8), slope=0.0)
    spec = make_spec()
    classes = tuple(replace(c, label=c.label + 300) for c in spec.classes)
    stitcher = Stitcher(
        ReferenceKernels(),
        replace(spec, classes=classes),
        session.network,
        task=Task.SEGMENTATION,
        confidence=None,
    )
    memo = Memo(stitcher, (8, 8))
    memo.remember(b"\1", scores_of(session, 1.0))
    (block,) = four(memo, b"\1", blocks_of(stitcher, Grid(8, 8, (8, 8))))
    assert block.pixels is not None
    assert block.pixels.dtype == np.uint16
    assert block.pixels.max() > 300
