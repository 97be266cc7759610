"""Steps as written on a command line, e.g. `normalize:mean=1,2,3,std=4,5,6`.

Only this module knows the steps' names there. Whether the numbers fit the network is not judged here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from czconverter.steps import (
    Normalization,
    PerImageStandardization,
    RgbaToBgra,
    RgbToBgr,
    Scale,
    Shift,
    SigmoidToSoftmaxScores,
    Softmax,
    Step,
    TransposeChannels,
)
from czengine.errors import OptionError

_STEPS: dict[str, tuple[Callable[..., Step], tuple[str, ...]]] = {
    "rgb-to-bgr": (RgbToBgr, ()),
    "rgba-to-bgra": (RgbaToBgra, ()),
    "transpose-channels": (TransposeChannels, ("order",)),
    "normalize": (Normalization, ("mean", "std")),
    "shift": (Shift, ("shift",)),
    "scale": (Scale, ("scale",)),
    "per-image-standardization": (PerImageStandardization, ()),
    "sigmoid-to-softmax-scores": (SigmoidToSoftmaxScores, ()),
    "softmax": (Softmax, ()),
}


def step_names() -> tuple[str, ...]:
    """How each step is written, e.g. "rgb-to-bgr", "normalize:mean=…,std=…"."""
    return tuple(_form(name) for name in _STEPS)


def parse_step(text: str) -> Step:
    """The step written as `name` or `name:argument=value,…`.

    A value is a number, a fraction such as 1/65535, or several with commas between, one per channel. The name of
    an only argument may be left out: `scale:1/255`.

    Raises
    ------
    OptionError
        Where name, arguments or values are not what a step takes; the message says what is.
    """
    name, colon, rest = text.strip().partition(":")
    if name not in _STEPS:
        raise OptionError(f"step {name!r} is unknown; choose {', '.join(step_names())}")
    make, wanted = _STEPS[name]
    values = _arguments(text, rest, wanted) if colon else {}
    if set(values) != set(wanted):
        raise _error(text, f"has arguments {', '.join(values) or 'none'}")
    try:
        return make(**{key: _value(text, key, parts) for key, parts in values.items()})
    except OptionError as error:
        raise error if text in str(error) else OptionError(f"step {text!r}: {error}") from error


def _form(name: str) -> str:
    wanted = _STEPS[name][1]
    return name + (":" if wanted else "") + ",".join(f"{key}=…" for key in wanted)


def _error(text: str, reason: str) -> OptionError:
    return OptionError(f"step {text!r} {reason}; write {_form(text.strip().partition(':')[0])}")


def _arguments(text: str, rest: str, wanted: tuple[str, ...]) -> dict[str, list[str]]:
    """Values by argument: a piece between commas that has no name of its own belongs to the argument before it."""
    found: dict[str, list[str]] = {}
    current = wanted[0] if len(wanted) == 1 else None
    for piece in rest.split(","):
        key, equals, value = piece.partition("=")
        current = key.strip() if equals else current
        if current not in wanted or (equals and current in found):
            raise _error(text, f"has {piece!r}, which it cannot take")
        found.setdefault(current, []).append(value if equals else piece)
    return found


def _value(text: str, key: str, parts: list[str]) -> Any:
    numbers = [_number(text, part) for part in parts]
    if key == "order":
        return [int(number) if number.is_integer() else number for number in numbers]
    return numbers[0] if len(numbers) == 1 else numbers


def _number(text: str, part: str) -> float:
    above, slash, below = part.partition("/")
    try:
        return float(above) / (float(below) if slash else 1)
    except (ValueError, ZeroDivisionError) as error:
        raise _error(text, f"has {part!r}, which is no number") from error
