"""Saves a picture of a result: `--preview FILE.png`.

Reads the image and what was made from it, small, and has `drawing.py` draw them. Only this module knows which
pyramid level is small enough, and how to look at a plane that has none without holding it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czengine.config import InputOptions
from czengine.errors import ImageError, OptionError, OutputError
from czengine.geometry import Region
from czengine.preview.drawing import Preview, render
from czengine.preview.overlay import LabelPicture
from czengine.sinks.base import Target
from czengine.sources.base import ImageInfo, PlaneIndex, Source

if TYPE_CHECKING:
    from PIL import Image

MAX_EDGE = 1600  # pixels, all panels together
MAX_SCORES = 3  # outputs shown beside the image
_BLOCK = 1024  # pixels a side read at once


def check_preview_path(path: Path) -> None:
    """Say before a long run whether a preview can be saved at `path`.

    Raises
    ------
    OptionError
        Where the name does not end in ".png".
    OutputError
        Where the folder does not exist or cannot be written, or `path` is a folder.
    """
    if path.suffix.lower() != ".png":
        raise OptionError(f"preview {path} is not a PNG file; give it a name that ends in .png")
    if path.is_dir():
        raise OutputError(f"preview {path} is a folder; name a file in it")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"the preview's folder {path.parent} does not exist; make it or choose another")
    if not os.access(path.absolute().parent, os.W_OK):
        raise OutputError(f"the preview's folder {path.parent} cannot be written; choose another")


def write_preview(
    path: Path,
    targets: Sequence[Target],
    *,
    plane: PlaneIndex,
    channels: Sequence[int],
    title: str | None = None,
) -> None:
    """Save a picture of one plane with its result.

    Parameters
    ----------
    path : Path
        A ".png"; replaced where it exists.
    targets : sequence of Target
        What was made from one image, complete and on disk: one label image, one per class, or one image of scores.
    plane : tuple of int
        One index per axis of `Axes.planes` of the image.
    channels : sequence of int
        Channels of the image to show; of a colour image the first three are shown whatever these are.
    title : str or None
        Line above the picture; None takes the image's name.

    Raises
    ------
    OptionError, OutputError
        See `check_preview_path`; also where the disk is full.
    ImageError
        Where the image or the result cannot be read.
    """
    check_preview_path(path)
    save(render(_preview(targets, plane, channels, title)), path)


def save(picture: Image.Image, path: Path) -> None:
    """Write a PNG under another name first, so that `path` is never half a file.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        picture.save(part, format="PNG", optimize=True)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"the preview {path} cannot be written ({error}); choose another place") from error


def _preview(
    targets: Sequence[Target], plane: PlaneIndex, channels: Sequence[int], title: str | None
) -> Preview:
    info, scores = targets[0].image, targets[0].channels[:MAX_SCORES] if targets[0].kind == "scores" else ()
    shown = range(3) if info.is_color and info.channels >= 3 else channels
    edge = MAX_EDGE // (1 + len(scores))
    k = _small_level(info, edge)
    step = -(-_edge(info, k) // edge)
    wanted = range(max(len(scores), 1))
    results = []
    for target in targets:
        with _open_result(target, k) as result:
            results.append(read_small(result, plane, wanted, step=step))
    with _open_image(info, k) as image:
        pixels = read_small(image, plane, shown, step=step)
    x = info.axes.index("x")
    return Preview(
        title=info.name if title is None else title,
        image=pixels,
        is_color=info.is_color,
        labels=tuple(
            LabelPicture(pixels=labels[0], classes=target.classes)
            for target, labels in zip(targets, results, strict=True)
            if target.kind == "labels"
        ),
        scores=results[0] if scores else None,
        score_names=scores,
        pixel_width=info.levels[k].scale[x] * step,
        unit=info.units[x],
    )


def read_small(source: Source, plane: PlaneIndex, channels: Sequence[int], *, step: int) -> NDArray[Any]:
    """Every `step`-th pixel of a plane in both directions, holding one block of the plane at a time.

    Parameters
    ----------
    source : Source
        What is read.
    plane : tuple of int
        See `Source.read`.
    channels : sequence of int
        Channels in the order wanted.
    step : int
        1 takes every pixel.

    Returns
    -------
    ndarray
        (channel, y, x) of `source.info.dtype`.
    """
    info = source.info
    small = np.empty((len(channels), -(-info.height // step), -(-info.width // step)), info.dtype)
    block = max(_BLOCK // step, 1) * step
    for y in range(0, info.height, block):
        for x in range(0, info.width, block):
            region = Region(y, x, block, block).clipped(info.height, info.width)
            kept = source.read(plane, region, channels)[:, ::step, ::step]
            small[:, y // step :, x // step :][:, : kept.shape[1], : kept.shape[2]] = kept
    return small


def _edge(info: ImageInfo, k: int) -> int:
    return max(info.levels[k].shape[info.axes.index(axis)] for axis in ("y", "x"))


def _small_level(info: ImageInfo, edge: int) -> int:
    """The finest level whose larger edge is at most `edge` pixels; the coarsest where none is."""
    return next((k for k in range(len(info.levels)) if _edge(info, k) <= edge), len(info.levels) - 1)


def _open_image(info: ImageInfo, k: int) -> Source:
    from czengine.sources.collection import open_images

    letters = "".join(info.axes)
    # axes of longer names are the store's own, which are found again there
    axes = letters if info.ngff is None and len(letters) == len(info.axes) else None
    options = InputOptions(image=info.path or None, level=info.level + k, axes=axes)
    (source,) = open_images(info.root, options)
    return source


def _open_result(target: Target, k: int) -> Source:
    # Not `open_images`: it refuses label images, which nobody wants to segment.
    import zarr

    from czengine.sources.image import multiscale_source
    from czengine.sources.zarrstore import open_node

    group = open_node(target.path)
    if not isinstance(group, zarr.Group):
        raise ImageError(f"{target.path} is an array, not a result; run again with --overwrite")
    return multiscale_source(target.path, "", group, InputOptions(level=k))
