"""`unpack_model`: metadata with the values of the archive, and a network that can be converted again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from czconverter.compat import (
    DefaultConverter,
    LegacyConverter,
    LegacyModelMetadata,
    ModelMetadata,
    ModelSpec,
    ModelType,
    convert_from_model_spec,
    unpack_model,
)
from czconverter.compat.pytorch import DefaultConverter as PytorchConverter
from czengine import open_model
from czengine.errors import ArchiveError, OutputError
from tests.support.archives import MODEL_ID, czann_archive, legacy_archive, onnx_network
from tests.support.shared import shared_path


@pytest.fixture
def czann(tmp_path: Path) -> Path:
    return czann_archive(tmp_path / "a.czann", MinOverlap=[8, 4], Scaling=[1e-6, 2e-6])


@pytest.fixture
def legacy(tmp_path: Path) -> Path:
    return legacy_archive(
        tmp_path / "a.czseg",
        classes=["Background", "Cell"],
        colors=[(1, 2, 3), (4, 5, 6)],
        pixel_types=["Gray8 Gray16"],
        Postprocessing="CRF",
    )


@pytest.mark.parametrize("form", [str, Path])
def test_a_czann_gives_its_metadata_and_its_network(czann: Path, tmp_path: Path, form: Any) -> None:
    metadata, model = DefaultConverter().unpack_model(
        model_file=form(czann), target_dir=form(tmp_path / "x" / "y")
    )
    assert metadata == ModelMetadata(
        ModelType.SINGLE_CLASS_SEMANTIC_SEGMENTATION,
        [32, 32, 1],
        [32, 32, 2],
        [8, 4],
        ["Background", "Object"],
        "Test network",
        scaling=(1e-6, 2e-6),
        model_id=MODEL_ID,
    )
    assert model == tmp_path / "x" / "y" / "network.onnx"
    assert model.read_bytes() == onnx_network()


def test_a_legacy_archive_keeps_what_the_official_reader_loses(legacy: Path, tmp_path: Path) -> None:
    metadata, model = LegacyConverter().unpack_model(legacy, tmp_path / "x")
    assert metadata == LegacyModelMetadata(
        name="Test network",
        color_handling="ConvertToMonochrome",
        pixel_types=["Gray8"],
        classes=[("Background", (1, 2, 3)), ("Cell", (4, 5, 6))],  # type: ignore[list-item]
        border_size=4,
        post_processing="CRF",
        model_id=MODEL_ID,
    )
    assert model.read_bytes() == onnx_network()


def test_what_says_nothing_of_colour_and_overlap(tmp_path: Path) -> None:
    plain = legacy_archive(tmp_path / "a.czmodel", ColorHandling=...)
    assert unpack_model(plain, tmp_path / "x")[0].archive_metadata().color_handling == "ConvertToMonochrome"
    metadata, _ = unpack_model(czann_archive(tmp_path / "b.czann", MinOverlap=...), tmp_path / "y")
    assert isinstance(metadata, ModelMetadata)
    assert metadata.min_overlap is None


@pytest.mark.parametrize("kind", ["czann", "legacy"])
def test_what_was_unpacked_can_be_converted_again(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    archive = request.getfixturevalue(kind)
    metadata, model = unpack_model(archive, tmp_path / "x")
    report = convert_from_model_spec(ModelSpec(model, metadata), tmp_path / "again")
    first, second = open_model(archive).spec, open_model(report.target).spec
    for name in ("id", "name", "classes", "tile", "border", "postprocessing", "color_handling", "pixel_size"):
        assert getattr(first, name) == getattr(second, name)


def test_what_else_is_in_the_folder_stays(czann: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / "network.onnx").write_text("old")
    for _ in range(2):
        _, model = unpack_model(czann, folder)
    assert model.read_bytes() == onnx_network()
    assert (folder / "notes.txt").read_text() == "mine"


def test_an_archive_of_the_other_kind_is_refused(czann: Path, legacy: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ArchiveError, match=r"a\.czseg is a \.czmodel inside, not a \.czann; use the converter for"
    ):
        DefaultConverter().unpack_model(legacy, tmp_path / "x")
    with pytest.raises(
        ArchiveError, match=r"a\.czann is a \.czann inside, not a \.czmodel; use the converter for"
    ):
        LegacyConverter().unpack_model(czann, tmp_path / "x")
    with pytest.raises(ArchiveError, match=r"not a \.czann"):
        PytorchConverter().unpack_model(legacy, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_folder_that_cannot_be_is_refused(czann: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"cannot write .*file.*; choose another place"):
        unpack_model(czann, tmp_path / "file")


def test_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"absent\.czann does not exist"):
        unpack_model(tmp_path / "absent.czann", tmp_path / "x")


@pytest.mark.parametrize("name", ["legacy310_gray16_savedmodel.czmodel", "synthetic_czseg320.czseg"])
def test_archives_by_other_tools(name: str, tmp_path: Path) -> None:
    archive = shutil.copy(shared_path(f"reference/{name}"), tmp_path)
    spec = open_model(archive).spec
    metadata, model = LegacyConverter().unpack_model(archive, tmp_path / "x")
    assert [tuple(item) for item in metadata.classes] == [(c.name, c.color) for c in spec.classes]
    assert metadata.border_size == spec.border[0]
    inside = model / "saved_model.pb" if "savedmodel" in name else model
    assert inside.stat().st_size > 0
