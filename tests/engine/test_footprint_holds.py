"""What a run really holds is no more than what was planned: arrays as NumPy reports them to tracemalloc.

What the runtimes hold for themselves (networks, decoders, encoders) is not seen here; `tests/test_memory.py` looks
at whole processes.
"""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from czengine import OptionError, OutputOptions, RunOptions, api, kernels
from czengine.compiling import Compiler
from czengine.geometry import Region
from czengine.job import Job
from czengine.meter import Meter
from czengine.model import Model
from czengine.pipeline import Pipeline
from czengine.session.base import Session
from czengine.sinks.omezarr import open_sink
from czengine.sources.base import ImageInfo, PlaneGroup, PlaneIndex, Source
from tests.support.archives import legacy_archive, onnx_network
from tests.support.images import write_ome_zarr

MIB = 2**20
SLACK = MIB // 2  # Python's own: plans, metadata, queues, the bytes of the network
ONE = RunOptions(device="cpu", threads=1)


@dataclass
class There:
    """Pixels that are there already; see `Pending`."""

    pixels: NDArray[Any]

    def result(self) -> NDArray[Any]:
        return self.pixels


class TracedSource:
    """A source whose pixels are memory of NumPy's from the request on, which tracemalloc sees."""

    def __init__(self, inner: Source) -> None:
        self._inner = inner
        self.info: ImageInfo = inner.info

    @property
    def reader(self) -> str:
        return self._inner.reader

    @property
    def chunks_decoded(self) -> int:
        return self._inner.chunks_decoded

    def missing(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> float | None:
        return self._inner.missing(group, region, channels)

    def request(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> There:
        return There(np.array(self._inner.request(group, region, channels).result(), order="C"))

    def read(self, plane: PlaneIndex, region: Region, channels: Sequence[int]) -> NDArray[Any]:
        return self._inner.read(plane, region, channels)

    def __enter__(self) -> TracedSource:
        self._inner.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._inner.__exit__(*exception)


def model_of(folder: Path, tile: int = 128) -> Model:
    """A legacy model, since those turn colour into gray."""
    network = onnx_network(tile, tile, kernel=3)
    return api.open_model(legacy_archive(folder / "model.czseg", network=network))


def smooth(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Nowhere constant, cheap to make."""
    return (np.arange(np.prod(shape), dtype=np.uint32) % 251).astype(dtype).reshape(shape)


class TracedSession:
    """A session whose scores are memory of NumPy's, not of the runtime's."""

    def __init__(self, inner: Session) -> None:
        self._inner = inner
        self.network, self.input_shape, self.device = inner.network, inner.input_shape, inner.device

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        return np.array(self._inner.run(batch), order="C")


def held(model: Model, job: Job, run: RunOptions) -> int:
    """Most bytes held at once, once everything is loaded and compiled."""
    compiled = Compiler(model, run).compiled(job)
    compiled = replace(compiled, session=TracedSession(compiled.session))
    traced = replace(job, source=TracedSource(job.source))
    loops = kernels.load("auto", threads=1)

    def once() -> None:
        with open_sink(job.targets, threads=1) as sink:
            Pipeline(traced, compiled, loops, Meter()).run(sink, lambda pixels: None, lambda: None)

    once()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        once()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return most - before


def assert_planned(model: Model, job: Job, run: RunOptions, *, share: float) -> None:
    """No more than planned for what can be seen, and at least a `share` of all, or the plan would say nothing."""
    planned, found = job.memory.footprint, held(model, job, run)
    assert found <= planned.total - planned.decoding + SLACK, planned
    assert found >= share * planned.total, planned


CASES: dict[str, tuple[tuple[int, ...], str, dict[str, Any], RunOptions, bool]] = {
    "a wide plane": ((700, 6000), "yx", {"chunks": (256, 256)}, ONE, False),
    "a wide plane, scores": ((700, 6000), "yx", {"chunks": (256, 256)}, ONE, True),
    "a tall plane": ((6000, 700), "yx", {"chunks": (512, 512)}, ONE, False),
    "one chunk": ((1500, 1500), "yx", {"chunks": (1500, 1500)}, ONE, False),
    "a stack in deep chunks": ((8, 900, 900), "zyx", {"chunks": (4, 256, 256)}, ONE, False),
    "gray of colours": ((3, 1500, 1500), "cyx", {"chunks": (3, 512, 512)}, ONE, False),
    "gray of colours, planar": ((3, 1500, 1500), "cyx", {"chunks": (1, 512, 512)}, ONE, False),
    "batches": ((1000, 1000), "yx", {"chunks": (512, 512)}, RunOptions(device="cpu", batch=64), False),
    "batches of scores": ((900, 900), "yx", {"chunks": (512, 512)}, RunOptions(device="cpu", batch=8), True),
    "the network as it is": ((900, 3000), "yx", {"chunks": (512, 512)}, replace(ONE, compile=False), False),
}


@pytest.mark.parametrize("name", CASES)
def test_a_run_holds_what_was_planned(name: str, tmp_path: Path) -> None:
    shape, axes, more, run, scores = CASES[name]
    gray = "gray" in name
    if gray:
        more = more | {"channel_names": ("R", "G", "B"), "channel_colors": ("FF0000", "00FF00", "0000FF")}
    image = write_ome_zarr(tmp_path / "i.ome.zarr", smooth(shape, "u1" if gray else "u2"), axes, **more)
    model = model_of(tmp_path)
    (job,) = api.plan(model, image, run=run, output=OutputOptions(scores=scores, overwrite=True))
    assert job.inputs.gray == gray
    assert_planned(model, job, run, share=0.2)


@pytest.mark.parametrize("more", [0, 1, 3])
@pytest.mark.parametrize("scores", [False, True])
def test_stripes_hold_no_more_than_the_limit(tmp_path: Path, more: int, scores: bool) -> None:
    picture = smooth((600, 9000), "u2")
    image = write_ome_zarr(tmp_path / "i.ome.zarr", picture, "yx", chunks=(128, 256))
    model = model_of(tmp_path)
    output = OutputOptions(scores=scores, overwrite=True)
    limit = smallest(model, image, output) + more * MIB
    run = replace(ONE, memory_limit=limit)
    (job,) = api.plan(model, image, run=run, output=output)
    assert len(job.sweeps) > 1
    assert job.memory.footprint.total <= limit
    assert_planned(model, job, run, share=0.2)


def test_planes_that_are_too_much_together_are_held_one_by_one(tmp_path: Path) -> None:
    image = write_ome_zarr(
        tmp_path / "i.ome.zarr", smooth((16, 700, 700), "u2"), "zyx", chunks=(16, 128, 128)
    )
    model = model_of(tmp_path)
    output = OutputOptions(overwrite=True)
    run = replace(ONE, memory_limit=smallest(model, image, output))
    (job,) = api.plan(model, image, run=run, output=output)
    assert {len(sweep.group.planes) for sweep in job.sweeps} == {1}
    assert_planned(model, job, run, share=0.2)


def test_few_constant_tiles_are_remembered_however_many_values_there_are(tmp_path: Path) -> None:
    picture = np.repeat(np.arange(300, dtype=np.uint16), 96)[:, np.newaxis] * np.ones((1, 128), np.uint16)
    image = write_ome_zarr(tmp_path / "i.ome.zarr", picture, "yx", chunks=(512, 128))
    model = model_of(tmp_path, tile=64)
    (job,) = api.plan(model, image, run=ONE, output=OutputOptions(scores=True, overwrite=True))
    assert_planned(model, job, ONE, share=0.2)


def smallest(model: Model, image: Path, output: OutputOptions) -> int:
    """Bytes of the smallest limit that works, which the refusal of a smaller one names."""
    with pytest.raises(OptionError, match="need at least") as refused:
        api.plan(model, image, output=output, run=RunOptions(memory_limit=1))
    (named,) = re.findall(r"at least (\d+) MiB", str(refused.value))
    return int(named) * MIB
