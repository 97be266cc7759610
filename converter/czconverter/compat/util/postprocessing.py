"""The layer of `czmodel.util.postprocessing`: our step of the same name."""

from __future__ import annotations

from czconverter.steps import SigmoidToSoftmaxScores

__all__ = ["SigmoidToSoftmaxScores"]
