"""Pixels of an image on their way to the tiles: which cells are held, and which are asked for ahead.

Every cell is asked for once per sweep, in the order in which tiles will need them, and dropped when the last tile
that needs it is filled. How much is held is bounded by the plan (`footprint`), not by luck.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from czengine.geometry import Region
from czengine.inputs import InputMap
from czengine.kernels.base import Kernels
from czengine.meter import Meter
from czengine.plan import TilePlan
from czengine.schedule import Grid, Sweep
from czengine.sources.base import Pending, Source

STAGE = "read"


class Key(NamedTuple):
    """A cell: number of the sweep, row and column of the grid."""

    sweep: int
    row: int
    column: int


@dataclass
class Cell:
    """A cell that is held, or on its way; `pixels` are (plane, channel, y, x), as the network's channels index them."""

    region: Region
    bytes: int
    pending: Pending | None = None
    pixels: NDArray[Any] | None = None
    uniform: dict[int, bool] = field(default_factory=dict)  # by plane, as far as somebody asked


class Piece(NamedTuple):
    """What a cell gives to a tile.

    Attributes
    ----------
    region : Region
        Where in the plane it is.
    pixels : ndarray
        (channel, y, x) of one plane.
    cell : Cell
        Where they come from.
    plane : int
        Position of the plane in its group.
    """

    region: Region
    pixels: NDArray[Any]
    cell: Cell
    plane: int


class Cells:
    """The cells of one job.

    Parameters
    ----------
    source : Source
        The image, opened.
    inputs : InputMap
        Which channels are read, and whether they become gray.
    plan : TilePlan
        The tiles of a plane.
    grid : Grid
        The cells of a plane.
    sweeps : sequence of Sweep
        All of the job, in order.
    budget : int
        Bytes to hold at most, those of the tiles at hand included.
    kernels : Kernels
        Tell uniform cells.
    meter : Meter
        Gets the time spent waiting for pixels.
    """

    def __init__(
        self,
        source: Source,
        inputs: InputMap,
        plan: TilePlan,
        grid: Grid,
        sweeps: Sequence[Sweep],
        *,
        budget: int,
        kernels: Kernels,
        meter: Meter,
    ) -> None:
        self._source, self._inputs, self._plan, self._grid = source, inputs, plan, grid
        self._sweeps, self._kernels, self._meter = sweeps, kernels, meter
        self._budget = budget
        self._held: dict[Key, Cell] = {}
        self._bytes = self.bytes_read = 0
        self._wanted = self._needs()
        self._next: deque[tuple[int, Key]] = deque()
        self._turn = 0

    def read_ahead(self) -> None:
        """Ask for the cells of this row of tiles and the next one, as far as the budget allows."""
        while (found := self._peek()) and found[0] <= self._turn + 1:
            if self._bytes + self._cost(found[1]) > self._budget:
                return
            self._ask_for_next()

    def pieces(self, sweep: int, plane: int, region: Region) -> list[Piece]:
        """The pixels of a region, cell by cell; waits for them.

        Parameters
        ----------
        sweep : int
            Number of the sweep.
        plane : int
            Position of the plane in its group.
        region : Region
            Inside the plane.
        """
        found = []
        for row, column in self._grid.over(region):
            cell = self._cell(Key(sweep, row, column))
            part = region.common(cell.region)
            y, x = part.y - cell.region.y, part.x - cell.region.x
            pixels = self._pixels(cell)[plane, :, y : y + part.height, x : x + part.width]
            found.append(Piece(part, pixels, cell, plane))
        return found

    def constant(self, pieces: Sequence[Piece]) -> bytes | None:
        """The pixel that pieces consist of, if all are equal: one value per channel; None where they differ."""
        values = {piece.pixels[:, 0, 0].tobytes() for piece in pieces}
        return values.pop() if len(values) == 1 and all(map(self._is_uniform, pieces)) else None

    def drop(self, sweep: int, above: int) -> None:
        """Begin a row of tiles: let go of what lies wholly above it in this sweep, and of all earlier sweeps."""
        self._turn += 1
        for key, cell in list(self._held.items()):
            if key.sweep < sweep or (key.sweep == sweep and cell.region.bottom <= above):
                self._bytes -= cell.bytes
                del self._held[key]

    def _needs(self) -> Iterator[tuple[int, Key]]:
        """All cells, in the order of first need, with the number of the row of tiles that needs them first."""
        turns = count(1)
        for number, sweep in enumerate(self._sweeps):
            left, right = sweep.stripe.seen
            columns = self._grid.columns(max(left, 0), min(right, self._plan.width))
            done = 0
            for span, turn in zip(self._plan.rows, turns, strict=False):
                rows = self._grid.rows(max(span.roi_start, 0), min(span.roi_stop, self._plan.height))
                for column in columns:
                    for row in range(max(rows.start, done), rows.stop):
                        yield turn, Key(number, row, column)
                done = max(done, rows.stop)

    def _peek(self) -> tuple[int, Key] | None:
        if not self._next:
            self._next.extend(found for found in [next(self._wanted, None)] if found is not None)
        return self._next[0] if self._next else None

    def _ask_for_next(self) -> None:
        if self._peek() is None:
            raise LookupError("a cell is needed that is not in the plan")
        _, key = self._next.popleft()
        group, region = self._sweeps[key.sweep].group, self._grid.region(key.row, key.column)
        read = self._inputs.read
        fill = self._source.missing(group, region, read)
        if fill is not None:  # never written: one pixel stands for all
            one = self._prepared(np.full((1, len(read), 1, 1), fill, self._source.info.dtype))
            shape = (len(group.planes), one.shape[1], region.height, region.width)
            self._held[key] = Cell(region, 0, pixels=np.broadcast_to(one, shape))
            return
        cell = Cell(region, self._cost(key), pending=self._source.request(group, region, read))
        self._held[key] = cell
        self._bytes += cell.bytes

    def _cell(self, key: Key) -> Cell:
        while key not in self._held:
            self._ask_for_next()
        return self._held[key]

    def _pixels(self, cell: Cell) -> NDArray[Any]:
        if cell.pixels is None:
            if cell.pending is None:
                raise LookupError("a cell without pixels was not asked for")
            with self._meter.busy(STAGE, y=cell.region.y, x=cell.region.x):
                stored = cell.pending.result()
                self.bytes_read += stored.nbytes
                cell.pixels, cell.pending = self._prepared(stored), None
        return cell.pixels

    def _prepared(self, stored: NDArray[Any]) -> NDArray[Any]:
        """(plane, channel, y, x) as the network's channels index it."""
        if not self._inputs.gray:
            return stored
        return np.stack([self._inputs.prepare(plane) for plane in stored])

    def _is_uniform(self, piece: Piece) -> bool:
        """Whether all pixels are equal; a cell that is uniform as a whole is looked at once."""
        cell, whole = piece.cell, self._pixels(piece.cell)[piece.plane]
        if piece.plane not in cell.uniform:
            cell.uniform[piece.plane] = whole.strides[1:] == (0, 0) or self._kernels.is_uniform(whole)
        part = piece.pixels
        return cell.uniform[piece.plane] or (part.size < whole.size and self._kernels.is_uniform(part))

    def _cost(self, key: Key) -> int:
        """Bytes as they are read, since cells wait like this until they are needed, also those that become gray."""
        region = self._grid.region(key.row, key.column)
        values = len(self._sweeps[key.sweep].group.planes) * len(self._inputs.read)
        return values * region.height * region.width * self._source.info.dtype.itemsize
