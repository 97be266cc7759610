"""What a person says about a network: name, classes, pixel types, border. What of it must be there is checked here.

`ArchiveMetadata` may be incomplete: a JSON spec, an archive and the command line each know a part, and `merged` puts
them together. Whether it fits the network is for `checks`; how it is written is for `package`.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from czengine.errors import OptionError
from czengine.formats.legacy import PIXEL_CHANNELS
from czengine.spec import Color

Shape = tuple[int, int, int]  # height, width, channels

COLOR_HANDLINGS = ("ConvertToMonochrome", "SplitRgb")
SEMANTIC = "SingleClassSemanticSegmentation"
MULTILABEL = "MultiClassSemanticSegmentation"
REGRESSION = "Regression"
MODEL_TYPES = (SEMANTIC, MULTILABEL, REGRESSION)


@dataclass(frozen=True, kw_only=True)
class ArchiveMetadata:
    """Metadata of an archive to be; None or empty where nothing was said.

    Attributes
    ----------
    name : str or None
        Display name; None takes the target's file name.
    classes : tuple of str
        One per network output, in order; none for regression.
    colors : tuple of (red, green, blue)
        0-255, one per class; empty takes the ZEISS colour generator's. `.czann` has no place for them.
    model_type : str or None
        One of `MODEL_TYPES`; None is SingleClassSemanticSegmentation.
    pixel_types : tuple of str
        One per channel item, e.g. ("Gray16", "Bgr24"). `.czann` has no place for them.
    color_handling : {"ConvertToMonochrome", "SplitRgb"} or None
        None follows the pixel types. `.czann` has no place for it.
    border : (y, x) or None
        Pixels per side that are inferred and thrown away; one int means both. None is 0.
    pixel_size : tuple of float or None
        Training pixel size (x, y[, z]) in metres. `.czmodel` has no place for it.
    tile : (height, width) or None
        Tile to declare where the network leaves its size open (`.czann` only).
    shapes : (input, output) or None
        Declared shapes, each (height, width, channels), that the network is checked against.
    description : str
        Written to `.czann` only.
    postprocessing : str or None
        Word for ZEN; written to `.czmodel` only.
    licence : Path or None
        File to pack under its own name.
    id : str or None
        UUID; None makes one from the content, so that the same input gives the same bytes.

    Raises
    ------
    OptionError
        For values that cannot be, whatever the network is like.
    """

    name: str | None = None
    classes: tuple[str, ...] = ()
    colors: tuple[Color, ...] = ()
    model_type: str | None = None
    pixel_types: tuple[str, ...] = ()
    color_handling: str | None = None
    border: tuple[int, int] | int | None = None
    pixel_size: tuple[float, ...] | None = None
    tile: tuple[int, int] | None = None
    shapes: tuple[Shape, Shape] | None = None
    description: str = ""
    postprocessing: str | None = None
    licence: Path | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.border, int):
            self._set("border", (self.border, self.border))
        for name in ("classes", "colors", "pixel_types"):
            self._set(name, _tuple(name, getattr(self, name)))
        for name in ("border", "pixel_size", "tile"):
            if isinstance(getattr(self, name), list):
                self._set(name, tuple(getattr(self, name)))
        if isinstance(self.licence, str):
            self._set("licence", Path(self.licence))
        self._check()
        self._set("colors", tuple(tuple(color) for color in self.colors))
        self._set("id", self.id and self.id.lower())  # as every archive seen has it

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check(self) -> None:
        _check_classes(self.classes)
        _check_colors(self.colors, len(self.classes))
        _check_choices("pixel type", self.pixel_types, tuple(PIXEL_CHANNELS))
        _check_choices("color handling", _optional(self.color_handling), COLOR_HANDLINGS)
        _check_choices("model type", _optional(self.model_type), MODEL_TYPES)
        _check_border(self.border)
        _check_tile(self.tile)
        _check_pixel_size(self.pixel_size)
        _check_id(self.id)
        _check_text("name", "" if self.name is None else self.name)
        _check_text("postprocessing", "" if self.postprocessing is None else self.postprocessing)
        if not isinstance(self.description, str):
            raise OptionError(f"description is {self.description!r}; give a text")

    @property
    def sides(self) -> tuple[int, int]:
        """Border per side (y, x); 0 where nothing was said."""
        return self.border if isinstance(self.border, tuple) else (0, 0)

    @property
    def task(self) -> str:
        """The model type, or what it is by default."""
        return self.model_type or SEMANTIC

    @property
    def pixel_channels(self) -> int | None:
        """Network channels by the pixel types; None where none are given."""
        return sum(PIXEL_CHANNELS[name] for name in self.pixel_types) or None

    def merged(self, defaults: ArchiveMetadata) -> ArchiveMetadata:
        """The same, with what is missing taken from `defaults`."""
        missing = {
            f.name: getattr(defaults, f.name) for f in fields(self) if not _said(getattr(self, f.name))
        }
        if self.classes and self.classes != defaults.classes:
            missing.pop("colors", None)  # they are the other classes' colours
        return replace(self, **missing)


def _said(value: object) -> bool:
    return value is not None and value not in ((), "")


def _optional(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)


def _tuple(name: str, values: object) -> tuple[object, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise OptionError(f"{name} is {values!r}; give a list")
    return tuple(values)


def _check_classes(classes: tuple[str, ...]) -> None:
    for name in classes:
        _check_text("class", name)
        if not name.strip():
            raise OptionError("a class has an empty name; name every class")
    repeated = next((name for name in classes if classes.count(name) > 1), None)
    if repeated is not None:
        raise OptionError(f"two classes are called {repeated!r}; each needs its own name")


def _check_text(what: str, text: object) -> None:
    if not isinstance(text, str) or not text.isprintable():
        raise OptionError(f"{what} {text!r} is no printable text on one line")


def _check_colors(colors: Sequence[object], classes: int) -> None:
    if colors and len(colors) != classes:
        raise OptionError(
            f"there are {len(colors)} colours for {classes} classes; give one per class, or none"
        )
    for color in colors:
        parts = color if isinstance(color, tuple | list) else ()
        if len(parts) != 3 or not all(type(part) is int and 0 <= part <= 255 for part in parts):
            raise OptionError(f"colour {color!r} is not (red, green, blue) with values 0 to 255")


def _check_choices(what: str, values: tuple[str, ...], known: tuple[str, ...]) -> None:
    for value in values:
        if value not in known:
            raise OptionError(f"{what} {value!r} is unknown; choose {', '.join(known)}")


def _check_border(border: object) -> None:
    if border is not None and not _is_pair(border, low=0):
        raise OptionError(f"border is {border!r}; give pixels per side, 0 or more")


def _check_tile(tile: object) -> None:
    if tile is not None and not _is_pair(tile, low=1):
        raise OptionError(f"tile is {tile!r}; give height and width in pixels, e.g. (512, 512)")


def _is_pair(values: object, *, low: int) -> bool:
    pair = values if isinstance(values, tuple) else ()
    return len(pair) == 2 and all(type(value) is int and value >= low for value in pair)


def _check_pixel_size(sizes: object) -> None:
    if sizes is None:
        return
    found = sizes if isinstance(sizes, tuple) else ()
    if len(found) not in (2, 3) or not all(_is_length(size) for size in found):
        raise OptionError(f"pixel_size is {sizes!r}; give x, y and perhaps z in metres, e.g. (1e-6, 1e-6)")


def _is_length(size: object) -> bool:
    if not isinstance(size, int | float) or isinstance(size, bool):
        return False
    return math.isfinite(size) and size > 0


def valid_uuid(text: object) -> str | None:
    """The text as a lower-case UUID; None where it is none, as in some archives."""
    try:
        found = str(uuid.UUID(text)) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if isinstance(text, str) and found == text.lower() else None


def _check_id(text: object) -> None:
    if text is not None and valid_uuid(text) is None:
        raise OptionError(f"id {text!r} is no UUID such as 5d0c2a6e-7f2b-4c55-9a57-0e3c1f6b8d21")
