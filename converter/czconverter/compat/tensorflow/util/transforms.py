"""The layers of `czmodel.tensorflow.util.transforms`: our steps of the same names."""

from __future__ import annotations

from czconverter.compat.util.transforms import (
    PerImageStandardization,
    Scale,
    Shift,
    SigmoidToSoftmaxScores,
    TransposeChannels,
)

__all__ = ["PerImageStandardization", "Scale", "Shift", "SigmoidToSoftmaxScores", "TransposeChannels"]
