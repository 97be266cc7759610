"""The layers of `czmodel.util.transforms`: our steps of the same names."""

from __future__ import annotations

from czconverter.steps import (
    PerImageStandardization,
    Scale,
    Shift,
    SigmoidToSoftmaxScores,
    TransposeChannels,
)

__all__ = ["PerImageStandardization", "Scale", "Shift", "SigmoidToSoftmaxScores", "TransposeChannels"]
