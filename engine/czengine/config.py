"""What a user can choose, as frozen values that refuse what cannot work; and the only reads of the environment.

Nothing here touches a file, a model or an image: what depends on those is checked where they are open.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from czengine.errors import OptionError

ColorOrder = Literal["auto", "rgb", "bgr"]
KernelName = Literal["auto", "numba", "native", "reference"]
TilingMethod = Literal["intellesis", "seamless"]

KERNELS_VARIABLE = "CZENGINE_KERNELS"
DEFAULT_MEMORY_LIMIT = 2**31  # bytes


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """Which part of an image goes into the network, and how.

    Attributes
    ----------
    axes : str or None
        Axis letters in storage order, e.g. "TCZYX", for arrays that do not name theirs.
    image : str or None
        Path of one image inside a collection, e.g. "A/1/0"; None takes all.
    level : int
        Pyramid level, 0 = full resolution.
    channels : tuple of (int or str)
        Channels in the order the image would have them, by index or name; empty takes the image's own.
    select : mapping of str to (int, int)
        Half-open index range per plane axis, e.g. {"t": (0, 10)}; axes not named are taken whole.
    scale_inputs : bool or None
        Divide integer pixels by the maximum of their type; None does what the archive says.
    color_order : {"auto", "rgb", "bgr"}
        Order in which the network wants colour; "auto" does what the archive says.
    """

    axes: str | None = None
    image: str | None = None
    level: int = 0
    channels: tuple[int | str, ...] = ()
    select: Mapping[str, tuple[int, int]] | None = None
    scale_inputs: bool | None = None
    color_order: ColorOrder = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.channels, str):
            raise OptionError(f"channels is {self.channels!r}; give a tuple, e.g. ({self.channels!r},)")
        if self.level < 0:
            raise OptionError(f"level is {self.level}; pyramid levels count from 0")
        _check_choice("color_order", self.color_order, get_args(ColorOrder))


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is written, and where.

    Attributes
    ----------
    scores : bool
        Write the network's float outputs instead of labels.
    min_confidence : float or None
        Pixels whose best score is below it get label 0; for multi-label models the threshold (default 0.5).
    out : Path or None
        Folder of the result; None puts it beside or inside the image.
    name : str or None
        Name of the label image; None takes the model's.
    overwrite : bool
        Replace a result that is there already.
    """

    scores: bool = False
    min_confidence: float | None = None
    out: Path | None = None
    name: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.out is not None:
            object.__setattr__(self, "out", Path(self.out))  # whoever gives text means a path
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise OptionError(f"min_confidence is {self.min_confidence}; it is a score between 0 and 1")
        if self.min_confidence is not None and self.scores:
            raise OptionError("min_confidence chooses labels and scores writes none; leave one of them out")
        if self.name is not None and not _is_folder_name(self.name):
            raise OptionError(
                f"name {self.name!r} cannot be a folder name; leave out slashes, colons and the like"
            )


@dataclass(frozen=True, kw_only=True)
class TilingOptions:
    """How a plane is cut into tiles.

    Attributes
    ----------
    method : {"intellesis", "seamless"}
        "intellesis" places tiles as ZEN does; "seamless" gives exactly what the network would give on the whole
        plane at once, and is refused where that cannot be proven.
    tile : (height, width) or None
        Tile size in pixels, border included; None takes the archive's, or for "seamless" chooses one.
    border : (y, x) or None
        Pixels per side that are inferred and thrown away; None takes the archive's, or for "seamless" what the
        network needs.
    """

    method: TilingMethod = "intellesis"
    tile: tuple[int, int] | None = None
    border: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        _check_choice("tiling", self.method, get_args(TilingMethod))
        if self.tile is not None and min(self.tile) < 1:
            raise OptionError(f"tile is {self.tile[0]} × {self.tile[1]} pixels; at least 1 × 1 is needed")
        if self.border is not None and min(self.border) < 0:
            raise OptionError(
                f"border is {self.border[0]} and {self.border[1]} pixels; it cannot be negative"
            )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How the work is done; nothing here changes a label that the network is sure of.

    Attributes
    ----------
    batch : int
        Tiles per network call.
    threads : int or None
        CPU threads; None takes the cores this process may really use.
    device : str
        "auto", "cpu", "openvino" or "openvino:NAME", e.g. "openvino:GPU".
    memory_limit : int
        Bytes for what czengine itself holds: pixels read ahead, batches, blocks of the result. The runtime's own
        memory comes on top.
    memo : bool
        Run tiles that are one constant value once per value.
    compile : bool
        Let the network be rewritten for what is wanted of it, e.g. without the last softmax for labels. False runs it
        as it is.
    trace : Path or None
        File that gets a trace of all threads, for Perfetto or chrome://tracing.
    """

    batch: int = 1
    threads: int | None = None
    device: str = "auto"
    memory_limit: int = DEFAULT_MEMORY_LIMIT
    memo: bool = True
    compile: bool = True
    trace: Path | None = None

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise OptionError(f"batch is {self.batch}; a network call takes at least 1 tile")
        if self.threads is not None and self.threads < 1:
            raise OptionError(f"threads is {self.threads}; at least 1 is needed")
        if self.trace is not None:
            object.__setattr__(self, "trace", Path(self.trace))  # whoever gives text means a path
        if self.memory_limit < 1:
            raise OptionError(f"memory_limit is {self.memory_limit}; give bytes, e.g. 2**31")


def kernel_name() -> KernelName:
    """Kernels to use, from the environment variable CZENGINE_KERNELS (default "auto")."""
    name = os.environ.get(KERNELS_VARIABLE, "auto").lower()
    _check_choice(KERNELS_VARIABLE, name, get_args(KernelName))
    return cast(KernelName, name)


def _is_folder_name(name: str) -> bool:
    return bool(name.strip(". ")) and name.isprintable() and not set(name) & set('/\\:*?"<>|')


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise OptionError(f"{what} is {value!r}; choose one of {', '.join(choices)}")
