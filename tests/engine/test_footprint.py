"""What a job is said to hold is what it holds, whatever the size of the image."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from czengine import InputOptions, OutputOptions, RunOptions, api
from czengine.footprint import footprint
from czengine.job import Job
from tests.support.archives import czann_archive, onnx_network
from tests.support.images import pattern, write_ome_zarr


def job_of(folder: Path, shape: tuple[int, ...], *, scores: bool = False, chunks: int = 64) -> Job:
    folder.mkdir(exist_ok=True)
    archive = czann_archive(folder / "m.czann", network=onnx_network(kernel=3))
    data = np.broadcast_to(pattern((1,), np.uint16), shape)
    image = write_ome_zarr(folder / "i.ome.zarr", data, "zyx", levels=2, chunks=(1, chunks, chunks))
    (job,) = api.plan(
        archive, image, inputs=InputOptions(), output=OutputOptions(scores=scores), run=RunOptions()
    )
    return job


def test_it_does_not_grow_with_height_or_planes(tmp_path: Path) -> None:
    small = footprint(job_of(tmp_path / "a", (1, 2400, 200)))
    assert footprint(job_of(tmp_path / "b", (4, 9600, 200))) <= 1.1 * small


def test_it_grows_with_width_and_outputs(tmp_path: Path) -> None:
    narrow = footprint(job_of(tmp_path / "a", (1, 600, 300)))
    assert footprint(job_of(tmp_path / "b", (1, 600, 3000))) > 3 * narrow
    assert footprint(job_of(tmp_path / "c", (1, 600, 300), scores=True)) > 3 * narrow


@pytest.mark.parametrize("scores", [False, True])
def test_a_run_holds_about_what_was_said(tmp_path: Path, scores: bool) -> None:
    """NumPy reports its arrays to tracemalloc; what onnxruntime takes is not part of the promise."""
    job = job_of(tmp_path, (1, 700, 6000), scores=scores, chunks=256)
    model = api.open_model(tmp_path / "m.czann")
    api.run_jobs(model, [job_of(tmp_path / "warm", (1, 40, 40), scores=scores)])  # imports are no arrays
    tracemalloc.start()
    api.run_jobs(model, [job])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.2 * footprint(job) < peak < 1.5 * footprint(job)
