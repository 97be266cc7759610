"""Makes archives for czengine and ZEN from TensorFlow, Keras, ONNX and PyTorch models.

    convert("model.keras", "model.czann", ArchiveMetadata(classes=("Background", "Cell"), border=32))

`convert` and `unpack` are the verbs. The API of the ZEISS packages, by its own names, is `czconverter.compat`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from czconverter.conversion import convert
    from czconverter.metadata import ArchiveMetadata
    from czconverter.options import ConvertOptions
    from czconverter.report import Comparison, ConversionReport
    from czconverter.unpacking import unpack

__all__ = ["ArchiveMetadata", "Comparison", "ConversionReport", "ConvertOptions", "convert", "unpack"]

_HOMES = {
    "ArchiveMetadata": "metadata",
    "Comparison": "report",
    "ConversionReport": "report",
    "ConvertOptions": "options",
    "convert": "conversion",
    "unpack": "unpacking",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import czconverter` stays light."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"czconverter.{_HOMES[name]}"), name)
