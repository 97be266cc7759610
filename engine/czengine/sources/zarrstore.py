"""Zarr arrays on local disk: opens nodes, reads rectangles of a plane, names a chunk that cannot be decoded.

The only module that reads zarr pixels. Knows nothing of OME metadata and decides no axes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czengine.errors import ImageError
from czengine.geometry import Region
from czengine.sources.base import ImageInfo, PlaneIndex

if TYPE_CHECKING:
    import zarr

    Array = zarr.Array[Any]
    Selection = tuple[int | slice | list[int], ...]

_MARKERS = ("zarr.json", ".zgroup", ".zarray")
_URL = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]+:/"
)  # "//" has become "/" in a Path; one letter is a Windows drive
_BLOSC_HEADER = 16  # bytes
_REMEDY = "copy or convert the image again"
_SHOWN = 5  # stores listed in an error message
_CONVERTERS = "convert it to OME-Zarr first, e.g. with bioformats2raw or ngff-zarr"


def is_node(path: Path) -> bool:
    """Whether a folder holds the metadata of a zarr group or array."""
    return any((path / marker).is_file() for marker in _MARKERS)


def open_node(path: Path) -> zarr.Group | Array:
    """Open the zarr group or array at `path` for reading.

    Consolidated metadata are passed over: writers that add a level or a label image leave them stale.

    Raises
    ------
    ImageError
        Where there is nothing, or nothing that is zarr, or its metadata cannot be read.
    """
    import zarr

    _check_path(path)
    try:
        return zarr.open(str(path), mode="r", use_consolidated=False)
    except Exception as error:  # whatever damaged metadata, unknown types and codecs make zarr raise
        raise _unreadable(str(path), error) from error


def child_group(group: zarr.Group, path: str, where: str) -> zarr.Group:
    """The group at `path` inside `group`; `where` names the latter in messages.

    Raises
    ------
    ImageError
        Where it is absent, an array, or its metadata cannot be read.
    """
    import zarr

    node = _child(group, path, where)
    if not isinstance(node, zarr.Group):
        raise ImageError(f"the metadata of {where} list {path!r} as a group, but it is an array")
    return node


def child_array(group: zarr.Group, path: str, where: str) -> Array:
    """The array at `path` inside `group`; `where` names the latter in messages.

    Raises
    ------
    ImageError
        Where it is absent, a group, or its metadata cannot be read.
    """
    import zarr

    node = _child(group, path, where)
    if not isinstance(node, zarr.Array):
        raise ImageError(f"the metadata of {where} list {path!r} as an array, but it is a group")
    return node


@dataclass(frozen=True)
class ZarrSource:
    """Reads one level of one image. Safe to share between threads; holds no cache."""

    info: ImageInfo
    array: Array

    def read(self, plane: PlaneIndex, region: Region, channels: Sequence[int]) -> NDArray[Any]:
        """Read `region` of one plane as (channel, y, x), see `Source.read`.

        Raises
        ------
        ImageError
            Where a chunk is damaged, which it names, or the store cannot be read.
        """
        selection = self._selection(plane, region, channels)
        boxes = list(self._stored_boxes(selection))
        self._check_files(boxes)
        try:
            pixels = _take(self.array, selection)
        except MemoryError:
            raise
        except Exception as error:  # codecs raise anything; only re-reading tells which chunk it was
            raise self._damage(boxes, error) from error
        return self._as_channels_y_x(pixels)

    def _selection(self, plane: PlaneIndex, region: Region, channels: Sequence[int]) -> Selection:
        axes = self.info.axes
        chosen: dict[str, int | slice | list[int]] = dict(zip(axes.planes, plane, strict=True))
        chosen["y"], chosen["x"] = slice(region.y, region.bottom), slice(region.x, region.right)
        if axes.channel is not None:
            first, count = channels[0], len(channels)
            run = list(channels) == list(range(first, first + count))
            chosen[axes.channel] = slice(first, first + count) if run else list(channels)
        return tuple(chosen[name] for name in axes)

    def _as_channels_y_x(self, pixels: NDArray[Any]) -> NDArray[Any]:
        kept = [name for name in self.info.axes if name not in self.info.axes.planes]
        order = [kept.index(name) for name in (self.info.axes.channel, "y", "x") if name is not None]
        picture = pixels.transpose(order)
        picture = picture if picture.ndim == 3 else picture[np.newaxis]
        return np.ascontiguousarray(picture, dtype=self.info.dtype)

    def _stored_boxes(self, selection: Selection) -> Iterator[tuple[tuple[int, ...], Selection]]:
        """Grid position of each stored object (chunk or shard) the selection needs, and the part needed."""
        steps = self.array.shards or self.array.chunks
        parts = [_split(taken, step) for taken, step in zip(selection, steps, strict=True)]
        for combination in itertools.product(*parts):
            yield tuple(part[0] for part in combination), tuple(part[1] for part in combination)

    def _file(self, position: tuple[int, ...]) -> Path:
        key = self.array.metadata.encode_chunk_key(position)
        return self.info.root / self.info.path / self.info.levels[0].path / key

    def _check_files(self, boxes: list[tuple[tuple[int, ...], Selection]]) -> None:
        """Find the damage that zarr does not: an interrupted copy leaves chunk files empty or cut short."""
        is_blosc = self.array.shards is None and _is_blosc(self.array)
        for position, _ in boxes:
            problem = _file_problem(self._file(position), is_blosc=is_blosc)
            if problem:
                raise ImageError(f"chunk {self._file(position)} is damaged: {problem}; {_REMEDY}")

    def _damage(self, boxes: list[tuple[tuple[int, ...], Selection]], error: Exception) -> ImageError:
        for position, selection in boxes:
            try:
                _take(self.array, selection)
            except Exception as reason:  # the culprit, whatever its codec says
                file = self._file(position)
                return ImageError(f"chunk {file} cannot be decoded ({_first_line(reason)}); {_REMEDY}")
        return ImageError(f"{self.info.name} cannot be read: {_first_line(error)}")


def _child(group: zarr.Group, path: str, where: str) -> zarr.Group | Array:
    try:
        return group[path]
    except KeyError as error:
        raise ImageError(f"the metadata of {where} list {path!r}, but the store does not hold it") from error
    except Exception as error:  # whatever damaged metadata make zarr raise
        raise _unreadable(f"{where}/{path}", error) from error


def _take(array: Any, selection: Selection) -> NDArray[Any]:
    if any(isinstance(taken, list) for taken in selection):
        return np.asarray(array.get_orthogonal_selection(selection))
    return np.asarray(array[selection])


def _split(taken: int | slice | list[int], step: int) -> list[tuple[int, int | slice | list[int]]]:
    """Chunks along one axis that a selection touches, each with its part of the selection."""
    if isinstance(taken, int):
        return [(taken // step, taken)]
    if isinstance(taken, list):
        return [(index // step, [index]) for index in taken]
    numbers = range(taken.start // step, -(-taken.stop // step))
    return [(n, slice(max(taken.start, n * step), min(taken.stop, (n + 1) * step))) for n in numbers]


def _is_blosc(array: Array) -> bool:
    """Whether chunk files are blosc buffers: numcodecs (v2) and zarr (v3) have a codec each."""
    last = array.compressors[-1] if array.compressors else None
    return getattr(last, "codec_id", None) == "blosc" or type(last).__name__ == "BloscCodec"


def _file_problem(file: Path, *, is_blosc: bool) -> str | None:
    """What is wrong with a chunk file that zarr would not notice; None where nothing is.

    An empty shard is the fill value to zarr. A blosc buffer that is cut short is decoded beyond its end:
    blosc believes the size in the buffer's own header (its last four bytes).
    """
    try:
        size = file.stat().st_size
        if not size or not is_blosc:
            return None if size else "the file is empty"
        with file.open("rb") as stream:
            header = stream.read(_BLOSC_HEADER)
    except OSError:
        return (
            None  # a chunk that was never written holds the fill value; other trouble shows when it is read
        )
    needed = max(int.from_bytes(header[12:], "little"), _BLOSC_HEADER)
    return None if size >= needed else f"the file is cut short, {size} of {needed} bytes"


def _check_path(path: Path) -> None:
    if _URL.match(str(path)):
        raise ImageError(f"{path} is a remote store, which is not supported yet; copy it to a local disk")
    if not path.exists():
        raise ImageError(f"there is no image at {path}; check the path")
    if path.is_file() and path.suffix.lower() == ".zip":
        raise ImageError(f"{path} is a zipped store, which is not supported yet; unpack it")
    if path.is_file():
        raise ImageError(f"{path} is a file, not a zarr store; {_CONVERTERS}")
    if is_node(path):
        return
    inside = sorted(child.name for child in path.iterdir() if is_node(child))
    if inside:
        raise ImageError(f"{path} is a folder that holds {', '.join(inside[:_SHOWN])}; name one of them")
    raise ImageError(f"{path} is a folder without zarr metadata, not a zarr store; {_CONVERTERS}")


def _unreadable(where: str, error: Exception) -> ImageError:
    return ImageError(
        f"the zarr metadata of {where} cannot be read ({_first_line(error)}); write the image again"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
