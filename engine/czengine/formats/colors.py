"""Class colours the way the ZEISS tools choose them, for archives that store none.

Only this module knows the sequence, its repeated red for class 4 and its truncated 254s included: equal
output matters more here than pretty colours.
"""

from __future__ import annotations

import colorsys
from itertools import count, islice

from czengine.spec import Color

_RED: Color = (255, 0, 0)
_SIXTHS = (2, 5, 4, 0, 1, 3)


def class_colors(number: int) -> tuple[Color, ...]:
    """The first `number` colours, (red, green, blue) in 0-255."""
    # the second colour takes step 0, the third step 2: the ZEISS generator skips step 1
    steps = (step for step in count() if step != 1)
    return (_RED, *(_color(step) for step in islice(steps, max(number - 1, 0))))[:number]


def _color(step: int) -> Color:
    turn = step // 6
    hue = ((_SIXTHS[step % 6] + turn / (turn + 1)) / 6 + 1) % 1
    red, green, blue = (int(255 * part) for part in colorsys.hls_to_rgb(hue, 0.5, 1.0))
    return red, green, blue
