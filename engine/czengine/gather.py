"""From the pixels of a row of tiles to batches for the network. The mirror of `stitch`.

Knows padding and where a tile lies in the band that was read; the inner loop is a kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.geometry import Region
from czengine.inputs import InputMap
from czengine.kernels.base import Kernels
from czengine.plan import Span, Tile, TilePlan
from czengine.session.base import Session


class Gatherer:
    """Fills the one input buffer of a session, batch after batch.

    Parameters
    ----------
    kernels : Kernels
        The inner loops.
    inputs : InputMap
        Which channels, in which order, on which scale.
    plan : TilePlan
        The tiles of a plane.
    session : Session
        Gives shape and layout of the buffer.
    """

    def __init__(self, kernels: Kernels, inputs: InputMap, plan: TilePlan, session: Session) -> None:
        self._kernels = kernels
        self._inputs = inputs
        self._plan = plan
        self._channels = np.asarray(inputs.channels, np.int64)
        self._buffer = np.zeros(session.input_shape, np.float32)
        channels_last = session.input_layout == "NHWC"
        self._tiles = self._buffer if channels_last else self._buffer.transpose(0, 2, 3, 1)

    def band(self, row: Span) -> Region:
        """The pixels a row of tiles needs: all that its rois cover of the plane."""
        top, bottom = max(row.roi_start, 0), min(row.roi_stop, self._plan.height)
        return Region(top, 0, bottom - top, self._plan.width)

    def fill(self, band: NDArray[Any], tiles: Sequence[Tile]) -> NDArray[np.float32]:
        """Cut `tiles` out of their `band`.

        Parameters
        ----------
        band : ndarray
            (channel, y, x), the pixels of `self.band(row)`.
        tiles : sequence of Tile
            Tiles of that row, at most one batch.

        Returns
        -------
        ndarray of float32
            The session's input, valid until the next call. What a last, short batch does not fill
            holds tiles of an earlier one; their scores are not looked at.
        """
        for index, tile in enumerate(tiles):
            roi = tile.roi
            rows = reflected(roi.y, roi.bottom, self._plan.height) - max(roi.y, 0)
            columns = reflected(roi.x, roi.right, self._plan.width)
            self._kernels.gather(
                band,
                self._channels,
                rows,
                columns,
                self._inputs.divisor,
                self._inputs.constant,
                self._tiles[index],
            )
        return self._buffer


def reflected(start: int, stop: int, length: int) -> NDArray[np.int64]:
    """Indices `start` … `stop` - 1 folded into 0 … `length` - 1, as `numpy.pad(mode="reflect")` does.

    The edge pixel is not repeated, and an axis of one pixel repeats it.
    """
    period = max(2 * (length - 1), 1)
    folded = np.arange(start, stop, dtype=np.int64) % period
    return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(folded)
