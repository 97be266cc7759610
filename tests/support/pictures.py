"""What the tests of the preview draw with and look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from czengine.spec import ModelClass

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
CLASSES = (
    ModelClass(name="background", label=1, color=RED),
    ModelClass(name="nucleus", label=2, color=GREEN),
    ModelClass(name="border", label=3, color=BLUE),
)


def ramp(height: int = 450, width: int = 600) -> NDArray[np.uint16]:
    return np.linspace(0, 60000, height * width).reshape(1, height, width).astype(np.uint16)


def pixels_of(picture: Image.Image) -> NDArray[np.int64]:
    return np.asarray(picture).astype(np.int64)


def panel_of(picture: Image.Image, height: int, width: int) -> NDArray[np.int64]:
    """The image in the picture: it starts three text heights below the top, in the middle."""
    em = min(max(width // 46, 13), 28)
    left = (picture.width - width) // 2
    return pixels_of(picture)[3 * em : 3 * em + height, left : left + width]


def longest_run(ink: NDArray[np.bool_]) -> int:
    runs = [len(run) for row in ink for run in "".join("#" if dot else " " for dot in row).split()]
    return max(runs, default=0)


def loaded(path: Path) -> Image.Image:
    with Image.open(path, formats=["PNG"]) as picture:
        picture.load()
    return picture
