"""The verb `convert`, on ONNX sources, which need no framework: metadata, proof, determinism."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from czconverter import ArchiveMetadata, ConvertOptions, convert
from czconverter.steps import Normalization, RgbToBgr, Scale, SigmoidToSoftmaxScores, Softmax
from czengine import open_model
from czengine.errors import ModelError
from tests.support.archives import MODEL_ID, onnx_network

METADATA = ArchiveMetadata(classes=("Background", "Cell"), border=4)
GRAY = replace(METADATA, pixel_types=("Gray8",))
TILE = ConvertOptions(spatial_dims=(32, 48))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A convolution of 3 × 3 and a softmax, for pictures of any size."""
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_network("h", "w", kernel=3, opset=17))
    return path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(network: bytes, batch: Any) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: np.asarray(batch, np.float32)})[0]


@pytest.mark.parametrize(
    ("name", "version"), [("a.czann", "2.1.0"), ("a.czmodel", "3.1.0"), ("a.czseg", "3.1.0")]
)
def test_an_archive_says_what_was_said(source: Path, name: str, version: str) -> None:
    said = replace(GRAY, name="Zellen & Kerne", pixel_size=(2e-7, 3e-7), id=MODEL_ID)
    report = convert(source, source.with_name(name), said, options=TILE)
    spec = open_model(report.target).spec
    assert (spec.name, spec.id, spec.format_version) == ("Zellen & Kerne", MODEL_ID, version)
    assert [c.name for c in spec.classes] == ["Background", "Cell"]
    assert (spec.tile, spec.border, spec.channels, spec.outputs) == ((32, 48), (4, 4), 1, 2)
    assert (spec.input_name, spec.output_name) == ("input", "output")
    assert spec.pixel_size == ((2e-7, 3e-7) if name == "a.czann" else None)
    assert spec.warnings == ()


def test_the_report_says_what_was_done(source: Path) -> None:
    report = convert(source, source.with_name("a.czann"), METADATA, options=TILE)
    assert report.target == source.with_name("a.czann")
    assert (report.tile, report.border, report.channels, report.outputs) == ((32, 48), (4, 4), 1, 2)
    assert (report.opset, report.parameters) == (17, 2 * 9 + 2)
    assert report.comparison.batches == (1, 3)
    assert report.comparison.pictures == 4
    assert report.comparison.max_error <= 1e-6
    assert report.comparison.agreement == 1
    assert (report.certificate.radius, report.certificate.exact, report.border_leak) == ((1, 1), True, 0)
    assert report.warnings == report.lost == ()
    assert "onnxruntime" in report.framework


def test_progress_names_the_parts_of_the_work(source: Path) -> None:
    told: list[str] = []
    convert(source, source.with_name("a.czann"), METADATA, options=TILE, progress=told.append)
    assert told == ["loading", "running the source", "converting", "comparing"]


def test_a_listener_that_raises_stops_it_and_leaves_nothing(source: Path) -> None:
    def stop(doing: str) -> None:
        if doing == "comparing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(source, source.with_name("a.czann"), METADATA, options=TILE, progress=stop)
    assert left(source.parent) == ["net.onnx"]


@pytest.mark.parametrize("name", ["a.czann", "a.czmodel"])
def test_the_same_input_gives_the_same_bytes(source: Path, name: str) -> None:
    first, second = (
        convert(source, source.with_name(f"{i}{name}"), replace(GRAY, name="n"), options=TILE) for i in "12"
    )
    assert first.target.read_bytes() == second.target.read_bytes()
    other = convert(source, source.with_name(f"3{name}"), replace(GRAY, name="m"), options=TILE)
    assert other.id != first.id == second.id


def test_two_threads_at_once_write_what_one_would(source: Path) -> None:
    said = replace(METADATA, name="n")

    def target(name: str) -> bytes:
        return convert(source, source.with_name(f"{name}.czann"), said, options=TILE).target.read_bytes()

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(target, "abcd")) == {target("e")}


def test_the_name_is_the_targets_where_none_is_given(source: Path) -> None:
    report = convert(source, source.with_name("My cells.CZANN"), METADATA, options=TILE)
    assert open_model(report.target).spec.name == "My cells"


def test_the_extension_is_appended(source: Path) -> None:
    report = convert(source, source.with_name("cells"), METADATA, options=replace(TILE, format="czann"))
    assert report.target.name == "cells.czann"


def test_a_czmodel_is_written_in_opset_12_where_that_works(source: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.onnx"
    old.write_bytes(onnx_network(32, 32, opset=11))
    report = convert(old, tmp_path / "old.czmodel", GRAY, options=ConvertOptions(preprocessing="scale:1/255"))
    assert report.opset == 12
    assert report.warnings == ()


def test_what_is_often_forgotten_is_asked_about(source: Path, tmp_path: Path) -> None:
    told = convert(source, tmp_path / "a.czmodel", GRAY, options=TILE).warnings
    assert any("needs --preprocess scale:1/255" in warning for warning in told)
    colour = tmp_path / "colour.onnx"
    colour.write_bytes(onnx_network(32, 32, 3))
    told = convert(colour, tmp_path / "b.czann", METADATA).warnings
    assert any("needs --preprocess rgb-to-bgr" in warning for warning in told)
    quiet = [
        (tmp_path / "a.czmodel", GRAY, ()),  # archives say what they are fed
        (tmp_path / "b.czann", replace(METADATA, pixel_types=("Bgr24",)), ()),
        (source, GRAY, "scale:1/255"),
        (colour, replace(METADATA, pixel_types=("Bgr24",)), ["scale:1/255", "rgb-to-bgr"]),
    ]
    for i, (network, said, steps) in enumerate(quiet):
        options = ConvertOptions(preprocessing=steps, spatial_dims=(32, 32))
        told = convert(network, tmp_path / f"{i}.czmodel", said, options=options).warnings
        assert not any("--preprocess" in warning for warning in told)


def test_an_opset_that_was_asked_for_is_kept(source: Path) -> None:
    report = convert(source, source.with_name("a.czann"), METADATA, options=replace(TILE, opset=18))
    assert report.opset == open_model(report.target).spec.opset == 18


def test_a_network_of_any_size_stays_so_where_a_tile_is_declared(source: Path) -> None:
    report = convert(source, source.with_name("a.czann"), replace(METADATA, tile=(64, 64)))
    spec = open_model(report.target).spec
    assert spec.tile == (64, 64)
    assert "tile" not in spec.inferred  # as declared, not as the network insists
    again = convert(report.target, source.with_name("b.czann"), options=ConvertOptions(spatial_dims=[40, 24]))
    assert open_model(again.target).spec.tile == (40, 24)


def test_steps_are_applied_in_their_order(source: Path, tmp_path: Path) -> None:
    network = tmp_path / "colour.onnx"
    network.write_bytes(onnx_network(16, 16, 3, 2, opset=17))
    steps = [RgbToBgr(), Normalization((1.0, 2.0, 3.0), 2.0), Scale(0.5)]
    said = replace(METADATA, pixel_types=("Bgr24",), border=0)
    report = convert(network, tmp_path / "a.czmodel", said, options=ConvertOptions(preprocessing=steps))
    picture = np.random.default_rng(1).integers(0, 256, (1, 16, 16, 3)).astype(np.float32)
    wanted = run(network.read_bytes(), (picture[..., ::-1] - [1, 2, 3]) / 2 * 0.5)
    np.testing.assert_allclose(run(open_model(report.target).network, picture), wanted, atol=1e-5)


def test_one_score_becomes_two(tmp_path: Path) -> None:
    network = tmp_path / "one.onnx"
    network.write_bytes(onnx_network(16, 16, 1, 1, opset=17))  # a softmax of one score is 1
    options = ConvertOptions(postprocessing=[SigmoidToSoftmaxScores()])
    report = convert(network, tmp_path / "a.czann", METADATA, options=options)
    assert report.outputs == 2
    np.testing.assert_array_equal(
        run(open_model(report.target).network, np.zeros((1, 16, 16, 1)))[0, 0, 0], [1, 0]
    )


def test_logits_become_probabilities(tmp_path: Path) -> None:
    network = tmp_path / "logits.onnx"
    network.write_bytes(onnx_network(16, 16, softmax=False, opset=17))
    with pytest.raises(ModelError, match="--postprocess softmax"):
        convert(network, tmp_path / "a.czann", METADATA)
    report = convert(
        network, tmp_path / "a.czann", METADATA, options=ConvertOptions(postprocessing=[Softmax()])
    )
    assert report.comparison.relative_error < 1e-5


def test_regression_needs_no_classes(tmp_path: Path) -> None:
    network = tmp_path / "regression.onnx"
    network.write_bytes(onnx_network(16, 16, 1, 1, softmax=False))
    report = convert(network, tmp_path / "a.czann", ArchiveMetadata(model_type="Regression", border=2))
    assert report.comparison.agreement is None
    assert open_model(report.target).spec.model_type == "Regression"


def test_a_border_smaller_than_what_the_network_looks_at_is_told(tmp_path: Path) -> None:
    network = tmp_path / "wide.onnx"
    network.write_bytes(onnx_network(64, 64, kernel=15, opset=17))
    narrow = convert(network, tmp_path / "a.czann", replace(METADATA, border=2))
    assert narrow.border_leak is not None
    assert narrow.border_leak > 0
    (warning,) = narrow.warnings
    assert warning.startswith(
        "border 2 < radius 7: seams possible; use ≥ 7; in a trial pixels beyond the border"
    )
    enough = convert(network, tmp_path / "b.czann", replace(METADATA, border=7))
    assert (enough.border_leak, enough.warnings) == (0, ())


def test_no_border_is_told(source: Path) -> None:
    report = convert(source, source.with_name("a.czann"), replace(METADATA, border=None), options=TILE)
    assert any("no border was given" in warning for warning in report.warnings)


def test_a_licence_is_packed_under_its_own_name(source: Path) -> None:
    licence = source.with_name("terms of use.txt")
    licence.write_text("free")
    report = convert(source, source.with_name("a.czann"), replace(METADATA, licence=licence), options=TILE)
    assert open_model(report.target).spec.licence == "terms of use.txt"
