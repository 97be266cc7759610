"""Archives taken apart: every reference archive, and names that must not leave the folder."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from czconverter.json_spec import read_json_spec
from czconverter.unpacking import unpack
from czengine.archive import read_members
from czengine.describe import describe_model
from czengine.errors import ArchiveError, CzEngineError, ModelError, OutputError
from czengine.model import read_model
from czengine.spec import Runtime
from tests.support.archives import czann_archive, legacy_archive, onnx_network, saved_model, zip_of
from tests.support.fulldisk import run_on_small_disk
from tests.support.results import snapshot
from tests.support.shared import reference_names, shared_path

REFERENCES = sorted({*reference_names("ONNX"), *reference_names("zipped-SavedModel")})
GRAPH = "reference/legacy310_gray16_savedmodel.czmodel"


@pytest.mark.parametrize("name", REFERENCES)
def test_reference_archives(tmp_path: Path, name: str) -> None:
    archive, folder = shared_path(f"reference/{name}"), tmp_path / "out"
    model = read_model(archive)
    written = unpack(archive, folder)
    files = {name: data for name, data in snapshot(folder).items() if not (folder / name).is_dir()}
    assert sorted(path.relative_to(folder).as_posix() for path in written) == sorted(files)
    assert json.loads(files.pop("metadata.json")) == json.loads(json.dumps(describe_model(model.spec)))
    files.pop("model_spec.json")
    if model.spec.licence:
        assert files.pop(model.spec.licence)
    if model.spec.runtime is Runtime.ONNX:
        assert files == {"network.onnx": model.network}
    else:
        inside = read_members(model.network, what="it")
        assert files == {f"saved_model/{name}": data for name, data in inside.items()}


@pytest.mark.parametrize("name", REFERENCES)
def test_the_spec_of_reference_archives_says_the_same(tmp_path: Path, name: str) -> None:
    archive = shared_path(f"reference/{name}")
    spec = read_model(archive).spec
    unpack(archive, tmp_path / "out")
    found = read_json_spec(tmp_path / "out" / "model_spec.json")
    metadata = found.metadata
    assert metadata.classes == tuple(item.name for item in spec.classes)
    assert (metadata.border, metadata.name, metadata.id) == (spec.border, spec.name, spec.id)
    assert (metadata.licence and metadata.licence.name) == spec.licence
    assert found.model.parent == tmp_path / "out"
    if spec.scale_inputs:
        assert metadata.shapes is not None
        assert (found.format, metadata.shapes[0]) == ("czann", (*spec.tile, spec.channels))
        assert (metadata.model_type, metadata.pixel_size) == (
            "SingleClassSemanticSegmentation" if spec.format == "legacy" else spec.model_type,
            spec.pixel_size,
        )
    else:
        assert found.format == "czmodel"
        assert metadata.pixel_types == tuple(item[0] for item in spec.pixel_types)
        assert metadata.color_handling == spec.color_handling


def test_the_order_of_what_is_given_back(tmp_path: Path) -> None:
    archive = legacy_archive(tmp_path / "a.czmodel", extra={"LICENSE": b"mine"})
    written = unpack(archive, tmp_path / "out")
    assert [path.name for path in written] == ["network.onnx", "metadata.json", "model_spec.json", "LICENSE"]
    assert (tmp_path / "out" / "LICENSE").read_bytes() == b"mine"


def test_the_texts_are_easy_to_read(tmp_path: Path) -> None:
    unpack(czann_archive(tmp_path / "a.czann", ModelName="Käfer"), tmp_path / "out")
    assert (
        (tmp_path / "out" / "model_spec.json")
        .read_text(encoding="ascii")
        .startswith('{\n  "ModelMetadata": {\n    "Type": "SingleClassSemanticSegmentation",\n')
    )


def test_an_archive_that_scales_gets_the_form_for_networks_that_take_0_to_1(tmp_path: Path) -> None:
    """The flat form would have it fed with raw counts."""
    xml: dict[str, Any] = {"version": "3.2.0", "ScaleInputsByBitdepth": "true"}
    unpack(legacy_archive(tmp_path / "a.czseg", **xml), tmp_path / "scaled")
    assert read_json_spec(tmp_path / "scaled" / "model_spec.json").format == "czann"
    xml["ScaleInputsByBitdepth"] = "false"
    unpack(legacy_archive(tmp_path / "b.czseg", **xml), tmp_path / "raw")
    assert read_json_spec(tmp_path / "raw" / "model_spec.json").format == "czmodel"


# ---------------------------------------------------------------------------------------------- where to


def test_an_empty_folder_and_missing_ones(tmp_path: Path) -> None:
    archive = czann_archive(tmp_path / "a.czann")
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "x" / "y"):
        assert all(path.is_file() for path in unpack(archive, folder))


def test_a_folder_that_is_in_use(tmp_path: Path) -> None:
    archive = czann_archive(tmp_path / "in" / "a.czann")
    before = snapshot(tmp_path)
    for folder, reason in ((tmp_path / "in", "is a folder with something in it"), (archive, "is a file")):
        with pytest.raises(OutputError, match=rf"^{folder} {reason}; name a new "):
            unpack(archive, folder)
    assert snapshot(tmp_path) == before


_UNPACK = """
import os
from pathlib import Path
from czconverter.unpacking import unpack
from czengine.errors import OutputError
try:
    unpack(Path({archive!r}), Path({folder!r}) / "out")
except OutputError as error:
    print(error)
print(os.listdir({folder!r}))
"""


def test_a_full_disk(tmp_path: Path) -> None:
    archive = czann_archive(tmp_path / "a.czann", extra={"LICENSE": bytes(2**20)})
    disk = tmp_path / "disk"
    disk.mkdir()
    said = run_on_small_disk(disk, _UNPACK.format(archive=str(archive), folder=str(disk)), size="500k")
    assert said == f"disk full while writing {disk / 'out'}; free some space, or choose another place\n[]\n"


# ---------------------------------------------------------------------------------------------- hostile archives


def refusal(folder: Path, archive: Path, error: type[CzEngineError] = ArchiveError) -> str:
    """Message of the error; nothing may be left, anywhere."""
    before = snapshot(folder)
    with pytest.raises(error) as caught:
        unpack(archive, folder / "out" / "deeper")
    assert snapshot(folder) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def with_inner(folder: Path, members: list[tuple[str, bytes]]) -> Path:
    """An archive with a SavedModel that could be real, and more members in its zip."""
    inside = read_members(read_model(shared_path(GRAPH)).network, what="it")
    network = zip_of(folder / "network", [*inside.items(), *members]).read_bytes()
    return legacy_archive(
        folder / "a.czmodel", network=network, classes=("a", "b", "c"), pixel_types=("Gray16",)
    )


@pytest.mark.parametrize(
    "name", ["../evil", "../../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil", "\\evil"]
)
def test_members_that_point_outside(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, with_inner(tmp_path, [(name, b"evil")]))
    assert f"has a member called {name!r}, which points outside the archive" in message


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "ab:c", "\u202eexe.txt"])
def test_members_with_letters_that_hide_something(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, with_inner(tmp_path, [(name, b"evil")]))
    assert message.endswith(
        f"holds a file called {f'saved_model/{name}'!r}, which is no plain file name; refused as unsafe"
    )


@pytest.mark.parametrize(
    ("members", "name"),
    [
        (["a", "a/b"], "a/b"),
        (["a/b/c", "a"], "a"),
        (["A", "a"], "a"),
        (["Folder/x", "folder"], "folder"),
        (["SAVED_MODEL.PB"], "SAVED_MODEL.PB"),
        (["saved_model.pb/x"], "saved_model.pb/x"),
        (["variables"], "variables"),
    ],
)
def test_members_in_each_others_way(tmp_path: Path, members: list[str], name: str) -> None:
    message = refusal(tmp_path, with_inner(tmp_path, [(member, b"evil") for member in members]))
    called = f"saved_model/{name}"
    assert message.endswith(f"holds a file called {called!r}, where another has to be; refused as unsafe")


def test_two_members_of_one_name(tmp_path: Path) -> None:
    assert "two members called 'a'" in refusal(tmp_path, with_inner(tmp_path, [("a", b"1"), ("a", b"2")]))


def test_a_link_inside_becomes_a_plain_file(tmp_path: Path) -> None:
    """Zips can say that a member is a symbolic link; nobody follows it here."""
    target = io.BytesIO()
    inside = read_members(read_model(shared_path(GRAPH)).network, what="it")
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in inside.items():
            archive.writestr(name, data)
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    path = legacy_archive(
        tmp_path / "a.czmodel", network=target.getvalue(), classes=("a", "b", "c"), pixel_types=("Gray16",)
    )
    unpack(path, tmp_path / "out")
    found = tmp_path / "out" / "saved_model" / "link"
    assert not found.is_symlink()
    assert found.read_text() == "/etc/passwd"
    assert not os.access(found, os.X_OK)


@pytest.mark.parametrize("name", ["network.onnx", "Network.ONNX", "metadata.json", "MODEL_SPEC.json"])
def test_licences_in_the_way(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, czann_archive(tmp_path / "a.czann", extra={name: b"mine"}))
    assert message.endswith(f"holds a file called {name!r}, where another has to be; refused as unsafe")


def test_a_licence_called_like_the_folder_of_the_network(tmp_path: Path) -> None:
    inside = read_model(shared_path(GRAPH)).network
    path = legacy_archive(
        tmp_path / "a.czmodel",
        network=inside,
        classes=("a", "b", "c"),
        pixel_types=("Gray16",),
        extra={"Saved_Model": b"mine"},
    )
    assert "called 'Saved_Model', where another has to be" in refusal(tmp_path, path)


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\tb", "LICENSE:hidden"])
def test_licences_with_letters_that_hide_something(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, czann_archive(tmp_path / "a.czann", extra={name: b"mine"}))
    assert message.endswith(f"holds a file called {name!r}, which is no plain file name; refused as unsafe")


def test_a_licence_that_points_outside(tmp_path: Path) -> None:
    message = refusal(tmp_path, czann_archive(tmp_path / "a.czann", extra={"../LICENSE": b"mine"}))
    assert "points outside" in message


def test_what_is_no_archive_or_no_model(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path, tmp_path / "absent.czann")
    stub = legacy_archive(tmp_path / "a.czmodel", network=saved_model(members={"a.txt": b"x"}))
    assert "a zip without saved_model.pb" in refusal(tmp_path, stub, ModelError)
    cut = czann_archive(tmp_path / "b.czann", network=onnx_network()[:-50])
    assert str(cut) in refusal(tmp_path, cut, ModelError)
