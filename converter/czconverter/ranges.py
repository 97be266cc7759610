"""How large pixel values are when a network meets them, and the step between two conventions.

`.czann` networks get integers divided by the maximum of their type, legacy networks (XML 3.0 and 3.1) the counts
themselves. Only this module knows how a network made for one is fed by the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from czconverter.options import TargetFormat
from czconverter.steps import Scale
from czengine.errors import OptionError
from czengine.formats.legacy import PIXEL_CHANNELS

_MAXIMA = {"Gray8": 255, "Bgr24": 255, "Bgra32": 255, "Gray16": 65535, "Bgr48": 65535}


def maxima(pixel_types: Sequence[str]) -> tuple[float, ...]:
    """Largest value per network channel as counts; 1 for float pixels, which are never scaled."""
    return tuple(float(_MAXIMA.get(name, 1)) for name in pixel_types for _ in range(PIXEL_CHANNELS[name]))


def input_range(pixel_types: Sequence[str], channels: int, format_: TargetFormat) -> tuple[float, ...]:
    """Largest value per channel that an archive's network is fed with."""
    return (
        maxima(pixel_types)
        if format_ == "czmodel" and len(maxima(pixel_types)) == channels
        else (1.0,) * channels
    )


def bridge(*, scaled: bool, format_: TargetFormat, pixel_types: Sequence[str]) -> tuple[Scale, ...]:
    """Step that gives a network made for an archive of one convention what it expects in another.

    Parameters
    ----------
    scaled : bool
        Whether the network expects integers divided by their maximum.
    format_ : {"czmodel", "czann"}
        Archive it goes into; `.czmodel` is written as XML 3.0 or 3.1.
    pixel_types : sequence of str
        One per channel item.

    Raises
    ------
    OptionError
        Where the step depends on pixel types that nobody named.
    """
    if scaled == (format_ == "czann"):
        return ()
    if not pixel_types:
        raise OptionError(
            "the archive's network expects counts or fractions depending on the pixel type, and the archive leaves that"
            " open; name it with --pixel-type, e.g. Gray16"
        )
    largest = maxima(pixel_types)
    factors = largest if format_ == "czann" else tuple(1 / value for value in largest)
    if set(factors) == {1.0}:
        return ()
    return (Scale(factors[0] if len(set(factors)) == 1 else factors),)
