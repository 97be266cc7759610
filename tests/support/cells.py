"""Arrays of every kind and the cells they are read in, for the tests of sources."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
import zarr.codecs
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.config import InputOptions
from czengine.geometry import Region
from czengine.sources.base import ImageInfo, PlaneGroup
from czengine.sources.collection import open_images
from czengine.sources.zarrsource import ZarrSource
from tests.support.images import chunk_files, pattern, write_array

DTYPES = ["u1", ">u2", "<i2", "u4", ">i8", "f2", ">f4", "f8", "bool"]
UNKNOWN_TO_TENSORSTORE: dict[str, dict[str, Any]] = {
    "v2 lz4": {"zarr_format": 2, "compressors": [numcodecs.LZ4()]},
    "v2 lzma": {"zarr_format": 2, "compressors": [numcodecs.LZMA()]},
    "v2 zstd with checksum": {"zarr_format": 2, "compressors": [numcodecs.Zstd(checksum=True)]},
    "v2 delta": {
        "zarr_format": 2,
        "filters": [numcodecs.Delta(dtype="u2")],
        "compressors": [numcodecs.Blosc()],
    },
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """An array as it is written, and something to be read of it."""

    axes: str
    data: NDArray[Any]
    store: Mapping[str, Any]
    group: PlaneGroup
    region: Region
    channels: list[int]
    lost: int = field(default=0)  # chunk files removed after writing, as if never written
    fill: Any = field(default=0)

    def write(self, folder: Path) -> Path:
        """Write the array, then remove `lost` of its chunk files."""
        path = write_array(folder / "a.zarr", self.data, **self.store)
        files = chunk_files(path)
        for file in files[:: max(len(files) // max(self.lost, 1), 1)][: self.lost]:
            file.unlink()
        return path


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any type and byte order, axes in any order, both formats, chunks, shards, fill values and separators."""
    extra = draw(st.lists(st.sampled_from("tczp"), unique=True, max_size=3))
    if "c" in extra and draw(st.booleans()):
        extra[extra.index("c")] = "s"
    axes = "".join(draw(st.permutations([*extra, "y", "x"])))
    shape = tuple(draw(st.integers(1, 9 if axis in "yx" else 4)) for axis in axes)
    size = dict(zip(axes, shape, strict=True))
    y, x = (draw(st.integers(0, size[axis] - 1)) for axis in "yx")
    channels = size.get("c", size.get("s", 1))
    store, dtype = draw(stores(shape))
    group = PlaneGroup(tuple(draw(ranges(size[axis])) for axis in axes if axis not in "csyx"))
    return Case(
        axes=axes,
        data=pattern(shape, dtype),
        store=store,
        group=group,
        region=Region(y, x, draw(st.integers(1, size["y"] - y)), draw(st.integers(1, size["x"] - x))),
        channels=draw(st.lists(st.integers(0, channels - 1), unique=True, min_size=1)),
        lost=draw(st.integers(0, 3)),
        fill=store["fill_value"],
    )


@st.composite
def stores(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[dict[str, Any], str]:
    """How an array is stored, and its type."""
    zarr_format, dtype = draw(st.sampled_from([2, 3])), draw(st.sampled_from(DTYPES))
    inner = tuple(draw(st.integers(1, n)) for n in shape)
    is_sharded = zarr_format == 3 and draw(st.booleans())
    kind = np.dtype(dtype).kind
    fills: list[Any] = {"b": [True, False], "f": [0.0, 1.5, np.nan, np.inf]}.get(kind, [0, 7])
    separator = draw(st.sampled_from("./"))
    store = {
        "zarr_format": zarr_format,
        "chunks": inner,
        "shards": tuple(n * draw(st.integers(1, 2)) for n in inner) if is_sharded else None,
        "fill_value": draw(st.sampled_from([*fills, None] if zarr_format == 2 else fills)),
        "chunk_key_encoding": {"name": "v2" if zarr_format == 2 else "default", "separator": separator},
    }
    if zarr_format == 2:
        store["order"] = draw(st.sampled_from("CF"))
        store["compressors"] = draw(st.sampled_from([None, numcodecs.Blosc(), numcodecs.Zlib()]))
    else:
        codecs = [[], [zarr.codecs.ZstdCodec(checksum=True)], [zarr.codecs.GzipCodec()]]
        store["compressors"] = draw(st.sampled_from(codecs))
    return store, dtype


@st.composite
def ranges(draw: st.DrawFn, size: int) -> range:
    """A range of indices along one axis."""
    start = draw(st.integers(0, size - 1))
    return range(start, draw(st.integers(start + 1, size)), draw(st.integers(1, 2)))


def open_one(path: Path, **options: Any) -> ZarrSource:
    """The one image at a path."""
    return open_images(path, InputOptions(**options), threads=2)[0]


def expected(
    data: NDArray[Any], axes: str, group: PlaneGroup, region: Region, channels: list[int]
) -> NDArray[Any]:
    """What a request has to give: one pixel at a time, the slow obvious way."""
    planes = group.planes
    out = np.empty((len(planes), len(channels), region.height, region.width), data.dtype.newbyteorder("="))
    counted = [axis for axis in axes if axis not in "csyx"]
    for position in np.ndindex(out.shape):
        number, channel, y, x = position
        place = dict(zip(counted, planes[number], strict=True)) | {"y": region.y + y, "x": region.x + x}
        place |= {"c": channels[channel], "s": channels[channel]}
        out[position] = data[tuple(place[axis] for axis in axes)]
    return out


def cells(info: ImageInfo) -> Iterator[tuple[PlaneGroup, Region, list[int]]]:
    """The image in pieces of one chunk each."""
    size, step = (dict(zip(info.axes, numbers, strict=True)) for numbers in (info.shape, info.chunks))
    names = (*info.axes.planes, *filter(None, [info.axes.channel]), "y", "x")
    for corner in itertools.product(*(range(0, size[name], step[name]) for name in names)):
        part = {
            name: range(start, min(start + step[name], size[name]))
            for name, start in zip(names, corner, strict=True)
        }
        y, x = part["y"], part["x"]
        channels = list(part[info.axes.channel]) if info.axes.channel else [0]
        group = PlaneGroup(tuple(part[name] for name in info.axes.planes))
        yield group, Region(y.start, x.start, len(y), len(x)), channels
