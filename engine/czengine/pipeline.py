"""The loop: read → gather → run → stitch → write, each stage in a thread of its own.

    image ──► cells ──► gather ──► run ──► stitch ──► write ──► result
              read ahead │ batches │ scores │ blocks  │ whole chunks or shards
              └─ thread ─┘ thread ─┘ caller's thread  └─ threads

Decides nothing about tiles, files or labels; knows only the order of the stages, the bounded queues between them, and
how a run ends: the first error, or whoever cancels, stops every stage within one batch, and no thread outlives the
call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.ahead import Ahead, Stop
from czengine.cells import Cells
from czengine.compiling import Compiled
from czengine.errors import located
from czengine.footprint import BUFFERS, WRITING
from czengine.gather import Batch, Buffers, Gatherer
from czengine.geometry import Region
from czengine.job import Job
from czengine.kernels.base import Kernels
from czengine.memo import Memo
from czengine.meter import Meter, peak_memory
from czengine.report import ImageReport
from czengine.schedule import Grid, Placed
from czengine.sinks.base import Sink
from czengine.stitch import Blocks, Stitcher
from czengine.tally import LabelTally, ScoreTally
from czengine.writing import Writers

Advance = Callable[[int], None]  # told the number of result pixels just finished
Check = Callable[[], None]  # called often; raises where the run is to stop

STAGES = ("read", "gather", "run", "stitch", "write", "pyramid")


class Pipeline:
    """The stages of one job, put together once.

    Parameters
    ----------
    job : Job
        What to do.
    compiled : Compiled
        The network, compiled for it.
    kernels : Kernels
        The inner loops.
    meter : Meter
        Gets the time of every stage.
    """

    def __init__(self, job: Job, compiled: Compiled, kernels: Kernels, meter: Meter) -> None:
        self._job, self._compiled, self._kernels, self._meter = job, compiled, kernels, meter
        self._session = compiled.session
        network = compiled.session.network
        self._stitcher = Stitcher(kernels, job.spec, network, task=job.task, confidence=compiled.confidence)
        self._memo = Memo(self._stitcher, job.plan.tile)
        self._repeats = 0

    @property
    def channels(self) -> int:
        """Channels of the result."""
        return self._stitcher.channels

    @property
    def has_channels(self) -> bool:
        """Whether the result has one channel per output; labels of one class per pixel have not."""
        return self._stitcher.per_output

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the result's pixels."""
        return self._stitcher.dtype

    def run(self, sink: Sink, advance: Advance, check: Check) -> ImageReport:
        """Carry out the job.

        Parameters
        ----------
        sink : Sink
            Takes the result; entered and left by the caller.
        advance : callable
            Called after every batch with the number of result pixels it finished.
        check : callable
            Called many times a second, in the calling thread; what it raises ends the run.

        Raises
        ------
        ImageError, DeviceError, OutputError
            Where reading, inferring or writing fails; the message names the tile.
        """
        start = time.perf_counter()
        tally, stop, meter = self._tally(), Stop(check), self._meter
        blocks = self._blocks(sink)
        with ExitStack() as stack:
            stack.callback(stop.ask)  # also where an interrupt comes between two of the next lines
            cells = self._cells(stack)
            writers = stack.enter_context(
                Writers(sink, tally, threads=WRITING, released=blocks.written, stop=stop, meter=meter)
            )
            for batch, scores in self._results(cells, stop, stack):
                self._paste(batch, scores, blocks, writers)
                advance(sum(placed.kept.height * placed.kept.width for placed, *_ in batch.entries))
                stop.check()
            writers.finish()
            with meter.busy("pyramid"):
                sink.finish(WRITING, stop.check)
            return self._report(tally, cells, sink, time.perf_counter() - start)

    def _results(
        self, cells: Cells, stop: Stop, stack: ExitStack
    ) -> Iterable[tuple[Batch, NDArray[Any] | None]]:
        """Batches and what the network gave for them, in order; both stages end with `stack`."""
        job, session, meter = self._job, self._session, self._meter
        buffers = Buffers(session, BUFFERS, stop)
        gatherer = Gatherer(
            cells,
            job.plan,
            job.inputs,
            self._compiled.divisor,
            session,
            buffers,
            self._kernels,
            memo=job.memo,
            meter=meter,
        )
        batches = stack.enter_context(
            Ahead(gatherer.batches(job.sweeps), stage="gather", reader="run", depth=1, stop=stop, meter=meter)
        )
        return stack.enter_context(
            Ahead(self._run(batches, buffers), stage="run", reader="stitch", depth=1, stop=stop, meter=meter)
        )

    def _run(
        self, batches: Iterable[Batch], buffers: Buffers
    ) -> Generator[tuple[Batch, NDArray[Any] | None], None, None]:
        for batch in batches:
            scores = None
            if batch.pixels is not None:
                tiles = batch.tiles
                with self._meter.busy("run", tiles=len(tiles)), located(tiles[0]):
                    scores = self._session.run(batch.pixels)
                buffers.give_back(batch.pixels)
            yield batch, scores

    def _paste(self, batch: Batch, scores: NDArray[Any] | None, blocks: Blocks, writers: Writers) -> None:
        """Paste tiles in the order of the work, and hand over every block that is complete."""
        for placed, slot, key in batch.entries:
            with self._meter.busy("stitch"):
                if slot is None or scores is None:
                    finished = list(self._memo.paste(placed, key or b"", blocks))
                    self._repeats += 1
                else:
                    if key is not None:
                        self._memo.remember(key, scores[slot])
                    finished = list(blocks.paste(placed, partial(self._put, placed, scores[slot])))
            for block in finished:
                writers.submit(block)

    def _put(self, placed: Placed, scores: NDArray[Any], region: Region, out: NDArray[Any]) -> None:
        roi = placed.tile.roi
        part = Region(region.y - roi.y, region.x - roi.x, region.height, region.width)
        self._stitcher.paste(scores, part, out)

    def _cells(self, stack: ExitStack) -> Cells:
        job = self._job
        return Cells(
            stack.enter_context(job.source),
            job.inputs,
            job.plan,
            job.cells,
            job.sweeps,
            budget=job.memory.footprint.cells + job.memory.footprint.ahead,
            kernels=self._kernels,
            meter=self._meter,
        )

    def _blocks(self, sink: Sink) -> Blocks:
        grid = Grid(self._job.plan.height, self._job.plan.width, sink.block)
        return Blocks(grid, channels=self.channels, dtype=self.dtype, memory=sink.new_block)

    def _tally(self) -> LabelTally | ScoreTally:
        if self.dtype.kind == "u":
            return LabelTally(self._kernels, channels=self.channels, dtype=self.dtype)
        return ScoreTally(channels=self.channels)

    def _report(
        self, tally: LabelTally | ScoreTally, cells: Cells, sink: Sink, seconds: float
    ) -> ImageReport:
        job = self._job
        return ImageReport(
            image=job.info.name,
            results=tuple(target.path for target in job.targets),
            planes=len(job.planes),
            tiles=job.tiles,
            repeats=self._repeats,
            pixels=job.pixels,
            seconds=seconds,
            recompute_factor=job.recompute_factor * (1 - self._repeats / job.tiles),
            device=self._session.device,
            network=self._compiled.changes,
            reader=job.source.reader,
            chunks_decoded=job.source.chunks_decoded,
            bytes_read=cells.bytes_read,
            bytes_written=sink.bytes_written,
            memory_planned=job.memory.footprint.total,
            memory_peak=peak_memory(),
            stages=self._meter.stages(*STAGES),
            classes=tally.counts(job.spec.classes, job.pixel_area) if isinstance(tally, LabelTally) else (),
            scores=tally.ranges(job.spec.output_names) if isinstance(tally, ScoreTally) else (),
            notes=(*job.notes, *self._compiled.notes),
        )
