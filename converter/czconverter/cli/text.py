"""What was typed, and the values it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from czconverter.metadata import ArchiveMetadata
from czengine.errors import OptionError

_MICROMETRE = 1e-6
_SMALLEST, _LARGEST = 1e-3, 1e4  # micrometres: anything else was meant in another unit


def metadata(
    *,
    classes: Sequence[str],
    pixel_types: Sequence[str],
    border: str | None,
    pixel_size: str | None,
    json_spec: Path | None,
    **others: Any,
) -> ArchiveMetadata:
    """The metadata options as they were typed, as values; what is missing comes from the JSON spec, if one was named.

    Parameters
    ----------
    classes, pixel_types : sequence of str
        Names; one text may list several.
    border, pixel_size : str or None
        Numbers for y and x; for x and y, in micrometres.
    json_spec : Path or None
        A JSON spec of the ZEISS packages.
    **others
        Fields of `ArchiveMetadata` that are typed as they are.

    Raises
    ------
    OptionError
        For text that says nothing sensible.
    """
    said = ArchiveMetadata(
        classes=_names(classes),
        pixel_types=_names(pixel_types),
        border=_border(border),
        pixel_size=_pixel_size(pixel_size),
        **others,
    )
    if json_spec is None:
        return said
    from czconverter.json_spec import read_json_spec

    return said.merged(read_json_spec(json_spec).metadata)


def _names(texts: Sequence[str]) -> tuple[str, ...]:
    """Names from one text that lists them, or from one text each, which may then hold commas."""
    if len(texts) != 1:
        return tuple(texts)
    return tuple(part.strip() for part in texts[0].split(","))


def _border(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    numbers = _numbers("--border", text, "pixels per side, e.g. 32 or 32,16 (y,x)")
    if not all(number == int(number) for number in numbers):
        raise OptionError(f"--border is {text!r}; give whole pixels")
    return int(numbers[0]), int(numbers[-1])


def _pixel_size(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    numbers = _numbers("--pixel-size", text, "micrometres above 0, e.g. 0.325 or 0.2,0.2 (x,y)")
    if not all(_SMALLEST <= number <= _LARGEST for number in numbers):
        raise OptionError(
            f"--pixel-size is {text!r}; give micrometres, {_SMALLEST:g} to {_LARGEST:g}, e.g. 0.325"
        )
    return numbers[0] * _MICROMETRE, numbers[-1] * _MICROMETRE


def _numbers(option: str, text: str, wanted: str) -> tuple[float, ...]:
    import math

    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise OptionError(f"{option} is {text!r}; give {wanted}") from error
    if len(numbers) > 2 or not all(map(math.isfinite, numbers)):
        raise OptionError(f"{option} is {text!r}; give {wanted}")
    return numbers
