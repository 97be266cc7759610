"""tensorstore and zarr-python give the same pixels; which one reads, and why; their errors in our words."""

from __future__ import annotations

import errno
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings

from czengine.geometry import Region
from czengine.sources.base import PlaneGroup
from czengine.sources.pixels import Pixels, TensorStorePixels, ZarrPythonPixels, open_pixels, reason
from tests.support.cells import UNKNOWN_TO_TENSORSTORE, Case, cases, open_one
from tests.support.images import pattern, write_array, write_ome_zarr

WHOLE = PlaneGroup(())


def both_readers(path: Path) -> tuple[Pixels, Pixels]:
    array = zarr.open_array(str(path), mode="r+")
    return open_pixels(array, path, threads=2, writable=True), ZarrPythonPixels(array, 2, "a test")


def selection_of(case: Case) -> tuple[slice | list[int], ...]:
    planes = iter(case.group.ranges)
    parts: dict[str, slice | list[int]] = {
        "y": slice(case.region.y, case.region.bottom),
        "x": slice(case.region.x, case.region.right),
        **dict.fromkeys("cs", case.channels),
    }
    for axis in case.axes:
        if axis not in "csyx":
            taken = next(planes)
            parts[axis] = slice(taken.start, taken.stop, taken.step)
    return tuple(parts[axis] for axis in case.axes)


@given(case=cases())
@settings(max_examples=80, deadline=None)
def test_both_libraries_read_the_same(case: Case) -> None:
    order = sorted(range(len(case.axes)), key=lambda axis: case.axes[axis])
    with tempfile.TemporaryDirectory() as folder:
        path = case.write(Path(folder))
        fast, slow = both_readers(path)
        assert isinstance(fast, TensorStorePixels), slow.reader
        found, wanted = (
            pixels.read(selection_of(case), order, check=lambda: None).result() for pixels in (fast, slow)
        )
        whole = zarr.open_array(str(path), mode="r")[...]
        slow.close()
    picked = whole[
        np.ix_(*(np.arange(n)[part] for n, part in zip(whole.shape, selection_of(case), strict=True)))
    ]
    for pixels in (found, wanted):
        np.testing.assert_array_equal(pixels, picked.transpose(order))
        assert pixels.dtype == case.data.dtype.newbyteorder("=")
        assert pixels.dtype.isnative
        assert pixels.flags.c_contiguous


@pytest.mark.parametrize("kind", UNKNOWN_TO_TENSORSTORE)
def test_what_tensorstore_does_not_know_is_read_by_zarr_python(tmp_path: Path, kind: str) -> None:
    data = pattern((3, 40, 50))
    path = write_array(tmp_path / "a.zarr", data, chunks=(2, 16, 16), **UNKNOWN_TO_TENSORSTORE[kind])
    with open_one(path, axes="zyx") as source:
        assert source.reader.startswith("zarr-python (tensorstore: ")
        found = source.request(PlaneGroup((range(3),)), Region(5, 6, 30, 40), [0]).result()
    np.testing.assert_array_equal(found[:, 0], data[:, 5:35, 6:46])


def test_the_reader_says_why(tmp_path: Path) -> None:
    for kind, said in {"v2 lz4": '"lz4" is not registered', "v2 delta": "filters are not supported"}.items():
        path = write_array(tmp_path / kind, pattern((8, 8)), **UNKNOWN_TO_TENSORSTORE[kind])
        assert open_one(path).reader == f"zarr-python (tensorstore: {said})"
    assert open_one(write_array(tmp_path / "a.zarr", pattern((8, 8)))).reader == "tensorstore"


@pytest.mark.parametrize("name", ["a b", "a%20b", "a#b?c", "ü", 'q"', "a|b"])
def test_any_folder_name(tmp_path: Path, name: str) -> None:
    data = pattern((8, 8))
    write_array(tmp_path / name, data)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / name)
    for path in (tmp_path / name, tmp_path / "sub" / ".." / name, tmp_path / "link"):
        source = open_one(path)
        assert source.reader == "tensorstore"
        np.testing.assert_array_equal(source.read((), Region(0, 0, 8, 8), [0])[0], data)


def test_no_thread_outlives_the_source(tmp_path: Path) -> None:
    path = write_array(
        tmp_path / "a.zarr", pattern((64, 64)), chunks=(8, 8), **UNKNOWN_TO_TENSORSTORE["v2 lz4"]
    )
    with open_one(path) as source:
        pending = [source.request(WHOLE, Region(y, 0, 8, 64), [0]) for y in range(0, 64, 8)]
        pending[0].result()
        assert any(t.name.startswith("czengine-zarr") for t in threading.enumerate())
    assert not any(t.name.startswith("czengine-zarr") for t in threading.enumerate())


@pytest.mark.parametrize("library", [0, 1])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_is_written_is_read_by_zarr_python(tmp_path: Path, library: int, zarr_format: Any) -> None:
    data = pattern((3, 20, 24))
    empty = np.zeros_like(data)
    path = write_array(tmp_path / "a.zarr", empty, chunks=(1, 8, 8), zarr_format=zarr_format, fill_value=0)
    pixels = both_readers(path)[library]
    for z in range(3):
        for y in range(0, 20, 8):
            rows = data[z : z + 1, y : y + 8]
            pixels.write((slice(z, z + 1), slice(y, y + rows.shape[1]), slice(0, 24)), rows)
    np.testing.assert_array_equal(zarr.open_array(str(path), mode="r")[...], data)


@pytest.mark.parametrize("sharded", [False, True])
def test_a_file_that_cannot_be_made_is_an_error_of_the_file_system(tmp_path: Path, sharded: bool) -> None:
    shards = (8, 8) if sharded else None
    path = write_array(tmp_path / "a.zarr", np.zeros((8, 8), np.uint8), chunks=(4, 4), shards=shards)
    (path / "c").touch()
    pixels = both_readers(path)[0]
    with pytest.raises(OSError, match="Not a directory") as caught:
        pixels.write((slice(0, 8), slice(0, 8)), np.ones((8, 8), np.uint8))
    assert caught.value.errno == errno.ENOTDIR


def test_reasons_are_short() -> None:
    source = " [tensorstore_spec='{\"a\":1}']"
    file = 'FAILED_PRECONDITION: Error reading local file "/a/b": '
    assert reason(ValueError(f"{file}Truncated{source}")) == "Truncated"
    assert reason(ValueError(f'{file}Error parsing object member "id": "lz4" is not registered{source}')) == (
        '"lz4" is not registered'
    )
    assert reason(ValueError("DATA_LOSS: CRC mismatch [source locations='a.h:1']")) == "CRC mismatch"
    assert reason(RuntimeError("one: two\nthree")) == "one: two"
    assert reason(KeyError()) == "KeyError"


def test_the_metadata_may_be_those_of_a_level(tmp_path: Path) -> None:
    data = pattern((40, 48))
    path = write_ome_zarr(tmp_path / "i.zarr", data, "yx", levels=2)
    source = open_one(path, level=1)
    assert source.reader == "tensorstore"
    np.testing.assert_array_equal(source.read((), Region(0, 0, 20, 24), [0])[0], data[::2, ::2])
