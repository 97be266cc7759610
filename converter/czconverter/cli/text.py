"""What was typed, and the values it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from czconverter.metadata import ArchiveMetadata
from czconverter.steps import Step
from czengine.errors import OptionError

_MICROMETRE = 1e-6


@dataclass(frozen=True, kw_only=True)
class MetadataText:
    """The metadata options as they were typed; lists may hold several names in one text."""

    name: str | None
    classes: tuple[str, ...]
    pixel_types: tuple[str, ...]
    border: str | None
    model_type: str | None
    color_handling: str | None
    pixel_size: str | None
    tile: tuple[int, int] | None
    description: str
    licence: Path | None
    id: str | None
    json_spec: Path | None

    def metadata(self) -> ArchiveMetadata:
        """The values they stand for; what is missing comes from the JSON spec, where one was named.

        Raises
        ------
        OptionError
            For text that says nothing sensible.
        """
        said = ArchiveMetadata(
            name=self.name,
            classes=_names(self.classes),
            pixel_types=_names(self.pixel_types),
            border=_border(self.border),
            model_type=self.model_type,
            color_handling=self.color_handling,
            pixel_size=_pixel_size(self.pixel_size),
            tile=self.tile,
            description=self.description,
            licence=self.licence,
            id=self.id,
        )
        if self.json_spec is None:
            return said
        from czconverter.json_spec import read_json_spec

        return said.merged(read_json_spec(self.json_spec).metadata)


def steps(texts: Sequence[str] | None) -> tuple[Step, ...]:
    """Steps by their text, e.g. "normalize:mean=0.5,std=0.2"."""
    from czconverter.steps.parsing import parse_step

    return tuple(map(parse_step, texts or ()))


def _names(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Names from one text that lists them, or from one text each, which may then hold commas."""
    if len(texts) != 1:
        return texts
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
    if min(numbers) <= 0:
        raise OptionError(f"--pixel-size is {text!r}; give micrometres above 0")
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
