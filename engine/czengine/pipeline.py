"""The loop: read → gather → run → stitch → write, one row of tiles after the other.

Decides nothing about tiles, files or labels; knows only the order of the stages and how much is held between
them: a band of input, a batch, and the result rows that do not fill a block yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.gather import Gatherer
from czengine.job import Job
from czengine.kernels.base import Kernels
from czengine.plan import Tile
from czengine.report import ImageReport
from czengine.session.base import Session
from czengine.sinks.base import Sink
from czengine.sources.base import PlaneIndex
from czengine.stitch import Band, Stitcher
from czengine.tally import LabelTally, ScoreTally

Advance = Callable[[int], None]  # told the number of result pixels just finished


class Pipeline:
    """The stages of one job, put together once.

    Parameters
    ----------
    job : Job
        What to do.
    session : Session
        The network, compiled.
    kernels : Kernels
        The inner loops.
    """

    def __init__(self, job: Job, session: Session, kernels: Kernels) -> None:
        self._job = job
        self._session = session
        self._gatherer = Gatherer(kernels, job.inputs, job.plan, session)
        self._stitcher = Stitcher(kernels, job.spec, task=job.task, min_confidence=job.min_confidence)

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

    def run(self, sink: Sink, advance: Advance) -> ImageReport:
        """Carry out the job.

        Parameters
        ----------
        sink : Sink
            Takes the result; entered and left by the caller.
        advance : callable
            Called after every batch with the number of result pixels it finished.

        Raises
        ------
        ImageError, DeviceError, OutputError
            Where reading, inferring or writing fails.
        """
        start = time.perf_counter()
        tally = self._tally()
        for plane in self._job.planes:
            for y, rows in self._infer(plane, sink.block_height, advance):
                tally.add(rows)
                sink.write(plane, y, rows)
        return self._report(tally, time.perf_counter() - start)

    def _infer(
        self, plane: PlaneIndex, block_height: int, advance: Advance
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Finished rows of one plane, top to bottom."""
        job, stitcher = self._job, self._stitcher
        band = Band(job.plan, channels=stitcher.channels, dtype=stitcher.dtype, block_height=block_height)
        for row in job.plan.rows:
            pixels = job.source.read(plane, self._gatherer.band(row), job.inputs.read)
            pixels = job.inputs.prepare(pixels)
            for tiles in _batches(job.plan.row_tiles(row), job.batch):
                scores = self._session.run(self._gatherer.fill(pixels, tiles))
                for tile, tile_scores in zip(tiles, scores[: len(tiles)], strict=True):
                    stitcher.paste(tile_scores, tile, band.view(tile.center))
                advance(sum(tile.center.height * tile.center.width for tile in tiles))
            yield from band.finished(row.stop)

    def _tally(self) -> LabelTally | ScoreTally:
        stitcher = self._stitcher
        if stitcher.dtype.kind == "u":
            return LabelTally(channels=stitcher.channels, dtype=stitcher.dtype)
        return ScoreTally(channels=stitcher.channels)

    def _report(self, tally: LabelTally | ScoreTally, seconds: float) -> ImageReport:
        job = self._job
        return ImageReport(
            image=job.info.name,
            results=tuple(target.path for target in job.targets),
            planes=len(job.planes),
            tiles=job.tiles,
            pixels=job.pixels,
            seconds=seconds,
            classes=tally.counts(job.spec.classes, job.pixel_area) if isinstance(tally, LabelTally) else (),
            scores=tally.ranges(job.spec.output_names) if isinstance(tally, ScoreTally) else (),
            notes=job.notes,
        )


def _batches(tiles: Iterable[Tile], size: int) -> Iterator[tuple[Tile, ...]]:
    iterator = iter(tiles)
    while batch := tuple(islice(iterator, size)):
        yield batch
