"""JSON of strangers: what readers would disagree about is refused; any value is shown in few words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from czengine.formats.strict_json import parse, shown

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=50)
@given(JSON, st.sampled_from(["utf-8", "utf-8-sig"]))
def test_what_is_sound_is_read_as_by_anyone(value: object, encoding: str) -> None:
    assert parse(json.dumps(value, ensure_ascii=False).encode(encoding)) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "Expecting value: line 1 column 1"),
        (b'{"a": NaN}', "^NaN is not a JSON number$"),
        (b"[-Infinity]", "^-Infinity is not a JSON number$"),
        (b'{"a": {"b": 1, "b": 2}}', "^key 'b' occurs twice$"),
        (b'{"a\\nb": 1, "a\\nb": 2}', "^key 'a b' occurs twice$"),
        (b'"\xff"', "'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_what_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_nested_too_deeply() -> None:
    with pytest.raises(RecursionError):
        parse(b"[" * 100_000)


@settings(max_examples=50)
@given(JSON)
def test_a_value_is_shown_on_one_short_line(value: object) -> None:
    assert len(shown(value)) <= 60
    assert shown(value).isprintable()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        ([1, "a", 2.5], '[1, "a", 2.5]'),
        ([[1], {"a": 1}], "[[...], {...}]"),
        ("x" * 100, '"' + "x" * 56 + "..."),
        ([0] * 20, f"[{'0, ' * 9}...]"),
    ],
)
def test_shown(value: object, expected: str) -> None:
    assert shown(value) == expected
