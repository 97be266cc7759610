"""One level of one zarr image as a `Source`: from planes, regions and channels to selections of its array.

Joins `pixels` (reads) and `chunks` (says which files, and what is wrong with one). Holds no pixels but those
asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from czengine.geometry import Region
from czengine.sources.base import ImageInfo, PlaneGroup, PlaneIndex
from czengine.sources.chunks import Chunks
from czengine.sources.pixels import Part, Pixels, Promise, Selection, open_pixels

if TYPE_CHECKING:
    import zarr

    Array = zarr.Array[Any]


class ZarrSource:
    """Reads one level of one image; see `Source`. Safe to share between threads.

    The array is opened for reading at the first request.

    Parameters
    ----------
    info : ImageInfo
        The image.
    array : zarr.Array
        Its pixels at `info.levels[0]`.
    threads : int or None
        Chunks decoded at once; None takes one per core.
    """

    def __init__(self, info: ImageInfo, array: Array, threads: int | None = None) -> None:
        self.info = info
        self.chunks_decoded = 0
        self._array = array
        self._threads = threads
        self._folder = info.root / info.path / info.levels[0].path
        self._chunks = Chunks(array, self._folder, info.name)
        self._lock = Lock()
        self._pixels: Pixels | None = None
        self._flying: set[_Reading] = set()
        kept = [name for name in (info.axes.channel, "y", "x") if name is not None]
        self._order = [info.axes.index(name) for name in (*info.axes.planes, *kept)]

    def using(self, threads: int | None) -> ZarrSource:
        """The same image, with so many threads."""
        return ZarrSource(self.info, self._array, threads)

    @property
    def reader(self) -> str:
        """What reads the pixels; see `Source`."""
        return self._opened().reader

    def missing(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> float | None:
        """The fill value where nothing was written; see `Source`."""
        if self._chunks.any_written(self._selection(group, region, channels)):
            return None
        fill = self._array.fill_value  # None in old stores
        value: float = self.info.dtype.type(0 if fill is None else fill).item()
        return value

    def request(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> _Reading:
        """Begin to read; see `Source`."""
        selection = self._selection(group, region, channels)
        promise = self._begin(selection)
        shape = (len(group.planes), len(channels), region.height, region.width)
        reading = _Reading(self, selection, promise, shape)
        with self._lock:
            self._flying.add(reading)
        return reading

    def read(self, plane: PlaneIndex, region: Region, channels: Sequence[int]) -> NDArray[Any]:
        """Read and wait; see `Source`."""
        group = PlaneGroup(tuple(range(index, index + 1) for index in plane))
        pixels: NDArray[Any] = self.request(group, region, channels).result()[0]
        return pixels

    def __enter__(self) -> ZarrSource:
        """The source itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Wait for what is being read, and close the array."""
        with self._lock:
            flying, self._flying = self._flying, set()
            pixels, self._pixels = self._pixels, None
        if pixels is not None:
            pixels.close()
        for reading in flying:
            reading.wait()

    def _opened(self) -> Pixels:
        with self._lock:
            if self._pixels is None:
                self._pixels = open_pixels(self._array, self._folder, threads=self._threads)
            return self._pixels

    def _begin(self, selection: Selection) -> Promise:
        return self._opened().read(selection, self._order, lambda: self._chunks.check(selection))

    def _selection(self, group: PlaneGroup, region: Region, channels: Sequence[int]) -> Selection:
        axes = self.info.axes
        chosen: dict[str, Part] = {
            name: slice(taken.start, taken.stop, taken.step)
            for name, taken in zip(axes.planes, group.ranges, strict=True)
        }
        chosen["y"], chosen["x"] = slice(region.y, region.bottom), slice(region.x, region.right)
        if axes.channel is not None:
            first, count = channels[0], len(channels)
            run = list(channels) == list(range(first, first + count))
            chosen[axes.channel] = slice(first, first + count) if run else list(channels)
        return tuple(chosen[name] for name in axes)

    def _finish(self, reading: _Reading, selection: Selection, promise: Promise) -> NDArray[Any]:
        """Wait for pixels, name what is damaged, count."""
        try:
            pixels, count = promise.result(), self._chunks.count(selection)
        except MemoryError:
            raise
        except Exception as error:  # codecs raise anything; only reading again tells which chunk it was
            raise self._chunks.damage(selection, error, lambda s: self._begin(s).result()) from error
        with self._lock:
            if reading in self._flying:  # else it was asked for before
                self._flying.remove(reading)
                self.chunks_decoded += count
        return pixels


class _Reading:
    """One request under way; see `Pending`."""

    def __init__(
        self, source: ZarrSource, selection: Selection, promise: Promise, shape: tuple[int, ...]
    ) -> None:
        self._source = source
        self._selection = selection
        self._promise = promise
        self._shape = shape

    def result(self) -> NDArray[Any]:
        """Wait for the pixels; see `Pending`."""
        return self._source._finish(self, self._selection, self._promise).reshape(self._shape)

    def wait(self) -> None:
        """Wait until nothing is being read, whatever comes of it."""
        with suppress(CancelledError):
            self._promise.exception()
