"""A contestant: the loop a careful person would write in an afternoon, with no code of the engine.

Whole image in memory, cztile's layout, one tile per `session.run`, argmax in NumPy, one array written at the end:
no pyramid, no metadata, legacy archives with an OME-Zarr image of one channel only. Run as
`python -m czbench.naive MODEL IMAGE OUT`.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def main() -> None:
    """Segment IMAGE with MODEL into the zarr array OUT."""
    import zarr

    model, image, out = (Path(argument) for argument in sys.argv[1:])
    pixels = np.asarray(zarr.open_array(str(image / "0"), mode="r")[...])
    planes = pixels.reshape(-1, *pixels.shape[-2:])
    labels = np.stack([_plane(*_read(model), plane) for plane in planes]).reshape(pixels.shape)
    result = zarr.create_array(
        str(out), shape=labels.shape, dtype="u1", chunks=(1,) * (labels.ndim - 2) + (1024, 1024)
    )
    result[...] = labels


def _read(model: Path) -> tuple[bytes, int, int]:
    """Network, tile and border of a square-tiled legacy archive."""
    with zipfile.ZipFile(model) as archive:
        names = {name.rpartition(".")[2]: name for name in archive.namelist()}
        root = ET.fromstring(archive.read(names["xml"]).decode("utf-8-sig"))
        return (
            archive.read(names["model"]),
            int(root.findtext("TotalTileHeight", "0")),
            int(root.findtext("BorderSize", "0")),
        )


def _plane(network: bytes, tile: int, border: int, plane: NDArray[Any]) -> NDArray[np.uint8]:
    import onnxruntime
    from cztile.fixed_total_area_strategy_2d import AlmostEqualBorderFixedTotalAreaStrategy2D
    from cztile.tiling_strategy import TileInput

    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    side = TileInput(total_tile_length=tile, min_border_length=border)
    tiler = AlmostEqualBorderFixedTotalAreaStrategy2D(width=side, height=side)
    pixels = (plane / np.iinfo(plane.dtype).max).astype(np.float32)
    labels = np.zeros(plane.shape, np.uint8)
    for t in tiler.calculate_2d_tiles((0, 0, plane.shape[1], plane.shape[0])):
        x, y, w, h = t.roi
        (scores,) = session.run(None, {name: pixels[np.newaxis, y : y + h, x : x + w, np.newaxis]})
        cx, cy, cw, ch = t.center
        top, left = t.border.top, t.border.left
        labels[cy : cy + ch, cx : cx + cw] = scores[0, top : top + ch, left : left + cw].argmax(-1) + 1
    return labels


if __name__ == "__main__":
    main()
