"""Does the metadata fit the target and the network? Everything the official tools never look at.

Each check raises one sentence that says which value and what to do. Whether the archive computes what its source
does is for `verify`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from czconverter.metadata import MULTILABEL, REGRESSION, SEMANTIC, ArchiveMetadata, Shape
from czconverter.options import TargetFormat
from czengine.errors import ModelError, OptionError, PlanError

_SUM_TOLERANCE = 1e-3


def complete(metadata: ArchiveMetadata, format_: TargetFormat) -> None:
    """Check that everything is there that this kind of archive needs.

    Raises
    ------
    OptionError
        All that is missing, in one sentence; or what the format cannot hold at all.
    """
    missing = []
    if metadata.task != REGRESSION and not metadata.classes:
        missing.append("the names of the classes (--classes)")
    if format_ == "czmodel" and not metadata.pixel_types:
        missing.append("the pixel type of each channel (--pixel-type)")
    if missing:
        raise OptionError(f"a .{format_} needs {' and '.join(missing)}; give what is missing")
    if format_ == "czmodel" and metadata.task != SEMANTIC:
        raise OptionError(
            f"a .czmodel holds one-class-per-pixel segmentation only, not {metadata.task}; write a .czann"
        )
    if metadata.task == REGRESSION and metadata.classes:
        raise OptionError("a regression has no classes; leave them out")
    if metadata.task == SEMANTIC and len(metadata.classes) < 2:
        raise OptionError(
            f"one class per pixel needs at least two classes to choose from, not {list(metadata.classes)};"
            " name the background too"
        )


def tiling(metadata: ArchiveMetadata, tile: tuple[int, int]) -> None:
    """Check that the border leaves something of the tile.

    Raises
    ------
    PlanError
        Where it does not.
    """
    for axis, length, border in zip(("height", "width"), tile, metadata.sides, strict=True):
        if length <= 2 * border:
            raise PlanError(
                f"a border of {border} pixels per side leaves nothing of a tile {axis} of {length}; it must be at most"
                f" {(length - 1) // 2}"
            )


def channels(metadata: ArchiveMetadata, found: int) -> None:
    """Check that the pixel types make as many channels as the network takes.

    Raises
    ------
    OptionError
        Where they do not.
    """
    declared = metadata.pixel_channels
    if declared is None or declared == found:
        return
    monochrome = metadata.color_handling == "ConvertToMonochrome" and len(metadata.pixel_types) == found
    if not monochrome:
        raise OptionError(
            f"pixel types {', '.join(metadata.pixel_types)} make {declared} channels, the network takes {found};"
            f" name pixel types that make {found}"
        )


def shapes(metadata: ArchiveMetadata, found: tuple[Shape, Shape], *, resized: bool) -> None:
    """Check that the network has the shapes that were declared.

    Parameters
    ----------
    found : (input, output)
        Its shapes, each (height, width, channels).
    resized : bool
        Whether the size was asked for apart from the declaration, which then speaks of channels only.

    Raises
    ------
    OptionError
        Where it does not.
    """
    for name, declared, actual in zip(("input", "output"), metadata.shapes or (), found, strict=False):
        expected = (*actual[:2], declared[2]) if resized else declared
        if actual != expected:
            raise OptionError(
                f"the {name} shape is declared as {list(declared)}, but the network's is {list(actual)}; correct the"
                " declaration"
            )


def outputs(metadata: ArchiveMetadata, found: int) -> None:
    """Check that there is one class per output.

    Raises
    ------
    OptionError
        Where there is not.
    """
    names = metadata.classes
    if metadata.task == REGRESSION or len(names) == found:
        return
    way_out = f"name {found} classes"
    if found == 1:
        way_out = "add --postprocess sigmoid-to-softmax-scores, and name first what the score is for, the foreground"
    raise OptionError(
        f"there are {len(names)} classes ({', '.join(names)}) for {found} network outputs; {way_out}"
    )


def scores(metadata: ArchiveMetadata, values: NDArray[np.float32]) -> None:
    """Check that the outputs are what readers take them for, on pictures tried out.

    Parameters
    ----------
    values : ndarray of float32
        (batch, y, x, output), postprocessing applied.

    Raises
    ------
    ModelError
        For NaN or infinity; for classes: where probabilities are not between 0 and 1, or do not sum to one.
    """
    if not np.isfinite(values).all():
        raise ModelError(
            "the network gives NaN or infinity for a test picture; check its weights, and that pixel values come in"
            " the range it was trained with (--preprocess scale:… or normalize:…)"
        )
    if metadata.task == REGRESSION:
        return
    low, high = float(values.min()), float(values.max())
    fitting = low >= -_SUM_TOLERANCE and high <= 1 + _SUM_TOLERANCE
    if metadata.task == MULTILABEL and not fitting:
        raise ModelError(
            f"outputs go from {low:.4g} to {high:.4g}, so they are no probabilities; end the network with a sigmoid"
        )
    if metadata.task == SEMANTIC:
        _check_sums(values.sum(axis=-1, dtype=np.float64), low, high, fitting=fitting)


def _check_sums(sums: NDArray[np.float64], low: float, high: float, *, fitting: bool) -> None:
    if fitting and np.abs(sums - 1).max() <= _SUM_TOLERANCE:
        return
    raise ModelError(
        f"the outputs of a pixel sum to {sums.min():.4g} … {sums.max():.4g} (values {low:.4g} … {high:.4g}), not one;"
        " if they are logits add --postprocess softmax, or end the network with a softmax"
    )
