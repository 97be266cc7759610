"""The API of the ZEISS packages `czmodel` by its own names: change `czmodel` to `czconverter.compat` in the imports.

Names and module paths of 0.1 to 6.2 are here side by side; where two eras gave one name two meanings, it has both.
Nothing here computes: it translates to `czconverter.convert` and `czconverter.unpack`, which newer scripts call.
"""

from __future__ import annotations

from czconverter.compat.convert import (
    DefaultConverter,
    LegacyConverter,
    convert_from_json_spec,
    convert_from_model_spec,
)
from czconverter.compat.legacy_model_metadata import LegacyModelMetadata, SegmentationClass
from czconverter.compat.model_metadata import ModelMetadata, ModelSpec, ModelType
from czconverter.compat.unpacking import unpack_model

LegacyModelSpec = ModelSpec

__all__ = [
    "DefaultConverter",
    "LegacyConverter",
    "LegacyModelMetadata",
    "LegacyModelSpec",
    "ModelMetadata",
    "ModelSpec",
    "ModelType",
    "SegmentationClass",
    "convert_from_json_spec",
    "convert_from_model_spec",
    "unpack_model",
]
