"""`czmodel.core.model_metadata`: metadata of a `.czann`."""

from __future__ import annotations

from czconverter.compat.model_metadata import ModelMetadata, ModelType

__all__ = ["ModelMetadata", "ModelType"]
