"""`czmodel.pytorch.model_spec`: a model and its metadata, of either kind."""

from __future__ import annotations

from czconverter.compat.model_metadata import ModelSpec

__all__ = ["ModelSpec"]
