"""What the user picks out of an image, `--select t=0:10,z=3` and `--channel 0,DAPI`, and the planes left.

Indices count from 0 and are never negative; a range excludes its end, as in Python. Knows no file format.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Mapping

from czengine.errors import OptionError
from czengine.geometry import CHANNEL_AXES, SPATIAL_AXES
from czengine.sources.base import ImageInfo, PlaneIndex

OPEN_END = sys.maxsize  # the end of "t=3:", whatever the length of the axis

_PART = re.compile(r"\s*([A-Za-z]\w*)\s*=\s*(?:(\d+)|(\d*)\s*:\s*(\d*))\s*")


def parse_selection(text: str) -> dict[str, tuple[int, int]]:
    """Half-open index ranges per axis, from e.g. "t=0:10,z=3".

    `a=i` takes one index, `a=i:j` those from i up to but not including j; `a=:j` starts at 0, `a=i:` ends
    at `OPEN_END`.

    Raises
    ------
    OptionError
        For anything else: negative numbers, an axis named twice, an empty range.
    """
    ranges: dict[str, tuple[int, int]] = {}
    for part in text.split(","):
        axis, bounds = _parse_part(part, text)
        if axis in ranges:
            raise OptionError(f"select {text!r} names axis {axis!r} twice; give it one range")
        ranges[axis] = bounds
    return ranges


def parse_channels(text: str) -> tuple[int | str, ...]:
    """Channels by index or name, in the order given, from e.g. "0,DAPI".

    Raises
    ------
    OptionError
        Where a name between two commas is empty.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise OptionError(f"channel {text!r} has an empty entry; give indices or names, e.g. 0,DAPI")
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def planes(info: ImageInfo, select: Mapping[str, tuple[int, int]] | None) -> tuple[PlaneIndex, ...]:
    """The planes of an image in storage order, those of `select` only.

    Parameters
    ----------
    info : ImageInfo
        The image.
    select : mapping of str to (int, int), or None
        Half-open range per plane axis; an end of `OPEN_END` is the end of the axis.

    Raises
    ------
    OptionError
        For an axis that does not count planes, and a range that is empty or not inside the axis.
    """
    chosen = {axis.lower(): bounds for axis, bounds in (select or {}).items()}
    for axis in chosen:
        _check_axis(axis, info)
    return tuple(itertools.product(*(_indices(axis, info, chosen.get(axis)) for axis in info.axes.planes)))


def _parse_part(part: str, text: str) -> tuple[str, tuple[int, int]]:
    match = _PART.fullmatch(part)
    if match is None:
        raise OptionError(f"select {text!r} is not understood at {part.strip()!r}; write e.g. t=0:10,z=3")
    axis, index, start, stop = match.groups()
    bounds = (int(index), int(index) + 1) if index else (int(start or 0), int(stop) if stop else OPEN_END)
    if bounds[1] <= bounds[0]:
        raise OptionError(f"select {text!r} takes nothing at {part.strip()!r}; the end is not included")
    return axis.lower(), bounds


def _check_axis(axis: str, info: ImageInfo) -> None:
    if axis in info.axes.planes:
        return
    if axis in SPATIAL_AXES:
        raise OptionError(
            f"select names axis {axis!r}; cropping planes is not supported, crop the image first"
        )
    if axis in CHANNEL_AXES:
        raise OptionError(f"select names axis {axis!r}; pick channels with --channel")
    known = ", ".join(info.axes.planes)
    advice = f"its plane axes are {known}" if known else "it is a single plane; leave --select out"
    raise OptionError(f"select names axis {axis!r}, which {info.name} does not have; {advice}")


def _indices(axis: str, info: ImageInfo, bounds: tuple[int, int] | None) -> range:
    size = info.size(axis)
    start, stop = bounds if bounds is not None else (0, size)
    end = size if stop == OPEN_END else stop
    if not 0 <= start < end <= size:
        asked = f"{axis}={start}:{'' if stop == OPEN_END else stop}"
        raise OptionError(f"select takes {asked}, but {info.name} has {size} along {axis!r}: 0 to {size - 1}")
    return range(start, end)
