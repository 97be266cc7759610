"""Scores become result pixels at the right place, and blocks come out whole, once, whatever the order of the tiles."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.geometry import Border, Region
from czengine.kernels.reference import ReferenceKernels
from czengine.plan import Tile
from czengine.schedule import Placed
from czengine.session.base import Network
from czengine.sources.base import PlaneIndex
from czengine.spec import ModelClass, Task
from czengine.stitch import Block, Blocks, Stitcher
from tests.support.schedules import Case, cases, touched
from tests.support.specs import make_spec
from tests.support.streams import MemorySink

PART = Region(1, 0, 2, 3)  # of a tile of 3 × 5 pixels
NETWORK = Network(
    model=b"",
    layout="NHWC",
    output_layout="NHWC",
    channels=1,
    outputs=2,
    dtype=np.dtype(np.float32),
    gives="scores",
)


def stitcher(
    task: Task = Task.SEGMENTATION, *, spec: Any = None, confidence: float | None = None, **network: Any
) -> Stitcher:
    """For two classes; `network` are fields of `Network`."""
    return Stitcher(
        ReferenceKernels(), spec or make_spec(), replace(NETWORK, **network), task=task, confidence=confidence
    )


# ------------------------------------------------------------------------------------------ one tile


def test_labels_are_the_classes_values_not_their_positions() -> None:
    classes = tuple(ModelClass(name=n, label=v, color=(0, 0, 0)) for n, v in (("a", 7), ("b", 3)))
    scores = np.zeros((3, 5, 2), np.float32)
    scores[1, :2, 1] = 1
    out = np.zeros((1, 2, 3), np.uint8)
    stitcher(spec=replace(make_spec(), classes=classes)).paste(scores, PART, out)
    np.testing.assert_array_equal(out[0], [[3, 3, 7], [7, 7, 7]])


@pytest.mark.parametrize("task", list(Task))
def test_channels_first_scores_give_the_same(task: Task) -> None:
    scores = np.random.default_rng(1).random((3, 5, 3)).astype(np.float32)
    results = []
    for layout, turned in (("NHWC", scores), ("NCHW", scores.transpose(2, 0, 1).copy())):
        one = stitcher(task, spec=make_spec(outputs=3), output_layout=layout, outputs=3, confidence=0.5)
        out = np.zeros((one.channels, 2, 3), one.dtype)
        one.paste(turned, PART, out)
        results.append(out)
    np.testing.assert_array_equal(*results)
    assert results[0].any()


def test_pixels_below_the_confidence_become_nothing() -> None:
    scores = np.array([[[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]]], np.float32)
    out = np.full((1, 1, 3), 9, np.uint8)
    stitcher(confidence=float(np.float32(0.6))).paste(scores, Region(0, 0, 1, 3), out)
    assert out.ravel().tolist() == [1, 0, 2]


@pytest.mark.parametrize(("limit", "expected"), [(0.5, [[1, 0], [1, 1]]), (0.9, [[0, 0], [1, 0]])])
def test_multi_label_models_decide_class_by_class(limit: float, expected: list[list[int]]) -> None:
    scores = np.array([[[0.6, 0.95], [0.4, 0.5]]], np.float32)
    one = stitcher(Task.MULTILABEL, confidence=limit)
    out = np.zeros((2, 1, 2), np.uint8)
    one.paste(scores, Region(0, 0, 1, 2), out)
    assert out[:, 0].tolist() == expected
    assert (one.per_output, one.channels, one.dtype) == (True, 2, np.uint8)


def test_scores_are_copied() -> None:
    scores = np.random.default_rng(2).normal(size=(3, 5, 2)).astype(np.float32)
    one = stitcher(Task.REGRESSION)
    out = np.zeros((2, 2, 3), np.float32)
    one.paste(scores, PART, out)
    np.testing.assert_array_equal(out, scores[1:3, :3].transpose(2, 0, 1))
    assert (one.per_output, one.channels, one.dtype) == (True, 2, np.float32)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_labels_that_the_network_made_are_taken_as_they_are(dtype: Any) -> None:
    labels = np.arange(15, dtype=dtype).reshape(3, 5)
    spec = replace(make_spec(), classes=(ModelClass(name="a", label=300, color=(0, 0, 0)),))
    one = stitcher(spec=spec if dtype == np.uint16 else None, gives="labels", output_layout="NCHW")
    out = np.zeros((1, 2, 3), one.dtype)
    one.paste(labels, PART, out)
    assert one.dtype == dtype
    np.testing.assert_array_equal(out[0], labels[1:3, :3], strict=True)


# ------------------------------------------------------------------------------------------ blocks


def nowhere(plane: PlaneIndex, region: Region) -> None:
    """A sink without memory of its own."""


def new_blocks(case: Case, *, channels: int = 1, memory: Callable[..., Any] = nowhere) -> Blocks:
    return Blocks(case.blocks, channels=channels, dtype=np.dtype(np.uint8), memory=memory)


def pasted(blocks: Blocks, placed: Placed, result: NDArray[Any]) -> Iterator[Block]:
    """Paste a tile out of the (plane axes…, channel, y, x) result it belongs to."""

    def put(region: Region, out: NDArray[Any]) -> None:
        assert region.common(placed.kept) == region
        out[...] = result[placed.plane][:, region.y : region.bottom, region.x : region.right]

    return blocks.paste(placed, put)


def cut(result: NDArray[Any], plane: PlaneIndex, region: Region) -> NDArray[Any]:
    return result[plane][:, region.y : region.bottom, region.x : region.right]


def patchy(case: Case, channels: int, seed: int) -> NDArray[np.uint8]:
    """A result of patches of one value: (plane axes…, channel, y, x)."""
    coarse = np.random.default_rng(seed).integers(0, 2, (*case.shape[:-2], channels, 4, 4))
    fine = coarse.repeat(10, axis=-2).repeat(10, axis=-1)
    return fine[..., : case.size[0], : case.size[1]].astype(np.uint8)


@given(case=cases(), channels=st.integers(1, 2), data=st.data())
def test_every_block_comes_once_and_whole_whatever_the_order(
    case: Case, channels: int, data: st.DataObject
) -> None:
    result = np.random.default_rng(0).integers(0, 255, (*case.shape[:-2], channels, *case.size), np.uint8)
    blocks = new_blocks(case, channels=channels)
    found, done = list[tuple[PlaneIndex, Region]](), np.zeros(case.shape, int)
    tiles = [placed for *_, placed in case.placed]
    for placed in data.draw(st.permutations(tiles)):
        k = placed.kept
        done[placed.plane][k.y : k.bottom, k.x : k.right] += 1
        for block in pasted(blocks, placed, result):
            assert block.missing == 0
            assert block.pixels is not None
            np.testing.assert_array_equal(block.pixels, cut(result, block.plane, block.region), strict=True)
            r = block.region
            assert (done[block.plane][r.y : r.bottom, r.x : r.right] == 1).all()  # and not before it is whole
            found.append((block.plane, r))
    whole = Region(0, 0, *case.size)
    everything = [(p, case.blocks.region(*place)) for p in case.planes for place in case.blocks.over(whole)]
    assert sorted(found, key=repr) == sorted(everything, key=repr)


@given(case=cases(), channels=st.integers(1, 2), seed=st.integers(0, 99), owns=st.booleans(), data=st.data())
def test_values_and_pixels_mix(case: Case, channels: int, seed: int, owns: bool, data: st.DataObject) -> None:
    """Tiles of one value are filled or pasted, as chance will have it; memory is used again at once."""
    result = patchy(case, channels, seed)
    sink = MemorySink(result.shape, np.uint8, block=case.block, owns_memory=owns)
    blocks = new_blocks(case, channels=channels, memory=sink.new_block)
    for *_, placed in case.placed:
        part = cut(result, placed.plane, placed.kept)
        value = part[:, 0, 0]
        if (part == value[:, None, None]).all() and data.draw(st.booleans()):
            finished = blocks.fill(placed, value.copy())
        else:
            finished = pasted(blocks, placed, result)
        for block in finished:
            assert block.pixels is not None
            np.testing.assert_array_equal(block.pixels, cut(result, block.plane, block.region), strict=True)
            sink.write(block.plane, block.region, block.pixels)
            blocks.written(block)
            if not block.is_ours and block.pixels.strides[1:] != (0, 0):
                assert owns or block.pixels[0].size == 1 or 1 in block.pixels.shape[1:]
    for plane in case.planes:
        np.testing.assert_array_equal(sink.array[plane], result[plane])


WHOLE = Case(
    size=(16, 32),
    tile=(8, 8),
    border=(0, 0),
    cell=(8, 8),
    block=(16, 16),
    stripe=32,
    first=(),
    counts=(),
    depths=(),
)


def placed_at(y: int, x: int, size: int = 8, plane: PlaneIndex = ()) -> Placed:
    region = Region(y, x, size, size)
    return Placed(plane, Tile(region, Border(0, 0, 0, 0)), region)


def filled(blocks: Blocks, value: int, *places: tuple[int, int]) -> list[Block]:
    return [b for y, x in places for b in blocks.fill(placed_at(y, x), np.array([value], np.uint8))]


FOUR = ((0, 0), (0, 8), (8, 0), (8, 8))


def test_a_block_of_one_value_takes_no_memory() -> None:
    asked: list[Region] = []
    blocks = new_blocks(WHOLE, memory=lambda plane, region: asked.append(region))
    (block,) = filled(blocks, 3, *FOUR)
    assert block.pixels is not None
    assert block.pixels.shape == (1, 16, 16)
    assert block.pixels.strides[1:] == (0, 0)
    assert (block.pixels == 3).all()
    assert not block.is_ours
    assert asked == []
    blocks.written(block)


def test_a_second_value_makes_pixels_of_the_first() -> None:
    blocks = new_blocks(WHOLE)
    assert filled(blocks, 3, *FOUR[:3]) == []
    (block,) = filled(blocks, 5, FOUR[3])
    assert block.is_ours
    assert block.pixels is not None
    assert (block.pixels[0, 8:, 8:] == 5).all()
    assert np.count_nonzero(block.pixels == 3) == 3 * 64


def test_the_sinks_own_memory_is_used_and_never_given_out_again() -> None:
    sink = MemorySink((1, 16, 32), np.uint8, block=(16, 16), owns_memory=True)
    blocks = new_blocks(WHOLE, memory=sink.new_block)
    filled(blocks, 3, *FOUR[:3])
    (block,) = filled(blocks, 5, FOUR[3])
    assert block.pixels is not None
    assert np.shares_memory(block.pixels, sink.array)
    assert not block.is_ours
    assert (sink.array[0, :16, :16] == block.pixels).all()
    blocks.written(block)
    filled(blocks, 3, (0, 16), (0, 24), (8, 16))
    (other,) = filled(blocks, 5, (8, 24))
    assert other.pixels is not None
    assert not np.shares_memory(block.pixels, other.pixels)


def test_memory_is_used_again_but_only_when_it_was_written() -> None:
    blocks = new_blocks(replace(WHOLE, size=(16, 64)))

    def mixed(x: int) -> Block:
        filled(blocks, 1, (0, x), (0, x + 8), (8, x))
        (block,) = filled(blocks, 2, (8, x + 8))
        return block

    first, second = mixed(0), mixed(16)
    assert not np.shares_memory(first.pixels, second.pixels)  # type: ignore[arg-type]
    blocks.written(first)
    third = mixed(32)
    assert third.pixels is first.pixels
    assert not np.shares_memory(mixed(48).pixels, second.pixels)  # type: ignore[arg-type]


@given(case=cases(), delay=st.integers(0, 3))
def test_no_more_memory_is_kept_than_was_needed_at_once(case: Case, delay: int) -> None:
    """Counted are arrays that are alive; `delay` blocks are always being written."""
    blocks, waiting = new_blocks(case), list[Block]()
    alive, opened = dict[int, int](), dict[tuple[PlaneIndex, Region], int]()

    def put(region: Region, out: NDArray[Any]) -> None:
        while out.base is not None:
            out = out.base
        if id(out) not in alive:
            alive[id(out)] = out.nbytes
            weakref.finalize(out, alive.pop, id(out))

    needed = most = 0
    for *_, placed in case.placed:
        for place in touched(case.blocks, placed.kept):
            region = case.blocks.region(*place)
            opened[placed.plane, region] = region.height * region.width
        needed = max(needed, sum(opened.values()))
        for block in blocks.paste(placed, put):
            waiting.append(block)
            if len(waiting) > delay:
                done = waiting.pop(0)
                del opened[done.plane, done.region]
                blocks.written(done)
                del done
            del block
        most = max(most, sum(alive.values()))
    assert most <= needed
