"""An image and a result in memory, for the tests of the stages: real ones, but they count, fail and wait on demand."""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from czengine.errors import ImageError, OutputError
from czengine.geometry import Axes, Region
from czengine.session.base import Network
from czengine.sources.base import ImageInfo, Level, PlaneGroup, PlaneIndex
from czengine.spec import Layout


def image_info(
    shape: tuple[int, ...],
    dtype: Any,
    axes: str,
    *,
    root: Path = Path("image"),
    path: str = "",
    ngff: Literal["0.4", "0.5"] | None = None,
) -> ImageInfo:
    """Facts about an image that is one chunk."""
    ones = (1.0,) * len(shape)
    return ImageInfo(
        root=root,
        path=path,
        axes=Axes.parse(axes),
        units=(None,) * len(shape),
        dtype=np.dtype(dtype),
        levels=(Level(path="", shape=shape, scale=ones, translation=ones),),
        level=0,
        chunks=shape,
        shards=None,
        channel_names=(),
        is_color=False,
        ngff=ngff,
        zarr_format=3,
    )


class MemoryPending:
    """Pixels that are there already, or an error."""

    def __init__(self, pixels: NDArray[Any], error: Exception | None, gate: threading.Event | None) -> None:
        self._pixels, self._error, self._gate = pixels, error, gate

    def result(self) -> NDArray[Any]:
        """Wait for the gate, then give the pixels; see `Pending.result`."""
        if self._gate is not None:
            self._gate.wait()
        if self._error is not None:
            raise self._error
        return self._pixels


class MemorySource:
    """An array as a `Source`.

    Parameters
    ----------
    array : ndarray
        (plane axes…, channel, y, x), at most three plane axes.
    unwritten : collection of (plane index, Region)
        Parts of planes that were never written; all 0 in `array`.
    fail_at : int, optional
        The number of the request, from 0, that cannot be read.
    gate : Event, optional
        Nothing can be read before it is set.

    Attributes
    ----------
    requests : Counter
        How often each (planes, region, channels) was asked for.
    order : list of Region
        Of the requests.
    alive, peak : int
        Bytes of requested pixels that somebody still holds; now, and the most so far.
    """

    reader = "memory"

    def __init__(
        self,
        array: NDArray[Any],
        *,
        unwritten: Collection[tuple[PlaneIndex, Region]] = (),
        fail_at: int | None = None,
        gate: threading.Event | None = None,
    ) -> None:
        self._array, self._unwritten, self._fail_at, self._gate = array, unwritten, fail_at, gate
        self.info = image_info(array.shape, array.dtype, "abt"[: array.ndim - 3] + "cyx")
        self.requests: Counter[tuple[PlaneGroup, Region, tuple[int, ...]]] = Counter()
        self.order: list[Region] = []
        self.alive = self.peak = self.chunks_decoded = 0

    def missing(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> float | None:
        """0, where all of it lies in unwritten parts; see `Source.missing`."""
        known = (
            any(p == plane and r.common(region) == region for p, r in self._unwritten)
            for plane in group.planes
        )
        return 0.0 if all(known) else None

    def request(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> MemoryPending:
        """Copy the pixels; see `Source.request`."""
        if region.clipped(*self._array.shape[-2:]) != region:
            raise ValueError(f"{region} is not inside the plane")
        error = None
        if len(self.order) == self._fail_at:
            error = ImageError("chunk 0/0 is corrupted; restore it from a copy")
        self.requests[group, region, tuple(channels)] += 1
        self.order.append(region)
        pixels = np.stack([self.read(plane, region, channels) for plane in group.planes])
        self.alive += pixels.nbytes
        self.peak = max(self.peak, self.alive)
        weakref.finalize(pixels, self._freed, pixels.nbytes)
        return MemoryPending(pixels, error, self._gate)

    def read(self, plane: PlaneIndex, region: Region, channels: Sequence[int]) -> NDArray[Any]:
        """Part of one plane; see `Source.read`."""
        return self._array[plane][list(channels), region.y : region.bottom, region.x : region.right]

    def __enter__(self) -> MemorySource:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def _freed(self, size: int) -> None:
        self.alive -= size


class MemorySink:
    """An array as a `Sink`.

    Parameters
    ----------
    shape : tuple of int
        (plane axes…, channel, y, x).
    dtype : dtype
        Of the result.
    block : (height, width)
        Of a block.
    owns_memory : bool
        Give out its own memory for blocks.
    fail_at : int, optional
        The number of the write, from 0, that fails.
    gate : Event, optional
        Nothing is written before it is set.

    Attributes
    ----------
    array : ndarray
        What was written.
    writes : list of (plane index, Region)
        In the order in which they began.
    begun : threading.Semaphore
        Released at the begin of every write.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: Any,
        *,
        block: tuple[int, int],
        owns_memory: bool = False,
        fail_at: int | None = None,
        gate: threading.Event | None = None,
    ) -> None:
        self.array = np.zeros(shape, dtype)
        self.block = block
        self._owns_memory, self._fail_at, self._gate = owns_memory, fail_at, gate
        self._lock = threading.Lock()
        self.writes: list[tuple[PlaneIndex, Region]] = []
        self.begun = threading.Semaphore(0)
        self.bytes_written = self.at_once = self.most_at_once = 0

    def new_block(self, plane: PlaneIndex, region: Region) -> NDArray[Any] | None:
        """Its own memory, or None; see `Sink.new_block`."""
        return self.view(plane, region) if self._owns_memory else None

    def view(self, plane: PlaneIndex, region: Region) -> NDArray[Any]:
        """The pixels of a block, (channel, y, x)."""
        return self.array[plane][:, region.y : region.bottom, region.x : region.right]

    def write(self, plane: PlaneIndex, region: Region, pixels: NDArray[Any]) -> None:
        """Copy the pixels; see `Sink.write`."""
        with self._lock:
            number = len(self.writes)
            self.writes.append((plane, region))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.begun.release()
        try:
            if self._gate is not None:
                self._gate.wait()
            if number == self._fail_at:
                raise OutputError("the disk is full; make room and run again")
            self.view(plane, region)[...] = pixels
            with self._lock:
                self.bytes_written += pixels.nbytes
        finally:
            with self._lock:
                self.at_once -= 1

    def finish(self, threads: int) -> None:
        """Nothing is left to do."""


class PixelSession:
    """A `Session` without a runtime: every output is a weighted sum of a pixel's channels, plus its place in the tile.

    The place makes results depend on where a pixel lies, as borders of real networks do.
    """

    device = "NumPy"

    def __init__(
        self,
        batch: int,
        tile: tuple[int, int],
        *,
        channels: int = 1,
        outputs: int = 2,
        layout: Layout = "NHWC",
        output_layout: Layout = "NHWC",
        dtype: Any = np.float32,
        slope: float = 1.0,
    ) -> None:
        self.network = Network(
            model=b"",
            layout=layout,
            output_layout=output_layout,
            channels=channels,
            outputs=outputs,
            dtype=np.dtype(dtype),
            gives="scores",
        )
        self.input_shape = (batch, *tile, channels) if layout == "NHWC" else (batch, channels, *tile)
        rng = np.random.default_rng(outputs)
        self._weights = rng.normal(size=(channels, outputs)).astype(np.float32)
        self._place = slope * rng.normal(size=(*tile, outputs)).astype(np.float32)

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """Scores of a batch; see `Session.run`."""
        if batch.shape != self.input_shape or batch.dtype != self.network.dtype:
            raise ValueError(f"a batch of {batch.shape} {batch.dtype}")
        last = batch if self.network.layout == "NHWC" else batch.transpose(0, 2, 3, 1)
        scores = (last.astype(np.float32) @ self._weights + self._place).astype(np.float32)
        return scores if self.network.output_layout == "NHWC" else scores.transpose(0, 3, 1, 2).copy()
