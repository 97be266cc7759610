"""Ctrl-C at a moment of our choosing: between two batches, never in the middle of a file or an import."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], None]]:
    """Within the context the first Ctrl-C only leaves a mark; the second one strikes at once, as usual.

    Yields
    ------
    callable
        Raises KeyboardInterrupt where the mark was left. To be called where stopping is safe. A mark that
        nobody asked for came too late to stop anything.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield lambda: None
        return
    asked = threading.Event()

    def mark(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    def check() -> None:
        if asked.is_set():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, mark)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
