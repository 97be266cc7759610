"""Metadata of an archive, as written: XML (`legacy`) and JSON (`czann`) become the same `Metadata`.

Only bytes come in, so nothing here knows the network: `model` joins the two and settles their disagreements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from czengine.errors import ModelError
from czengine.spec import ModelClass, Task

MAX_LABEL = 65535  # what a label image holds, as uint16
_MAX_TEXT = 2000
_VERSION = re.compile(r"(\d{1,6})(?:\.(\d{1,6}))?(?:\.\w{1,20})*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What the metadata say; None (or empty) where they say nothing.

    Attributes
    ----------
    format, version, id, name, description, task, model_type, classes, pixel_types, color_handling, \
scale_inputs, pixel_size, postprocessing
        As in `ModelSpec`.
    border : (y, x) or None
        Pixels per side.
    tile : (height, width) or None
        Legacy: TotalTileHeight and TotalTileWidth.
    input_shape, output_shape : (int, int, int) or None
        Czann: (height, width, channels), though hand-made archives may say (channels, height, width).
    channels : int or None
        Network channels by the pixel types.
    inferred, warnings
        As in `ModelSpec`, for what the parser had to decide.
    """

    format: Literal["legacy", "czann"]
    version: str | None
    id: str | None
    name: str | None
    description: str
    task: Task
    model_type: str
    classes: tuple[ModelClass, ...]
    border: tuple[int, int] | None
    scale_inputs: bool
    tile: tuple[int, int] | None = None
    input_shape: tuple[int, int, int] | None = None
    output_shape: tuple[int, int, int] | None = None
    channels: int | None = None
    pixel_types: tuple[tuple[str, ...], ...] = ()
    color_handling: str | None = None
    pixel_size: tuple[float, ...] | None = None
    postprocessing: str | None = None
    inferred: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def clean_text(text: str) -> str:
    """The text on one line, at most 2000 letters, no control characters: fit for a terminal."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:_MAX_TEXT])
    return " ".join(printable.split())


def check_version(what: str, text: str, known: Mapping[int, int]) -> tuple[tuple[int, int], list[str]]:
    """Version "major.minor..." as numbers, and a warning if it is newer than what is known.

    `known` maps each known major to its newest known minor.

    Raises
    ------
    ModelError
        If it is no version number, or of an unknown major.
    """
    match = _VERSION.fullmatch(text)
    if not match:
        raise ModelError(f"{what} is {clean_text(text)!r}, which is no version number such as '3.1.0'")
    major, minor = int(match[1]), int(match[2] or 0)
    if major not in known:
        readable = ", ".join(f"{number}.x" for number in known)
        raise ModelError(f"{what} is {text!r}; this czengine reads {readable}, so update it or export again")
    if minor <= known[major]:
        return (major, minor), []
    newest = f"{major}.{known[major]}"
    return (major, minor), [f"{what} is {text!r}, newer than the {newest} known here; read as {newest}"]
