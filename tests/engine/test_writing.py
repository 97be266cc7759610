"""Blocks are written by a few threads, a bounded number at a time, and the first error ends the run."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from czengine.ahead import Stop
from czengine.errors import Cancelled, OutputError
from czengine.geometry import Region
from czengine.kernels.reference import ReferenceKernels
from czengine.meter import Meter
from czengine.stitch import Block
from czengine.tally import LabelTally, ScoreTally, Tally
from czengine.writing import Writers
from tests.support.streams import MemorySink

LONG = 20.0  # seconds, for waits that end at once unless something is broken
SIZE = (40, 30)
STEP = (8, 8)


def blocks() -> list[Block]:
    """All blocks of a plane; 20 of them, every one of another value."""
    found = []
    for number, (y, x) in enumerate((y, x) for y in range(0, SIZE[0], 8) for x in range(0, SIZE[1], 8)):
        region = Region(y, x, *STEP).clipped(*SIZE)
        pixels = np.full((1, region.height, region.width), number, np.uint8)
        found.append(Block((), region, 0, pixels))
    return found


def wanted() -> NDArray[np.uint8]:
    numbers = np.arange(20, dtype=np.uint8).reshape(5, 4)
    return numbers.repeat(8, 0).repeat(8, 1)[np.newaxis, : SIZE[0], : SIZE[1]]


def sink(**more: Any) -> MemorySink:
    return MemorySink((1, *SIZE), np.uint8, block=STEP, **more)


def writers(
    sink: MemorySink,
    *,
    threads: int = 2,
    tally: Tally | None = None,
    released: Callable[[Block], None] = lambda block: None,
    check: Callable[[], None] = lambda: None,
    meter: Meter | None = None,
) -> Writers:
    return Writers(
        sink,
        tally or ScoreTally(channels=1),
        threads=threads,
        released=released,
        stop=Stop(check),
        meter=meter or Meter(),
    )


def begun(sink: MemorySink, count: int) -> None:
    """Wait until so many more writes have begun."""
    for _ in range(count):
        assert sink.begun.acquire(timeout=LONG)


def left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("czengine-write")]


# ------------------------------------------------------------------------------------------ the usual


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_block_is_written_counted_and_released_once(threads: int) -> None:
    result, all_blocks, released = sink(), blocks(), list[Block]()
    tally, meter = LabelTally(ReferenceKernels(), channels=1, dtype=np.dtype(np.uint8)), Meter()
    with writers(result, threads=threads, tally=tally, released=released.append, meter=meter) as crew:
        for block in all_blocks:
            crew.submit(block)
        crew.finish()
        assert len(released) == 20
    np.testing.assert_array_equal(result.array, wanted())
    assert Counter(map(id, released)) == Counter(map(id, all_blocks))
    assert tally.counts((), None)[0].pixels == STEP[0] * STEP[1]
    assert meter.stages("write")[0].items == 20
    assert result.most_at_once <= threads
    assert left() == []


def test_blocks_are_written_at_the_same_time() -> None:
    gate = threading.Event()
    result = sink(gate=gate)
    with writers(result, threads=3) as crew:
        for block in blocks()[:3]:
            crew.submit(block)
        begun(result, 3)
        assert result.at_once == 3
        gate.set()
        crew.finish()


@pytest.mark.parametrize("threads", [1, 2])
def test_no_more_than_twice_as_many_as_threads_are_handed_over(threads: int) -> None:
    """Whoever hands over one more waits, until one is written."""
    gate, released, handed = threading.Event(), list[int](), list[int]()
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1
        if len(handed) == 2 * threads and checks > 2 * threads + 2:  # it has waited for a while
            assert released == []
            gate.set()

    result = sink(gate=gate)
    with writers(result, threads=threads, released=lambda b: released.append(id(b)), check=check) as crew:
        for block in blocks()[: 2 * threads + 1]:
            crew.submit(block)
            handed.append(id(block))
        assert gate.is_set()
        assert released
        crew.finish()
    assert len(released) == 2 * threads + 1


def test_a_slow_block_does_not_hold_up_the_others() -> None:
    """Of two threads one is stuck with the first block; the other can write all that follow."""
    stuck = threading.Event()

    class Slow(MemorySink):
        def write(self, plane: tuple[int, ...], region: Region, pixels: NDArray[Any]) -> None:
            if (region.y, region.x) == (0, 0):
                assert stuck.wait(LONG)
            super().write(plane, region, pixels)

    result = Slow((1, *SIZE), np.uint8, block=STEP)
    with writers(result) as crew:
        for block in blocks():
            crew.submit(block)
        assert len(result.writes) >= 20 - 4
        stuck.set()
        crew.finish()
    np.testing.assert_array_equal(result.array, wanted())


# ------------------------------------------------------------------------------------------ errors


def test_the_next_block_handed_over_meets_the_error_of_an_earlier_one() -> None:
    """Not only the one that has to wait for room: here is room for 100."""
    result, released, first, second = sink(fail_at=0), list[Block](), *blocks()[:2]

    class Never(ScoreTally):
        def add(self, pixels: NDArray[Any]) -> None:
            assert pixels.max() > 0, "what was not written is not counted"

    crew = writers(result, threads=50, tally=Never(channels=1), released=released.append)
    with pytest.raises(OutputError, match="disk is full"), crew:  # noqa: PT012
        crew.submit(first)
        begun(result, 1)
        for _ in range(90):
            threading.Event().wait(0.01)
            crew.submit(second)
    assert all(block is not first for block in released)
    assert left() == []


def test_the_end_meets_the_error_of_the_last_block() -> None:
    result = sink(fail_at=1)
    with pytest.raises(OutputError, match="disk is full"), writers(result, threads=1) as crew:  # noqa: PT012
        for block in blocks()[:2]:
            crew.submit(block)
        crew.finish()
    assert left() == []


def test_leaving_waits_for_what_was_begun_and_drops_the_rest() -> None:
    gate = threading.Event()
    result, released = sink(gate=gate), list[Block]()
    opener = threading.Timer(0.3, gate.set)  # long after the second block was dropped
    first, second, *_ = blocks()
    with pytest.raises(KeyError), writers(result, threads=1, released=released.append) as crew:  # noqa: PT012
        crew.submit(first)
        begun(result, 1)
        crew.submit(second)
        opener.start()
        raise KeyError
    opener.join()
    assert result.writes == [((), first.region)]
    assert len(released) == 1
    assert released[0] is first
    assert left() == []


@pytest.mark.parametrize("where", ["submit", "finish"])
def test_the_users_wish_to_stop_is_noticed_while_waiting(where: str) -> None:
    gate, asked = threading.Event(), False

    def check() -> None:
        if asked:
            gate.set()  # or leaving would wait for ever
            raise Cancelled("enough")

    result = sink(gate=gate)
    with pytest.raises(Cancelled, match="enough"), writers(result, threads=1, check=check) as crew:  # noqa: PT012
        for block in blocks()[:2]:
            crew.submit(block)
        asked = True
        if where == "submit":
            crew.submit(blocks()[2])
        else:
            crew.finish()
    assert left() == []


def test_a_block_without_pixels_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="without pixels"), writers(sink()) as crew:  # noqa: PT012
        crew.submit(Block((), Region(0, 0, *STEP), 0))
        crew.finish()
