"""The chunk files of one zarr array: which of them a selection touches, what is in them, and what is wrong with them.

Decodes no pixels. Only this module knows where a chunk lies, and what an interrupted copy leaves of it.

        a shard of 2 × 3 chunks         its file
        +----+----+----+
        | a  | b  |    |                a  b  e | index: offset and length of each chunk, both 2**64 - 1
        +----+----+----+                          for one that was never written, then a checksum
        |    | e  |    |
        +----+----+----+
"""

from __future__ import annotations

import itertools
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czengine.errors import ImageError
from czengine.sources.pixels import Part, Selection, reason

if TYPE_CHECKING:
    import zarr

    Array = zarr.Array[Any]

Box = tuple[
    tuple[int, ...], Selection
]  # grid position of a stored object, a chunk or shard; the part selected

_BLOSC_HEADER = 16  # bytes
_CHECKSUM = 4  # bytes
_INDICES_KEPT = 1024
_REMEDY = "copy or convert the image again"


class Chunks:
    """The files of an array.

    Parameters
    ----------
    array : zarr.Array
        Its metadata.
    folder : Path
        Where it lies.
    name : str
        The image, as a person would name it.
    """

    def __init__(self, array: Array, folder: Path, name: str) -> None:
        self._array = array
        self._folder = os.fspath(folder)
        self._name = name
        self._stored = array.shards or array.chunks
        self._is_blosc = array.shards is None and _is_blosc(array)
        self._written = lru_cache(_INDICES_KEPT)(self._read_index)

    def boxes(self, selection: Selection) -> Iterator[Box]:
        """The stored objects a selection touches."""
        parts = [_split(part, step) for part, step in zip(selection, self._stored, strict=True)]
        for combination in itertools.product(*parts):
            yield tuple(number for number, _ in combination), tuple(part for _, part in combination)

    def any_written(self, selection: Selection) -> bool:
        """Whether one of them is there; a shard counts as one, whatever is in it."""
        return any(_is_there(self._file(position)) for position, _ in self.boxes(selection))

    def count(self, selection: Selection) -> int:
        """How many chunks of a selection were written.

        Raises
        ------
        ImageError
            Where a file is empty, which to zarr is as if it was not there.
        """
        return sum(self._count(box) for box in self.boxes(selection))

    def check(self, selection: Selection) -> None:
        """Find the damage that zarr-python does not.

        Raises
        ------
        ImageError
            Where a file is empty, or a blosc buffer is cut short: it is decoded beyond its end.
        """
        for position, _ in self.boxes(selection):
            file = self._file(position)
            self._refuse(file, _file_problem(file, is_blosc=self._is_blosc))

    def damage(
        self, selection: Selection, error: Exception, read: Callable[[Selection], object]
    ) -> ImageError:
        """Why reading a selection failed with `error`: `read` is asked for one stored object after the other."""
        try:
            self.check(selection)
        except ImageError as found:
            return found
        for position, part in self.boxes(selection):
            try:
                read(part)
            except Exception as culprit:  # whatever its codec says
                file = self._file(position)
                return ImageError(f"chunk {file} cannot be decoded ({reason(culprit)}); {_REMEDY}")
        return ImageError(f"{self._name} cannot be read: {reason(error)}")

    def _file(self, position: tuple[int, ...]) -> str:  # not a Path: there may be hundreds in a request
        return os.path.join(self._folder, self._array.metadata.encode_chunk_key(position))

    def _count(self, box: Box) -> int:
        position, selection = box
        file = self._file(position)
        size = _size(file)
        if size == 0:
            self._refuse(file, "the file is empty")
        if not size or self._array.shards is None:
            return int(bool(size))
        inside = [
            sorted({index % shard // chunk for index in _indices(part)})
            for part, shard, chunk in zip(selection, self._stored, self._array.chunks, strict=True)
        ]
        return int(np.count_nonzero(self._written(position)[np.ix_(*inside)]))

    def _read_index(self, position: tuple[int, ...]) -> NDArray[np.bool_]:
        """Which chunks of a shard were written; all, where its index is of an unknown kind."""
        grid = tuple(s // c for s, c in zip(self._stored, self._array.chunks, strict=True))
        metadata: Any = self._array.metadata
        codec = metadata.codecs[0]
        kinds = [type(each).__name__ for each in codec.index_codecs]
        if kinds not in (["BytesCodec"], ["BytesCodec", "Crc32cCodec"]):
            return np.ones(grid, np.bool_)
        length = 16 * math.prod(grid)
        end = length + _CHECKSUM * (len(kinds) - 1)
        with open(self._file(position), "rb") as stream:
            if "end" in str(codec.index_location).lower():
                stream.seek(-end, os.SEEK_END)
            entries = np.frombuffer(stream.read(length), np.uint64).reshape(*grid, 2)
        return np.asarray((entries != np.iinfo(np.uint64).max).any(axis=-1))

    def _refuse(self, file: str, problem: str | None) -> None:
        if problem:
            raise ImageError(f"chunk {file} is damaged: {problem}; {_REMEDY}")


def _split(part: Part, step: int) -> list[tuple[int, Part]]:
    """Chunks along one axis that a selection touches, each with its part of the selection."""
    if isinstance(part, slice) and part.step in (None, 1):
        numbers = range(part.start // step, -(-part.stop // step))
        return [(n, slice(max(part.start, n * step), min(part.stop, (n + 1) * step))) for n in numbers]
    found: dict[int, list[int]] = {}
    for index in _indices(part):
        found.setdefault(index // step, []).append(index)
    return list(found.items())


def _indices(part: Part) -> Iterable[int]:
    return range(part.start, part.stop, part.step or 1) if isinstance(part, slice) else part


def _is_blosc(array: Array) -> bool:
    """Whether chunk files are blosc buffers: numcodecs (v2) and zarr (v3) have a codec each."""
    last = array.compressors[-1] if array.compressors else None
    return getattr(last, "codec_id", None) == "blosc" or type(last).__name__ == "BloscCodec"


def _is_there(file: str) -> bool:
    """Whether a chunk was written; whatever else is wrong with its place shows when it is read."""
    try:
        os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def _size(file: str) -> int | None:
    """Bytes of a file; None for a chunk that was never written."""
    try:
        found = os.stat(file)
    except OSError:
        return None  # other trouble shows when it is read
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _file_problem(file: str, *, is_blosc: bool) -> str | None:
    """What is wrong with a chunk file that zarr-python would not notice; None where nothing is.

    An empty shard is the fill value to it. A blosc buffer that is cut short is decoded beyond its end: blosc
    believes the size in the buffer's own header (its last four bytes).
    """
    size = _size(file)
    if not size or not is_blosc:
        return "the file is empty" if size == 0 else None
    try:
        with open(file, "rb") as stream:
            header = stream.read(_BLOSC_HEADER)
    except OSError:
        return None
    needed = max(int.from_bytes(header[12:], "little"), _BLOSC_HEADER)
    return None if size >= needed else f"the file is cut short, {size} of {needed} bytes"
