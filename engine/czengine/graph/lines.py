"""Which pixels of its input every element along an axis of a tensor reads: whole numbers, nothing rounded.

Knows strides, windows and frames of padding, and nothing of operators. The pixels are those of an endless picture;
what a network makes up beyond the edge of a tile counts as read from beyond that edge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd, lcm

BATCH = 2  # source of the axis that counts the pictures of a batch
WIDEST_WINDOW = 4096  # elements
_MOST_PHASES = 1024
_MOST_READS = 2**18  # elements of all phases together; files are hostile, and time is limited


class NotFollowed(Exception):
    """What a node does with pixels is not known here; it never leaves `graph`."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """An axis of a tensor that runs over the pixels of one axis of the picture, or over the pictures of a batch.

    Attributes
    ----------
    source : int
        The axis of the picture: 0 for y, 1 for x; `BATCH` for pictures, which are then meant by "pixels".
    period : int
        Pixels after which the spans repeat. A picture moved by them moves the tensor by `len(spans)` elements.
    spans : tuple of (first, last)
        The outermost pixels that the elements of the first period read.
    """

    source: int
    period: int = 1
    spans: tuple[tuple[int, int], ...] = ((0, 0),)

    def span(self, element: int) -> tuple[int, int]:
        """First and last pixel that an element reads; elements go on beyond both ends."""
        periods, phase = divmod(element, len(self.spans))
        first, last = self.spans[phase]
        return periods * self.period + first, periods * self.period + last

    def read(self, taps: Callable[[int], Sequence[int]], *, outputs: int = 1, inputs: int = 1) -> Line:
        """The axis whose element j reads the elements `taps(j)` of this one; `outputs` further on, `inputs` further on.

        Raises
        ------
        NotFollowed
            Where windows are too wide, or too many different ones follow each other, to list them.
        """
        repeats = len(self.spans) // gcd(len(self.spans), inputs)
        if outputs * repeats > _MOST_PHASES:
            raise NotFollowed
        sizes = [len(taps(j)) for j in range(outputs)]
        if max(sizes) > WIDEST_WINDOW or sum(sizes) * repeats > _MOST_READS:
            raise NotFollowed
        spans = []
        for j in range(outputs * repeats):
            read = [self.span(element) for element in taps(j)]
            spans.append((min(first for first, _ in read), max(last for _, last in read)))
        period = self.period * repeats * inputs // len(self.spans)
        return Line(source=self.source, period=period, spans=tuple(spans))

    def framed(self, length: int, pixels: int) -> Line:
        """The axis with spans so wide that elements beyond its `length` read beyond the `pixels` of the tile.

        They do anyway, unless something was cut off that padding then replaces.
        """
        count = len(self.spans)
        before = max(0, max(self.span(element)[0] for element in range(-count, 0)) + 1)
        after = max(0, pixels - min(self.span(element)[1] for element in range(length, length + count)))
        spans = tuple((first - before, last + after) for first, last in self.spans)
        return Line(source=self.source, period=self.period, spans=spans)


def merged(lines: Sequence[Line]) -> Line:
    """The axis whose elements read what the same elements of all `lines` read.

    Raises
    ------
    NotFollowed
        If they run over different axes of the picture, or at different paces.
    """
    source, period = lines[0].source, lcm(*(line.period for line in lines))
    counts = {len(line.spans) * (period // line.period) for line in lines}
    if len(counts) > 1 or max(counts) > _MOST_PHASES or any(line.source != source for line in lines):
        raise NotFollowed
    spans = []
    for element in range(counts.pop()):
        read = [line.span(element) for line in lines]
        spans.append((min(first for first, _ in read), max(last for _, last in read)))
    return Line(source=source, period=period, spans=tuple(spans))
