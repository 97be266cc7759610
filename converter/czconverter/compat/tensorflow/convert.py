"""`czmodel.tensorflow.convert`: the converters for Keras models."""

from __future__ import annotations

from czconverter.compat.convert import DefaultConverter, LegacyConverter

__all__ = ["DefaultConverter", "LegacyConverter"]
