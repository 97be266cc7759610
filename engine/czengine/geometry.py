"""Rectangles, borders and named axes: the vocabulary of places, in pixels.

No I/O and no pixels. Rectangles are (y, x) first, like the arrays they cut.

        x
        |<-------- roi ---------->|          roi = center + border
      y +-------------------------+ -
        |         top             |
        |    +---------------+    |          the network sees the roi,
        |left|    center     |right          the result keeps the center
        |    +---------------+    |
        |        bottom           |
        +-------------------------+ -
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SPATIAL_AXES = ("y", "x")
METRES = {  # the units of OME-NGFF that pictures and areas are given in
    "angstrom": 1e-10,
    "nanometer": 1e-9,
    "micrometer": 1e-6,
    "millimeter": 1e-3,
    "centimeter": 1e-2,
    "meter": 1.0,
    "inch": 0.0254,
}
CHANNEL_AXES = ("c", "s")  # "s": interleaved colour samples of plain arrays, as tifffile names them


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of pixels; `y` and `x` may be negative where a tile sticks out of the image."""

    y: int
    x: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """First row below the region."""
        return self.y + self.height

    @property
    def right(self) -> int:
        """First column right of the region."""
        return self.x + self.width

    def clipped(self, height: int, width: int) -> Region:
        """The part of the region inside a plane of `height` × `width` pixels."""
        return self.common(Region(0, 0, height, width))

    def common(self, other: Region) -> Region:
        """The part that two regions share; of no height or width where they share nothing."""
        y, x = max(self.y, other.y), max(self.x, other.x)
        height, width = min(self.bottom, other.bottom) - y, min(self.right, other.right) - x
        return Region(y, x, max(height, 0), max(width, 0))


@dataclass(frozen=True, slots=True)
class Border:
    """Pixels on each side of a tile that are inferred and thrown away."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Axes:
    """Names of an array's axes in storage order, lower case, e.g. ("t", "c", "z", "y", "x").

    "y" and "x" span a plane, "c" or "s" hold its channels, every other axis counts planes.
    """

    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Axes:
        """Axes from one letter each, e.g. "TCZYX"."""
        return cls(tuple(text.lower()))

    def __str__(self) -> str:
        joined = "".join(self.names)
        return joined.upper() if len(joined) == len(self.names) else ",".join(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def index(self, name: str) -> int:
        """Position of the axis called `name`."""
        return self.names.index(name)

    @property
    def channel(self) -> str | None:
        """Name of the channel axis, None where the image has none."""
        return next((name for name in self.names if name in CHANNEL_AXES), None)

    @property
    def planes(self) -> tuple[str, ...]:
        """The axes that count planes, in storage order."""
        return tuple(n for n in self.names if n not in SPATIAL_AXES + CHANNEL_AXES)


def shrinkage(length: int, coarse: int) -> float:
    """How many pixels became one where an axis of `length` pixels has `coarse` at another pyramid level.

    A whole number where rounding up or down explains the sizes: 91 pixels that became 45 or 46 were halved.
    """
    whole = round(length / coarse)
    return float(whole) if abs(whole * coarse - length) < whole else length / coarse
