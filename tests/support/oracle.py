"""The slow, obvious way to the same result: cztile's layout, numpy.pad, plain onnxruntime, argmax.

Shares no code with the engine beyond the network's bytes.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from cztile.fixed_total_area_strategy_2d import AlmostEqualBorderFixedTotalAreaStrategy2D
from cztile.tiling_strategy import TileInput
from numpy.typing import NDArray


def network_bytes(archive: Path) -> bytes:
    """The member that ends in ".model"."""
    with zipfile.ZipFile(archive) as opened:
        return opened.read(next(n for n in opened.namelist() if n.endswith(".model")))


def tiled_scores(
    network: bytes, pixels: NDArray[np.float32], *, tile: tuple[int, int], border: tuple[int, int]
) -> NDArray[Any]:
    """Scores (y, x, class) of `pixels` (y, x, channel), tile by tile, borders thrown away."""
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    height, width = pixels.shape[:2]
    tiler = AlmostEqualBorderFixedTotalAreaStrategy2D(
        width=TileInput(total_tile_length=tile[1], min_border_length=border[1]),
        height=TileInput(total_tile_length=tile[0], min_border_length=border[0]),
    )
    pad = max(tile)
    padded = np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    result: NDArray[Any] | None = None
    for t in tiler.calculate_2d_tiles((0, 0, width, height)):
        x, y, w, h = t.roi
        (scores,) = session.run(
            None, {name: padded[np.newaxis, y + pad : y + h + pad, x + pad : x + w + pad]}
        )
        if result is None:
            result = np.zeros((height, width, scores.shape[-1]), np.float32)
        cx, cy, cw, ch = t.center
        top, left = t.border.top, t.border.left
        result[cy : cy + ch, cx : cx + cw] = scores[0, top : top + ch, left : left + cw]
    if result is None:
        raise ValueError("no tiles")
    return result


def legacy_tiling(archive: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """Tile and border as the XML of a legacy archive gives them."""
    with zipfile.ZipFile(archive) as opened:
        text = opened.read(next(n for n in opened.namelist() if n.endswith(".xml"))).decode("utf-8-sig")
    root = ET.fromstring(text)
    numbers = {
        name: int(root.findtext(name, "0")) for name in ("TotalTileHeight", "TotalTileWidth", "BorderSize")
    }
    border = numbers["BorderSize"]
    return (numbers["TotalTileHeight"], numbers["TotalTileWidth"]), (border, border)
