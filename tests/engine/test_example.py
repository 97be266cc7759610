"""The bundled image is what its script makes, small, valid, and segmented rightly by the bundled model.

That the model is what its script makes, `tests/test_examples.py` tests, where there is TensorFlow.
"""

from __future__ import annotations

import json
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

from czengine import OutputOptions, open_model, predict_array
from czengine.example import drawing, image_path, model_path
from scripts import make_example
from tests.support.nuclei import apart, overlap, reach

HEIGHT, WIDTH = 480, 640
BORDER = 32
GRID = 4  # pixels; the network's coarsest ones are this large


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example")
    make_example.write_image(folder)
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


def _session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(_network(model_path()), providers=["CPUExecutionProvider"])


def _scores(pixels: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Of one tile, (y, x, class)."""
    scaled = (pixels / np.float32(65535)).astype(np.float32)
    (scores,) = _session().run(None, {"input": scaled[np.newaxis, ..., np.newaxis]})
    return np.asarray(scores[0])


@pytest.fixture(scope="module")
def labels() -> NDArray[np.intp]:
    """Labels by a loop that shares no code with czengine: cztile, onnxruntime, argmax."""
    pixels, labels = _pixels(), np.zeros((HEIGHT, WIDTH), dtype=np.intp)
    length = TileInput(total_tile_length=256, min_border_length=BORDER)
    strategy = AlmostEqualBorderFixedTotalAreaStrategy2D(length, length)
    for tile in strategy.calculate_2d_tiles((0, 0, WIDTH, HEIGHT)):
        roi, center = tile.roi, tile.center
        scores = _scores(pixels[roi.y : roi.y + roi.h, roi.x : roi.x + roi.w])
        y, x = center.y - roi.y, center.x - roi.x
        best = scores.argmax(axis=-1)[y : y + center.h, x : x + center.w] + 1
        labels[center.y : center.y + center.h, center.x : center.x + center.w] = best
    return labels


def test_the_script_makes_the_same_image_twice(remade: Path) -> None:
    before = _files(remade)
    (remade / "nuclei.ome.zarr" / "stale").touch()
    make_example.write_image(remade)
    assert _files(remade) == before


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


def test_the_example_is_small() -> None:
    files = _files(image_path().parent)
    assert sum(map(len, files.values())) < 350_000  # three fifths of it for the picture, two for the weights
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
    assert metadata["MinOverlap"] == [2 * BORDER, 2 * BORDER]
    assert metadata["InputShape"] == [256, 256, 1]
    assert len(metadata["Classes"]) == metadata["OutputShape"][-1] == 3


def test_the_network_takes_batches_channels_last() -> None:
    model = onnx.load_from_string(_network(model_path()))
    dims = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["batch", 256, 256, 1]
    assert [opset.version for opset in model.opset_import] == [17]
    (scores,) = _session().run(None, {"input": np.zeros((2, 256, 256, 1), np.float32)})
    assert scores.shape == (2, 256, 256, 3)
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-6)


def test_the_border_covers_what_the_network_looks_at() -> None:
    assert reach(_network(model_path())) == 23 <= BORDER


@pytest.mark.parametrize("shift", [GRID, 25 * GRID])
def test_tiles_on_the_grid_agree_inside_their_borders(shift: int) -> None:
    """So their seam cannot be seen, wherever between the borders it is put."""
    pixels = _pixels()[100:]
    one, other = _scores(pixels[:256, :256]), _scores(pixels[shift : shift + 256, shift : shift + 256])
    one, other = one[shift:, shift:], other[: 256 - shift, : 256 - shift]
    inside = slice(BORDER, -BORDER)
    np.testing.assert_allclose(one[inside, inside], other[inside, inside], atol=1e-5)
    assert np.abs(one - other).max() > 1e-3  # where it is thrown away they differ


def test_the_model_finds_the_nuclei(labels: NDArray[np.intp]) -> None:
    pixels, truth = make_example.draw_nuclei()
    np.testing.assert_array_equal(pixels, _pixels())
    inside = truth > 0
    assert overlap(labels != 1, inside) >= 0.98
    assert apart(labels, truth) == truth.max() == make_example.NUCLEI
    assert 0.5 < (labels == 2).sum() / inside.sum() < 0.9
    assert (labels[~inside] == 2).mean() < 1e-4  # what is called nucleus is nucleus
    assert (labels - 1 == drawing.classes_of(truth)).mean() >= 0.99
    assert {int(value) for value in np.unique(labels)} == {1, 2, 3}


def test_no_label_hangs_on_rounding() -> None:
    """So that the table in the README is the same on every machine: scores differ by 1e-6 between them."""
    model = open_model(model_path())
    scores = np.sort(predict_array(model, _pixels(), output=OutputOptions(scores=True)), axis=0)
    assert (scores[-1] - scores[-2]).min() > 2e-5


@pytest.mark.parametrize("seed", [1, 2])
def test_it_finds_others_too(seed: int) -> None:
    """Pictures with more nuclei that touch, which nobody looked at when the model was chosen."""
    pixels, truth = drawing.draw_nuclei(512, 512, nuclei=60, seed=seed)
    found = predict_array(open_model(model_path()), pixels)
    assert overlap(found != 1, truth > 0) >= 0.98
    assert apart(found, truth) >= 57


def test_the_border_class_lies_between_nucleus_and_background(labels: NDArray[np.intp]) -> None:
    for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        assert not np.any((a == 1) & (b == 2))
        assert not np.any((a == 2) & (b == 1))
