"""Each contestant does the work it claims, on small inputs, against the oracle of the engine's own tests."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from czbench.contestants import peer
from czbench.contestants.archives import read_archive
from czbench.data import draw
from czbench.networks import TILE, write_cast_archive
from czengine.model import read_model
from tests.support.archives import czann_archive, legacy_archive, onnx_network
from tests.support.images import pattern, write_ome_zarr
from tests.support.oracle import tiled_scores
from tests.support.shared import shared_path

NETWORK = onnx_network(32, 32, 1, 2, kernel=5)


def run(name: str, *arguments: str | Path) -> dict[str, Any]:
    """Run a contestant as the benchmark does; what it says."""
    command = [sys.executable, "-m", f"czbench.contestants.{name}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert said["seconds"] > 0
    return said


def pixels(array: Path) -> NDArray[Any]:
    return np.asarray(zarr.open_array(str(array), mode="r")[...])


def test_archives_of_both_kinds(tmp_path: Path) -> None:
    czann = read_archive(czann_archive(tmp_path / "a.czann", network=NETWORK, MinOverlap=[8, 8]))
    legacy = read_archive(
        legacy_archive(
            tmp_path / "a.czseg", network=NETWORK, TotalTileHeight=32, TotalTileWidth=32, BorderSize=4
        )
    )
    assert czann == legacy
    assert (czann.network, czann.tile, czann.border) == (NETWORK, 32, 4)


@pytest.mark.parametrize(
    "name",
    [
        "data/pgc/PGC_20X_nucleus_detector.czseg",
        "reference/real_simple_nuclei_segmodel.czann",
        "reference/real_N2V_tobacco_leaf.czann",
    ],
)
def test_archives_of_the_cases_are_read_as_the_engine_reads_them(name: str) -> None:
    path = shared_path(name)
    ours, theirs = read_model(path), read_archive(path)
    assert ours.network == theirs.network
    assert (ours.spec.tile, ours.spec.border) == ((theirs.tile,) * 2, (theirs.border,) * 2)


@pytest.mark.parametrize("axes", ["yx", "tczyx"])
def test_session_loop(tmp_path: Path, axes: str) -> None:
    plane = pattern((70, 90))
    data = plane.reshape((1,) * (len(axes) - 2) + plane.shape)
    image = write_ome_zarr(tmp_path / "i.ome.zarr", data, axes)
    model = czann_archive(tmp_path / "m.czann", network=NETWORK)
    said = run("session_loop", model, image, tmp_path / "out", "--threads", "1")
    scores = tiled_scores(
        NETWORK, (plane / 65535).astype(np.float32)[..., np.newaxis], tile=(32, 32), border=(4, 4)
    )
    np.testing.assert_array_equal(pixels(tmp_path / "out"), scores.argmax(-1) + 1)
    assert said["tiles"] == 12


@pytest.mark.parametrize("shape", [(32, 32), (20, 32), (13, 7)])
def test_cold_run(tmp_path: Path, shape: tuple[int, int]) -> None:
    """Padded by reflection to a whole tile, half of it on each side."""
    plane = pattern(shape)
    image = write_ome_zarr(tmp_path / "i.ome.zarr", plane, "yx")
    model = czann_archive(tmp_path / "m.czann", network=NETWORK)
    run("cold_run", model, image, tmp_path / "out")
    before = [(32 - n) // 2 for n in shape]
    padded = np.pad(plane, [(b, 32 - n - b) for b, n in zip(before, shape, strict=True)], mode="reflect")
    scores = tiled_scores(
        NETWORK, (padded / 65535).astype(np.float32)[..., np.newaxis], tile=(32, 32), border=(4, 4)
    )
    expected = (scores.argmax(-1) + 1)[before[0] : before[0] + shape[0], before[1] : before[1] + shape[1]]
    np.testing.assert_array_equal(pixels(tmp_path / "out"), expected)


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_store_copy_keeps_numbers_chunks_and_codec(
    tmp_path: Path, dtype: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # tensorstore takes no relative path and none with "..", people do
    image = tmp_path / "i.ome.zarr"
    draw("smooth", 300, image)
    run("store_copy", "../i.ome.zarr", "../out", "--threads", "1", *(["--dtype", dtype] if dtype else []))
    copy, source = (zarr.open_array(str(path), mode="r") for path in (tmp_path / "out", image / "0"))
    assert copy.dtype == np.dtype(dtype or "uint16")
    assert (copy.chunks, copy.compressors) == (source.chunks, source.compressors)
    np.testing.assert_array_equal(copy[...], source[...])


def test_network_of_one_operator(tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    write_cast_archive(tmp_path / "cast.czann")
    model = read_model(tmp_path / "cast.czann")
    assert (model.spec.tile, model.spec.border, model.spec.outputs) == ((TILE, TILE), (0, 0), 1)
    assert [node.op_type for node in onnx.load_from_string(model.network).graph.node] == ["Cast"]
    session = onnxruntime.InferenceSession(model.network, providers=["CPUExecutionProvider"])
    tile = pattern((1, TILE, TILE, 1), np.float32)
    np.testing.assert_array_equal(session.run(None, {"input": tile})[0], tile)


def test_the_peers_program_needs_nothing_of_ours() -> None:
    """It runs where czbench is not installed."""
    tree = ast.parse(Path(str(peer.__file__)).read_text(encoding="utf-8"))
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names <= {"__future__", "importlib", "json", "pathlib", "sys", "time", "numpy", "zarr"}
