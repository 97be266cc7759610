"""From cells of an image to batches for the network. The mirror of `stitch`.

Knows where a tile lies in its cells, padding, and which tiles need no run of their own; the inner loop is a kernel.
"""

from __future__ import annotations

import queue
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
_MOST_ENTRIES = 256  # constant tiles wait no longer for a batch to be full


class Entry(NamedTuple):
    """A tile in a batch.

    Attributes
    ----------
    placed : Placed
        The tile.
    slot : int or None
        Its place in the batch; None where it needs no run, because the scores of `key` are known by then.
    key : bytes or None
        The constant it consists of, if its scores are remembered, or to be remembered, under that.
    """

    placed: Placed
    slot: int | None
    key: bytes | None


@dataclass(kw_only=True)
class Batch:
    """What goes through the network in one call, and what needs no call, in the order of the work.

    Attributes
    ----------
    entries : list of Entry
        In this order they are to be pasted.
    pixels : ndarray or None
        The session's input; None where there is no tile to run.
    """

    entries: list[Entry] = field(default_factory=list)
    pixels: NDArray[Any] | None = None

    @property
    def tiles(self) -> list[Placed]:
        """Those to be run, in the order of the batch; fewer than it holds at the end of an image."""
        return [entry.placed for entry in self.entries if entry.slot is not None]


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
        self._batch, self._filled = Batch(), 0

    def batches(self, sweeps: Sequence[Sweep]) -> Generator[Batch, None, None]:
        """Every tile of every sweep once, in batches; valid until their buffer is given back."""
        for number, sweep in enumerate(sweeps):
            for row in self._plan.rows:
                self._cells.drop(number, above=row.roi_start)
                for position, plane in enumerate(sweep.group.planes):
                    for placed in sweep.row(self._plan, row, plane):
                        self._cells.read_ahead()
                        self._add(placed, number, position)
                        if self._filled == self._size or len(self._batch.entries) == _MOST_ENTRIES:
                            yield self._finished()
        if self._batch.entries:
            yield self._finished()

    def _finished(self) -> Batch:
        batch, self._batch, self._filled = self._batch, Batch(), 0
        return batch

    def _add(self, placed: Placed, sweep: int, position: int) -> None:
        inside = placed.tile.roi.clipped(self._plan.height, self._plan.width)
        with located(placed):
            pieces = self._cells.pieces(sweep, position, inside)
        key = self._cells.constant(pieces) if self._memo else None
        if key is not None and key in self._known:
            self._batch.entries.append(Entry(placed, None, key))
            return
        if key is not None and len(self._known) < MEMO_ENTRIES:
            self._known.add(key)
        else:
            key = None
        if self._batch.pixels is None:
            with self._meter.waiting(STAGE):
                self._batch.pixels = self._buffers.take()
        with self._meter.busy(STAGE):
            out = self._batch.pixels[self._filled]
            channels_last = out if self._channels_last else out.transpose(1, 2, 0)
            self._fill(channels_last, placed.tile.roi, inside, pieces)
        self._batch.entries.append(Entry(placed, self._filled, key))
        self._filled += 1

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
