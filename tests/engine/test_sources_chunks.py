"""Each chunk is decoded once: counted by the source, by the bytes that leave the disk, and by the files opened."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter, deque
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr
import zarr.codecs
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.geometry import Region
from czengine.sources.base import PlaneGroup, Source
from tests.support.cells import UNKNOWN_TO_TENSORSTORE, Case, cases, cells, open_one
from tests.support.images import chunk_files, pattern, write_array

WHOLE = PlaneGroup(())


def read_in_cells(source: Source, axes: str, ahead: int = 3) -> NDArray[Any]:
    """The whole image from its cells, several under way at a time, put together in storage order."""
    info = source.info
    whole = np.empty(info.shape, info.dtype)
    flying: deque[tuple[Any, Any]] = deque()

    def land() -> None:
        (group, region, channels), pending = flying.popleft()
        place: dict[str, Any] = {"y": range(region.y, region.bottom), "x": range(region.x, region.right)}
        place |= dict(zip(info.axes.planes, group.ranges, strict=True)) | dict.fromkeys("cs", channels)
        shape = [len(place[axis]) for axis in (*info.axes.planes, *filter(None, [info.axes.channel]), *"yx")]
        order = [*info.axes.planes, *filter(None, [info.axes.channel]), "y", "x"]
        pixels = pending.result().reshape(shape).transpose([order.index(axis) for axis in axes])
        whole[np.ix_(*(list(place[axis]) for axis in axes))] = pixels

    for cell in cells(info):
        flying.append((cell, source.request(*cell)))
        if len(flying) > ahead:
            land()
    while flying:
        land()
    return whole


def chunks_written(array: zarr.Array[Any]) -> int:
    """Chunks that hold something else than the fill value: those zarr writes."""
    whole, count = np.asarray(array[...]), 0
    fill = np.asarray(0 if array.fill_value is None else array.fill_value, whole.dtype)
    steps = [range(0, n, c) for n, c in zip(array.shape, array.chunks, strict=True)]
    for corner in np.ndindex(*map(len, steps)):
        part = tuple(slice(s[i], s[i] + c) for s, i, c in zip(steps, corner, array.chunks, strict=True))
        same = whole[part] == fill
        count += not (
            same | (np.isnan(whole[part]) & np.isnan(fill)) if whole.dtype.kind == "f" else same
        ).all()
    return count


@given(case=cases(), sparse=st.booleans())
@settings(max_examples=60, deadline=None)
def test_cells_put_together_are_the_image_and_each_chunk_is_decoded_once(case: Case, sparse: bool) -> None:
    fill = 0 if case.fill is None else case.fill
    if sparse:
        case.data[tuple(slice(n // 2) for n in case.data.shape)] = fill
    with tempfile.TemporaryDirectory() as folder:
        path = case.write(Path(folder))
        array = zarr.open_array(str(path), mode="r")
        with open_one(path, axes=case.axes) as source:
            found = read_in_cells(source, case.axes)
        np.testing.assert_array_equal(found, np.asarray(array[...]))
        assert source.chunks_decoded == chunks_written(array)
        if array.shards is None:
            assert source.chunks_decoded == len(chunk_files(path))


def test_a_chunk_that_is_asked_for_again_counts_again_a_result_does_not(tmp_path: Path) -> None:
    with open_one(write_array(tmp_path / "a.zarr", pattern((8, 8)), chunks=(4, 4))) as source:
        pending = source.request(WHOLE, Region(0, 0, 4, 8), [0])
        first, second = pending.result(), pending.result()
        np.testing.assert_array_equal(first, second)
        assert source.chunks_decoded == 2
        source.read((), Region(3, 0, 1, 1), [0])
        assert source.chunks_decoded == 3


def bytes_read() -> int:
    """What tensorstore has read from files in this process."""
    import tensorstore

    (metric,) = tensorstore.experimental_collect_matching_metrics("/tensorstore/kvstore/file/bytes_read")
    return int(metric["values"][0]["value"])


@pytest.mark.parametrize("shards", [None, (32, 64)])
@pytest.mark.parametrize("cell", [(8, 8), (16, 64), (32, 32)])
def test_each_byte_leaves_the_disk_once(
    tmp_path: Path, shards: tuple[int, int] | None, cell: tuple[int, int]
) -> None:
    data = pattern((64, 128))
    path = write_array(tmp_path / "a.zarr", data, chunks=(8, 8), shards=shards)
    with open_one(path) as source:
        assert source.reader == "tensorstore"
        before = bytes_read()
        corners = [(y, x) for y in range(0, 64, cell[0]) for x in range(0, 128, cell[1])]
        pending = [source.request(WHOLE, Region(y, x, *cell), [0]) for y, x in corners]
        for reading, (y, x) in zip(pending, corners, strict=True):
            wanted = data[y : y + cell[0], x : x + cell[1]]
            np.testing.assert_array_equal(reading.result()[0, 0], wanted)
    assert source.chunks_decoded == 8 * 16
    assert bytes_read() - before == sum(file.stat().st_size for file in chunk_files(path))


def test_zarr_python_opens_each_file_once(tmp_path: Path) -> None:
    path = write_array(
        tmp_path / "a.zarr", pattern((64, 64)), chunks=(16, 16), **UNKNOWN_TO_TENSORSTORE["v2 lz4"]
    )
    files = {str(file) for file in chunk_files(path)}
    opened: Counter[str] = Counter()

    def listen(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]) in files:
            opened[str(arguments[0])] += 1

    sys.addaudithook(listen)
    with open_one(path) as source:
        read_in_cells(source, "yx")
    found = dict(opened)
    files.clear()
    assert found == dict.fromkeys(map(str, chunk_files(path)), 1)
    assert source.chunks_decoded == 16


@pytest.mark.parametrize("shards", [None, (8, 8)])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_was_never_written_is_missing(
    tmp_path: Path, zarr_format: Literal[2, 3], shards: tuple[int, int] | None
) -> None:
    data = np.full((16, 16), 7, np.uint16)
    data[8:, 8:] = 1
    path = write_array(
        tmp_path / "a.zarr",
        data,
        zarr_format=zarr_format,
        chunks=(4, 4),
        shards=shards if zarr_format == 3 else None,
        fill_value=7,
    )
    with open_one(path) as source:
        assert source.missing(WHOLE, Region(0, 0, 8, 16), [0]) == 7
        assert source.missing(WHOLE, Region(0, 0, 9, 9), [0]) is None
        assert source.missing(WHOLE, Region(12, 12, 1, 1), [0]) is None
        assert (source.read((), Region(0, 0, 8, 16), [0]) == 7).all()
        assert source.chunks_decoded == 0


def test_a_shard_that_is_there_is_not_missing_and_its_absent_chunks_do_not_count(tmp_path: Path) -> None:
    data = np.zeros((16, 16), np.uint16)
    data[:4, :8] = 1
    path = write_array(tmp_path / "a.zarr", data, chunks=(4, 4), shards=(16, 16))
    with open_one(path) as source:
        assert source.missing(WHOLE, Region(8, 8, 8, 8), [0]) is None
        assert not source.read((), Region(8, 8, 8, 8), [0]).any()
        assert source.chunks_decoded == 0
        source.read((), Region(0, 0, 16, 16), [0])
        assert source.chunks_decoded == 2


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("checksum", [True, False])
def test_indices_of_shards_of_every_kind(tmp_path: Path, location: Any, checksum: bool) -> None:
    index = [zarr.codecs.BytesCodec(), *([zarr.codecs.Crc32cCodec()] if checksum else [])]
    sharding = zarr.codecs.ShardingCodec(
        chunk_shape=(4, 4), index_codecs=index, index_location=location, codecs=[zarr.codecs.BytesCodec()]
    )
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(16, 16), chunks=(16, 8), dtype="u2", serializer=sharding,
        compressors=None,
    )  # fmt: skip
    array[4:12, :8] = 5
    with open_one(tmp_path / "a.zarr") as source:
        assert source.info.shards == (16, 8)
        found = source.read((), Region(0, 0, 16, 16), [0])
    np.testing.assert_array_equal(found[0], array[...])
    assert source.chunks_decoded == 4


@pytest.mark.parametrize(
    ("dtype", "fill", "found"),
    [("f4", np.nan, np.nan), ("u2", None, 0), ("bool", True, True), ("i2", -3, -3)],
)
def test_the_fill_value_of_what_is_missing(tmp_path: Path, dtype: str, fill: Any, found: Any) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(8, 8), dtype=dtype, fill_value=fill, zarr_format=2)
    with open_one(tmp_path / "a.zarr") as source:
        missing = source.missing(WHOLE, Region(0, 0, 8, 8), [0])
        np.testing.assert_array_equal(missing, found)
        np.testing.assert_array_equal(source.read((), Region(0, 0, 8, 8), [0]), np.full((1, 8, 8), found))
