"""What the dimensions of an array mean: axis names from the user, the store or the number of dimensions.

Knows which letters name axes and when channels are one colour picture. Reads no store; OME-NGFF metadata
is `ngff.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from czengine.errors import ImageError, OptionError
from czengine.geometry import SPATIAL_AXES, Axes

_LETTERS = "tczyxs" + "bhimprv"  # the second half counts planes: blocks, phases, positions, views, ...
_EXAMPLES = {3: "CYX, ZYX or YXS", 4: "TCYX or CZYX"}  # by number of dimensions
_ALIASES = {"time": "t", "channel": "c"}
_RGB_COLORS = ("FF0000", "00FF00", "0000FF")
_RGB_NAMES = (("r", "g", "b"), ("red", "green", "blue"))


def axis_name(name: str) -> str:
    """The name as the engine spells it: lower case, "time" is "t" and "channel" is "c"."""
    return _ALIASES.get(name.lower(), name.lower())


def axes_problem(axes: Axes) -> str | None:
    """Why an image cannot have these axes; None where it can."""
    twice = next((name for name in axes if axes.names.count(name) > 1), None)
    if twice is not None:
        return f"axis {twice.upper()} is there twice"
    missing = [name.upper() for name in SPATIAL_AXES if name not in axes]
    if missing:
        return f"there is no {' and no '.join(missing)} axis"
    if "c" in axes and "s" in axes:
        return "C and S both hold channels"
    return None


def given_axes(text: str, dimensions: int) -> Axes:
    """The axes a user named, one letter per dimension.

    Raises
    ------
    OptionError
        For unknown or repeated letters, too many or too few of them, or no Y or X among them.
    """
    axes = Axes.parse(text)
    unknown = next((name for name in axes if name not in _LETTERS), None)
    if unknown is not None:
        raise OptionError(f"axes {text!r} has the unknown letter {unknown!r}; use {_LETTERS.upper()}")
    if len(axes) != dimensions:
        raise OptionError(
            f"axes {text!r} names {len(axes)} axes, but the array has {dimensions} dimensions; name each one"
        )
    problem = axes_problem(axes)
    if problem:
        raise OptionError(f"axes {text!r} cannot be those of an image: {problem}")
    return axes


def plain_axes(
    option: str | None, dimensions: int, stored: Iterable[Sequence[str | None] | None], name: str
) -> Axes:
    """The axes of an array without OME-NGFF metadata.

    Parameters
    ----------
    option : str or None
        Letters given by the user; they win.
    dimensions : int
        Number of dimensions of the array.
    stored : iterable of (sequence of (str or None), or None)
        Names the store gives its dimensions, the most trusted first; what cannot be axes is passed over.
    name : str
        The array, as a person would name it.

    Raises
    ------
    OptionError
        Where `option` does not fit the array.
    ImageError
        Where nothing says which axes they are.
    """
    if option is not None:
        return given_axes(option, dimensions)
    for names in stored:
        if names and len(names) == dimensions and all(isinstance(n, str) for n in names):
            axes = Axes(tuple(axis_name(n) for n in names if n is not None))
            if axes_problem(axes) is None:
                return axes
    if dimensions == 2:
        return Axes(("y", "x"))
    if dimensions < 2:
        raise ImageError(f"{name} is a {dimensions}-D array; an image has at least the axes Y and X")
    example = _EXAMPLES.get(dimensions, "TCZYX")
    raise ImageError(
        f"{name} is a {dimensions}-D array whose axes are unknown; name them, e.g. --axes {example}"
    )


def is_color(
    axes: Axes,
    channels: int,
    dtype: np.dtype[Any],
    names: Sequence[str] = (),
    colors: Sequence[str | None] = (),
) -> bool:
    """Whether the channels are red, green, blue (and alpha) of one colour picture.

    They are if there are 3 or 4 of them, and
    * the channel axis is "s" (samples), or
    * the first three are coloured FF0000, 00FF00, 0000FF, or
    * the first three are named R, G, B or red, green, blue, or
    * the pixels are uint8 and the metadata give no channel a name or a colour.
    """
    if channels not in (3, 4) or axes.channel is None:
        return False
    first_names = tuple(name.strip().lower() for name in names[:3])
    first_colors = tuple((color or "").strip("# ").upper()[:6] for color in colors[:3])
    says_rgb = axes.channel == "s" or first_colors == _RGB_COLORS or first_names in _RGB_NAMES
    return says_rgb or (dtype == np.uint8 and not any(colors) and not any(names))
