"""From cells of an image to batches for the network. The mirror of `stitch`.

Knows where a tile lies in its cells, padding, and which tiles need no run of their own; the inner loop is a kernel.
"""

from __future__ import annotations

import queue
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.ahead import Stop
from czengine.cells import Cells, Piece
from czengine.errors import located
from czengine.footprint import MEMO_ENTRIES
from czengine.geometry import Region
from czengine.inputs import InputMap
from czengine.kernels.base import Kernels
from czengine.meter import Meter
from czengine.plan import TilePlan
from czengine.schedule import Placed, Sweep
from czengine.session.base import Session

STAGE = "gather"
_MOST_REPEATS = 256  # that wait for a batch to be full


@dataclass(kw_only=True)
class Batch:
    """What goes through the network in one call, and what needs no call.

    Attributes
    ----------
    tiles : list of Placed
        In the order of the batch; fewer than it holds at the end of an image.
    pixels : ndarray or None
        The session's input; None where there is no tile to run.
    keys : list of (bytes or None)
        For every tile the constant it consists of, if its scores are to be remembered under that.
    repeats : list of (Placed, bytes)
        Tiles whose scores are known under a key by the time all `tiles` are run.
    """

    tiles: list[Placed] = field(default_factory=list)
    pixels: NDArray[Any] | None = None
    keys: list[bytes | None] = field(default_factory=list)
    repeats: list[tuple[Placed, bytes]] = field(default_factory=list)

    @property
    def placed(self) -> Iterator[Placed]:
        """All tiles, run and repeated."""
        yield from self.tiles
        yield from (placed for placed, _ in self.repeats)


class Buffers:
    """A few inputs of a session, used over and over."""

    def __init__(self, session: Session, count: int, stop: Stop) -> None:
        self._stop = stop
        self._free: queue.Queue[NDArray[Any]] = queue.Queue()
        for _ in range(count):
            self._free.put(np.zeros(session.input_shape, session.network.dtype))

    def take(self) -> NDArray[Any]:
        """A buffer nobody uses; waits for one."""
        return self._stop.take(self._free)

    def give_back(self, buffer: NDArray[Any]) -> None:
        """Let others use it."""
        self._free.put(buffer)


class Gatherer:
    """Fills batches with tiles, in the order of the sweeps.

    Parameters
    ----------
    cells : Cells
        Give the pixels.
    plan : TilePlan
        The tiles of a plane.
    inputs : InputMap
        Which channels, in which order, on which scale.
    divisor : float
        What is left to divide by: 1.0 where the network does it itself.
    session : Session
        Gives shape and layout of a batch.
    buffers : Buffers
        Whoever runs a batch gives its buffer back.
    kernels : Kernels
        The inner loops.
    memo : bool
        Run tiles of one constant value once per value.
    meter : Meter
        Gets the time spent.
    """

    def __init__(
        self,
        cells: Cells,
        plan: TilePlan,
        inputs: InputMap,
        divisor: float,
        session: Session,
        buffers: Buffers,
        kernels: Kernels,
        *,
        memo: bool,
        meter: Meter,
    ) -> None:
        self._cells, self._plan, self._inputs, self._divisor = cells, plan, inputs, divisor
        self._buffers, self._kernels, self._meter = buffers, kernels, meter
        self._channels = np.asarray(inputs.channels, np.int64)
        self._size = session.input_shape[0]
        self._channels_last = session.network.layout == "NHWC"
        self._memo = memo
        self._known: set[bytes] = set()
        self._batch = Batch()

    def batches(self, sweeps: Sequence[Sweep]) -> Generator[Batch, None, None]:
        """Every tile of every sweep once, in batches; valid until their buffer is given back."""
        for number, sweep in enumerate(sweeps):
            for row in self._plan.rows:
                self._cells.drop(number, above=row.roi_start)
                for position, plane in enumerate(sweep.group.planes):
                    for placed in sweep.row(self._plan, row, plane):
                        self._cells.read_ahead()
                        self._add(placed, number, position)
                        if len(self._batch.tiles) == self._size or len(self._batch.repeats) == _MOST_REPEATS:
                            yield self._finished()
        if self._batch.tiles or self._batch.repeats:
            yield self._finished()

    def _finished(self) -> Batch:
        batch, self._batch = self._batch, Batch()
        return batch

    def _add(self, placed: Placed, sweep: int, position: int) -> None:
        inside = placed.tile.roi.clipped(self._plan.height, self._plan.width)
        with located(placed):
            pieces = self._cells.pieces(sweep, position, inside)
        batch, key = self._batch, None
        if self._memo:
            key = self._cells.constant(pieces)
        if key in self._known and key is not None:
            batch.repeats.append((placed, key))
            return
        if key is not None and len(self._known) < MEMO_ENTRIES:
            self._known.add(key)
        else:
            key = None
        if batch.pixels is None:
            with self._meter.waiting(STAGE):
                batch.pixels = self._buffers.take()
        with self._meter.busy(STAGE):
            out = batch.pixels[len(batch.tiles)]
            self._fill(
                out if self._channels_last else out.transpose(1, 2, 0), placed.tile.roi, inside, pieces
            )
        batch.tiles.append(placed)
        batch.keys.append(key)

    def _fill(self, out: NDArray[Any], roi: Region, inside: Region, pieces: Sequence[Piece]) -> None:
        """One tile, (y, x, channel)."""
        for piece in pieces:
            y, x = piece.region.y - roi.y, piece.region.x - roi.x
            part = out[y : y + piece.region.height, x : x + piece.region.width]
            self._kernels.gather(piece.pixels, self._channels, self._divisor, self._inputs.constant, part)
        if inside != roi:
            rows = reflected(roi.y, roi.bottom, self._plan.height) - roi.y
            columns = reflected(roi.x, roi.right, self._plan.width) - roi.x
            out[...] = out[rows[:, np.newaxis], columns]


def reflected(start: int, stop: int, length: int) -> NDArray[np.int64]:
    """Indices `start` … `stop` - 1 folded into 0 … `length` - 1, as `numpy.pad(mode="reflect")` does.

    The edge pixel is not repeated, and an axis of one pixel repeats it.
    """
    period = max(2 * (length - 1), 1)
    folded = np.arange(start, stop, dtype=np.int64) % period
    return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(folded)
