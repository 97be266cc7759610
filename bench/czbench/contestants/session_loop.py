"""A contestant: onnxruntime alone, `session.run` over tiles that lie ready in memory.

`python -m czbench.contestants.session_loop MODEL IMAGE OUT [--threads N]`. The layout is cztile's, the tiles are cut,
scaled to float32 and copied before the clock starts, the scores are kept and become labels after it stopped. The
"seconds" it prints are those of the loop: no reading, no loading of the network, no argmax, no writing. Images of one
plane, at least as large as a tile.
"""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czbench.contestants.archives import read_archive, read_arguments


def main() -> None:
    """Run the loop, write the labels, print how long the loop took."""
    import zarr

    arguments = read_arguments(__doc__)
    archive = read_archive(arguments.model)
    pixels = np.asarray(zarr.open_array(str(arguments.image / "0"), mode="r")[...])
    plane = pixels.reshape(pixels.shape[-2:])
    layout = _layout(plane.shape, archive.tile, archive.border)
    scores, seconds = _loop(archive.network, [_cut(plane, tile) for tile in layout], arguments.threads)
    labels = np.zeros(plane.shape, np.uint8)
    for tile, score in zip(layout, scores, strict=True):
        _paste(labels, tile, score)
    zarr.create_array(str(arguments.out), shape=plane.shape, dtype="u1", chunks=(1024, 1024))[...] = labels
    print(json.dumps({"seconds": seconds, "tiles": len(layout)}))


def _layout(shape: tuple[int, ...], tile: int, border: int) -> list[Any]:
    from cztile.fixed_total_area_strategy_2d import AlmostEqualBorderFixedTotalAreaStrategy2D
    from cztile.tiling_strategy import TileInput

    side = TileInput(total_tile_length=tile, min_border_length=border)
    tiler = AlmostEqualBorderFixedTotalAreaStrategy2D(width=side, height=side)
    return list(tiler.calculate_2d_tiles((0, 0, shape[1], shape[0])))


def _loop(
    network: bytes, tiles: list[NDArray[np.float32]], threads: int
) -> tuple[list[NDArray[np.float32]], float]:
    """Scores of every tile, and the seconds that `session.run` took."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    kept, seconds = [], 0.0
    for tile in tiles:
        start = time.perf_counter()
        (scores,) = session.run(None, {name: tile})
        seconds += time.perf_counter() - start
        kept.append(scores.copy())  # its own memory is free for the next run, as it is in the engine
    return kept, seconds


def _cut(plane: NDArray[Any], tile: Any) -> NDArray[np.float32]:
    x, y, w, h = tile.roi
    raw = plane[np.newaxis, y : y + h, x : x + w, np.newaxis]
    return np.ascontiguousarray(raw / np.iinfo(plane.dtype).max, np.float32)


def _paste(labels: NDArray[np.uint8], tile: Any, scores: NDArray[np.float32]) -> None:
    x, y, w, h = tile.center
    top, left = tile.border.top, tile.border.left
    labels[y : y + h, x : x + w] = scores[0, top : top + h, left : left + w].argmax(-1) + 1


if __name__ == "__main__":
    main()
