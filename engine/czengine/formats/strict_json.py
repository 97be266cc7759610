"""JSON as strangers wrote it: what readers would disagree about is refused, and a value is shown in few words.

What the keys mean is for those who read them.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from czengine.formats import clean_text

_LONGEST = 60


def parse(data: bytes) -> Any:
    """The value of a JSON text in UTF-8, with or without a byte order mark.

    Raises
    ------
    ValueError
        If it is not JSON, has numbers that JSON has not (NaN), or a key twice.
    RecursionError
        If it is nested too deeply.
    """
    text = data.decode("utf-8-sig")
    return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)


def shown(value: object) -> str:
    """The value as JSON, short enough for a sentence, however long or deep it is."""
    if isinstance(value, list):
        text = "[" + ", ".join(shown(item) if not isinstance(item, list) else "[...]" for item in value[:9])
        text += ", ...]" if len(value) > 9 else "]"
    else:
        text = "{...}" if isinstance(value, dict) else clean_text(json.dumps(value))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"key {clean_text(name)!r} occurs twice")
        values[name] = value
    return values
