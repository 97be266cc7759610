"""Steps computed with NumPy: slow and obvious, the reference for `nodes` and `tensors`."""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from czconverter.steps import (
    Normalization,
    PerImageStandardization,
    Scale,
    Shift,
    SigmoidToSoftmaxScores,
    Softmax,
    Step,
    TransposeChannels,
)
from czconverter.steps.channels import channels_after

Batch = NDArray[np.float32]


def apply(step: Step, batch: Batch) -> Batch:
    """What `step` makes of a batch of pictures.

    Parameters
    ----------
    step : Step
        Computed in float64.
    batch : float32, (batch, y, x, channel)
        Pixels or scores.

    Returns
    -------
    float32, (batch, y, x, channel)
        Same size; the channels may be others.

    Raises
    ------
    OptionError
        Where the number of channels does not fit.
    """
    channels_after(step, batch.shape[-1])
    return _computed(step, batch.astype(np.float64)).astype(np.float32)


def _computed(step: Step, x: NDArray[np.float64]) -> NDArray[np.float64]:
    match step:
        case TransposeChannels():
            return x[..., list(step.order)]
        case Normalization():
            return np.asarray((x - np.asarray(step.mean)) / np.asarray(step.std))
        case Shift():
            return np.asarray(x + np.asarray(step.shift))
        case Scale():
            return np.asarray(x * np.asarray(step.scale))
        case PerImageStandardization():
            return np.stack([_standardized(picture) for picture in x]) if len(x) else x
        case SigmoidToSoftmaxScores():
            return np.concatenate([x, 1 - x], axis=-1)
        case Softmax():
            powers = np.exp(x - x.max(axis=-1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
    assert_never(step)


def _standardized(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((picture - picture.mean()) / max(picture.std(), 1 / np.sqrt(picture.size)))
