"""Where the time of a run goes: per stage how long it worked and how long it waited, and a trace of every thread.

Adds up and writes down; knows no stage by name. Times are those of `time.perf_counter`, in seconds.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from czengine.errors import OutputError


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """One stage of a run.

    Attributes
    ----------
    stage : str
        Its name.
    busy, waiting : float
        Seconds it worked, and seconds it waited for another stage; those of several threads are added up.
    items : int
        How often it worked.
    """

    stage: str
    busy: float
    waiting: float
    items: int


class Meter:
    """Adds up what all threads of a run report; any thread may call it.

    Parameters
    ----------
    trace : Trace, optional
        Also gets every span.
    """

    def __init__(self, trace: Trace | None = None) -> None:
        self._trace = trace
        self._lock = threading.Lock()
        self._busy: defaultdict[str, float] = defaultdict(float)
        self._waiting: defaultdict[str, float] = defaultdict(float)
        self._items: defaultdict[str, int] = defaultdict(int)

    @contextmanager
    def busy(self, stage: str, **facts: Any) -> Iterator[None]:
        """Count the time inside as work of `stage`; `facts` go into the trace."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._add(self._busy, stage, start, stage, facts)

    @contextmanager
    def waiting(self, stage: str) -> Iterator[None]:
        """Count the time inside as waiting of `stage`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._add(self._waiting, stage, start, f"{stage} waits", {})

    def stages(self, *names: str) -> tuple[StageTime, ...]:
        """What was counted for some stages, in this order."""
        with self._lock:
            return tuple(
                StageTime(
                    stage=name, busy=self._busy[name], waiting=self._waiting[name], items=self._items[name]
                )
                for name in names
            )

    def _add(
        self, times: defaultdict[str, float], stage: str, start: float, name: str, facts: dict[str, Any]
    ) -> None:
        stop = time.perf_counter()
        with self._lock:
            times[stage] += stop - start
            self._items[stage] += times is self._busy
        if self._trace is not None:
            self._trace.add(name, start, stop, facts)


class Trace:
    """A file that Perfetto and chrome://tracing open: what every thread did when. A context manager.

    Written as the run goes, so that it costs no memory; the format is the "JSON Array Format" of Chrome's Trace Event
    Format, times in microseconds.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._tracks: dict[str, int] = {}  # by thread name, since systems use the numbers of threads again
        self._start = time.perf_counter()
        self._file = self._open()

    def add(self, name: str, start: float, stop: float, facts: dict[str, Any]) -> None:
        """Write down what the calling thread did between two times of `time.perf_counter`."""
        event = {"name": name, "ph": "X", "ts": self._at(start), "dur": round((stop - start) * 1e6, 1)}
        with self._lock:
            self._write({**event, "args": facts}, self._track())

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._lock, self._file:
                self._file.write("\n]\n")
        except OSError as failed:
            if error is None:  # otherwise it is the run's error that matters
                raise self._failure(failed) from failed

    def _open(self) -> TextIO:
        try:
            file = self._path.open("w", encoding="utf-8")
        except OSError as error:
            raise self._failure(error) from error
        first = {
            "name": "process_name",
            "ph": "M",
            "pid": os.getpid(),
            "tid": 0,
            "args": {"name": "czengine"},
        }
        file.write("[\n" + json.dumps(first))
        return file

    def _track(self) -> int:
        name = threading.current_thread().name
        if name not in self._tracks:
            self._tracks[name] = len(self._tracks) + 1
            self._write({"name": "thread_name", "ph": "M", "args": {"name": name}}, self._tracks[name])
        return self._tracks[name]

    def _write(self, event: dict[str, Any], track: int) -> None:
        try:
            self._file.write(",\n" + json.dumps({**event, "pid": os.getpid(), "tid": track}))
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write the trace {self._path} ({error.strerror})")

    def _at(self, moment: float) -> float:
        return round((moment - self._start) * 1e6, 1)


def peak_memory() -> int | None:
    """Largest resident set of this process so far in bytes; None on systems that do not tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:  # not Linux
        return _peak_of_usage()
    found = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else _peak_of_usage()


def _peak_of_usage() -> int | None:
    """On Linux also counts what the process held that started this one, before it was this one."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes if sys.platform == "darwin" else kilobytes * 1024
