"""czengine: trained networks in ZEISS archives over images of any size.

Everything public is here or in `czengine.api`, and is imported when it is first used: `import czengine` costs
next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from czengine.api import open_model, predict, predict_array
    from czengine.config import InputOptions, OutputOptions, RunOptions, TilingOptions
    from czengine.errors import (
        ArchiveError,
        Cancelled,
        CzEngineError,
        DeviceError,
        ImageError,
        MissingExtra,
        ModelError,
        OptionError,
        OutputError,
        PlanError,
        ResumeError,
    )
    from czengine.model import Model
    from czengine.progress import CancelToken, Progress
    from czengine.report import ImageReport
    from czengine.spec import ModelSpec

    __version__: str

_HOMES = {
    "api": ("open_model", "predict", "predict_array"),
    "config": ("InputOptions", "OutputOptions", "RunOptions", "TilingOptions"),
    "model": ("Model",),
    "progress": ("CancelToken", "Progress"),
    "report": ("ImageReport",),
    "spec": ("ModelSpec",),
}

__all__ = [
    "ArchiveError",
    "CancelToken",
    "Cancelled",
    "CzEngineError",
    "DeviceError",
    "ImageError",
    "ImageReport",
    "InputOptions",
    "MissingExtra",
    "Model",
    "ModelError",
    "ModelSpec",
    "OptionError",
    "OutputError",
    "OutputOptions",
    "PlanError",
    "Progress",
    "ResumeError",
    "RunOptions",
    "TilingOptions",
    "open_model",
    "predict",
    "predict_array",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("czengine")
    if name not in __all__:
        raise AttributeError(f"module 'czengine' has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "errors")
    return getattr(import_module(f"czengine.{home}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
