"""Sources, sessions and sinks that fail or dawdle on purpose, around real ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from czengine.geometry import Region
from czengine.session.base import Network, Session
from czengine.sinks.base import Sink
from czengine.sources.base import ImageInfo, Pending, PlaneGroup, PlaneIndex, Source


@dataclass
class Counted:
    """Calls `at_call(n)` before the n-th call goes on, counted from 1; whatever it raises comes out of that call."""

    at_call: Callable[[int], None]
    calls: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> None:
        with self.lock:
            self.calls += 1
            number = self.calls
        self.at_call(number)


@dataclass
class FaultySource:
    """A source whose pixels come only after `before` was asked."""

    source: Source
    before: Counted

    @property
    def info(self) -> ImageInfo:
        return self.source.info

    @property
    def reader(self) -> str:
        return self.source.reader

    @property
    def chunks_decoded(self) -> int:
        return self.source.chunks_decoded

    def missing(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> float | None:
        return self.source.missing(group, region, channels)

    def request(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> Pending:
        return _Faulty(self.source.request(group, region, channels), self.before)

    def read(self, plane: PlaneIndex, region: Region, channels: Sequence[int]) -> NDArray[Any]:
        self.before()
        return self.source.read(plane, region, channels)

    def __enter__(self) -> FaultySource:
        self.source.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.source.__exit__(*exception)


@dataclass
class _Faulty:
    pending: Pending
    before: Counted

    def result(self) -> NDArray[Any]:
        self.before()
        return self.pending.result()


@dataclass
class FaultySession:
    """A session that runs only after `before` was asked."""

    session: Session
    before: Counted

    @property
    def network(self) -> Network:
        return self.session.network

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return self.session.input_shape

    @property
    def device(self) -> str:
        return self.session.device

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        self.before()
        return self.session.run(batch)


@dataclass
class FaultySink:
    """A sink that writes only after `before` was asked."""

    sink: Sink
    before: Counted

    @property
    def block(self) -> tuple[int, int]:
        return self.sink.block

    @property
    def bytes_written(self) -> int:
        return self.sink.bytes_written

    def new_block(self, plane: PlaneIndex, region: Region) -> NDArray[Any] | None:
        return self.sink.new_block(plane, region)

    def write(self, plane: PlaneIndex, region: Region, pixels: NDArray[Any]) -> None:
        self.before()
        self.sink.write(plane, region, pixels)

    def finish(self, threads: int, check: Callable[[], None] = lambda: None) -> None:
        self.sink.finish(threads, check)
