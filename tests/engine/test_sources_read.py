"""Reading pixels: any axis order, type, byte order and chunking against plain NumPy; damaged chunks are named."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numcodecs
import numpy as np
import pytest
import zarr
import zarr.codecs
from hypothesis import given, settings

from czengine.config import InputOptions
from czengine.errors import ImageError
from czengine.geometry import Region
from czengine.sources.base import PlaneGroup
from czengine.sources.chunks import Chunks
from czengine.sources.collection import open_images
from tests.support.cells import Case, cases, cells, expected, open_one
from tests.support.images import chunk_files, pattern, write_array, write_ome_zarr
from tests.support.shared import shared_path


@given(case=cases())
@settings(max_examples=60, deadline=None)
def test_any_array_reads_as_numpy_indexes_it(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = case.write(Path(folder))
        with open_one(path, axes=case.axes) as source:
            pending = source.request(case.group, case.region, case.channels)
            missing = source.missing(case.group, case.region, case.channels)
            found = pending.result()
        stored = zarr.open_array(str(path), mode="r")[...]
    wanted = expected(np.asarray(stored), case.axes, case.group, case.region, case.channels)
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == source.info.dtype
    assert found.dtype.isnative
    assert found.flags.c_contiguous
    if missing is not None:
        np.testing.assert_array_equal(found, np.full_like(found, missing))
        assert source.chunks_decoded == 0


def test_one_plane_is_a_group_of_one(tmp_path: Path) -> None:
    data = pattern((3, 4, 10, 12))
    with open_one(write_array(tmp_path / "a.zarr", data), axes="tzyx") as source:
        np.testing.assert_array_equal(source.read((2, 1), Region(1, 2, 3, 4), [0])[0], data[2, 1, 1:4, 2:6])


def test_planes_of_a_group_come_in_storage_order(tmp_path: Path) -> None:
    data = pattern((3, 2, 4, 5, 6))
    group = PlaneGroup((range(1, 3), range(4)))
    with open_one(write_array(tmp_path / "a.zarr", data), axes="tczyx") as source:
        found = source.request(group, Region(0, 0, 5, 6), [1]).result()
    for pixels, (t, z) in zip(found, group.planes, strict=True):
        np.testing.assert_array_equal(pixels[0], data[t, 1, z])


def test_several_threads_read_at_once(tmp_path: Path) -> None:
    data = pattern((64, 80))
    path = write_array(tmp_path / "a.zarr", data, chunks=(8, 8), shards=(16, 16))
    with open_one(path) as source, ThreadPoolExecutor(4) as pool:

        def read(cell: tuple[PlaneGroup, Region, list[int]]) -> bool:
            region = cell[1]
            wanted = data[region.y : region.bottom, region.x : region.right]
            return np.array_equal(source.request(*cell).result()[0, 0], wanted)

        assert all(pool.map(read, cells(source.info)))
    assert source.chunks_decoded == 80


def test_leaving_waits_for_what_is_being_read(tmp_path: Path) -> None:
    data = pattern((512, 512))
    with open_one(write_array(tmp_path / "a.zarr", data, chunks=(64, 64))) as source:
        pending = [source.request(*cell) for cell in cells(source.info)]
    assert all(reading._promise.done() for reading in pending)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(source.read((), Region(0, 0, 512, 512), [0])[0], data)  # opens it again


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
    "v2 lz4": {"version": "0.4", "compressors": numcodecs.LZ4()},  # this and the next: by zarr-python
    "v2 delta": {"version": "0.4", "filters": [numcodecs.Delta("u2")], "compressors": numcodecs.Blosc()},
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
    pending = source.request(PlaneGroup(()), Region(0, 0, 64, 64), channels)
    with pytest.raises(ImageError) as caught:
        pending.result()
    assert str(bad) in str(caught.value)
    assert "copy or convert the image again" in str(caught.value)
    assert source.read((), Region(0, 0, 64, 64), [0]).shape == (1, 64, 64)


@pytest.mark.parametrize(
    ("store", "damage", "said"),
    [
        ("v2 blosc", truncate, "is damaged: the file is cut short, "),
        ("v2 delta", truncate, "is damaged: the file is cut short, "),
        ("v3 zstd", empty, "is damaged: the file is empty; "),
        ("v3 shards", empty, "is damaged: the file is empty; "),
        ("v2 zlib", truncate, "cannot be decoded ("),
        ("v2 lz4", garble, "cannot be decoded ("),
    ],
)
def test_the_damage_is_described(tmp_path: Path, store: str, damage: Any, said: str) -> None:
    path = write_ome_zarr(
        tmp_path / "i.zarr", pattern((2, 64, 64)), "cyx", chunks=(1, 16, 16), **STORES[store]
    )
    bad = chunk_files(path / "0")[0]
    damage(bad)
    with open_one(path) as source, pytest.raises(ImageError) as caught:
        source.read((), Region(0, 0, 64, 64), [0, 1])
    assert str(caught.value).startswith(f"chunk {bad} {said}")
    assert str(caught.value).count(str(bad)) == 1
    assert source.chunks_decoded == 0


def test_a_chunk_that_cannot_be_looked_at_is_not_taken_for_one_never_written(tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", pattern((8, 8)), chunks=(4, 4))
    first, second = chunk_files(path)[:2]
    first.unlink()
    second.unlink()
    second.symlink_to(second.name)  # any trouble but absence: access, a broken disk or network
    group, here = PlaneGroup(()), Region(0, 4, 4, 4)
    with open_one(path) as source:
        assert source.missing(group, Region(0, 0, 4, 4), [0]) == 0
        assert source.missing(group, here, [0]) is None
        with pytest.raises(ImageError, match="cannot be decoded"):
            source.request(group, here, [0]).result()


def test_a_read_that_fails_everywhere_and_nowhere_still_says_which_image(tmp_path: Path) -> None:
    path = write_array(tmp_path / "a.zarr", pattern((8, 8)))
    chunks = Chunks(zarr.open_array(str(path), mode="r"), path, "i.zarr")
    error = chunks.damage((slice(0, 8), slice(0, 8)), OSError(5, "Input/output error"), lambda part: None)
    assert str(error) == "i.zarr cannot be read: [Errno 5] Input/output error"


def test_a_folder_above_the_store_says_what_it_holds(tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "b.ome.zarr", pattern((4, 5)), "yx")
    write_array(tmp_path / "a.zarr", pattern((4, 5)))
    with pytest.raises(ImageError, match=r"is a folder that holds a.zarr, b.ome.zarr; name one of them"):
        open_images(tmp_path, InputOptions())
