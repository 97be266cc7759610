"""Archives that mean harm: each refused with its own sentence, quickly, and without a byte on disk.

They are built in code, mostly by changing the zip's directory, where a file describes itself and can lie.
"""

from __future__ import annotations

import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from czengine.archive import Limits, read_archive
from czengine.errors import ArchiveError, CzEngineError
from czengine.model import read_model
from tests.support.archives import (
    czann_archive,
    czann_json,
    legacy_archive,
    onnx_network,
    saved_model,
    zip_of,
)

# offset of a field in an entry of the zip's directory, and its struct format
FLAGS, METHOD, PACKED, SIZE, OFFSET = (8, "<H"), (10, "<H"), (20, "<I"), (24, "<I"), (42, "<I")
MIB = 2**20


def lie(path: Path, name: str, field: tuple[int, str], value: int) -> Path:
    """Change what the zip's directory says about a member."""
    data = bytearray(path.read_bytes())
    entry = data.rindex(name.encode()) - 46
    assert data[entry : entry + 4] == b"PK\x01\x02"
    struct.pack_into(field[1], data, entry + field[0], value)
    path.write_bytes(data)
    return path


def refusal(path: Path, **limits: int) -> str:
    before = sorted(path.parent.iterdir())
    with pytest.raises(ArchiveError) as caught:
        read_archive(path, limits=Limits(**limits))
    assert sorted(path.parent.iterdir()) == before
    message = str(caught.value)
    assert message.startswith(f"{path} ")
    return message.removeprefix(f"{path} ")


# ------------------------------------------------------------------------------------------------- bombs


def test_bomb_by_ratio(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a", {"model.json": b"{}", "model.model": bytes(65 * MIB)}, deflate=True)
    packed = path.stat().st_size
    message = refusal(path)
    assert packed < MIB
    assert message.startswith("has a member 'model.model' that grows from ")
    assert message.endswith(f" to {65 * MIB} bytes; more than 100 times is refused as a zip bomb")


def test_constant_weights_are_no_bomb(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a", {"model.json": b"{}", "model.model": bytes(8 * MIB)}, deflate=True)
    assert len(read_archive(path).network) == 8 * MIB


def test_bomb_by_declared_size(tmp_path: Path) -> None:
    path = lie(czann_archive(tmp_path / "a"), "model.model", SIZE, 2**31)
    assert refusal(path) == "has a member 'model.model' of 2147483648 bytes; at most 2147483647 are read"


def test_bomb_by_declared_total(tmp_path: Path) -> None:
    path = czann_archive(tmp_path / "a", extra={"x": b"1", "y": b"2"})
    for name in ("x", "y"):
        lie(path, name, SIZE, 2**31 - 1)
    message = refusal(path)
    assert message.startswith("unpacks to 429496")
    assert message.endswith(" bytes; at most 3221225472 are read")


def test_header_that_declares_less_than_there_is(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a", {"model.json": b"{}", "model.model": bytes(100 * MIB)}, deflate=True)
    lie(path, "model.model", SIZE, 1000)
    tracemalloc.start()
    message = refusal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message.startswith("is damaged: member 'model.model' cannot be unpacked (Bad CRC-32")
    assert peak < 20 * MIB


def test_header_that_declares_more_than_there_is(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a", {"model.json": b"{}", "model.model": b"x" * 100}, deflate=True)
    lie(path, "model.model", SIZE, 200)
    assert refusal(path) == "is damaged: member 'model.model' has 100 bytes, 200 are declared"


def test_too_many_members(tmp_path: Path) -> None:
    path = czann_archive(tmp_path / "a", extra={f"m{i}": b"" for i in range(1000)})
    assert refusal(path) == "has more than 1000 members; a model needs about five"


def test_members_are_counted_before_zipfile_builds_them(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a", {f"m{i}": b"" for i in range(20_000)})
    tracemalloc.start()
    assert "more than 1000 members" in refusal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * MIB


def test_bomb_in_the_saved_model(tmp_path: Path) -> None:
    inner = zip_of(tmp_path / "inner", {"saved_model.pb": bytes(65 * MIB)}, deflate=True).read_bytes()
    path = czann_archive(tmp_path / "a.czann", network=inner)
    with pytest.raises(
        ArchiveError, match=r"the network inside has a member 'saved_model.pb' that grows from"
    ):
        read_model(path)


# ------------------------------------------------------------------------------------- names and directory


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "..\\evil",
        "/etc/passwd",
        "\\evil",
        "C:\\evil",
        "c:evil",
        "\\\\host\\share",
        "..",
    ],
)
def test_names_that_point_outside(tmp_path: Path, name: str) -> None:
    path = czann_archive(tmp_path / "a", extra={name: b"x"})
    assert refusal(path) == f"has a member called {name!r}, which points outside the archive"


def test_name_with_a_nul(tmp_path: Path) -> None:
    path = czann_archive(tmp_path / "a", extra={"evilX.txt": b"x"})
    path.write_bytes(path.read_bytes().replace(b"evilX", b"evil\0"))
    assert refusal(path) == "has a member called 'evil\\x00.txt', which points outside the archive"


@pytest.mark.parametrize("again", ["model.json", ".\\model.json", "./model.json"])
def test_duplicate_names(tmp_path: Path, again: str) -> None:
    pairs = [("model.json", czann_json().encode()), ("model.model", onnx_network()), (again, b"{}")]
    path = zip_of(tmp_path / "a", pairs)
    assert refusal(path) == "has two members called 'model.json'; which one counts is unclear"


def test_overlapping_members(tmp_path: Path) -> None:
    path = lie(czann_archive(tmp_path / "a"), "model.model", OFFSET, 0)
    message = refusal(path)
    # newer Pythons notice in zipfile already
    assert "has overlapping members" in message or "is a damaged zip" in message


def test_packed_size_beyond_the_file(tmp_path: Path) -> None:
    path = lie(czann_archive(tmp_path / "a"), "model.model", PACKED, 10**6)
    message = refusal(path)
    assert "has overlapping members ('model.model')" in message or "is a damaged zip" in message


@pytest.mark.parametrize("flag", [0x1, 0x40, 0x2000])
def test_encrypted_members(tmp_path: Path, flag: int) -> None:
    path = lie(czann_archive(tmp_path / "a"), "model.model", FLAGS, flag)
    assert refusal(path) == "is encrypted (member 'model.model'); save it without a password"


@pytest.mark.parametrize("method", [1, 9, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93, 99])
def test_other_compression(tmp_path: Path, method: int) -> None:
    path = lie(czann_archive(tmp_path / "a"), "model.model", METHOD, method)
    assert refusal(path) == f"uses compression method {method} for 'model.model'; pack it as deflated"


@pytest.mark.parametrize(("field", "value"), [(OFFSET, 2**32 - 2), (OFFSET, 7)])
def test_directory_that_points_to_nowhere(tmp_path: Path, field: tuple[int, str], value: int) -> None:
    path = lie(czann_archive(tmp_path / "a"), "model.model", field, value)
    assert refusal(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_an_error_of_ours_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    good = (legacy_archive if data.draw(st.booleans()) else czann_archive)(tmp_path / "a").read_bytes()
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(bad)) | st.just(len(bad)))
    (tmp_path / "b").write_bytes(bad[:cut])
    outcome = attempt(tmp_path / "b")
    assert outcome == "fine" or outcome.startswith(str(tmp_path / "b"))


def attempt(path: Path) -> str:
    """The message of our error, "fine" without one; any other error is a bug and goes on."""
    try:
        read_model(path)
    except CzEngineError as error:
        return str(error)
    return "fine"


# --------------------------------------------------------------------------------------------------- XML

ENTITIES = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "lol"}">' for i in range(10))
PASSWD = (
    '<!DOCTYPE Model [<!ENTITY x SYSTEM "file:///etc/passwd">]><Model Version="3.1.0"><Id>&x;</Id></Model>'
)


@pytest.mark.parametrize(
    "xml",
    [
        f'<!DOCTYPE Model [{ENTITIES}]><Model Version="3.1.0"><Id>&e9;</Id></Model>',
        PASSWD,
        '<!DOCTYPE Model SYSTEM "http://example.org/a.dtd"><Model Version="3.1.0"/>',
        '<!DOCTYPE Model [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><Model Version="3.1.0"/>',
        "<!DOCTYPE Model><Model Version='3.1.0'/>",
    ],
)
def test_entities_and_dtds(tmp_path: Path, xml: str) -> None:
    path = legacy_archive(tmp_path / "a", xml=xml)
    with pytest.raises(ArchiveError) as caught:
        read_model(path)
    assert str(caught.value) == (
        f"{path}: the XML metadata have a DTD or entities, which no ZEISS tool writes; refused as unsafe"
    )


def test_deep_xml(tmp_path: Path) -> None:
    path = legacy_archive(tmp_path / "a", xml="<Model Version='3.1.0'>" + "<a>" * 50_000)
    with pytest.raises(ArchiveError, match="the XML metadata are not well-formed"):
        read_model(path)
    path = legacy_archive(
        tmp_path / "b", xml="<Model Version='9'>" + "<a>" * 50_000 + "</a>" * 50_000 + "</Model>"
    )
    with pytest.raises(CzEngineError, match="Version is '9'"):
        read_model(path)


def test_many_classes_take_no_time(tmp_path: Path) -> None:
    items = "".join(f'<Item LabelValue="{i % 65535 + 1}" Name=""/>' for i in range(90_000))
    xml = f"<Model Version='3.1.0'><TrainingClasses>{items}</TrainingClasses></Model>"
    with pytest.raises(CzEngineError, match="two training classes have LabelValue 1;"):
        read_model(legacy_archive(tmp_path / "a", xml=xml))


# -------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("depth", [100_000, 1_000_000])
@pytest.mark.parametrize("pair", ["[]", '{"a":,}'])
def test_deep_json(tmp_path: Path, depth: int, pair: str) -> None:
    text = '{"Type": ' + pair.strip("]},") * depth
    with pytest.raises(ArchiveError, match=r"nested too deeply; refused as unsafe|cannot be read"):
        read_model(czann_archive(tmp_path / "a", text=text[: 4 * MIB - 1]))


def test_names_cannot_control_the_terminal(tmp_path: Path) -> None:
    spec = read_model(
        czann_archive(tmp_path / "a", ModelName="a\x1b[2Jb\r\nc\u202e\ud800", Classes=["\x07", "b"])
    ).spec
    assert spec.name == "a [2Jb c"
    assert [c.name for c in spec.classes] == ["class 1", "b"]


def test_a_saved_model_leaves_nothing_on_disk(tmp_path: Path) -> None:
    path = czann_archive(tmp_path / "a", network=saved_model())
    read_model(path)
    assert os.listdir(tmp_path) == ["a"]
