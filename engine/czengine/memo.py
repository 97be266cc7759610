"""Scores of constant tiles, remembered: a tile that is one value throughout is inferred once per value.

Exact: the network sees the same input again, so it would give the same output. What is kept is the result of the
whole tile, so that any part of it can be pasted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.geometry import Region
from czengine.schedule import Placed
from czengine.stitch import Block, Blocks, Stitcher


class Memo:
    """Results of constant tiles, by the pixel they consist of.

    Parameters
    ----------
    stitcher : Stitcher
        Makes the results.
    tile : (height, width)
        Of every tile.
    """

    def __init__(self, stitcher: Stitcher, tile: tuple[int, int]) -> None:
        self._stitcher = stitcher
        self._tile = Region(0, 0, *tile)
        self._results: dict[bytes, NDArray[Any]] = {}

    def remember(self, key: bytes, scores: NDArray[Any]) -> None:
        """Keep the result of a tile whose pixels are all `key`."""
        shape = (self._stitcher.channels, self._tile.height, self._tile.width)
        result = np.empty(shape, self._stitcher.dtype)
        self._stitcher.paste(scores, self._tile, result)
        self._results[key] = result

    def paste(self, placed: Placed, key: bytes, blocks: Blocks) -> Iterator[Block]:
        """Paste a tile whose result is known; yields the blocks that are complete now."""
        roi, kept, result = placed.tile.roi, placed.kept, self._results[key]
        cut = self._cut(result, roi, kept)
        value = cut[:, 0, 0]
        if (cut == value[:, np.newaxis, np.newaxis]).all():
            yield from blocks.fill(placed, value.copy())
            return

        def put(region: Region, out: NDArray[Any]) -> None:
            out[...] = self._cut(result, roi, region)

        yield from blocks.paste(placed, put)

    @staticmethod
    def _cut(result: NDArray[Any], roi: Region, region: Region) -> NDArray[Any]:
        y, x = region.y - roi.y, region.x - roi.x
        return result[:, y : y + region.height, x : x + region.width]
