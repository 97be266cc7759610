"""Memory of whole processes, all runtimes included: it depends on the width of an image and on the limit, and on
nothing else. Each run is a process of its own; what it took at most is in its report.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from tests.support.archives import czann_archive, onnx_network
from tests.support.limits import smallest_limit

MIB = 2**20
TILE = 256
CHUNK = 512
ALLOWANCE = 24 * MIB  # what allocators keep, and the plan of 300 tiles per row
ALWAYS = ("--device", "cpu", "--threads", "1", "--progress", "json")

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs the peak as Linux tells it"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shapes: dict[str, Any] = {"InputShape": [TILE, TILE, 1], "OutputShape": [TILE, TILE, 2]}
    folder = tmp_path_factory.mktemp("model")
    return czann_archive(folder / "model.czann", network=onnx_network(TILE, TILE), **shapes)


@pytest.fixture(scope="module")
def tiny(model: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """What a process takes that runs the network over one tile."""
    return peak(model, dense(tmp_path_factory.mktemp("tiny") / "i.zarr", (TILE, TILE), "u1"))


def empty(path: Path, shape: tuple[int, int], dtype: str) -> zarr.Array[Any]:
    return zarr.create_array(
        str(path), shape=shape, dtype=dtype, chunks=(CHUNK, CHUNK), dimension_names=("y", "x"), fill_value=0
    )


def dense(path: Path, shape: tuple[int, int], dtype: str) -> Path:
    """Written row of chunks by row of chunks; no tile of it is constant."""
    array = empty(path, shape, dtype)
    row = (np.arange(CHUNK * shape[1], dtype=np.uint32) % 251).astype(dtype).reshape(CHUNK, shape[1])
    for top in range(0, shape[0], CHUNK):
        array[top : top + CHUNK] = row[: shape[0] - top]
    return path


def sparse(path: Path, edge: int) -> Path:
    """Only the chunks of one corner were ever written."""
    array = empty(path, (edge, edge), "u1")
    array[:CHUNK, :CHUNK] = np.arange(CHUNK).astype(np.uint8) * np.ones((CHUNK, 1), np.uint8)
    return path


def run(model: Path, image: Path, *options: str) -> dict[str, Any]:
    """The report of a process that segments an image."""
    command = [sys.executable, "-m", "czengine", "predict", str(model), str(image), *ALWAYS, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return next(event for event in events if event["event"] == "image")


def peak(model: Path, image: Path, *options: str) -> int:
    return int(run(model, image, *options)["memory_peak"])


def test_a_tall_image_takes_no_more_than_a_short_one(model: Path, tmp_path: Path) -> None:
    short, tall = (peak(model, dense(tmp_path / f"{h}.zarr", (h, 1024), "u1")) for h in (4000, 40_000))
    assert tall <= 1.1 * short


def test_a_sparse_image_takes_no_more_than_a_small_one(model: Path, tmp_path: Path) -> None:
    small, large = (peak(model, sparse(tmp_path / f"{edge}.zarr", edge)) for edge in (3000, 30_000))
    assert large <= 1.1 * small


def test_the_limit_holds_for_a_wide_image(model: Path, tiny: int, tmp_path: Path) -> None:
    image = dense(tmp_path / "wide.zarr", (600, 60_000), "u2")
    limit = smallest_limit(model, image)
    allowed = tiny + limit + ALLOWANCE
    report = run(model, image, "--memory-limit", str(limit))
    assert report["memory_planned"] <= limit
    assert report["memory_peak"] <= allowed
    assert peak(model, image, "--overwrite") > allowed  # or the image would be too small to prove anything
