"""The main job on a real microscope image with the real ZEN-trained network, against an independent loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from czengine import predict
from czengine.config import InputOptions, OutputOptions, RunOptions
from tests.support.frameworks import need_package
from tests.support.images import write_ome_zarr
from tests.support.oracle import legacy_tiling, network_bytes, tiled_scores
from tests.support.shared import shared_path

CPU = RunOptions(device="cpu", compile=False)
MODEL = "data/pgc/PGC_20X_nucleus_detector.czseg"
IMAGE = "data/pgc/PGC_20X_v05.ome.zarr"


@pytest.fixture(scope="module")
def plane() -> NDArray[Any]:
    """The picture, (y, x) uint16."""
    return np.asarray(zarr.open_array(str(shared_path(IMAGE) / "0"), mode="r")[0, 0, 0])


@pytest.fixture(scope="module")
def scores(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Scores of the independent loop, (y, x, class)."""
    archive = shared_path(MODEL)
    tile, border = legacy_tiling(archive)
    pixels = (plane / 65535).astype(np.float32)[..., np.newaxis]
    return tiled_scores(network_bytes(archive), pixels, tile=tile, border=border)


@pytest.fixture(scope="module")
def expected(scores: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Labels of the independent loop, (y, x)."""
    return (scores.argmax(-1) + 1).astype(np.uint8)


def labels_of(result: Path) -> NDArray[Any]:
    return np.asarray(zarr.open_array(str(result / "0"), mode="r")[...])


def assert_same(labels: NDArray[Any], scores: NDArray[np.float32]) -> None:
    """Labels are the loop's; where the two best scores are closer than a millionth, either is right.

    The engine compiles the network for one size of tile, the loop for any: sums are not added in the same order.
    """
    sure = np.abs(scores[..., 0] - scores[..., 1]) > 1e-6
    assert sure.mean() > 0.9999
    np.testing.assert_array_equal(labels[sure], (scores.argmax(-1) + 1)[sure])


def test_the_image_as_it_is(tmp_path: Path, scores: NDArray[np.float32]) -> None:
    out = tmp_path / "labels.ome.zarr"
    (report,) = predict(shared_path(MODEL), shared_path(IMAGE), output=OutputOptions(out=out), run=CPU)
    assert report.results == (out,)
    labels = labels_of(out)
    assert labels.shape == (1, 1, 1, *scores.shape[:2])
    assert_same(labels[0, 0, 0], scores)
    counts = [int((labels == 1).sum()), int((labels == 2).sum())]
    assert [c.pixels for c in report.classes] == counts
    assert report.classes[0].area == pytest.approx(counts[0] * 0.2269999981**2)


@pytest.mark.parametrize("axes", ["cyx", "yx"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_converted_and_transposed(
    tmp_path: Path, plane: NDArray[Any], scores: NDArray[np.float32], axes: str, version: str
) -> None:
    data = plane[np.newaxis] if axes == "cyx" else plane
    chunks = (1, 512, 512)[-data.ndim :]
    image = write_ome_zarr(tmp_path / "i.ome.zarr", data, axes, version=version, levels=3, chunks=chunks)
    (report,) = predict(shared_path(MODEL), image, run=CPU)
    assert_same(labels_of(report.results[0]).reshape(plane.shape), scores)
    assert report.results[0].parent == image / "labels"


def test_many_planes_each_by_itself(tmp_path: Path, plane: NDArray[Any], scores: NDArray[np.float32]) -> None:
    data = np.broadcast_to(plane, (2, 1, 2, *plane.shape))
    image = write_ome_zarr(tmp_path / "i.ome.zarr", data, "tczyx", chunks=(1, 1, 1, 512, 512))
    select = InputOptions(select={"t": (0, 2), "z": (0, 2)})
    (report,) = predict(shared_path(MODEL), image, inputs=select, run=CPU)
    assert report.planes == 4
    labels = labels_of(report.results[0])
    assert labels.shape == data.shape
    for one in labels.reshape(-1, *plane.shape):
        assert_same(one, scores)


def test_compiled_it_gives_the_same_where_two_scores_differ(
    tmp_path: Path, scores: NDArray[np.float32]
) -> None:
    out = tmp_path / "labels.ome.zarr"
    run = RunOptions(device="cpu")
    (report,) = predict(shared_path(MODEL), shared_path(IMAGE), output=OutputOptions(out=out), run=run)
    assert "softmax dropped" in report.network
    assert_same(labels_of(out)[0, 0, 0], scores)


def test_openvino_gives_the_same_where_the_network_is_sure(
    tmp_path: Path, scores: NDArray[np.float32], expected: NDArray[np.uint8]
) -> None:
    """Onnxruntime's own code averages less exactly than OpenVINO's: its scores are off by up to 0.0023 here."""
    need_package("onnxruntime_ep_openvino")
    out = tmp_path / "labels.ome.zarr"
    run = RunOptions(device="openvino")
    (report,) = predict(shared_path(MODEL), shared_path(IMAGE), output=OutputOptions(out=out), run=run)
    assert report.device.startswith("OpenVINO on CPU")
    differ = labels_of(out)[0, 0, 0] != expected
    assert differ.mean() < 2e-5
    assert np.abs(scores[..., 0] - scores[..., 1])[differ].max() < 0.005
