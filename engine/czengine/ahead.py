"""An iterator that works in a thread of its own, a few items ahead of whoever takes them.

All of the pipeline's concurrency between stages is here: bounded queues, the first error, the end of every thread.
Knows nothing of tiles.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Generic, TypeVar

from czengine.meter import Meter

Item = TypeVar("Item")
_POLL = 0.05  # seconds after which somebody who waits looks whether he should go on


class Stopped(Exception):
    """The run ends; raised in its threads where they wait. It never leaves the pipeline."""


class Stop:
    """Tells every thread of a run to end, and lets them wait without missing it.

    Parameters
    ----------
    check : callable
        Called now and then in the thread that runs the pipeline; raises where the user wants to stop.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._owner = threading.get_ident()
        self._asked = threading.Event()

    def ask(self) -> None:
        """End everything."""
        self._asked.set()

    def check(self) -> None:
        """Raise `Stopped` in a thread that should end, or what the user's check raises in the main one."""
        if self._asked.is_set():
            raise Stopped
        if threading.get_ident() == self._owner:
            self._check()

    def take(self, items: queue.Queue[Item]) -> Item:
        """The next item of a queue; waits for it."""
        while True:
            try:
                return items.get(timeout=_POLL)
            except queue.Empty:
                self.check()

    def put(self, items: queue.Queue[Item], item: Item) -> None:
        """Add to a queue; waits for room."""
        while True:
            try:
                return items.put(item, timeout=_POLL)
            except queue.Full:
                self.check()


class Ahead(Generic[Item]):
    """Iterates over `items` in a thread; a context manager, which ends the thread.

    An exception in `items` is raised where the next item is asked for, after those that came before it.

    Parameters
    ----------
    items : generator
        Runs in the thread, and is closed there.
    stage, reader : str
        Who makes the items and who takes them, for the meter; the thread is named after the first.
    depth : int
        Items that wait to be taken, at most.
    stop : Stop
        Of the run.
    meter : Meter
        Gets the time that both sides wait for each other.
    """

    def __init__(
        self,
        items: Generator[Item, None, None],
        *,
        stage: str,
        reader: str,
        depth: int,
        stop: Stop,
        meter: Meter,
    ) -> None:
        self._items = items
        self._stage, self._reader = stage, reader
        self._stop, self._meter = stop, meter
        self._queue: queue.Queue[tuple[Item] | BaseException | None] = queue.Queue(depth)
        self._thread = threading.Thread(target=self._work, name=f"czengine-{stage}")

    def __enter__(self) -> Ahead[Item]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.ask()
        self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        while True:
            with self._meter.waiting(self._reader):
                found = self._stop.take(self._queue)
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            yield found[0]

    def _work(self) -> None:
        try:
            for item in self._items:
                self._hand_over((item,))
            self._hand_over(None)
        except Stopped:
            pass
        except BaseException as error:  # whatever it is, the main thread has to know
            self._hand_over_last(error)
        finally:
            self._items.close()

    def _hand_over(self, item: tuple[Item] | None) -> None:
        with self._meter.waiting(self._stage):
            self._stop.put(self._queue, item)

    def _hand_over_last(self, error: BaseException) -> None:
        with suppress(Stopped):  # somebody else's error came first
            self._stop.put(self._queue, error)
