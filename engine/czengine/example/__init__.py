"""The example that ships with czengine: where its model and its image are.

`scripts/make_example.py` makes both: it draws the nuclei, and trains the model on others like them.
"""

from __future__ import annotations

from pathlib import Path


def model_path() -> Path:
    """The archive `nuclei.czann`: background, nucleus and nucleus border, one channel, tiles of 256 × 256."""
    return Path(__file__).with_name("nuclei.czann")


def image_path() -> Path:
    """The OME-Zarr 0.5 image `nuclei.ome.zarr`: CYX, uint16, 1 × 480 × 640, 0.325 µm pixels, 3 levels."""
    return Path(__file__).with_name("nuclei.ome.zarr")
