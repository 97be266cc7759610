"""One network for all jobs that are alike, and few at once where images differ in size."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from czengine import RunOptions, TilingOptions, api
from czengine.compiling import Compiler
from tests.support.archives import czann_archive, onnx_network
from tests.support.images import pattern, write_bf2raw

RUN = RunOptions(device="cpu")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return czann_archive(tmp_path / "m.czann", network=onnx_network("h", "w", kernel=3))


def test_images_of_one_size_share_a_network(archive: Path, tmp_path: Path) -> None:
    model = api.open_model(archive)
    image = write_bf2raw(tmp_path / "i.zarr", [pattern((64, 64))] * 3, "yx")
    compiler = Compiler(model, RUN)
    assert len({id(compiler.compiled(job)) for job in api.plan(model, image, run=RUN)}) == 1


def test_networks_for_images_of_many_sizes_are_let_go(archive: Path, tmp_path: Path) -> None:
    model, seamless = api.open_model(archive), TilingOptions(method="seamless")
    image = write_bf2raw(tmp_path / "i.zarr", [pattern((40 + n, 64)) for n in range(9)], "yx")
    jobs = api.plan(model, image, tiling=seamless, run=RUN)
    assert len({job.plan.tile for job in jobs}) == 9
    compiler = Compiler(model, RUN)
    networks = [weakref.ref(compiler.compiled(job)) for job in jobs]
    gc.collect()
    assert sum(network() is not None for network in networks) <= 4
    last = networks[-1]()
    assert compiler.compiled(jobs[-1]) is last
    assert len(api.run_jobs(model, jobs, run=RUN)) == 9
