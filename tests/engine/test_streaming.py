"""The pipeline as a whole, on real stores and a real network: the same pixels however the work is cut up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine import ImageReport, OutputOptions, RunOptions, api, predict
from tests.support.archives import czann_archive, onnx_network
from tests.support.images import pattern, write_array, write_ome_zarr
from tests.support.limits import smallest_limit
from tests.support.oracle import tiled_scores

TILE, BORDER = (32, 24), (4, 3)
NETWORK = onnx_network(*TILE, 1, 3, kernel=5)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("model"))


def make_archive(folder: Path, **fields: Any) -> Path:
    return czann_archive(
        folder / "model.czann",
        network=NETWORK,
        InputShape=[*TILE, 1],
        OutputShape=[*TILE, 3],
        MinOverlap=[2 * BORDER[0], 2 * BORDER[1]],
        Classes=["Background", "Cell", "Border"],
        **fields,
    )


def slow_labels(plane: NDArray[Any]) -> NDArray[Any]:
    pixels = (plane / np.iinfo(plane.dtype).max).astype(np.float32)[..., np.newaxis]
    return tiled_scores(NETWORK, pixels, tile=TILE, border=BORDER).argmax(-1) + 1


def level(report: ImageReport, index: int = 0) -> NDArray[Any]:
    return np.asarray(zarr.open_array(str(report.results[0] / str(index)), mode="r")[...])


def patches(shape: tuple[int, int], dtype: str, seed: int) -> NDArray[Any]:
    """A picture with areas of one value, some of them as large as several tiles."""
    rng = np.random.default_rng(seed)
    picture = pattern(shape, dtype, seed=seed)
    for _ in range(int(rng.integers(0, 4))):
        top, left = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        picture[top : top + int(rng.integers(20, 150)), left : left + int(rng.integers(20, 150))] = (
            rng.choice([0, 7, 200])
        )
    return picture


@settings(max_examples=25)
@given(
    height=st.integers(1, 200),
    width=st.integers(1, 200),
    chunks=st.tuples(st.integers(5, 90), st.integers(5, 90)),
    dtype=st.sampled_from(["u1", "u2"]),
    batch=st.integers(1, 5),
    memo=st.booleans(),
    compiled=st.booleans(),
    seed=st.integers(0, 9),
)
def test_labels_do_not_depend_on_how_the_work_is_done(
    archive: Path,
    tmp_path_factory: pytest.TempPathFactory,
    height: int,
    width: int,
    chunks: tuple[int, int],
    dtype: str,
    batch: int,
    memo: bool,
    compiled: bool,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("run")
    picture = patches((height, width), dtype, seed)
    small = (min(chunks[0], height), min(chunks[1], width))
    image = write_ome_zarr(folder / "i.ome.zarr", picture, "yx", chunks=small)
    (report,) = predict(
        archive,
        image,
        output=OutputOptions(out=folder / "labels.zarr"),
        run=RunOptions(batch=batch, memo=memo, compile=compiled, device="cpu"),
    )
    labels = level(report)
    np.testing.assert_array_equal(labels, slow_labels(picture))
    assert {c.label: c.pixels for c in report.classes if c.pixels} == dict(
        zip(*map(np.ndarray.tolist, np.unique(labels, return_counts=True)), strict=True)
    )


def test_stripes_give_the_same_labels(archive: Path, tmp_path: Path) -> None:
    picture = pattern((150, 3000), "u2")
    image = write_ome_zarr(tmp_path / "i.ome.zarr", picture, "yx", chunks=(100, 256), levels=3)
    smallest = RunOptions(memory_limit=smallest_limit(archive, image), device="cpu")
    (job,) = api.plan(archive, image, run=smallest)
    assert len({sweep.stripe.left for sweep in job.sweeps}) > 1
    reports = [
        predict(archive, image, output=OutputOptions(out=tmp_path / name), run=run)[0]
        for name, run in (("whole", RunOptions(device="cpu")), ("stripes", smallest))
    ]
    for index in range(3):
        np.testing.assert_array_equal(level(reports[0], index), level(reports[1], index))
    np.testing.assert_array_equal(level(reports[0]), slow_labels(picture))
    assert reports[1].tiles > reports[0].tiles
    assert reports[1].recompute_factor > reports[0].recompute_factor


@pytest.mark.parametrize("shards", [None, (128, 128)])
def test_every_chunk_is_decoded_once(archive: Path, tmp_path: Path, shards: tuple[int, int] | None) -> None:
    picture = pattern((300, 420), "u2")
    image = write_ome_zarr(tmp_path / "i.ome.zarr", picture, "yx", chunks=(64, 64), shards=shards)
    (report,) = predict(archive, image)
    chunks = -(-300 // 64) * -(-420 // 64)
    assert report.chunks_decoded == chunks
    assert report.bytes_read == picture.nbytes


def test_planes_in_one_chunk_are_read_together(archive: Path, tmp_path: Path) -> None:
    stack = pattern((5, 90, 100), "u1")
    image = write_array(tmp_path / "i.zarr", stack, chunks=(2, 64, 64), dimension_names=["z", "y", "x"])
    (report,) = predict(
        archive, image, output=OutputOptions(out=tmp_path / "labels"), run=RunOptions(batch=4)
    )
    assert report.chunks_decoded == 3 * 2 * 2
    for labels, plane in zip(level(report), stack, strict=True):
        np.testing.assert_array_equal(labels, slow_labels(plane))


def test_tiles_of_several_planes_fill_a_batch(archive: Path, tmp_path: Path) -> None:
    stack = pattern((6, 20, 20), "u1")  # one tile each
    image = write_array(tmp_path / "i.zarr", stack, chunks=(1, 20, 20), dimension_names=["t", "y", "x"])
    (report,) = predict(
        archive, image, output=OutputOptions(out=tmp_path / "labels"), run=RunOptions(batch=4, device="cpu")
    )
    (run,) = [stage for stage in report.stages if stage.stage == "run"]
    assert (report.tiles, run.items) == (6, 2)
    for labels, plane in zip(level(report), stack, strict=True):
        np.testing.assert_array_equal(labels, slow_labels(plane))


def test_what_was_never_written_is_not_read(archive: Path, tmp_path: Path) -> None:
    image = tmp_path / "i.zarr"
    array = zarr.create_array(
        str(image), shape=(600, 600), dtype="u2", chunks=(64, 64), fill_value=9, dimension_names=["y", "x"]
    )
    array[128:192, 256:320] = pattern((64, 64), "u2")
    (report,) = predict(archive, image, output=OutputOptions(out=tmp_path / "labels"))
    assert report.chunks_decoded == 1
    assert report.repeats > 0.8 * report.tiles
    np.testing.assert_array_equal(level(report), slow_labels(np.asarray(array[...])))


@pytest.mark.parametrize("memo", [True, False])
def test_constant_tiles_are_run_once(archive: Path, tmp_path: Path, memo: bool) -> None:
    picture = np.full((200, 200), 77, np.uint8)
    image = write_ome_zarr(tmp_path / "i.ome.zarr", picture, "yx")
    (report,) = predict(archive, image, run=RunOptions(memo=memo))
    assert report.repeats == (report.tiles - 1 if memo else 0)
    computed = report.tiles - report.repeats
    assert report.recompute_factor == pytest.approx(computed * TILE[0] * TILE[1] / picture.size)
    np.testing.assert_array_equal(level(report), slow_labels(picture))
