"""How much memory a job takes, planned before it is run: cells, batches, blocks; in bytes.

Decides how wide a stripe may be and how far to read ahead, so that all of it stays below `RunOptions.memory_limit`.
The runtime's own memory comes on top and is not known here. Follows `cells`, `gather`, `stitch`, `memo` and
`writing`: what they hold at once is added up, and a test compares the sum with what a run really holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from czengine.errors import OptionError
from czengine.plan import Span, TilePlan
from czengine.schedule import Grid, Stripe, stripes

BUFFERS = 3  # batches that are being filled, wait, and are being run
RESULTS = 3  # what the network gave: it is made, waits, and is being pasted
MEMO_ENTRIES = 8  # constant tiles remembered: backgrounds come in few values
WRITING = 2  # blocks that are written at the same time
QUEUED = 2 * WRITING  # those included that wait for it


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Bytes held at once.

    Attributes
    ----------
    cells : int
        Pixels of the image that the tiles of one row need.
    ahead : int
        Pixels read ahead of them.
    decoding : int
        Chunks on their way from the store.
    batches : int
        Inputs and outputs of the network.
    blocks : int
        Result pixels of unfinished blocks.
    writing : int
        Blocks being written, or waiting for it.
    memo : int
        Results of constant tiles.
    """

    cells: int
    ahead: int
    decoding: int
    batches: int
    blocks: int
    writing: int
    memo: int

    @property
    def total(self) -> int:
        """All together."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What the footprint of a job follows from.

    Attributes
    ----------
    plan : TilePlan
        The tiles of a plane.
    cell, chunk, block : (height, width)
        Of the image's cells and chunks, and of the result's blocks.
    pixel : int
        Bytes of one image pixel, all channels that are read.
    result : int
        Bytes of one result pixel, all channels.
    input, output : int
        Bytes of one pixel of the network's input and output, all channels.
    batch : int
        Tiles per network call.
    threads : int
        Chunks decoded at the same time.
    planes : int
        Planes read together, because they share chunks.
    chunk_bytes : int
        A whole chunk, where it holds more than what is read of it.
    mixing : int
        What making gray of colours takes meanwhile.
    """

    plan: TilePlan
    cell: tuple[int, int]
    chunk: tuple[int, int]
    block: tuple[int, int]
    pixel: int
    result: int
    input: int
    output: int
    batch: int
    threads: int
    planes: int = 1
    chunk_bytes: int = 0
    mixing: int = 0


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What was decided.

    Attributes
    ----------
    stripe : int
        Width of a stripe in pixels.
    footprint : Footprint
        What it takes.
    """

    stripe: int
    footprint: Footprint


def plan_memory(sizes: Sizes, limit: int) -> Memory:
    """As few stripes as stay below a limit, about equally wide, and what is left for reading ahead.

    Raises
    ------
    OptionError
        Where even the narrowest stripe needs more; the message names the smallest limit that is enough.
    """
    step = sizes.block[1]
    narrowest = _footprint(sizes, step, ahead=0)
    if narrowest.total > limit:
        raise OptionError(
            f"memory_limit is {limit // 2**20} MiB, but this image and network need at least"
            f" {_mib(narrowest.total)} MiB; give that much, or smaller tiles or batches"
        )
    blocks = -(-sizes.plan.width // step)
    widths = sorted({-(-blocks // count) * step for count in range(1, blocks + 1)}, reverse=True)
    stripe = next(w for w in widths if _footprint(sizes, w, ahead=0).total <= limit)
    return Memory(stripe=stripe, footprint=_footprint(sizes, stripe, ahead=limit))


def _footprint(sizes: Sizes, stripe: int, *, ahead: int) -> Footprint:
    """Of the worst stripe; `ahead` is the most that reading ahead may take, all other things included."""
    plan = sizes.plan
    cells, cell_row = _cells(sizes, stripe)
    tile = math.prod(plan.tile) * sizes.batch
    rest = Footprint(
        cells=cells,
        ahead=0,
        decoding=min(sizes.threads + 1, math.prod(_counts(plan, sizes.chunk)))
        * max(sizes.chunk_bytes, math.prod(sizes.chunk) * sizes.pixel * sizes.planes)
        + sizes.mixing,
        batches=tile * (BUFFERS * sizes.input + RESULTS * sizes.output),
        blocks=sizes.planes * _blocks(sizes, stripe),
        writing=QUEUED * math.prod(sizes.block) * sizes.result,
        memo=MEMO_ENTRIES * math.prod(plan.tile) * sizes.result,
    )
    return replace(rest, ahead=min(max(ahead - rest.total, 0), cell_row))


def _cells(sizes: Sizes, stripe: int) -> tuple[int, int]:
    """Bytes of all cells that a row of tiles touches, and of one more row of cells, in the worst stripe."""
    plan = sizes.plan
    grid = Grid(plan.height, plan.width, sizes.cell)
    width = max(_columns(grid, one, plan) for one in stripes(plan, stripe))
    bytes_per_row = width * sizes.pixel * sizes.planes
    height = max(_rows(grid, row, plan) for row in plan.rows)
    return height * bytes_per_row, min(grid.step[0], plan.height) * bytes_per_row


def _columns(grid: Grid, stripe: Stripe, plan: TilePlan) -> int:
    left, right = stripe.seen
    columns = grid.columns(max(left, 0), min(right, plan.width))
    return min(columns.stop * grid.step[1], plan.width) - columns.start * grid.step[1]


def _rows(grid: Grid, row: Span, plan: TilePlan) -> int:
    rows = grid.rows(max(row.roi_start, 0), min(row.roi_stop, plan.height))
    return min(rows.stop * grid.step[0], plan.height) - rows.start * grid.step[0]


def _blocks(sizes: Sizes, stripe: int) -> int:
    """Bytes of all blocks that a row of tiles touches."""
    plan, height = sizes.plan, sizes.block[0]
    grid = Grid(plan.height, plan.width, sizes.block)
    most = max(len(grid.rows(row.start, row.stop)) for row in plan.rows)
    return min(most * height, plan.height) * min(stripe, plan.width) * sizes.result


def _counts(plan: TilePlan, chunk: tuple[int, int]) -> tuple[int, int]:
    return -(-plan.height // chunk[0]), -(-plan.width // chunk[1])


def _mib(size: int) -> int:
    return -(-size // 2**20)
