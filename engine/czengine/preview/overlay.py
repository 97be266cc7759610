"""Pixels of the preview picture: any image as RGB bytes, classes laid over it.

NumPy only; legend, scale bar and text are `drawing.py`. Only this module knows how strong the colours are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.spec import ModelClass

Rgb = NDArray[np.uint8]  # (y, x, 3)

FILL = 0.35  # opacity of a class
THIN = 0.06  # opacity of a class that covers more than half of the picture
LINE = 0.85  # opacity of outlines


@dataclass(frozen=True, kw_only=True)
class LabelPicture:
    """Labels of one plane.

    Attributes
    ----------
    pixels : ndarray
        (y, x) integers; a value that no class has is left uncoloured.
    classes : tuple of ModelClass
        The classes whose `label` occurs in `pixels`.
    """

    pixels: NDArray[Any]
    classes: tuple[ModelClass, ...]

    def counts(self) -> NDArray[np.intp]:
        """Pixels of each label value, at least up to the highest of the classes."""
        last = max((each.label for each in self.classes), default=0)
        return np.bincount(self.pixels.ravel(), minlength=last + 1)


def stretched(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels as gray values 0-255, from the 0.5th to the 99.5th percentile of what is finite.

    A constant array becomes middle gray, NaN becomes 0, infinities become the ends.
    """
    values = pixels.astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(pixels.shape, np.uint8)
    low, high = np.percentile(finite, (0.5, 99.5), method="nearest")
    if low == high:
        low, high = finite.min(), finite.max()  # a few pixels that differ are what there is to see
    span = high / 2 - low / 2  # halves: the range of float64 does not fit in one
    if span == 0:
        gray = np.where(np.isfinite(values), 128.0, values)
    else:
        gray = 255 * ((np.clip(values, low, high) / 2 - low / 2) / span)
    return np.asarray(np.rint(np.nan_to_num(gray, posinf=255, neginf=0)).astype(np.uint8))


def as_rgb(image: NDArray[Any], *, is_color: bool) -> Rgb:
    """Colour as it is, stretched in one piece; other channels each stretched, the brightest wins."""
    if is_color and len(image) >= 3:
        return np.ascontiguousarray(stretched(image[:3]).transpose(1, 2, 0))
    gray = stretched(image[0])
    for channel in image[1:]:
        np.maximum(gray, stretched(channel), out=gray)
    return np.repeat(gray[..., np.newaxis], 3, axis=2)


def lay_over(panel: Rgb, labels: LabelPicture, factor: int) -> None:
    """Lay the classes over `panel`, in place: filled, and with an outline towards the class around them."""
    pixels = labels.pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    counts = labels.counts()
    paint, opacity = np.zeros((len(counts), 3), np.float32), np.zeros(len(counts), np.float32)
    for each in labels.classes:
        paint[each.label], opacity[each.label] = each.color, FILL
    widest = int(counts.argmax())
    if counts[widest] > labels.pixels.size / 2:
        opacity[widest] = min(opacity[widest], THIN)
    lined = _outline(pixels, widest) & (opacity[pixels] > 0)
    alpha = np.where(lined, np.float32(LINE), opacity[pixels])[..., np.newaxis]
    panel[:] = np.rint(panel * (1 - alpha) + paint[pixels] * alpha)


def _outline(pixels: NDArray[Any], widest: int) -> NDArray[np.bool_]:
    """True on a line one pixel wide where classes meet, in the one of higher rank: 0, the widest, by label."""
    rank = pixels.astype(np.int32) + 1
    rank[pixels == widest] = 1
    rank[pixels == 0] = 0
    line = np.zeros(pixels.shape, dtype=bool)
    line[1:] |= rank[1:] > rank[:-1]
    line[:-1] |= rank[:-1] > rank[1:]
    line[:, 1:] |= rank[:, 1:] > rank[:, :-1]
    line[:, :-1] |= rank[:, :-1] > rank[:, 1:]
    return line
