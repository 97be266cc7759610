"""From batches of scores to finished rows of blocks. The mirror of `gather`.

`Stitcher` turns the center of a tile's scores into result pixels, `Band` holds them until a whole row of blocks
is complete. Neither knows files.

        rows already handed on
    top +---------------------------+
        | rest of the last row      |   less than one block
        +------+------+------+------+
        | tile | tile | tile |      |   the row of tiles being pasted
        +------+------+------+------+
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.geometry import Region
from czengine.kernels.base import Kernels
from czengine.plan import Tile, TilePlan
from czengine.spec import Layout, ModelSpec, Task


class Stitcher:
    """Scores of one tile in, result pixels of its center out.

    Parameters
    ----------
    kernels : Kernels
        The inner loops.
    spec : ModelSpec
        Classes and output layout.
    task : Task
        What is made of the scores: the model's own task, or `REGRESSION` to keep them.
    min_confidence : float or None
        Smallest score that makes a label; None labels every pixel. Multi-label classes need one.
    """

    def __init__(
        self, kernels: Kernels, spec: ModelSpec, *, task: Task, min_confidence: float | None = None
    ) -> None:
        self._kernels = kernels
        self._task = task
        self._layout: Layout = spec.output_layout
        self._lowest = -np.inf if min_confidence is None else min_confidence
        values = [c.label for c in spec.classes]
        labels_type = np.uint16 if max(values, default=0) > np.iinfo(np.uint8).max else np.uint8
        self._labels = np.array(values, labels_type)
        self.dtype: np.dtype[Any] = {
            Task.SEGMENTATION: self._labels.dtype,
            Task.MULTILABEL: np.dtype(np.uint8),
            Task.REGRESSION: np.dtype(np.float32),
        }[self._task]
        self.per_output = self._task is not Task.SEGMENTATION
        self.channels = spec.outputs if self.per_output else 1

    def paste(self, scores: NDArray[Any], tile: Tile, out: NDArray[Any]) -> None:
        """Write the center of `tile` to `out`.

        Parameters
        ----------
        scores : ndarray
            3-D, the network's output for this tile, in its own layout.
        tile : Tile
            Says where the center is.
        out : ndarray
            (channel, y, x) of the center's size, of `dtype`.
        """
        scores = scores if self._layout == "NHWC" else scores.transpose(1, 2, 0)
        top, left = tile.border.top, tile.border.left
        center = scores[top : top + tile.center.height, left : left + tile.center.width]
        if self._task is Task.SEGMENTATION:
            self._kernels.argmax(center, self._labels, self._lowest, out[0])
        elif self._task is Task.MULTILABEL:
            self._kernels.threshold(center, self._lowest, out)
        else:
            self._kernels.copy(center, out)


class Band:
    """Result rows of one plane, from the first unfinished block down to the tiles being pasted.

    Parameters
    ----------
    plan : TilePlan
        The tiles of the plane, whose rows arrive top to bottom.
    channels : int
        Result channels.
    dtype : numpy.dtype
        Result type.
    block_height : int
        Rows of one block.
    """

    def __init__(self, plan: TilePlan, *, channels: int, dtype: np.dtype[Any], block_height: int) -> None:
        tallest = max(row.size for row in plan.rows)
        self._height = plan.height
        self._block_height = block_height
        self._rows = np.zeros((channels, min(block_height - 1 + tallest, plan.height), plan.width), dtype)
        self._top = 0

    @property
    def held_bytes(self) -> int:
        """Memory the band takes, whatever the plane's height."""
        return self._rows.nbytes

    def view(self, center: Region) -> NDArray[Any]:
        """Where the result of a tile's center belongs: a (channel, y, x) view to write to."""
        y = center.y - self._top
        return self._rows[:, y : y + center.height, center.x : center.right]

    def finished(self, bottom: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Hand on all whole blocks, once everything above row `bottom` is pasted.

        Yields
        ------
        y, rows : int, ndarray
            First row and the rows, (channel, height, width), valid until the next tile is pasted. The last
            rows of a plane may be fewer than a block. Nothing where no block is complete yet.
        """
        whole = bottom if bottom == self._height else bottom - bottom % self._block_height
        count = whole - self._top
        if count:
            yield self._top, self._rows[:, :count]
            rest = bottom - whole
            self._rows[:, :rest] = self._rows[:, count : count + rest].copy()
            self._top = whole
