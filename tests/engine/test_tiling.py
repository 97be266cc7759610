"""Which tiling a model gets, what is refused, and that seamless means seamless, through the whole engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from czengine import (
    ModelError,
    OutputOptions,
    PlanError,
    RunOptions,
    TilingOptions,
    api,
    open_model,
    predict,
    predict_array,
)
from czengine.tiling import choose_tiling
from tests.support.archives import czann_archive, onnx_network, saved_model
from tests.support.images import pattern, write_ome_zarr
from tests.support.limits import smallest_limit
from tests.support.shared import shared_path

CPU = RunOptions(device="cpu")
SEAMLESS = TilingOptions(method="seamless")


def pooling_network(*, outputs: int = 2, size: int | str = 64) -> ModelProto:
    """A U-Net of one level: looks 5 pixels far and has a stride grid of 2."""
    rng = np.random.default_rng(3)

    def weights(*shape: int) -> Any:
        return rng.normal(size=shape).astype(np.float32)

    nodes = [
        helper.make_node("Conv", ["input", "a"], ["before"], pads=[1] * 4),
        helper.make_node("MaxPool", ["before"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["small", "b"], ["seen"], pads=[1] * 4),
        helper.make_node("ConvTranspose", ["seen", "c"], ["large"], strides=[2, 2]),
        helper.make_node("Concat", ["before", "large"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "d"], ["output"], pads=[1] * 4),
    ]
    constants = {
        "a": weights(4, 1, 3, 3),
        "b": weights(4, 4, 3, 3),
        "c": weights(4, 4, 2, 2),
        "d": weights(outputs, 8, 3, 3),
    }
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", depth, size, size])
        for name, depth in (("input", 1), ("output", outputs))
    ]
    weights_ = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "network", ports[:1], ports[1:], weights_)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def archive_of(folder: Path, network: ModelProto, *, tile: int = 64, border: int = 4) -> Path:
    return czann_archive(
        folder / "m.czann",
        network=network.SerializeToString(),
        InputShape=[tile, tile, 1],
        OutputShape=[tile, tile, 2],
        MinOverlap=[2 * border, 2 * border],
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive_of(tmp_path_factory.mktemp("model"), pooling_network())


def at_once(plane: NDArray[Any], stride: int = 2) -> NDArray[Any]:
    """Scores (class, y, x) of a plane that goes through the network in one call."""
    pads = [(0, -size % stride) for size in plane.shape]
    pixels = np.pad((plane / np.iinfo(plane.dtype).max).astype(np.float32), pads, mode="reflect")
    session = onnxruntime.InferenceSession(
        pooling_network(size="s").SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (scores,) = session.run(None, {"input": pixels[np.newaxis, np.newaxis]})
    return np.asarray(scores)[0, :, : plane.shape[0], : plane.shape[1]]


@settings(max_examples=25)
@given(
    height=st.integers(2, 150),
    width=st.integers(2, 150),
    tile=st.none() | st.tuples(st.integers(10, 60), st.integers(10, 60)).map(lambda t: (2 * t[0], 2 * t[1])),
    border=st.none() | st.integers(7, 9),
    batch=st.integers(1, 4),
    memo=st.booleans(),
)
def test_seamless_is_the_whole_plane_in_one_call(
    archive: Path,
    height: int,
    width: int,
    tile: tuple[int, int] | None,
    border: int | None,
    batch: int,
    memo: bool,
) -> None:
    plane = pattern((height, width), "u1", seed=height)
    tiling = TilingOptions(method="seamless", tile=tile, border=None if border is None else (border, border))
    run = RunOptions(device="cpu", batch=batch, memo=memo)
    expected = at_once(plane)
    scores = predict_array(archive, plane, tiling=tiling, run=run, output=OutputOptions(scores=True))
    np.testing.assert_allclose(scores, expected, atol=1e-5, rtol=0)
    labels = predict_array(archive, plane, tiling=tiling, run=run)
    sure = np.abs(expected[0] - expected[1]) > 1e-4
    np.testing.assert_array_equal(labels[sure], expected.argmax(0)[sure] + 1)


def test_a_network_that_looks_one_way_needs_a_border_on_that_side_only(tmp_path: Path) -> None:
    weights = np.random.default_rng(4).normal(size=(2, 1, 5, 3)).astype(np.float32)
    node = helper.make_node("Conv", ["input", "w"], ["output"], pads=[4, 0, 0, 2])
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", depth, "h", "w_"])
        for name, depth in (("input", 1), ("output", 2))
    ]
    graph = helper.make_graph(
        [node], "network", ports[:1], ports[1:], [numpy_helper.from_array(weights, "w")]
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model = open_model(archive_of(tmp_path, network))
    tiling = choose_tiling(model, TilingOptions(method="seamless", tile=(32, 32)), CPU)
    assert (tiling.before, tiling.after, tiling.border) == ((4, 0), (0, 2), (4, 2))
    plane = pattern((100, 90), "u1")
    small, whole = (
        predict_array(
            model,
            plane,
            tiling=TilingOptions(method="seamless", tile=tile),
            run=CPU,
            output=OutputOptions(scores=True),
        )
        for tile in ((32, 32), (100, 90))
    )
    np.testing.assert_allclose(small, whole, atol=1e-5, rtol=0)


def test_seamless_in_files_and_stripes(archive: Path, tmp_path: Path) -> None:
    import zarr

    plane = pattern((300, 3000), "u1")
    image = write_ome_zarr(tmp_path / "i.ome.zarr", plane, "yx", chunks=(64, 256))
    tiling = TilingOptions(method="seamless", tile=(64, 64))
    run = RunOptions(device="cpu", memory_limit=smallest_limit(archive, image, tiling=tiling))
    (job,) = api.plan(archive, image, tiling=tiling, run=run)
    assert len({sweep.stripe.left for sweep in job.sweeps}) > 1
    (report,) = predict(archive, image, tiling=tiling, run=run)
    labels = np.asarray(zarr.open_array(str(report.results[0] / "0"), mode="r")[...])
    expected = at_once(plane)
    sure = np.abs(expected[0] - expected[1]) > 1e-4
    np.testing.assert_array_equal(labels[sure], expected.argmax(0)[sure] + 1)
    made = dict(zarr.open_group(str(report.results[0]), mode="r").attrs["czengine"])["tiling"]
    assert made == {"method": "seamless", "tile": list(job.plan.tile), "border": [5, 5]} or made["border"] > [
        0
    ]


def test_intellesis_tiles_of_such_a_network_are_seen(archive: Path) -> None:
    """Else the tests above would prove nothing."""
    plane = pattern((150, 140), "u1")
    scores = predict_array(archive, plane, run=CPU, output=OutputOptions(scores=True))
    assert np.abs(scores - at_once(plane)).max() > 1e-3


def test_a_real_network_with_a_loop_is_seamless() -> None:
    model = open_model(shared_path("reference/real_N2V_tobacco_leaf.czann"))
    plane = pattern((150, 170), "u1")
    large, small = (
        predict_array(model, plane, tiling=TilingOptions(method="seamless", tile=tile), run=CPU)
        for tile in (None, (64, 72))
    )
    np.testing.assert_allclose(small, large, atol=1e-5, rtol=0)


def test_a_network_that_looks_at_the_whole_tile_is_refused() -> None:
    model = open_model(shared_path("data/pgc/PGC_20X_nucleus_detector.czseg"))
    with pytest.raises(
        PlanError,
        match=r"tiling cannot be seamless: not certifiable: GlobalAveragePool at .* and 15 more; use",
    ):
        choose_tiling(model, SEAMLESS, CPU)


def test_a_border_too_narrow_to_be_seamless_is_refused(archive: Path) -> None:
    options = TilingOptions(method="seamless", border=(2, 9))
    with pytest.raises(
        PlanError, match=r"border of 2 and 9 pixels is too narrow .* looks 5 and 5 pixels far"
    ):
        choose_tiling(open_model(archive), options, CPU)


def test_a_tile_too_small_to_be_seamless_is_refused(archive: Path) -> None:
    options = TilingOptions(method="seamless", tile=(8, 8))
    with pytest.raises(PlanError, match="8"):
        predict_array(archive, pattern((100, 100), "u1"), tiling=options, run=CPU)


def test_a_saved_model_has_no_graph_to_prove_anything(tmp_path: Path) -> None:
    archive = czann_archive(tmp_path / "m.czann", network=saved_model())
    with pytest.raises(
        PlanError, match="tiling seamless needs a network stored as ONNX; convert the model first"
    ):
        choose_tiling(open_model(archive), SEAMLESS, CPU)


def test_tile_and_border_take_the_place_of_the_archives(archive: Path) -> None:
    plane = pattern((150, 140), "u1")
    options = TilingOptions(tile=(96, 80), border=(6, 8))
    labels = predict_array(archive, plane, tiling=options, run=CPU)
    other = open_model(archive)
    assert choose_tiling(other, options, CPU).tile == (96, 80)
    assert labels.shape == plane.shape
    whole = predict_array(archive, plane, tiling=TilingOptions(tile=(150, 140)), run=CPU)
    np.testing.assert_array_equal(whole, at_once(plane).argmax(0) + 1)


def test_a_border_below_the_radius_is_told(archive: Path, tmp_path: Path) -> None:
    image = write_ome_zarr(tmp_path / "i.ome.zarr", pattern((90, 90), "u1"), "yx")
    (job,) = api.plan(archive, image, tiling=TilingOptions(border=(2, 2)))
    assert "border 2 < radius 5: seams possible; use ≥ 6" in job.notes
    (job,) = api.plan(archive, image, tiling=TilingOptions(border=(6, 6)))
    assert not any("border" in note for note in job.notes)


def test_a_size_the_network_does_not_take_is_refused(archive: Path) -> None:
    with pytest.raises((ModelError, PlanError), match="65 × 64"):
        choose_tiling(open_model(archive), TilingOptions(tile=(65, 64)), CPU)


def test_the_archive_is_the_default(tmp_path: Path) -> None:
    archive = czann_archive(tmp_path / "m.czann", network=onnx_network(32, 32))
    tiling = choose_tiling(open_model(archive), TilingOptions(), CPU)
    assert (tiling.method, tiling.tile, tiling.border, tiling.notes) == ("intellesis", (32, 32), (4, 4), ())
