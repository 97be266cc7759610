"""Reading pixels: any axis order, type, byte order and chunking against plain NumPy; damaged chunks are named."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Literal

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.config import InputOptions
from czengine.errors import ImageError
from czengine.geometry import Region
from czengine.sources.collection import open_images
from czengine.sources.zarrsource import ZarrSource
from tests.support.images import chunk_files, pattern, write_array, write_ome_zarr
from tests.support.shared import shared_path


def open_one(path: Path, **options: Any) -> ZarrSource:
    return open_images(path, InputOptions(**options))[0]


def expected(
    data: NDArray[Any], axes: str, plane: tuple[int, ...], region: Region, channels: list[int]
) -> NDArray[Any]:
    """One pixel at a time, the slow obvious way."""
    out = np.empty((len(channels), region.height, region.width), data.dtype.newbyteorder("="))
    counted = [axis for axis in axes if axis not in "csyx"]
    for position in np.ndindex(out.shape):
        channel, y, x = position
        place = dict(zip(counted, plane, strict=True)) | {"y": region.y + y, "x": region.x + x}
        place |= {"c": channels[channel], "s": channels[channel]}
        out[position] = data[tuple(place[axis] for axis in axes)]
    return out


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """A small array with axes in any order, how it is stored, and what is read of it."""
    extra = draw(st.lists(st.sampled_from("tczp"), unique=True, max_size=3))
    if "c" in extra and draw(st.booleans()):
        extra[extra.index("c")] = "s"
    axes = "".join(draw(st.permutations([*extra, "y", "x"])))
    shape = tuple(draw(st.integers(1, 9 if axis in "yx" else 4)) for axis in axes)
    size = dict(zip(axes, shape, strict=True))
    y, x = (draw(st.integers(0, size[axis] - 1)) for axis in "yx")
    channels = size.get("c", size.get("s", 1))
    inner = tuple(draw(st.integers(1, n)) for n in shape)
    zarr_format = draw(st.sampled_from([2, 3]))
    sharded = zarr_format == 3 and draw(st.booleans())
    return {
        "axes": axes,
        "data": pattern(shape, draw(st.sampled_from(["u1", ">u2", "<i2", "u4", ">f4", "f8", "bool"]))),
        "store": {
            "zarr_format": zarr_format,
            "chunks": inner,
            "shards": tuple(n * draw(st.integers(1, 2)) for n in inner) if sharded else None,
            **({"order": draw(st.sampled_from("CF"))} if zarr_format == 2 else {}),
        },
        "plane": tuple(draw(st.integers(0, size[axis] - 1)) for axis in axes if axis not in "csyx"),
        "region": Region(y, x, draw(st.integers(1, size["y"] - y)), draw(st.integers(1, size["x"] - x))),
        "channels": draw(st.lists(st.integers(0, channels - 1), unique=True, min_size=1)),
    }


@given(case=cases())
@settings(max_examples=60, deadline=None)
def test_any_array_reads_as_numpy_indexes_it(case: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_array(Path(folder) / "a.zarr", case["data"], **case["store"])
        source = open_one(path, axes=case["axes"])
        found = source.read(case["plane"], case["region"], case["channels"])
    wanted = expected(case["data"], case["axes"], case["plane"], case["region"], case["channels"])
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == source.info.dtype
    assert found.dtype.isnative
    assert found.flags.c_contiguous


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_chunks_that_were_never_written_hold_the_fill_value(
    tmp_path: Path, zarr_format: Literal[2, 3]
) -> None:
    path = write_array(
        tmp_path / "a.zarr", pattern((8, 8), np.uint8), zarr_format=zarr_format, chunks=(4, 4), fill_value=7
    )
    chunk_files(path)[-1].unlink()
    pixels = open_one(path).read((), Region(0, 0, 8, 8), [0])
    assert (pixels[0, 4:, 4:] == 7).all()
    assert not (pixels[0, :4, :4] == 7).all()


def test_the_real_image_reads_across_chunks() -> None:
    path = shared_path("data/pgc/PGC_20X_v05.ome.zarr")
    found = open_one(path).read((0, 0), Region(500, 2000, 100, 120), [0])
    array = zarr.open_array(str(path / "0"), mode="r")
    np.testing.assert_array_equal(found[0], array[0, 0, 0, 500:600, 2000:2120])


STORES: dict[str, dict[str, Any]] = {
    "v2 blosc": {"version": "0.4", "compressors": numcodecs.Blosc(cname="zstd")},
    "v2 zlib": {"version": "0.4", "compressors": numcodecs.Zlib()},
    "v2 raw": {"version": "0.4", "compressors": None},
    "v3 zstd": {"version": "0.5"},
    "v3 blosc": {"version": "0.5", "compressors": zarr.codecs.BloscCodec(typesize=2)},
    "v3 shards": {"version": "0.5", "shards": (1, 32, 32)},
}


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def behead(file: Path) -> None:
    os.truncate(file, 10)


def garble(file: Path) -> None:
    file.write_bytes(b"\xff" * (file.stat().st_size - 1))


@pytest.mark.parametrize("damage", [truncate, empty, behead, garble])
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("channels", [[0, 1], [1, 0]])
def test_a_damaged_chunk_is_named(tmp_path: Path, store: str, damage: Any, channels: list[int]) -> None:
    path = write_ome_zarr(
        tmp_path / "i.zarr", pattern((2, 64, 64)), "cyx", chunks=(1, 16, 16), **STORES[store]
    )
    files = chunk_files(path / "0")
    bad = files[-2]  # of channel 1, above and left of the corner
    damage(bad)
    source = open_one(path)
    with pytest.raises(ImageError) as caught:
        source.read((), Region(0, 0, 64, 64), channels)
    assert str(bad) in str(caught.value)
    assert "copy or convert the image again" in str(caught.value)
    assert source.read((), Region(0, 0, 64, 64), [0]).shape == (1, 64, 64)


def test_a_read_that_fails_everywhere_and_nowhere_still_says_which_image(tmp_path: Path) -> None:
    source = open_one(write_ome_zarr(tmp_path / "i.zarr", pattern((8, 8)), "yx"))
    assert str(source._damage([], OSError(5, "Input/output error"))) == (
        "i.zarr cannot be read: [Errno 5] Input/output error"
    )


def test_a_folder_above_the_store_says_what_it_holds(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "b.ome.zarr", pattern((4, 5)), "yx")
    write_array(tmp_path / "a.zarr", pattern((4, 5)))
    with pytest.raises(ImageError, match=r"is a folder that holds a.zarr, b.ome.zarr; name one of them"):
        open_images(tmp_path, InputOptions())
