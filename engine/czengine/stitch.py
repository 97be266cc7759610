"""From scores of tiles to finished blocks. The mirror of `gather`.

`Stitcher` turns a part of a tile's scores into result pixels, `Blocks` holds them until a whole block is complete,
whatever the order of the tiles. Neither knows files.

        +--------+--------+
        | block  |        |      a tile is pasted into every block it touches;
        |    +------+     |      a block is finished when as many pixels were pasted as it has
        +----| tile |-----+
        |    +------+     |
        +--------+--------+
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.geometry import Region
from czengine.kernels.base import Kernels
from czengine.schedule import Grid, Placed
from czengine.session.base import Network
from czengine.sources.base import PlaneIndex
from czengine.spec import ModelSpec, Task, label_type


class Stitcher:
    """Scores of one tile in, result pixels out.

    Parameters
    ----------
    kernels : Kernels
        The inner loops.
    spec : ModelSpec
        The classes.
    network : Network
        What comes out of it.
    task : Task
        What is made of the scores: the model's own task, or `REGRESSION` to keep them.
    confidence : float or None
        Smallest score that makes a label; None labels every pixel. Multi-label classes need one.
    """

    def __init__(
        self,
        kernels: Kernels,
        spec: ModelSpec,
        network: Network,
        *,
        task: Task,
        confidence: float | None = None,
    ) -> None:
        self._kernels, self._network, self._task = kernels, network, task
        self._lowest = -np.inf if confidence is None else confidence
        values = [c.label for c in spec.classes]
        self._labels = np.array(values, label_type(values))
        self.dtype: np.dtype[Any] = {
            Task.SEGMENTATION: self._labels.dtype,
            Task.MULTILABEL: np.dtype(np.uint8),
            Task.REGRESSION: np.dtype(np.float32),
        }[self._task]
        self.per_output = self._task is not Task.SEGMENTATION
        self.channels = spec.outputs if self.per_output else 1

    def paste(self, scores: NDArray[Any], part: Region, out: NDArray[Any]) -> None:
        """Write a part of a tile to `out`.

        Parameters
        ----------
        scores : ndarray
            What the network gave for this tile: 3-D scores in its layout, or (y, x) labels.
        part : Region
            Inside the tile, counted from its first pixel.
        out : ndarray
            (channel, y, x) of the part's size, of `dtype`.
        """
        rows, columns = slice(part.y, part.bottom), slice(part.x, part.right)
        if self._network.gives == "labels":
            out[0] = scores[rows, columns]
            return
        channels_last = scores if self._network.output_layout == "NHWC" else scores.transpose(1, 2, 0)
        cut = channels_last[rows, columns]
        if self._task is Task.SEGMENTATION:
            self._kernels.argmax(cut, self._labels, self._lowest, out[0])
        elif self._task is Task.MULTILABEL:
            self._kernels.threshold(cut, self._lowest, out)
        else:
            self._kernels.copy(cut, out)


@dataclass
class Block:
    """A part of the result that is written in one piece.

    Attributes
    ----------
    plane : tuple of int
        The plane.
    region : Region
        Where in the plane.
    missing : int
        Pixels that were not pasted yet.
    pixels : ndarray or None
        (channel, y, x); None as long as everything pasted is one value.
    value : ndarray or None
        That value, one element per channel.
    is_ours : bool
        Whether `pixels` are memory to use again.
    """

    plane: PlaneIndex
    region: Region
    missing: int
    pixels: NDArray[Any] | None = None
    value: NDArray[Any] | None = None
    is_ours: bool = False


class Blocks:
    """The unfinished blocks of a result.

    Parameters
    ----------
    grid : Grid
        The blocks of a plane.
    channels : int
        Result channels.
    dtype : numpy.dtype
        Result type.
    memory : callable
        Asked for the pixels of a block, (channel, y, x); None where it has none of its own for it.
    """

    def __init__(
        self,
        grid: Grid,
        *,
        channels: int,
        dtype: np.dtype[Any],
        memory: Callable[[PlaneIndex, Region], NDArray[Any] | None],
    ) -> None:
        self._grid, self._channels, self._dtype, self._memory = grid, channels, dtype, memory
        self._open: dict[tuple[PlaneIndex, int, int], Block] = {}
        self._free: defaultdict[tuple[int, int], list[NDArray[Any]]] = defaultdict(list)

    def paste(self, placed: Placed, put: Callable[[Region, NDArray[Any]], None]) -> Iterator[Block]:
        """Paste what is kept of a tile; `put` writes a region of the plane to memory, (channel, y, x).

        Yields
        ------
        Block
            Every one that is complete now.
        """
        for block, part in self._touched(placed):
            put(part, self._view(block, part))
            yield from self._pasted(block, part)

    def fill(self, placed: Placed, value: NDArray[Any]) -> Iterator[Block]:
        """Paste one value, an element per channel, for all that is kept of a tile; yields as `paste` does."""
        for block, part in self._touched(placed):
            if block.pixels is None and (block.value is None or np.array_equal(block.value, value)):
                block.value = value
            else:
                self._view(block, part)[...] = value[:, np.newaxis, np.newaxis]
            yield from self._pasted(block, part)

    def written(self, block: Block) -> None:
        """Use the memory of a block again; any thread may call it."""
        if block.is_ours and block.pixels is not None:
            self._free[block.pixels.shape[1:]].append(block.pixels)

    def _touched(self, placed: Placed) -> Iterator[tuple[Block, Region]]:
        for row, column in self._grid.over(placed.kept):
            key = (placed.plane, row, column)
            if key not in self._open:
                region = self._grid.region(row, column)
                self._open[key] = Block(placed.plane, region, region.height * region.width)
            block = self._open[key]
            yield block, block.region.common(placed.kept)

    def _view(self, block: Block, part: Region) -> NDArray[Any]:
        if block.pixels is None:
            block.pixels = self._new(block)
            if block.value is not None:
                block.pixels[...] = block.value[:, np.newaxis, np.newaxis]
        y, x = part.y - block.region.y, part.x - block.region.x
        return block.pixels[:, y : y + part.height, x : x + part.width]

    def _new(self, block: Block) -> NDArray[Any]:
        own = self._memory(block.plane, block.region)
        if own is not None:
            return own
        block.is_ours = True
        size = (block.region.height, block.region.width)
        if not self._free[size]:
            self._free.clear()  # blocks at the edges are smaller: what served the others must not lie around
            return np.empty((self._channels, *size), self._dtype)
        return self._free[size].pop()

    def _pasted(self, block: Block, part: Region) -> Iterator[Block]:
        block.missing -= part.height * part.width
        if block.missing:
            return
        row, column = next(self._grid.over(block.region))
        del self._open[block.plane, row, column]
        if block.pixels is None and block.value is not None:
            shape = (self._channels, block.region.height, block.region.width)
            block.pixels = np.broadcast_to(block.value[:, np.newaxis, np.newaxis], shape)
        yield block
