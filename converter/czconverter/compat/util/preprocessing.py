"""The layers of `czmodel.util.preprocessing`: our steps of the same names."""

from __future__ import annotations

from czconverter.steps import Normalization, PerImageStandardization, RgbaToBgra, RgbToBgr

__all__ = ["Normalization", "PerImageStandardization", "RgbToBgr", "RgbaToBgra"]
