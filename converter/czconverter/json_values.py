"""A JSON file a person wrote, read strictly: every value by its key and of the right type, or a sentence about it.

Which keys there are and what they mean is for `json_spec`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from czengine.errors import OptionError
from czengine.formats import strict_json
from czengine.formats.strict_json import shown

_LARGEST = 4 * 2**20


class Values:
    """The object in a JSON file; a key with null is a missing one.

    Methods that take a key give None, or nothing, where it is missing.

    Raises
    ------
    OptionError
        From every method, where the value is of another type.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = {key: value for key, value in values.items() if value is not None}

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def missing(self, *keys: str, prefix: str = "") -> list[str]:
        """Those of the keys that are missing."""
        return [prefix + key for key in keys if key not in self]

    def inner(self, key: str) -> Values:
        """The object under a key; an empty one where it is missing."""
        return Values(self._get(key, lambda value: isinstance(value, dict), "an object") or {})

    def text(self, key: str) -> str | None:
        """A text."""
        return cast("str | None", self._get(key, _is_text, "a text"))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; none where it is missing."""
        return tuple(self._get(key, _list_of(_is_text), "a list of names") or ())

    def text_or_texts(self, key: str) -> tuple[str, ...]:
        """One text, or a list of them."""
        value = self._get(
            key, lambda value: _is_text(value) or _list_of(_is_text)(value), "a name or a list of names"
        )
        return (value,) if isinstance(value, str) else tuple(value or ())

    def whole(self, key: str) -> int | None:
        """A whole number, 0 or more."""
        return cast("int | None", self._get(key, _is_whole, "a whole number, 0 or more"))

    def wholes(self, key: str, number: Sequence[int], must_be: str) -> tuple[int, ...] | None:
        """A list of as many whole numbers, each 0 or more."""

        def is_valid(value: Any) -> bool:
            return _list_of(_is_whole)(value) and len(value) in number

        value = self._get(key, is_valid, must_be)
        return None if value is None else tuple(value)

    def numbers(self, key: str) -> tuple[float, ...] | None:
        """A list of numbers."""
        value = self._get(key, _list_of(lambda item: type(item) in (int, float)), "a list of numbers")
        return None if value is None else tuple(value)

    def colors(self, key: str) -> tuple[tuple[int, int, int], ...]:
        """A list of colours, each [red, green, blue]; none where it is missing."""
        value = self._get(key, _list_of(_list_of(_is_whole)), "a list of colours, each [red, green, blue]")
        return tuple(tuple(color) for color in value or ())

    def path(self, key: str, folder: Path) -> Path:
        """A path of what exists, relative to `folder` or else to the current folder.

        Backslashes are taken for slashes where nothing has that very name. A missing key is an error, too.
        """
        text = self.text(key) or ""
        if not text.strip():
            raise OptionError(f"{key} is {text!r}; it must be the path of a file or folder")
        places = list(dict.fromkeys((folder.absolute(), Path.cwd())))
        spellings = dict.fromkeys((text, text.replace("\\", "/")))
        candidates = (place / spelling for spelling in spellings for place in places)
        found = next((path for path in candidates if os.path.exists(path)), None)
        if found is None:
            raise OptionError(f"{key} is {text!r}, which {_nowhere(text, places)}; correct it there")
        return found

    def _get(self, key: str, test: Callable[[Any], bool], must_be: str) -> Any:
        value = self._values.get(key)
        if value is not None and not test(value):
            raise OptionError(f"{key} is {shown(value)}; it must be {must_be}")
        return value


def read_values(path: Path) -> Values:
    """The object in the JSON file at `path`, UTF-8 with or without a byte order mark.

    Raises
    ------
    OptionError
        Its sentence says "it": the caller puts the path in front, as for all errors about the file. Where it cannot
        be read, is no JSON or JSON that readers disagree about (NaN, a key twice), or no object.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise OptionError(f"it cannot be read ({error.strerror}); give the path of a JSON file") from error
    if len(data) > _LARGEST:
        raise OptionError(f"it has more than {_LARGEST} bytes; a JSON file that describes a model is small")
    try:
        values = strict_json.parse(data)
    except RecursionError as error:
        raise OptionError("it is nested too deeply; write it as the examples are") from error
    except ValueError as error:  # also UnicodeDecodeError and JSONDecodeError
        raise OptionError(f"it is not JSON ({error}); correct it there") from error
    if not isinstance(values, dict):
        raise OptionError(f"it holds {shown(values)}; an object in braces is needed")
    return Values(values)


def require(missing: Sequence[str]) -> None:
    """Name all keys that are missing at once.

    Raises
    ------
    OptionError
        Where one is.
    """
    if missing:
        raise OptionError(f"missing {', '.join(missing)}; add {'it' if len(missing) == 1 else 'them'}")


def _nowhere(text: str, places: list[Path]) -> str:
    if Path(text).is_absolute():
        return "does not exist"
    return (
        "is neither in " + " nor in ".join(map(str, places)) if len(places) > 1 else f"is not in {places[0]}"
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def _list_of(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(test, value))
