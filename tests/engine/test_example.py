"""The bundled example is what its script makes, small, valid, and segmented rightly by its own model."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import zarr
from cztile.fixed_total_area_strategy_2d import AlmostEqualBorderFixedTotalAreaStrategy2D
from cztile.tiling_strategy import TileInput
from numpy.typing import NDArray

from czengine.example import drawing, image_path, model_path
from scripts import make_example

HEIGHT, WIDTH = 480, 640


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example")
    make_example.main(folder)
    return folder


def _files(folder: Path) -> dict[str, bytes]:
    files = (f for f in folder.rglob("*") if f.is_file() and f.suffix not in {".py", ".pyc"})
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def _metadata(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return dict(json.loads(archive.read("model.json")))


def _network(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("model.model")


def _pixels() -> NDArray[np.uint16]:
    return np.asarray(zarr.open_array(image_path() / "0", mode="r")[0])


def _labels() -> NDArray[np.intp]:
    """Labels by a loop that shares no code with czengine: cztile, onnxruntime, argmax."""
    session = onnxruntime.InferenceSession(_network(model_path()), providers=["CPUExecutionProvider"])
    pixels = (_pixels() / np.float32(65535)).astype(np.float32)
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.intp)
    length = TileInput(total_tile_length=256, min_border_length=make_example.BORDER)
    strategy = AlmostEqualBorderFixedTotalAreaStrategy2D(length, length)
    for tile in strategy.calculate_2d_tiles((0, 0, WIDTH, HEIGHT)):
        roi, center = tile.roi, tile.center
        cut = pixels[np.newaxis, roi.y : roi.y + roi.h, roi.x : roi.x + roi.w, np.newaxis]
        (scores,) = session.run(None, {"input": cut})
        y, x = center.y - roi.y, center.x - roi.x
        best = scores[0].argmax(axis=-1)[y : y + center.h, x : x + center.w] + 1
        labels[center.y : center.y + center.h, center.x : center.x + center.w] = best
    return labels


def _iou(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_the_script_makes_the_same_bytes_twice(remade: Path, tmp_path: Path) -> None:
    again = tmp_path / "example"
    shutil.copytree(remade, again)
    (again / "nuclei.ome.zarr" / "stale").touch()
    make_example.main(again)
    assert _files(again) == _files(remade)


def test_the_committed_image_is_the_remade_one(remade: Path) -> None:
    # Decoded, not byte by byte: another release of the compressor may pack the same pixels differently.
    paths = (image_path(), remade / "nuclei.ome.zarr")
    ours, fresh = (zarr.open_group(path, mode="r") for path in paths)
    assert ours.attrs.asdict() == fresh.attrs.asdict()
    assert sorted(ours.array_keys()) == sorted(fresh.array_keys()) == ["0", "1", "2"]
    for name in "012":
        mine, theirs = (zarr.open_array(path / name, mode="r") for path in paths)
        np.testing.assert_array_equal(mine[:], theirs[:])
        assert mine.chunks == theirs.chunks == (1, 256, 256)
        assert mine.dtype == theirs.dtype == np.uint16


def test_the_committed_model_is_the_remade_one(remade: Path) -> None:
    assert _metadata(model_path()) == _metadata(remade / "nuclei.czann")
    committed, fresh = (onnx.load_from_string(_network(p)) for p in (model_path(), remade / "nuclei.czann"))
    assert committed == fresh


def test_the_example_is_small() -> None:
    files = _files(image_path().parent)
    assert sum(map(len, files.values())) < 200_000
    assert len(files) < 20


def test_two_validators_accept_the_image() -> None:
    import ome_zarr_models
    import yaozarrs

    yaozarrs.validate_zarr_store(str(image_path()))
    opened = ome_zarr_models.open_ome_zarr(zarr.open_group(image_path(), mode="r"))
    assert type(opened).__module__.startswith("ome_zarr_models.v05")


def test_the_image_is_as_its_docstring_says() -> None:
    (multiscale,) = json.loads((image_path() / "zarr.json").read_text())["attributes"]["ome"]["multiscales"]
    scales = [dataset["coordinateTransformations"][0]["scale"] for dataset in multiscale["datasets"]]
    assert [axis["name"] for axis in multiscale["axes"]] == ["c", "y", "x"]
    assert scales == [[1.0, 0.325, 0.325], [1.0, 0.65, 0.65], [1.0, 1.3, 1.3]]
    shapes = [zarr.open_array(image_path() / name, mode="r").shape for name in "012"]
    assert shapes == [(1, 480, 640), (1, 240, 320), (1, 120, 160)]


def test_coarser_levels_show_the_same_picture() -> None:
    finest = _pixels().astype(float)
    for k in (1, 2):
        level = zarr.open_array(image_path() / str(k), mode="r")[0]
        size = 2**k
        mean = finest.reshape(HEIGHT // size, size, WIDTH // size, size).mean(axis=(1, 3))
        assert np.abs(np.asarray(level) - mean).max() <= drawing.GRAY_STEP


def test_the_archive_looks_like_one_by_czmodel() -> None:
    with zipfile.ZipFile(model_path()) as archive:
        members = archive.infolist()
    assert [member.filename for member in members] == ["model.json", "model.model"]
    assert {member.compress_type for member in members} == {zipfile.ZIP_STORED}
    metadata = _metadata(model_path())
    assert metadata["FormatVersion"] == "2.1.0"
    assert metadata["MinOverlap"] == [80, 80]
    assert metadata["InputShape"] == [256, 256, 1]
    assert len(metadata["Classes"]) == metadata["OutputShape"][-1] == 3


def test_the_network_is_an_opset_12_channels_last_one() -> None:
    model = onnx.load_from_string(_network(model_path()))
    dims = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["batch", 256, 256, 1]
    assert [opset.version for opset in model.opset_import] == [12]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"input": np.zeros((2, 256, 256, 1), np.float32)})
    assert scores.shape == (2, 256, 256, 3)
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-6)


def test_the_border_covers_the_receptive_field() -> None:
    session = onnxruntime.InferenceSession(_network(model_path()), providers=["CPUExecutionProvider"])
    # A picture at the middle of the ramps, so that every weight counts; one pixel is changed.
    flat = np.random.RandomState(0).uniform(0, 0.05, (1, 256, 256, 1)).astype(np.float32)
    spot = flat.copy()
    spot[0, 128, 128, 0] = 100.0
    (before,), (after,) = session.run(None, {"input": flat}), session.run(None, {"input": spot})
    rows, columns = np.nonzero(np.any(before[0] != after[0], axis=-1))
    reach = max(np.abs(rows - 128).max(), np.abs(columns - 128).max())
    assert 30 <= reach <= make_example.BORDER


def test_the_model_finds_the_nuclei() -> None:
    labels = _labels()
    pixels, truth = make_example.draw_nuclei()
    np.testing.assert_array_equal(pixels, _pixels())
    assert _iou(labels != 1, truth) > 0.9
    assert 0.5 < (labels == 2).sum() / truth.sum() < 0.9
    assert (labels[~truth] == 2).mean() < 1e-3  # what is called nucleus is nucleus
    assert {int(value) for value in np.unique(labels)} == {1, 2, 3}


def test_the_border_class_lies_between_nucleus_and_background() -> None:
    labels = _labels()
    for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        assert not np.any((a == 1) & (b == 2))
        assert not np.any((a == 2) & (b == 1))
