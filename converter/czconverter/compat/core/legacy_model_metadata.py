"""`czmodel.core.legacy_model_metadata`: metadata of a `.czmodel`."""

from __future__ import annotations

from czconverter.compat.legacy_model_metadata import ModelMetadata, SegmentationClass

__all__ = ["ModelMetadata", "SegmentationClass"]
