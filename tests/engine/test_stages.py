"""All stages together, without files and a runtime: the result is right, and whatever fails ends every thread.

Joins the stages as `czengine.pipeline` does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.ahead import Ahead, Stop
from czengine.cells import Cells
from czengine.errors import Cancelled, DeviceError, ImageError, OutputError, located
from czengine.footprint import BUFFERS, WRITING
from czengine.gather import Batch, Buffers, Gatherer
from czengine.geometry import Region
from czengine.memo import Memo
from czengine.meter import Meter
from czengine.progress import CancelToken
from czengine.schedule import Placed
from czengine.spec import Task
from czengine.stitch import Blocks, Stitcher
from czengine.tally import LabelTally
from czengine.writing import Writers
from tests.support.kernels_now import NowKernels
from tests.support.schedules import Case, cases, input_map
from tests.support.specs import make_spec
from tests.support.streams import MemorySink, MemorySource, PixelSession


def left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("czengine-")]


class Breaking(PixelSession):
    """Fails at the call with a certain number."""

    def __init__(self, *args: Any, fail_at: int | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self._fail_at, self.calls = fail_at, 0

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        self.calls += 1
        if self.calls - 1 == self._fail_at:
            raise DeviceError("the device is gone; plug it in again")
        return super().run(batch)


def run(
    case: Case,
    source: MemorySource,
    session: Breaking,
    sink: MemorySink,
    *,
    memo: bool = True,
    check: Callable[[], None] = lambda: None,
    advance: Callable[[int], None] = lambda pixels: None,
) -> LabelTally:
    """Segment all planes of a case."""
    kernels, meter, stop = NowKernels(), Meter(), Stop(check)
    stitcher = Stitcher(kernels, make_spec(), session.network, task=Task.SEGMENTATION)
    known, tally = Memo(stitcher, case.tile), LabelTally(kernels, channels=1, dtype=stitcher.dtype)
    blocks = Blocks(case.blocks, channels=1, dtype=stitcher.dtype, memory=sink.new_block)
    inputs, buffers = input_map(), Buffers(session, BUFFERS, stop)
    cells = Cells(
        source, inputs, case.plan, case.cells, case.sweeps, budget=500, kernels=kernels, meter=meter
    )
    gatherer = Gatherer(cells, case.plan, inputs, 1.0, session, buffers, kernels, memo=memo, meter=meter)

    def scored(batches: Iterable[Batch]) -> Generator[tuple[Batch, Any], None, None]:
        for batch in batches:
            scores: Any = ()
            if batch.pixels is not None:
                with located(batch.tiles[0]):
                    scores = session.run(batch.pixels)
                buffers.give_back(batch.pixels)
            yield batch, scores

    def put(placed: Placed, scores: NDArray[Any], region: Region, out: NDArray[Any]) -> None:
        roi = placed.tile.roi
        stitcher.paste(scores, Region(region.y - roi.y, region.x - roi.x, region.height, region.width), out)

    more: dict[str, Any] = {"depth": 1, "stop": stop, "meter": meter}
    with ExitStack() as stack:
        writers = stack.enter_context(
            Writers(sink, tally, threads=WRITING, released=blocks.written, stop=stop, meter=meter)
        )
        batches = stack.enter_context(
            Ahead(gatherer.batches(case.sweeps), stage="gather", reader="run", **more)
        )
        for batch, scores in stack.enter_context(
            Ahead(scored(batches), stage="run", reader="stitch", **more)
        ):
            for placed, key, tile in zip(batch.tiles, batch.keys, scores, strict=False):
                if key is not None:
                    known.remember(key, tile)
                for block in blocks.paste(placed, partial(put, placed, tile)):
                    writers.submit(block)
            for placed, repeat in batch.repeats:
                for block in known.paste(placed, repeat, blocks):
                    writers.submit(block)
            advance(sum(p.kept.height * p.kept.width for p in batch.placed))
            stop.check()
        writers.finish()
    return tally


def oracle(case: Case, image: NDArray[Any], session: PixelSession) -> NDArray[np.uint8]:
    """Tile by tile, everything padded and cut by NumPy."""
    result = np.zeros((*case.shape[:-2], 1, *case.size), np.uint8)
    far = max(case.tile)
    for plane in case.planes:
        padded = np.pad(image[plane][0], far, mode="reflect").astype(np.float32)
        for tile in case.plan.tiles():
            r, c = tile.roi, tile.center
            batch = np.zeros(session.input_shape, np.float32)
            batch[0, ..., 0] = padded[r.y + far : r.bottom + far, r.x + far : r.right + far]
            labels = PixelSession.run(session, batch)[0].argmax(axis=-1) + 1
            kept = labels[c.y - r.y : c.bottom - r.y, c.x - r.x : c.right - r.x]
            result[plane][0, c.y : c.bottom, c.x : c.right] = kept
    return result


def patchy(case: Case, seed: int) -> NDArray[np.uint8]:
    """An image with large parts of one value: (plane axes…, channel, y, x)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 2, (*case.shape[:-2], 1, 4, 4)).repeat(10, axis=-2).repeat(10, axis=-1)
    image = coarse[..., : case.size[0], : case.size[1]].astype(np.uint8)
    return np.where(rng.random(image.shape) < 0.02, 3, image).astype(np.uint8)


# ------------------------------------------------------------------------------------------ it works


@settings(max_examples=40)
@given(case=cases(), size=st.integers(1, 5), memo=st.booleans(), owns=st.booleans(), seed=st.integers(0, 99))
def test_the_result_is_that_of_the_slow_way(case: Case, size: int, memo: bool, owns: bool, seed: int) -> None:
    image = patchy(case, seed)
    session, done = Breaking(size, case.tile), list[int]()
    sink = MemorySink(image.shape, np.uint8, block=case.block, owns_memory=owns)
    tally = run(case, MemorySource(image), session, sink, memo=memo, advance=done.append)
    wanted = oracle(case, image, session)
    for plane in case.planes:
        np.testing.assert_array_equal(sink.array[plane], wanted[plane])
    chosen = np.stack([wanted[plane] for plane in case.planes])
    assert sum(done) == chosen.size
    assert len(sink.writes) == len(set(sink.writes))
    counts = [c.pixels for c in tally.counts(make_spec().classes, None)]
    assert counts == [np.count_nonzero(chosen == label) for label in (1, 2)]
    assert left() == []


def test_remembering_saves_calls() -> None:
    calls = []
    for memo in (True, False):
        image = np.zeros((1, *PLAIN.size), np.uint8)
        session = Breaking(1, PLAIN.tile)
        run(PLAIN, MemorySource(image), session, sink_of(), memo=memo)
        calls.append(session.calls)
    assert calls == [1, len(PLAIN.placed)]


# ------------------------------------------------------------------------------------------ it fails

PLAIN = Case(
    size=(40, 60),
    tile=(12, 12),
    border=(2, 2),
    cell=(16, 16),
    block=(8, 16),
    stripe=60,
    first=(),
    counts=(),
    depths=(),
)


def sink_of(**more: Any) -> MemorySink:
    return MemorySink((1, *PLAIN.size), np.uint8, block=PLAIN.block, **more)


def noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (1, *PLAIN.size), np.uint8)


@pytest.mark.parametrize("at", [0, 3, 11])
@pytest.mark.parametrize("where", ["read", "run", "write"])
def test_an_error_in_any_stage_ends_all_and_says_where_it_was(where: str, at: int) -> None:
    fails = {where: at}
    session = Breaking(2, PLAIN.tile, fail_at=fails.get("run"))
    source, sink = MemorySource(noise(), fail_at=fails.get("read")), sink_of(fail_at=fails.get("write"))
    kind, sentence = {
        "read": (ImageError, r"corrupted.*\(the tile at rows \d+ to \d+, columns \d+ to \d+\)$"),
        "run": (DeviceError, r"device is gone.*\(the tile at rows \d+ to \d+, columns \d+ to \d+\)$"),
        "write": (OutputError, r"disk is full.*\(the block at row \d+, column \d+\)$"),
    }[where]
    with pytest.raises(kind, match=sentence):
        run(PLAIN, source, session, sink)
    assert left() == []


@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_wish_to_stop_ends_all(after: int) -> None:
    token, batches = CancelToken(), list[int]()

    def advance(pixels: int) -> None:
        batches.append(pixels)
        if len(batches) > after:
            token.cancel()

    session = Breaking(1, PLAIN.tile)
    with pytest.raises(Cancelled):
        run(PLAIN, MemorySource(noise()), session, sink_of(), check=token.check, advance=advance)
    assert len(batches) == after + 1  # within one batch
    assert session.calls <= after + 1 + 3  # one waits, one is handed over, one is run
    assert left() == []


@pytest.mark.parametrize("stuck", ["read", "write"])
def test_a_wish_to_stop_is_heard_while_a_stage_is_stuck(stuck: str) -> None:
    """As soon as the disk answers again: nobody can end a thread that waits for it."""
    gate, checks = threading.Event(), 0

    def check() -> None:
        nonlocal checks
        checks += 1
        if checks > 40 or (stuck == "read" and checks > 2):
            gate.set()
            raise Cancelled("enough")

    source = MemorySource(noise(), gate=gate if stuck == "read" else None)
    sink = sink_of(gate=gate if stuck == "write" else None)
    with pytest.raises(Cancelled, match="enough"):
        run(PLAIN, source, Breaking(1, PLAIN.tile), sink, check=check)
    assert left() == []


@pytest.mark.parametrize("error", [KeyError("a listener's"), KeyboardInterrupt()])
def test_what_the_caller_raises_ends_all(error: BaseException) -> None:
    def advance(pixels: int) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        run(PLAIN, MemorySource(noise()), Breaking(1, PLAIN.tile), sink_of(), advance=advance)
    assert caught.value is error
    assert left() == []
