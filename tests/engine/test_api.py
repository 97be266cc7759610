"""The public verbs on small stores: what they return, what they write, and that they agree with the slow way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import czengine
from czengine import (
    ImageError,
    InputOptions,
    OptionError,
    OutputOptions,
    Progress,
    RunOptions,
    api,
    open_model,
    predict,
    predict_array,
)
from tests.support.archives import czann_archive, legacy_archive, onnx_network
from tests.support.images import pattern, write_array, write_bf2raw, write_ome_zarr, write_plate
from tests.support.oracle import tiled_scores

TILE, BORDER = (32, 24), (4, 3)
NETWORK = onnx_network(*TILE, 1, 3, kernel=5)
CPU = RunOptions(device="cpu")  # what the slow way runs on, so that results are equal to the last bit


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tiles and borders differ along y and x, and whose outputs depend on the neighbours."""
    return czann_archive(
        tmp_path_factory.mktemp("model") / "model.czann",
        network=NETWORK,
        InputShape=[*TILE, 1],
        OutputShape=[*TILE, 3],
        MinOverlap=[2 * BORDER[0], 2 * BORDER[1]],
        Classes=["Background", "Cell", "Border"],
    )


def slow_scores(plane: NDArray[Any]) -> NDArray[Any]:
    """Scores (y, x, class) of a plane the slow way."""
    scaled = (
        plane
        if plane.dtype.kind == "f"
        else plane / (1 if plane.dtype == bool else np.iinfo(plane.dtype).max)
    )
    return tiled_scores(NETWORK, scaled.astype(np.float32)[..., np.newaxis], tile=TILE, border=BORDER)


def slow_labels(plane: NDArray[Any]) -> NDArray[Any]:
    return slow_scores(plane).argmax(-1) + 1


def written(path: Path, level: int = 0) -> NDArray[Any]:
    return np.asarray(zarr.open_array(str(path / str(level)), mode="r")[...])


@settings(max_examples=30)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    dtype=st.sampled_from(["u1", "u2", "u4", "i2", "f4", "f8", "?", ">u2"]),
    batch=st.integers(1, 4),
)
def test_any_plane_equals_the_slow_way(
    archive: Path, height: int, width: int, dtype: str, batch: int
) -> None:
    plane = pattern((height, width), dtype)
    labels = predict_array(archive, plane, run=RunOptions(batch=batch, device="cpu"))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, slow_labels(plane))


@pytest.mark.parametrize("axes", ["TCZYX", "YX", "CYX", "ZCYX", "YXC", "XYT", "TYX"])
def test_axes_may_come_in_any_order(archive: Path, axes: str) -> None:
    sizes = {"T": 2, "C": 1, "Z": 3, "Y": 40, "X": 50}
    array = pattern([sizes[a] for a in axes])
    labels = predict_array(archive, array, axes=axes)
    planes = [a for a in axes if a in "TZ"]
    assert labels.shape == (*(sizes[a] for a in planes), 40, 50)
    order = [axes.index(a) for a in (*planes, "Y", "X") if a in axes]
    flat = array.squeeze(axes.index("C")) if "C" in axes else array
    kept = [a for a in axes if a != "C"]
    order = [kept.index(a) for a in (*planes, "Y", "X")]
    for labelled, plane in zip(
        labels.reshape(-1, 40, 50), flat.transpose(order).reshape(-1, 40, 50), strict=True
    ):
        np.testing.assert_array_equal(labelled, slow_labels(plane))


def test_scores_come_with_a_channel_per_class(archive: Path) -> None:
    plane = pattern((40, 50))
    scores = predict_array(archive, plane, output=OutputOptions(scores=True), run=CPU)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, slow_scores(plane).transpose(2, 0, 1))


def test_confidence_leaves_pixels_unlabelled(archive: Path) -> None:
    plane = pattern((40, 50))
    scores = slow_scores(plane)
    labels = predict_array(archive, plane, output=OutputOptions(min_confidence=0.5))
    np.testing.assert_array_equal(labels, np.where(scores.max(-1) < 0.5, 0, scores.argmax(-1) + 1))
    assert (labels == 0).any()


def test_arrays_leave_a_trace_too(archive: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    predict_array(archive, pattern((40, 50)), run=RunOptions(device="cpu", trace=trace))
    assert {"gather", "run", "stitch"} <= {event["name"] for event in json.loads(trace.read_text())}


def test_a_memory_map_is_an_array(archive: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "plane.npy", pattern((40, 50)))
    mapped = np.load(tmp_path / "plane.npy", mmap_mode="r")
    np.testing.assert_array_equal(predict_array(archive, mapped), slow_labels(pattern((40, 50))))


@pytest.mark.parametrize(
    ("array", "axes", "error", "message"),
    [
        (np.zeros((3, 4, 5)), None, ImageError, "axes are unknown; name them"),
        (np.zeros((0, 5)), None, ImageError, "the array is empty"),
        (np.zeros((4, 5), "c8"), None, ImageError, "the array holds complex64"),
        (np.zeros((4, 5)), "CYX", OptionError, "names 3 axes, but the array has 2"),
    ],
)
def test_arrays_that_cannot_be_images(
    archive: Path, array: NDArray[Any], axes: str | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        predict_array(archive, array, axes=axes)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_store_gets_labels_with_the_same_axes(archive: Path, tmp_path: Path, version: str) -> None:
    data = pattern((2, 1, 3, 70, 61))
    image = write_ome_zarr(tmp_path / "image.ome.zarr", data, "tczyx", version=version, levels=2)
    (report,) = predict(archive, image, output=OutputOptions(name="cells"))
    assert report.results == (image / "labels" / "cells",)
    labels = written(report.results[0])
    assert labels.shape == data.shape
    for t, z in np.ndindex(2, 3):
        np.testing.assert_array_equal(labels[t, 0, z], slow_labels(data[t, 0, z]))
    assert sum(c.pixels for c in report.classes) == report.pixels == data.size
    assert (report.planes, report.tiles) == (6, 6 * len(api.plan(archive, image)[0].plan))


def test_planes_not_selected_stay_empty(archive: Path, tmp_path: Path) -> None:
    data = pattern((4, 1, 2, 40, 50))
    image = write_ome_zarr(tmp_path / "image.ome.zarr", data, "tczyx", version="0.5", levels=1)
    (report,) = predict(archive, image, inputs=InputOptions(select={"t": (1, 3), "z": (1, 2)}))
    labels = written(report.results[0])
    filled = {(t, z) for t, z in np.ndindex(4, 2) if labels[t, 0, z].any()}
    assert filled == {(1, 1), (2, 1)}
    np.testing.assert_array_equal(labels[2, 0, 1], slow_labels(data[2, 0, 1]))


def test_a_channel_by_name(archive: Path, tmp_path: Path) -> None:
    data = pattern((3, 40, 50))
    image = write_ome_zarr(
        tmp_path / "i.ome.zarr", data, "cyx", version="0.5", levels=1, channel_names=["A", "DAPI", "B"]
    )
    (report,) = predict(archive, image, inputs=InputOptions(channels=("DAPI",)))
    np.testing.assert_array_equal(written(report.results[0])[0], slow_labels(data[1]))


def test_a_coarser_level(archive: Path, tmp_path: Path) -> None:
    image = write_ome_zarr(tmp_path / "i.ome.zarr", pattern((1, 160, 120)), "cyx", version="0.5", levels=3)
    coarse = written(image, 1)
    (report,) = predict(archive, image, inputs=InputOptions(level=1))
    np.testing.assert_array_equal(written(report.results[0])[0], slow_labels(coarse[0]))


def test_a_plain_array_gets_a_neighbour(archive: Path, tmp_path: Path) -> None:
    data = pattern((2, 40, 50))
    image = write_array(tmp_path / "stack.zarr", data)
    (report,) = predict(archive, image, inputs=InputOptions(axes="TYX"))
    assert report.results == (tmp_path / "stack.labels.zarr",)
    np.testing.assert_array_equal(written(report.results[0])[1], slow_labels(data[1]))


@pytest.mark.parametrize("kind", ["series", "plate"])
def test_collections_are_runs_over_all_their_images(archive: Path, tmp_path: Path, kind: str) -> None:
    pictures = [pattern((1, 40, 50), seed=i) for i in range(3)]
    root = tmp_path / "all.ome.zarr"
    if kind == "series":
        write_bf2raw(root, pictures, axes="cyx", version="0.5")
        paths = ["0", "1", "2"]
    else:
        write_plate(root, {("A", "1"): pictures[:2], ("B", "2"): pictures[2:]}, axes="cyx", version="0.5")
        paths = ["A/1/0", "A/1/1", "B/2/0"]
    reports = predict(archive, root)
    assert [r.results[0] for r in reports] == [root / p / "labels" / "Test_network" for p in paths]
    for report, picture in zip(reports, pictures, strict=True):
        np.testing.assert_array_equal(written(report.results[0])[0], slow_labels(picture[0]))
    (one,) = predict(
        archive, root, inputs=InputOptions(image=paths[1]), output=OutputOptions(out=tmp_path / "one")
    )
    np.testing.assert_array_equal(written(one.results[0])[0], slow_labels(pictures[1][0]))


def test_multi_label_models_write_one_image_per_class(tmp_path: Path) -> None:
    archive = czann_archive(
        tmp_path / "m.czann",
        network=NETWORK,
        Type="MultiClassSemanticSegmentation",
        InputShape=[*TILE, 1],
        OutputShape=[*TILE, 3],
        MinOverlap=[8, 6],
        Classes=["a", "b", "c"],
    )
    data = pattern((40, 50))
    image = write_ome_zarr(tmp_path / "i.ome.zarr", data, "yx", version="0.4", levels=2)
    (report,) = predict(archive, image, output=OutputOptions(min_confidence=0.3))
    scores = slow_scores(data)
    assert len(report.results) == 3
    for k, path in enumerate(report.results):
        np.testing.assert_array_equal(written(path), scores[..., k] >= 0.3)
        assert report.classes[k].pixels == int((scores[..., k] >= 0.3).sum())
    stacked = predict_array(archive, data, output=OutputOptions(min_confidence=0.3))
    np.testing.assert_array_equal(stacked, (scores >= 0.3).transpose(2, 0, 1))


def test_regression_writes_floats(tmp_path: Path) -> None:
    network = onnx_network(*TILE, 1, 1, kernel=3, softmax=False)
    archive = czann_archive(
        tmp_path / "r.czann",
        network=network,
        Type="Regression",
        InputShape=[*TILE, 1],
        OutputShape=[*TILE, 1],
        Classes=...,
        MinOverlap=[8, 6],
    )
    data = pattern((1, 40, 50))
    image = write_ome_zarr(tmp_path / "i.ome.zarr", data, "cyx", version="0.5", levels=2)
    (report,) = predict(archive, image, run=CPU)
    scaled = (data[0] / 65535).astype(np.float32)[..., np.newaxis]
    expected = tiled_scores(network, scaled, tile=TILE, border=BORDER)[..., 0]
    values = written(report.results[0])
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values[0], expected)
    assert report.scores[0].minimum == pytest.approx(expected.min())
    assert report.scores[0].mean == pytest.approx(expected.mean(), rel=1e-4)


def test_channels_first_networks_run_too(tmp_path: Path) -> None:
    network = onnx_network(32, 32, 2, 3, kernel=3, layout="NCHW")
    archive = czann_archive(
        tmp_path / "n.czann",
        network=network,
        InputShape=[2, 32, 32],
        OutputShape=[3, 32, 32],
        Classes=list("abc"),
    )
    data = pattern((2, 32, 32))
    import onnxruntime

    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"input": (data / 65535).astype(np.float32)[np.newaxis]})
    np.testing.assert_array_equal(predict_array(archive, data, axes="CYX"), scores[0].argmax(0) + 1)


def test_a_gray_network_sees_colour_in_gray(tmp_path: Path) -> None:
    archive = legacy_archive(
        tmp_path / "g.czmodel", network=NETWORK, classes=list("abc"), BorderSize=3, pixel_types=["Gray8"]
    )
    rgb = pattern((40, 50, 3), np.uint8)
    gray = np.floor(rgb @ np.array([0.299, 0.587, 0.114]) + 0.5).astype(np.uint8)
    scores = tiled_scores(NETWORK, gray.astype(np.float32)[..., np.newaxis], tile=TILE, border=(3, 3))
    np.testing.assert_array_equal(predict_array(archive, rgb, axes="YXS"), scores.argmax(-1) + 1)


def test_progress_counts_every_pixel_once(archive: Path, tmp_path: Path) -> None:
    image = write_ome_zarr(tmp_path / "i.ome.zarr", pattern((3, 70, 61)), "zyx", version="0.5", levels=1)
    heard: list[Progress] = []
    predict(archive, image, progress=heard.append)
    done = [p.pixels_done for p in heard]
    assert done == sorted(done)
    assert (done[0], done[-1], heard[-1].pixels) == (0, 3 * 70 * 61, 3 * 70 * 61)
    assert heard[-1].remaining == 0
    assert heard[0].remaining is None


def test_a_listener_can_stop_a_run_and_nothing_is_left(archive: Path, tmp_path: Path) -> None:
    image = write_ome_zarr(tmp_path / "i.ome.zarr", pattern((3, 70, 61)), "zyx", version="0.5", levels=1)
    before = sorted(tmp_path.rglob("*"))

    def stop(progress: Progress) -> None:
        if progress.pixels_done > progress.pixels // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(archive, image, progress=stop)
    assert sorted(tmp_path.rglob("*")) == before


def test_inspect_is_json_and_says_what_predict_does(archive: Path, tmp_path: Path) -> None:
    image = write_ome_zarr(tmp_path / "i.ome.zarr", pattern((3, 70, 61)), "zyx", version="0.5", levels=1)
    told = json.loads(json.dumps(api.inspect(archive, image)))
    assert told["model"]["tile"] == list(TILE)
    assert told["model"]["classes"][1] == {"name": "Cell", "label": 2, "color": [0, 255, 0]}
    (planned,) = told["images"]
    (report,) = predict(archive, image)
    assert (planned["planes"], planned["tiles"]) == (report.planes, report.tiles)
    assert planned["results"] == [str(path) for path in report.results]
    assert planned["recompute_factor"] >= 1


def test_a_model_can_be_opened_once_and_used_often(archive: Path) -> None:
    model = open_model(archive)
    plane = pattern((40, 50))
    np.testing.assert_array_equal(predict_array(model, plane), predict_array(str(archive), plane))


def test_what_is_public_is_there_and_nothing_else_is_promised() -> None:
    assert sorted(czengine.__all__) == czengine.__all__
    for name in czengine.__all__:
        assert getattr(czengine, name).__name__ == name
        assert name in dir(czengine)
    assert czengine.__version__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = czengine.nonsense


def test_importing_costs_next_to_nothing() -> None:
    heavy = ["numba", "onnx", "onnxruntime", "zarr", "numpy", "rich", "typer", "PIL", "tensorflow", "torch"]
    code = f"import sys, czengine; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["predict", "--help"], ["inspect", "--help"], ["demo", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    heavy = ["numba", "onnx", "onnxruntime", "zarr", "numpy", "PIL"]
    code = (
        "import sys, atexit; from czengine.cli import main; sys.argv = ['czengine', *%r];"
        "atexit.register(lambda: print('LOADED', [m for m in %r if m in sys.modules])); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code % (arguments, heavy)], capture_output=True, text=True, check=True
    )
    assert "LOADED []" in done.stdout
