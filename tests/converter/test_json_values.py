"""JSON files read strictly: what is none, what a value may be, and where a path in one is looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from czconverter.json_values import Values, read_values, require
from czengine.errors import OptionError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
READERS = ("inner", "text", "texts", "text_or_texts", "whole", "numbers", "colors")


def refusal(path: Path) -> str:
    """Message of the error, which leaves it to others to name the file."""
    with pytest.raises(OptionError) as caught:
        read_values(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("it ")
    return message.removeprefix("it ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON (Expecting value: line 1 column 1 (char 0)); correct it there"),
        ('{"a": 1', "is not JSON (Expecting ',' delimiter: line 1 column 8 (char 7)); correct it there"),
        ('{"a": NaN}', "is not JSON (NaN is not a JSON number); correct it there"),
        ('{"a": [-Infinity]}', "is not JSON (-Infinity is not a JSON number); correct it there"),
        ('{"a": 1, "b": 2, "a": 1}', "is not JSON (key 'a' occurs twice); correct it there"),
        ('{"a": {"b": 1, "b": 2}}', "is not JSON (key 'b' occurs twice); correct it there"),
        ("[1, 2]", "holds [1, 2]; an object in braces is needed"),
        ('"text"', 'holds "text"; an object in braces is needed'),
        ("[" * 100_000, "is nested too deeply; write it as the examples are"),
        (" " * (4 * 2**20 + 1), "has more than 4194304 bytes; a JSON file that describes a model is small"),
    ],
)
def test_what_is_no_json(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert refusal(tmp_path / "a.json") == message


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": "\xff"}')
    assert refusal(tmp_path / "a.json").startswith("is not JSON ('utf-8' codec can't decode byte 0xff")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "absent", "No such file or directory"), (tmp_path, "Is a directory")):
        assert refusal(path) == f"cannot be read ({reason}); give the path of a JSON file"


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('\ufeff{"a": "Käfer"}', encoding="utf-8")
    assert read_values(tmp_path / "a.json").text("a") == "Käfer"


# ---------------------------------------------------------------------------------------------- values

VALUES = Values(
    {
        "text": "a",
        "texts": ["a", "b"],
        "whole": 0,
        "wholes": [1, 2],
        "numbers": [1, 2.5],
        "colors": [[1, 2, 3]],
        "inner": {"text": "b"},
        "null": None,
    }
)


def test_values_of_the_right_type() -> None:
    assert (VALUES.text("text"), VALUES.whole("whole"), VALUES.inner("inner").text("text")) == ("a", 0, "b")
    assert (VALUES.texts("texts"), VALUES.text_or_texts("texts")) == (("a", "b"), ("a", "b"))
    assert VALUES.text_or_texts("text") == ("a",)
    assert VALUES.wholes("wholes", (2, 3), "two or three") == (1, 2)
    assert VALUES.numbers("numbers") == (1, 2.5)
    assert VALUES.colors("colors") == ((1, 2, 3),)


@pytest.mark.parametrize("key", ["null", "absent"])
def test_null_is_missing(key: str) -> None:
    assert key not in VALUES
    assert VALUES.missing(key, "text", prefix="a.") == [f"a.{key}"]
    assert (VALUES.text(key), VALUES.whole(key), VALUES.numbers(key)) == (None, None, None)
    assert VALUES.wholes(key, (2,), "two") is None
    assert (VALUES.texts(key), VALUES.text_or_texts(key), VALUES.colors(key)) == ((), (), ())
    assert VALUES.inner(key).missing("a") == ["a"]


@pytest.mark.parametrize(
    ("reader", "key", "message"),
    [
        ("text", "whole", "whole is 0; it must be a text"),
        ("texts", "text", 'text is "a"; it must be a list of names'),
        ("texts", "wholes", "wholes is [1, 2]; it must be a list of names"),
        ("text_or_texts", "whole", "whole is 0; it must be a name or a list of names"),
        ("whole", "text", 'text is "a"; it must be a whole number, 0 or more'),
        ("numbers", "texts", 'texts is ["a", "b"]; it must be a list of numbers'),
        ("colors", "wholes", "wholes is [1, 2]; it must be a list of colours, each [red, green, blue]"),
        ("inner", "colors", "colors is [[...]]; it must be an object"),
        ("text", "inner", "inner is {...}; it must be a text"),
    ],
)
def test_values_of_another_type(reader: str, key: str, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        getattr(VALUES, reader)(key)
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [[1, 2, 3, 4], [1], [1, -2], [1, 2.0], [1, True], 7, "12"])
def test_whole_numbers_in_a_list(value: Any) -> None:
    with pytest.raises(OptionError, match=r"^key is .*; it must be two or three$"):
        Values({"key": value}).wholes("key", (2, 3), "two or three")


@settings(max_examples=30)
@given(JSON, st.sampled_from(READERS))
def test_whatever_it_is_it_is_read_or_refused_in_a_short_sentence(value: Any, reader: str) -> None:
    message = "key is "
    try:
        getattr(Values({"key": value}), reader)("key")
    except OptionError as error:
        message = str(error)
    assert message.startswith("key is ")
    assert len(message) < 800


@pytest.mark.parametrize(
    ("missing", "message"), [(["a"], "missing a; add it"), (["a", "b.c"], "missing a, b.c; add them")]
)
def test_all_that_is_missing_is_named(missing: list[str], message: str) -> None:
    require([])
    with pytest.raises(OptionError) as caught:
        require(missing)
    assert str(caught.value) == message


# ---------------------------------------------------------------------------------------------- paths


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file in it; the current folder is another one."""
    for place in ("spec", "here"):
        (tmp_path / place).mkdir()
    (tmp_path / "spec" / "file").touch()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "spec"


def find(text: str, folder: Path) -> Path:
    return Values({"Path": text}).path("Path", folder)


def test_the_given_folder_goes_before_the_current_one(folder: Path) -> None:
    (Path.cwd() / "other").touch()
    assert find("other", folder) == Path.cwd() / "other"
    (folder / "other").touch()
    assert find("other", folder) == folder / "other"
    assert find(str(Path.cwd() / "other"), folder) == Path.cwd() / "other"


def test_backslashes_are_slashes_unless_a_name_has_them(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "file").touch()
    assert find(".\\sub\\file", folder) == folder / "sub" / "file"
    (folder / "sub\\file").touch()
    assert find("sub\\file", folder) == folder / "sub\\file"


@pytest.mark.parametrize("text", ["absent", "C:\\models\\file", "x" * 1000, "a\0b", "file/below"])
def test_paths_that_lead_nowhere(folder: Path, text: str) -> None:
    with pytest.raises(OptionError) as caught:
        find(text, folder)
    places = f"is neither in {folder} nor in {Path.cwd()}"
    assert str(caught.value) == f"Path is {text!r}, which {places}; correct it there"


def test_one_place_is_named_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(OptionError) as caught:
        find("absent", folder)
    assert str(caught.value) == f"Path is 'absent', which is not in {folder}; correct it there"


def test_an_absolute_path_that_leads_nowhere(folder: Path) -> None:
    with pytest.raises(
        OptionError, match=r"^Path is '/absent/file', which does not exist; correct it there$"
    ):
        find("/absent/file", folder)


@pytest.mark.parametrize("values", [{"Path": ""}, {"Path": "  "}, {}])
def test_empty_paths(folder: Path, values: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"^Path is '( *)'; it must be the path of a file or folder$"):
        Values(values).path("Path", folder)
