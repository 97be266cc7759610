"""`czmodel.core`: what needs no framework."""

from __future__ import annotations

from czconverter.compat.model_metadata import ModelSpec

LegacyModelSpec = ModelSpec

__all__ = ["LegacyModelSpec", "ModelSpec"]
