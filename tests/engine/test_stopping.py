"""However a run ends early, it ends soon, says why, leaves nothing behind, and no thread outlives it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from czengine import (
    Cancelled,
    CancelToken,
    DeviceError,
    ImageError,
    OutputError,
    Progress,
    RunOptions,
    TilingOptions,
    api,
    predict,
)
from czengine.compiling import Compiler
from czengine.job import Job
from czengine.kernels import load
from czengine.meter import Meter
from czengine.pipeline import Pipeline
from czengine.sinks.omezarr import open_sink
from tests.support.archives import czann_archive, onnx_network
from tests.support.faults import Counted, FaultySession, FaultySink, FaultySource
from tests.support.images import pattern, write_ome_zarr
from tests.support.results import snapshot

TILE, SIDE = 256, 2100  # 81 tiles in 25 cells, 81 blocks: more than all queues hold together
TILES = 81
RUN = RunOptions(device="cpu")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_ome_zarr(
        tmp_path / "i.ome.zarr", pattern((SIDE, SIDE), "u1"), "yx", levels=2, chunks=(256, 256)
    )


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return czann_archive(tmp_path / "m.czann", network=onnx_network(TILE, TILE, kernel=3))


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, image: Path, archive: Path) -> Iterator[None]:
    """After every test the folder is as before, and so are the threads."""
    before, others = snapshot(tmp_path), set(threading.enumerate())
    yield
    assert snapshot(tmp_path) == before
    assert [t.name for t in set(threading.enumerate()) - others if t.name.startswith("czengine-")] == []


def never(number: int) -> None:
    """Let every call go on."""


def failing(at: int, error: Exception) -> Callable[[int], None]:
    def at_call(number: int) -> None:
        if number == at:
            raise error

    return at_call


def carry_out(
    archive: Path,
    image: Path,
    *,
    read: Counted | None = None,
    run: Counted | None = None,
    write: Counted | None = None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """`predict`, with a look at every read, run and write."""
    model = api.open_model(archive)
    (job,) = api.plan(model, image, run=RUN)
    compiled = Compiler(model, RUN).compiled(job)
    session = FaultySession(compiled.session, run or Counted(never))
    job = replace(job, source=FaultySource(job.source, read or Counted(never)))
    pipeline = Pipeline(job, replace(compiled, session=session), load("auto", threads=1), Meter())
    with open_sink(job.targets) as sink:
        pipeline.run(FaultySink(sink, write or Counted(never)), lambda pixels: None, check)


@pytest.mark.parametrize("at", [1, 7, 25])
def test_a_failing_read_names_chunk_and_tile(archive: Path, image: Path, at: int) -> None:
    reads = Counted(failing(at, ImageError("chunk c/1/2 is damaged")))
    with pytest.raises(ImageError, match=r"chunk c/1/2 is damaged \(the tile at rows \d+ to \d+, columns"):
        carry_out(archive, image, read=reads)
    assert reads.calls == at


@pytest.mark.parametrize("at", [1, 3, 50])
def test_a_failing_device_names_the_tile(archive: Path, image: Path, at: int) -> None:
    runs = Counted(failing(at, DeviceError("out of memory")))
    with pytest.raises(
        DeviceError, match=r"out of memory \(the tile at rows \d+ to \d+, columns \d+ to \d+\)"
    ):
        carry_out(archive, image, run=runs)
    assert runs.calls == at


def test_a_device_may_throw_anything(archive: Path, image: Path) -> None:
    with pytest.raises(RuntimeError, match="surprise") as caught:
        carry_out(archive, image, run=Counted(failing(5, RuntimeError("surprise"))))
    assert "at the tile at rows" in caught.value.__notes__[0]


@pytest.mark.parametrize("at", [1, 4, 60])
def test_a_failing_write_ends_the_run(archive: Path, image: Path, at: int) -> None:
    runs = Counted(never)
    with pytest.raises(OutputError, match="disk full"):
        carry_out(archive, image, run=runs, write=Counted(failing(at, OutputError("disk full"))))


def test_the_first_error_wins(archive: Path, image: Path) -> None:
    """The device fails while the source is about to: what came first in the order of the work is told."""
    reads = Counted(failing(20, ImageError("too late")))
    with pytest.raises(DeviceError, match="first"):
        carry_out(archive, image, read=reads, run=Counted(failing(1, DeviceError("first"))))


@pytest.mark.parametrize("stage", ["read", "run", "write"])
def test_cancel_stops_within_a_batch(archive: Path, image: Path, stage: str) -> None:
    """Asked for in the middle of any stage; no more than the batches under way are run after that."""
    token = CancelToken()
    runs_then: list[int] = []

    def at_call(number: int) -> None:
        if number == 5:
            runs_then.append(runs.calls)
            token.cancel()
            time.sleep(0.3)  # the main thread hears of it meanwhile

    asked = Counted(at_call)
    runs = asked if stage == "run" else Counted(never)
    with pytest.raises(Cancelled, match="stopped on request"):
        carry_out(archive, image, **{"run": runs, stage: asked}, check=token.check)  # type: ignore[arg-type]
    assert runs.calls - runs_then[0] <= 1 or stage == "write"
    assert runs.calls < TILES


def test_cancel_works_while_a_read_hangs(archive: Path, image: Path) -> None:
    """The run ends as soon as the read does; nothing else is begun."""
    token, hanging = CancelToken(), threading.Event()

    def at_call(number: int) -> None:
        if number == 3:
            hanging.set()
            time.sleep(0.5)

    def cancel() -> None:
        hanging.wait(10)
        token.cancel()

    other = threading.Thread(target=cancel)
    other.start()
    reads = Counted(at_call)
    with pytest.raises(Cancelled):
        carry_out(archive, image, read=reads, check=token.check)
    other.join()
    assert reads.calls == 3


def test_a_token_cancels_predict_from_the_progress_callback(archive: Path, image: Path) -> None:
    token, seen = CancelToken(), []

    def listen(progress: object) -> None:
        seen.append(progress)
        token.cancel()

    with pytest.raises(Cancelled):
        predict(archive, image, run=RUN, progress=listen, cancel=token)
    assert 1 <= len(seen) <= 2


def test_an_error_of_the_listener_ends_the_run(archive: Path, image: Path) -> None:
    def listen(progress: object) -> None:
        raise ValueError("the window was closed")

    with pytest.raises(ValueError, match="the window was closed"):
        predict(archive, image, run=RUN, progress=listen)


def test_a_cancelled_pyramid_leaves_nothing(archive: Path, image: Path) -> None:
    token = CancelToken()

    def at_call(number: int) -> None:
        if number == blocks:
            token.cancel()

    model = api.open_model(archive)
    (job,) = api.plan(model, image, run=RUN)
    blocks = _blocks(job)
    with pytest.raises(Cancelled):
        carry_out(archive, image, write=Counted(at_call), check=token.check)


def _blocks(job: Job) -> int:
    from czengine.sinks.layout import plan_layout

    layout = plan_layout(job.targets[0])
    height, width = layout.levels[0].blocks[-2:]
    return -(-job.plan.height // height) * -(-job.plan.width // width)


def test_helpers_of_the_kernels_end_with_the_run_while_its_error_is_kept(archive: Path, image: Path) -> None:
    def listen(state: Progress) -> None:
        seen.update(t.name for t in threading.enumerate())
        if state.pixels_done > SIDE * SIDE // 2:
            raise KeyError("stop")

    seen: set[str] = set()
    run = RunOptions(device="cpu", threads=2)
    with pytest.raises(KeyError) as kept:
        predict(archive, image, tiling=TilingOptions(tile=(1024, 1024)), run=run, progress=listen)
    assert any(name.startswith("czengine-kernels") for name in seen)
    assert not any(t.name.startswith("czengine-kernels") for t in threading.enumerate()), kept
