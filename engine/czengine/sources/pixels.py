"""The pixels of one zarr array on local disk: through tensorstore, or zarr-python where that cannot open it.

The only module that reads or writes zarr pixels. Knows nothing of axes, images or which part is worth reading;
that a chunk file is damaged is said by `chunks.py`.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tensorstore
    import zarr

    Array = zarr.Array[Any]

Part = slice | list[int]  # along one axis: a slice with start, stop and a step of 1 or more; or indices
Selection = tuple[Part, ...]  # one part per axis of the array

INDEX_POOL = 2**22  # bytes; enough for the indices of the shards being read
_READS_AT_ONCE = 4  # at least, however few threads there are: a disk answers several questions at a time
_STATUS_ERRORS = {"RESOURCE_EXHAUSTED": errno.ENOSPC, "PERMISSION_DENIED": errno.EACCES}


class Promise(Protocol):
    """Pixels on their way, from a library of futures."""

    def result(self) -> NDArray[Any]:
        """Wait for them."""

    def exception(self) -> BaseException | None:
        """Wait, and give what went wrong."""


class Pixels(Protocol):
    """Reads and writes parts of one array. Safe to share between threads."""

    @property
    def reader(self) -> str:
        """Which library it is, and why."""

    def read(self, selection: Selection, order: Sequence[int], check: Callable[[], object]) -> Promise:
        """Begin to read; returns at once.

        Parameters
        ----------
        selection : tuple
            Inside the array. Each chunk it touches is decoded once.
        order : sequence of int
            Axes of the array in the order wanted.
        check : callable
            Raises where a chunk file is cut short. Called before decoding by the library that would not notice.

        Returns
        -------
        Promise
            Of C-contiguous pixels in native byte order.
        """

    def write(self, selection: Selection, pixels: NDArray[Any]) -> None:
        """Write whole chunks, or whole shards, and wait until they are in their files.

        Each file appears complete, under its own name, or not at all. It is not forced to the disk.

        Raises
        ------
        OSError
            Where the file system does not take them.
        """

    def close(self) -> None:
        """Wait for threads of its own, and end them."""


def open_pixels(array: Array, folder: Path, *, threads: int | None = None, writable: bool = False) -> Pixels:
    """Open the pixels of an array whose metadata zarr-python has read.

    Parameters
    ----------
    array : zarr.Array
        The array.
    folder : Path
        Where it lies.
    threads : int or None
        Chunks coded at once; None takes one per core.
    writable : bool
        Whether it is also written.
    """
    threads = threads or os.cpu_count() or 1
    try:
        store = _open_tensorstore(array, folder, threads, writable=writable)
    except Exception as error:  # codecs, filters and types it does not know, or a platform without it
        return ZarrPythonPixels(array, threads, reason(error))
    return TensorStorePixels(store)


def reason(error: BaseException) -> str:
    """What a library says went wrong: one line, without the file that our own sentence names."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if _is_status(line):
        line = re.sub(r" \[[\w ]+='.*\]$", "", line)
        line = re.sub(r'^[A-Z_]+: (.*": )?', "", line)
    return line


class TensorStorePixels:
    """Decodes and encodes in threads of its own, all of which one request may use."""

    reader = "tensorstore"

    def __init__(self, store: tensorstore.TensorStore) -> None:
        self._store = store

    def read(self, selection: Selection, order: Sequence[int], check: Callable[[], object]) -> Promise:
        """Begin to read; see `Pixels`."""
        area = self._store.oindex[selection] if _has_lists(selection) else self._store[selection]
        promise: Promise = area.transpose(order).read(order="C")
        return promise

    def write(self, selection: Selection, pixels: NDArray[Any]) -> None:
        """Write; see `Pixels`."""
        writing = self._store[selection].write(pixels)
        try:
            writing.result()
        except ValueError as error:
            raise _os_error(error) from error
        except BaseException:
            writing.exception()  # an interrupt: a file that comes later would survive the removal of its folder
            raise

    def close(self) -> None:
        """Its threads belong to the process."""


class ZarrPythonPixels:
    """A few threads that each ask zarr-python for one request at a time."""

    def __init__(self, array: Array, threads: int, why: str) -> None:
        self._array: Any = array
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="czengine-zarr")
        self.reader = f"zarr-python (tensorstore: {why})"

    def read(self, selection: Selection, order: Sequence[int], check: Callable[[], object]) -> Promise:
        """Begin to read; see `Pixels`."""
        return self._pool.submit(self._read, selection, order, check)

    def _read(self, selection: Selection, order: Sequence[int], check: Callable[[], object]) -> NDArray[Any]:
        check()
        pixels = np.asarray(self._array.get_orthogonal_selection(selection)).transpose(order)
        return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))

    def write(self, selection: Selection, pixels: NDArray[Any]) -> None:
        """Write; see `Pixels`."""
        self._array[selection] = pixels

    def close(self) -> None:
        """Give up what has not begun, wait for the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _open_tensorstore(array: Array, folder: Path, threads: int, *, writable: bool) -> tensorstore.TensorStore:
    import tensorstore

    pool = INDEX_POOL if array.shards is not None and not writable else 0
    context = tensorstore.Context(
        {
            "data_copy_concurrency": {"limit": threads},
            "file_io_concurrency": {"limit": max(threads, _READS_AT_ONCE)},
            # Chunks are read once, so that keeping them decoded is of no use; but without a pool the index of
            # a shard is read again for every request.
            "cache_pool": {"total_bytes_limit": pool},
        }
    )
    spec = {
        "driver": "zarr" if array.metadata.zarr_format == 2 else "zarr3",
        "kvstore": {
            "driver": "file",
            "path": f"{folder.resolve().as_posix()}/",  # it refuses ".."
            "file_io_sync": False,  # a result counts once its folder is renamed; what is durable then, the disk decides
        },
        "recheck_cached_data": "open",
    }
    store = tensorstore.open(spec, open=True, read=True, write=writable, context=context).result()
    if store.shape != array.shape or store.dtype.numpy_dtype != array.dtype.newbyteorder("="):
        raise ValueError("it reads the metadata differently")
    return store


def _has_lists(selection: Selection) -> bool:
    return any(isinstance(part, list) for part in selection)


def _is_status(line: str) -> bool:
    return re.match(r"[A-Z_]+: ", line) is not None


def _os_error(error: ValueError) -> OSError:
    """What the system said: tensorstore raises a ValueError that quotes its number."""
    text = str(error)
    quoted = re.search(r"os_error_code='(\d+)'|OS error (\d+)", text)
    if quoted:
        number = int(quoted[1] or quoted[2])
    else:
        number = next((n for status, n in _STATUS_ERRORS.items() if text.startswith(status)), 0)
    return OSError(number, os.strerror(number)) if number else OSError(reason(error))
