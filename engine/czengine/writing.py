"""The last stage: threads that count and write finished blocks, a bounded number at a time.

Knows nothing of tiles and files; the first error ends the run where the next block is handed over.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType

from czengine.ahead import Stop
from czengine.meter import Meter
from czengine.sinks.base import Sink
from czengine.stitch import Block
from czengine.tally import Tally

STAGE = "write"
_POLL = 0.05


class Writers:
    """Writes blocks in `threads` threads; a context manager, which waits for what was begun.

    Parameters
    ----------
    sink : Sink
        Takes the blocks.
    tally : Tally
        Counts their pixels.
    threads : int
        Blocks written at the same time; as many again may wait.
    released : callable
        Told every block whose memory is free again.
    stop : Stop
        Of the run.
    meter : Meter
        Gets the time spent.
    """

    def __init__(
        self,
        sink: Sink,
        tally: Tally,
        *,
        threads: int,
        released: Callable[[Block], None],
        stop: Stop,
        meter: Meter,
    ) -> None:
        self._sink, self._tally, self._released = sink, tally, released
        self._stop, self._meter = stop, meter
        self._most = 2 * threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="czengine-write")
        self._begun: list[Future[None]] = []

    def __enter__(self) -> Writers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, block: Block) -> None:
        """Write a block; waits while too many are being written, and raises the error of an earlier one."""
        self._settle(0)
        while len(self._begun) >= self._most:
            self._settle(_POLL)
        self._begun.append(self._pool.submit(self._write, block))

    def finish(self) -> None:
        """Wait for every block."""
        while self._begun:
            self._settle(_POLL)

    def _settle(self, seconds: float) -> None:
        """Wait until a block is written, whichever is first."""
        self._stop.check()
        wait(self._begun, timeout=seconds, return_when=FIRST_COMPLETED)
        done = [future for future in self._begun if future.done()]
        self._begun = [future for future in self._begun if future not in done]
        for future in done:
            future.result()

    def _write(self, block: Block) -> None:
        if block.pixels is None:
            raise ValueError("a block without pixels was handed over")
        at = block.region
        with self._meter.busy(STAGE, y=at.y, x=at.x):
            self._sink.write(block.plane, at, block.pixels)
            self._tally.add(block.pixels)
        self._released(block)
