"""`czmodel.tensorflow`: the converters for Keras models."""

from __future__ import annotations

from czconverter.compat.convert import DefaultConverter, LegacyConverter
from czconverter.compat.model_metadata import ModelSpec

LegacyModelSpec = ModelSpec

__all__ = ["DefaultConverter", "LegacyConverter", "LegacyModelSpec", "ModelSpec"]
