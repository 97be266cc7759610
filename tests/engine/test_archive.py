"""Which member is what: told by names and content, never by the extension or the order."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from czengine.archive import Limits, read_archive, read_member, read_members
from czengine.errors import ArchiveError
from tests.support.archives import (
    MODEL_ID,
    czann_archive,
    czann_json,
    legacy_archive,
    legacy_xml,
    onnx_network,
    saved_model,
    zip_of,
)

NETWORK = onnx_network()


@pytest.mark.parametrize("name", ["a.czmodel", "a.czseg", "a.czann", "a.zip", "a"])
def test_legacy_whatever_the_extension(tmp_path: Path, name: str) -> None:
    archive = read_archive(legacy_archive(tmp_path / name))
    assert (archive.format, archive.id_hint, archive.licence) == ("legacy", MODEL_ID, None)
    assert archive.metadata == legacy_xml().encode()
    assert archive.network == NETWORK
    assert archive.path == tmp_path / name


@pytest.mark.parametrize("name", ["a.czann", "a.czmodel", "a"])
def test_czann_whatever_the_extension(tmp_path: Path, name: str) -> None:
    archive = read_archive(czann_archive(tmp_path / name))
    assert (archive.format, archive.id_hint, archive.licence) == ("czann", None, None)
    assert archive.metadata == czann_json().encode()
    assert archive.network == NETWORK


@pytest.mark.parametrize("deflate", [False, True])
def test_order_and_compression_do_not_matter(tmp_path: Path, deflate: bool) -> None:
    xml = legacy_xml().encode()
    members = {
        f"modelid={MODEL_ID}": b"",
        "LICENSE": b"mine",
        f"{MODEL_ID}.model": NETWORK,
        f"{MODEL_ID}.xml": xml,
    }
    archive = read_archive(zip_of(tmp_path / "a", members, deflate=deflate))
    assert (archive.metadata, archive.network, archive.licence) == (xml, NETWORK, "LICENSE")


@pytest.mark.parametrize("licence", ["a.xml", "a.model", "a.json", "model.json", "model.xml", "LICENSE.txt"])
def test_a_licence_of_any_name_is_not_mistaken_in_a_legacy_archive(tmp_path: Path, licence: str) -> None:
    words = b'<Model Version="9"/> {"Type": 1, "InputShape": 2}'
    xml = legacy_xml().encode()
    members = {
        licence: words,
        f"{MODEL_ID}.xml": xml,
        f"{MODEL_ID}.model": NETWORK,
        f"modelid={MODEL_ID}": b"",
    }
    archive = read_archive(zip_of(tmp_path / "a", members))
    assert (archive.metadata, archive.network, archive.licence) == (xml, NETWORK, licence)


@pytest.mark.parametrize("licence", ["a.xml", "a.model", "a.json", "LICENSE"])
def test_a_licence_of_any_name_is_not_mistaken_in_a_czann(tmp_path: Path, licence: str) -> None:
    words = b'<Model Version="9"/> {"Type": 1, "InputShape": 2}'
    members = {licence: words, "model.json": czann_json().encode(), "model.model": NETWORK}
    archive = read_archive(zip_of(tmp_path / "a", members))
    assert (archive.format, archive.network, archive.licence) == ("czann", NETWORK, licence)


def test_without_a_marker_the_xml_that_is_a_model_counts(tmp_path: Path) -> None:
    xml = legacy_xml().encode()
    members = {"a.xml": b"<licence/>", "b.xml": xml, "z.model": NETWORK}
    archive = read_archive(zip_of(tmp_path / "a", members))
    assert (archive.metadata, archive.network, archive.id_hint) == (xml, NETWORK, None)


def test_without_a_marker_the_xml_with_a_network_of_its_name_counts(tmp_path: Path) -> None:
    xml = legacy_xml().encode()
    members = {"a.xml": b"<Model />", "o.model": b"other", "b.xml": xml, "b.model": NETWORK}
    archive = read_archive(zip_of(tmp_path / "a", members))
    assert (archive.metadata, archive.network) == (xml, NETWORK)


def test_a_marker_that_names_nothing_is_passed_over(tmp_path: Path) -> None:
    members = {"modelid=other": b"", "b.xml": legacy_xml().encode(), "b.model": NETWORK}
    archive = read_archive(zip_of(tmp_path / "a", members))
    assert (archive.network, archive.id_hint) == (NETWORK, "other")


def test_upper_case_names(tmp_path: Path) -> None:
    legacy = {"MODELID=ab": b"", "AB.XML": legacy_xml().encode(), "AB.MODEL": NETWORK}
    assert read_archive(zip_of(tmp_path / "a", legacy)).id_hint == "ab"
    czann = {"Model.JSON": czann_json().encode(), "Model.Model": NETWORK}
    assert read_archive(zip_of(tmp_path / "b", czann)).format == "czann"


def test_json_of_another_name_counts_if_it_looks_right(tmp_path: Path) -> None:
    text = czann_json().encode()
    members = {"a.json": b"{}", "metadata.json": text, "net.model": NETWORK}
    archive = read_archive(zip_of(tmp_path / "a", members))
    assert (archive.format, archive.metadata, archive.network) == ("czann", text, NETWORK)


def test_folders_hidden_files_and_what_lies_deeper_are_passed_over(tmp_path: Path) -> None:
    extra = {"folder/": b"", "__MACOSX/._model.json": b"x", ".DS_Store": b"x", "old\\model.json": b"x"}
    archive = read_archive(czann_archive(tmp_path / "a", extra=extra))
    assert (archive.network, archive.licence) == (NETWORK, None)


def test_backslashes_in_names_are_folders(tmp_path: Path) -> None:
    members = {".\\model.json": czann_json().encode(), ".\\model.model": NETWORK, "sub\\b.model": b"x"}
    assert read_archive(zip_of(tmp_path / "a", members)).network == NETWORK


# ------------------------------------------------------------------------------------------- what is refused


def refusal(path: Path, **limits: int) -> str:
    """Message of the error, which must begin with the path."""
    with pytest.raises(ArchiveError) as caught:
        read_archive(path, limits=Limits(**limits) if limits else None)
    message = str(caught.value)
    assert message.startswith(f"{path} ")
    assert "\n" not in message
    return message.removeprefix(f"{path} ")


def test_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.czann") == "does not exist; check the path of the archive"


def test_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path) == (
        "is a folder; MODEL is a .czmodel, .czseg or .czann file and comes before IMAGE"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "is not a regular file; copy the archive to a disk first"


def test_unreadable_file() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = czann_archive(Path(folder) / "a.czann")
        path.chmod(0)
        with ordinary_user():
            assert refusal(path) == "cannot be read (Permission denied); check its permissions"


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Be somebody who may not read everything, also where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.czann").touch()
    assert refusal(tmp_path / "a.czann") == "is empty; copy or download it again"


@pytest.mark.parametrize("content", [b"x", b"hello world" * 50, b"\x89HDF\r\n\x1a\n" + bytes(100), NETWORK])
def test_not_a_zip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.czann").write_bytes(content)
    assert refusal(tmp_path / "a.czann") == "is not a zip, so not a .czmodel, .czseg or .czann archive"


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_cut_short(tmp_path: Path, kept: float) -> None:
    path = czann_archive(tmp_path / "a.czann")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    assert refusal(path) == "is a damaged zip, probably cut short; copy or download it again"


def test_changed_bytes(tmp_path: Path) -> None:
    path = czann_archive(tmp_path / "a.czann")
    data = bytearray(path.read_bytes())
    data[data.index(NETWORK) + 20] ^= 255
    path.write_bytes(data)
    assert refusal(path) == (
        "is damaged: member 'model.model' cannot be unpacked (Bad CRC-32 for file 'model.model'); copy it again"
    )


@pytest.mark.parametrize(
    "members", [{}, {"a.txt": b"x"}, {"sub/model.json": b"{}"}, {"a.xml": b"<Licence/>"}]
)
def test_zip_without_model(tmp_path: Path, members: dict[str, bytes]) -> None:
    assert refusal(zip_of(tmp_path / "a.zip", members)) == (
        "holds no model: a .czann has model.json and model.model at its root, a .czmodel or .czseg an .xml and a"
        " .model"
    )


def test_network_missing(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.czann", {"model.json": czann_json().encode()})
    assert refusal(path) == "has 'model.json' but no network (.model) with it; export it again"
    path = zip_of(
        tmp_path / "b.czseg", {f"{MODEL_ID}.xml": legacy_xml().encode(), f"modelid={MODEL_ID}": b""}
    )
    assert refusal(path) == f"has '{MODEL_ID}.xml' but no network (.model) with it; export it again"


def test_network_empty(tmp_path: Path) -> None:
    path = czann_archive(tmp_path / "a.czann", network=b"")
    assert refusal(path) == "has an empty network 'model.model'; export the model again"


def test_limit_of_the_file(tmp_path: Path) -> None:
    path = czann_archive(tmp_path / "a.czann")
    size = path.stat().st_size
    assert refusal(path, total=100) == f"is too large: {size} bytes, at most 100 are read"


def test_limit_of_the_metadata(tmp_path: Path) -> None:
    path = czann_archive(tmp_path / "a.czann")
    size = len(czann_json())
    assert refusal(path, metadata=50) == f"has metadata 'model.json' of {size} bytes; at most 50 are read"


# ---------------------------------------------------------------------------------------- zips inside zips


def test_member_of_a_zip_in_memory() -> None:
    assert read_member(saved_model(), "saved_model.pb", what="it") == b"\x08\x01"
    assert read_member(saved_model(), "saved_model.txt", what="it") is None


def test_zip_in_memory_has_the_same_limits() -> None:
    with pytest.raises(
        ArchiveError, match=r"^it has a member 'saved_model.pb' of 2 bytes; at most 1 are read$"
    ):
        read_member(saved_model(), "saved_model.pb", what="it", limits=Limits(member=1))
    with pytest.raises(ArchiveError, match=r"^it is a damaged zip, probably cut short"):
        read_member(saved_model()[:-30], "saved_model.pb", what="it")


def test_all_members_of_a_zip_in_memory() -> None:
    assert read_members(saved_model(), what="it") == {
        "saved_model.pb": b"\x08\x01",
        "variables/variables.index": b"\x00",
    }
    members = {"folder/": b"", "sub\\b": b"x", "./a//c": b"y"}
    assert read_members(saved_model(members=members), what="it") == {"sub/b": b"x", "a/c": b"y"}
    assert read_members(saved_model(members={"folder/": b""}), what="it") == {}


def test_all_members_have_the_same_limits() -> None:
    with pytest.raises(ArchiveError, match=r"^it unpacks to 3 bytes; at most 2 are read$"):
        read_members(saved_model(), what="it", limits=Limits(total=2))
    with pytest.raises(ArchiveError, match=r"^it has more than 1 members; a model needs about five$"):
        read_members(saved_model(), what="it", limits=Limits(members=1))
    with pytest.raises(ArchiveError, match=r"^it is a damaged zip, probably cut short"):
        read_members(saved_model()[:-30], what="it")


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil", "\\evil"])
def test_all_members_stay_inside(name: str) -> None:
    with pytest.raises(ArchiveError, match=r"^it has a member called .*, which points outside the archive$"):
        read_members(saved_model(members={"saved_model.pb": b"", name: b"x"}), what="it")
