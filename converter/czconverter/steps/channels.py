"""How many channels a step takes and gives: the check that all three ways of computing it share."""

from __future__ import annotations

from czconverter.steps import (
    Normalization,
    Scale,
    Shift,
    SigmoidToSoftmaxScores,
    Step,
    TransposeChannels,
    as_tuple,
)
from czengine.errors import OptionError


def channels_after(step: Step, channels: int | None) -> int | None:
    """Channels that `step` gives for a picture of `channels`; None where that is not known.

    Raises
    ------
    OptionError
        Where it cannot take so many.
    """
    wanted = _wanted(step)
    if wanted is not None and channels not in (None, wanted):
        raise OptionError(
            f"{type(step).__name__} {_reason(step, wanted)}, and is given {channels}; leave it out, or change it"
        )
    if isinstance(step, SigmoidToSoftmaxScores):
        return 2
    return wanted or channels


def _wanted(step: Step) -> int | None:
    """Channels that the step insists on."""
    if isinstance(step, TransposeChannels):
        return len(step.order)
    if isinstance(step, SigmoidToSoftmaxScores):
        return 1
    longest = max((len(as_tuple(value)) for value in _values(step)), default=1)
    return longest if longest > 1 else None


def _values(step: Step) -> list[float | tuple[float, ...]]:
    if isinstance(step, Normalization):
        return [as_tuple(step.mean), as_tuple(step.std)]
    if isinstance(step, Shift):
        return [as_tuple(step.shift)]
    return [as_tuple(step.scale)] if isinstance(step, Scale) else []


def _reason(step: Step, wanted: int) -> str:
    if isinstance(step, TransposeChannels):
        return f"puts {wanted} channels in order"
    if isinstance(step, SigmoidToSoftmaxScores):
        return "takes one score per pixel, i.e. 1 channel"
    return f"has numbers for {wanted} channels"
