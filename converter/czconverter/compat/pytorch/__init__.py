"""`czmodel.pytorch`: the converters for PyTorch models."""

from __future__ import annotations

from czconverter.compat.model_metadata import ModelSpec
from czconverter.compat.pytorch.convert import DefaultConverter, LegacyConverter

LegacyModelSpec = ModelSpec

__all__ = ["DefaultConverter", "LegacyConverter", "LegacyModelSpec", "ModelSpec"]
