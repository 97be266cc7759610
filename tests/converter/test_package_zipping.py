"""Zips: what is in them, and that nothing but the members changes a byte."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from czconverter.package.zipping import zip_bytes, zip_folder
from czengine.archive import read_members
from czengine.errors import ModelError, OptionError

MEMBERS = [("b.xml", b"<Model/>"), ("a/c.model", bytes(1000)), ("Größe.txt", b"mine"), ("modelid=1", b"")]
# what these members gave when the test was written: another zlib, Python or machine must give the same
LAYOUT = (20, 20, 3, 0o600 << 16, zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))


def entries(data: bytes) -> list[zipfile.ZipInfo]:
    return zipfile.ZipFile(io.BytesIO(data)).infolist()


def test_members_keep_their_order_and_bytes() -> None:
    with zipfile.ZipFile(io.BytesIO(zip_bytes(MEMBERS))) as archive:
        assert [(name, archive.read(name)) for name in archive.namelist()] == MEMBERS
        assert archive.testzip() is None


def test_nothing_of_the_day_or_the_machine_is_in_it() -> None:
    facts = {
        (e.create_version, e.extract_version, e.create_system, e.external_attr, e.compress_type, e.date_time)
        for e in entries(zip_bytes(MEMBERS))
    }
    assert facts == {LAYOUT}
    assert [e.extra for e in entries(zip_bytes(MEMBERS))] == [b""] * 4


def test_the_bytes_of_a_small_zip() -> None:
    """Spelled out: local header, data, directory, end."""
    name, data = b"a", b"x"
    crc = (0x8CDC1683).to_bytes(4, "little")
    common = b"\x14\0\0\0\0\0\0\0\x21\0" + crc + b"\1\0\0\0\1\0\0\0\1\0\0\0"
    local = b"PK\3\4" + common + name + data
    attributes = (0o600 << 16).to_bytes(4, "little")
    directory = b"PK\1\2\x14\3" + common + b"\0\0\0\0\0\0" + attributes + b"\0\0\0\0" + name
    sizes = len(directory).to_bytes(4, "little") + len(local).to_bytes(4, "little")
    end = b"PK\5\6\0\0\0\0\1\0\1\0" + sizes + b"\0\0"
    assert zip_bytes([("a", b"x")]) == local + directory + end


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5})?", fullmatch=True), st.binary(max_size=50)))
def test_the_engine_reads_back_what_is_written(members: dict[str, bytes]) -> None:
    assert read_members(zip_bytes(list(members.items())), what="it") == members


@pytest.mark.parametrize("other", ["LICENSE.txt", "license.TXT"])
def test_two_members_of_one_name(other: str) -> None:
    message = r"^two files of the archive would be called 'LICENSE.txt'; rename one of them$"
    with pytest.raises(OptionError, match=message):
        zip_bytes([("LICENSE.txt", b"a"), (other, b"b")])


def test_names_that_cannot_be_shown() -> None:
    with pytest.raises(OptionError, match=r"would be called 'a\\nb'; rename it with plain letters$"):
        zip_bytes([("a\nb", b"")])


# ---------------------------------------------------------------------------------------------- folders


def saved_model(folder: Path) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "variables" / "variables.index").write_bytes(b"index")
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "fingerprint.pb").write_bytes(b"print")
    return folder


def test_a_folder_is_packed_from_its_root_sorted_without_empty_folders(tmp_path: Path) -> None:
    names = [entry.filename for entry in entries(zip_folder(saved_model(tmp_path)))]
    assert names == ["fingerprint.pb", "saved_model.pb", "variables/variables.index"]


def test_times_and_permissions_of_files_do_not_matter(tmp_path: Path) -> None:
    one, two = saved_model(tmp_path / "one"), saved_model(tmp_path / "two")
    os.utime(two / "saved_model.pb", (1e9, 1e9))
    (two / "fingerprint.pb").chmod(0o755)
    assert zip_folder(one) == zip_folder(two)


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_a_folder_without_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"holds no files; give the folder that has saved_model.pb in it$"):
        zip_folder(tmp_path / name)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file nobody can read from its start")
def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("/proc/self/mem")
    with pytest.raises(ModelError, match=r"cannot be read \(.*\); check its permissions$"):
        zip_folder(tmp_path)
