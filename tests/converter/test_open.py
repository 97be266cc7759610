"""What a path leads to is told by its content."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from czconverter.loaders.open import kind_of, open_network
from czconverter.options import ConvertOptions
from czengine.errors import ModelError, OptionError
from tests.support.archives import czann_archive, legacy_archive, onnx_network


def zip_with(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return path


def test_archives_whatever_their_name(tmp_path: Path) -> None:
    assert kind_of(czann_archive(tmp_path / "a.zip")) == "archive"
    assert kind_of(legacy_archive(tmp_path / "a.keras")) == "archive"


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("metadata.json", "config.json", "model.weights.h5"), "keras"),
        (("archive/data.pkl", "archive/version"), "torch"),
        (("m/models/model.json", "m/archive_format"), "torch"),
        (("serialized_exported_program.json", "serialized_state_dict.pt"), "torch"),
        (("x\\y.bin", "12.xml"), "archive"),
    ],
)
def test_zips(names: tuple[str, ...], kind: str, tmp_path: Path) -> None:
    assert kind_of(zip_with(tmp_path / "a.bin", *names)) == kind


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"\x89HDF\r\n\x1a\n...", "a.bin", "keras"),
        (b"\x80\x02}q", "a.bin", "torch"),
        (onnx_network(), "a.bin", "onnx"),
        (b"{}", "a.json", "json"),
    ],
)
def test_files(content: bytes, name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert kind_of(path) == kind


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    assert kind_of(tmp_path) == "saved_model"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nothing", None, "does not exist; check the path"),
        ("empty", b"", "is empty; export"),
        ("cut.keras", b"PK\x03\x04 and no more", "damaged zip"),
    ],
)
def test_paths_that_lead_nowhere(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        kind_of(tmp_path / name)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"without saved_model\.pb"):
        kind_of(tmp_path)


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="pipe is not a regular file"):
        kind_of(tmp_path / "pipe")


def test_an_object_of_no_known_kind() -> None:
    with pytest.raises(OptionError, match=r"builtins\.int cannot be converted"):
        open_network(3, options=ConvertOptions())


def test_a_model_proto_needs_no_path() -> None:
    import onnx

    network = open_network(onnx.ModelProto.FromString(onnx_network(32, 32)), options=ConvertOptions())
    assert (network.size, network.channels) == ((32, 32), 1)
