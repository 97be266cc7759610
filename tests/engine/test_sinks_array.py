"""Results in memory: blocks are parts of the array itself."""

from __future__ import annotations

import numpy as np
import pytest

from czengine.geometry import Region
from czengine.sinks.array import ArraySink
from czengine.sinks.base import Sink
from tests.support.results import blocks_of, write_planes


def make_sink(height: int = 2500, width: int = 60, planes: tuple[int, ...] = (2, 3)) -> ArraySink:
    return ArraySink(channels=2, planes=planes, height=height, width=width, dtype=np.dtype(np.uint8))


@pytest.mark.parametrize(("height", "block"), [(2500, (1024, 60)), (30, (30, 60))])
def test_blocks_are_whole_rows(height: int, block: tuple[int, int]) -> None:
    assert make_sink(height).block == block


def test_what_is_put_into_a_block_is_in_the_array() -> None:
    sink = make_sink()
    region = Region(1024, 0, 1024, 60)
    block = sink.new_block((1, 2), region)
    block[...] = np.random.default_rng(0).integers(0, 255, block.shape)
    sink.write((1, 2), region, block)
    np.testing.assert_array_equal(sink.array[:, 1, 2, 1024:2048], block)
    assert np.shares_memory(sink.array, block)
    assert not sink.array[:, 0].any()
    assert not sink.array[:, 1, 2, 2048:].any()


def test_other_pixels_are_copied() -> None:
    sink: Sink = make_sink()
    pixels = np.random.default_rng(0).integers(0, 255, (2, 2, 3, 2500, 60)).astype(np.uint8)
    write_planes(sink, pixels)
    np.testing.assert_array_equal(sink.array, pixels)  # type: ignore[attr-defined]
    assert sink.bytes_written == 0


def test_a_block_of_another_place_is_copied() -> None:
    sink = make_sink(planes=())
    first, second, last = blocks_of(sink, 2500, 60)
    block = sink.new_block((), first)
    block[...] = 7
    sink.write((), second, block)
    assert (sink.array[:, :2048] == 7).all()
    assert not sink.array[:, last.y :].any()
