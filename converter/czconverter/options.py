"""What can be chosen about a conversion. Values only; what they do is in `convert`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, Literal, get_args

from czengine.errors import OptionError
from czengine.spec import Layout, Runtime

TargetFormat = Literal["czmodel", "czann"]
OPSETS = range(9, 24)


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """How a network becomes part of an archive.

    Attributes
    ----------
    format : {"czmodel", "czann"} or None
        None goes by the target's name: `.czann`, or `.czmodel` and `.czseg`.
    runtime : Runtime
        What is put inside: ONNX, or a TensorFlow SavedModel (TensorFlow sources only).
    opset : int or None
        ONNX opset. None takes 17, and for `.czmodel`, whose readers promise 12 only, 12 where it converts.
    spatial_dims : (height, width) or None
        Tile in pixels, border included. None keeps what the network insists on.
    channels : int or None
        Channels the network takes, where it does not say.
    layout : {"NHWC", "NCHW"} or None
        Axis order of an ONNX source; None tells it from the shapes.
    preprocessing, postprocessing : Step, str or Keras layer, or a sequence of them
        Put before and after the network, in this order; text is as on the command line, e.g. "scale:1/255".
    tolerance : float
        Largest difference between source and archive, relative to the range of the source's output.
    trust : bool
        Load files that can run code: Keras files with Lambda layers or unknown classes.
    overwrite : bool
        Replace a target that is there already.
    """

    format: TargetFormat | None = None
    runtime: Runtime = Runtime.ONNX
    opset: int | None = None
    spatial_dims: Sequence[int] | None = None
    channels: int | None = None
    layout: Layout | None = None
    preprocessing: Any = ()
    postprocessing: Any = ()
    tolerance: float = 1e-4
    trust: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name in ("preprocessing", "postprocessing"):
            object.__setattr__(self, name, _several(getattr(self, name)))
        if self.runtime not in list(Runtime):
            raise OptionError(f"runtime is {self.runtime!r}; choose one of {', '.join(Runtime)}")
        object.__setattr__(self, "runtime", Runtime(self.runtime))
        if self.runtime is Runtime.SAVEDMODEL and self.opset is not None:
            raise OptionError(f"opset is {self.opset}, and a SavedModel has none; leave one of the two out")
        if self.layout is not None and self.layout not in get_args(Layout):
            raise OptionError(f"layout is {self.layout!r}; choose one of {', '.join(get_args(Layout))}")
        if self.format is not None and self.format not in get_args(TargetFormat):
            raise OptionError(f"format is {self.format!r}; choose one of {', '.join(get_args(TargetFormat))}")
        if self.opset is not None and self.opset not in OPSETS:
            raise OptionError(f"opset is {self.opset}; choose {OPSETS[0]} to {OPSETS[-1]}")
        if self.channels is not None and self.channels < 1:
            raise OptionError(f"channels is {self.channels}; a network takes at least 1")
        if not self.tolerance > 0:
            raise OptionError(f"tolerance is {self.tolerance}; it must be above 0, e.g. 1e-4")
        if self.spatial_dims is not None:
            object.__setattr__(self, "spatial_dims", _tile(self.spatial_dims))

    @property
    def tile(self) -> tuple[int, int] | None:
        """`spatial_dims` as (height, width)."""
        return None if self.spatial_dims is None else (self.spatial_dims[0], self.spatial_dims[1])


def _tile(dims: Sequence[int]) -> tuple[int, int]:
    try:
        height, width = (index(size) for size in dims)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"spatial_dims is {dims!r}; give height and width in pixels, e.g. 512 512"
        ) from error
    if min(height, width) < 1:
        raise OptionError(f"spatial_dims is {dims!r}; height and width are at least 1 pixel")
    return height, width


def _several(steps: Any) -> tuple[Any, ...]:
    """One step, or several of them, as a tuple."""
    if steps is None:
        return ()
    return tuple(steps) if isinstance(steps, Sequence) and not isinstance(steps, str) else (steps,)
