"""Arrays in memory: the same pixels as NumPy gives, and no copy where NumPy needs none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from czengine.geometry import Region
from czengine.sources.array import open_array
from czengine.sources.base import PlaneGroup, Source
from tests.support.cells import Case, cases, expected
from tests.support.images import pattern


@given(case=cases())
@settings(deadline=None)
def test_any_array_reads_as_numpy_indexes_it(case: Case) -> None:
    with open_array(case.data, case.axes) as source:
        found = source.request(case.group, case.region, case.channels).result()
        assert source.missing(case.group, case.region, case.channels) is None
    np.testing.assert_array_equal(
        found, expected(case.data, case.axes, case.group, case.region, case.channels)
    )
    assert found.dtype == source.info.dtype
    assert found.dtype.isnative
    assert source.chunks_decoded == 0
    assert source.reader == "memory"


@pytest.mark.parametrize(
    ("axes", "shape", "channels"),
    [
        ("yx", (30, 40), [0]),
        ("yxs", (30, 40, 3), [0, 1, 2]),
        ("yxs", (30, 40, 3), [2, 1, 0]),
        ("cyx", (5, 30, 40), [4, 2, 0]),
        ("xyc", (40, 30, 3), [1]),
        ("tzcyx", (2, 3, 2, 30, 40), [1, 0]),
    ],
)
def test_one_plane_is_a_view(axes: str, shape: tuple[int, ...], channels: list[int]) -> None:
    data = pattern(shape)
    source = open_array(data, axes)
    group = PlaneGroup(tuple(range(1, 2) for _ in source.info.axes.planes))
    pixels = source.request(group, Region(2, 3, 20, 30), channels).result()
    assert np.shares_memory(pixels, data)
    assert pixels.shape == (1, len(channels), 20, 30)
    assert np.shares_memory(source.read((1,) * len(group.ranges), Region(0, 0, 1, 1), [0]), data)


def test_planes_along_one_axis_are_a_view() -> None:
    data = pattern((5, 8, 9))
    pixels = open_array(data, "zyx").request(PlaneGroup((range(1, 5, 2),)), Region(0, 0, 8, 9), [0]).result()
    assert np.shares_memory(pixels, data)
    np.testing.assert_array_equal(pixels[:, 0], data[1:5:2])


def test_a_memory_map_is_not_read_whole(tmp_path: Path) -> None:
    data = pattern((50, 60))
    np.save(tmp_path / "a.npy", data)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    pixels = open_array(mapped, None).read((), Region(10, 10, 5, 6), [0])
    assert np.shares_memory(pixels, mapped)
    np.testing.assert_array_equal(pixels[0], data[10:15, 10:16])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_channels_in_any_order(channels: list[int]) -> None:
    data = pattern((5, 2, 3))
    found = open_array(data, "cyx").read((), Region(0, 0, 2, 3), channels)
    np.testing.assert_array_equal(found, data[channels])


@pytest.mark.parametrize(
    ("axes", "shape", "chunks"),
    [
        ("yx", (30, 5000), (30, 2048)),
        ("zyxs", (4, 3000, 30, 3), (1, 2048, 30, 3)),
        ("tczyx", (2, 3, 4, 5, 6), (1, 3, 1, 5, 6)),
    ],
)
def test_cells_are_parts_of_one_plane(axes: str, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    source: Source = open_array(np.zeros(shape, np.uint8), axes)
    assert source.info.chunks == chunks
    assert source.info.shards is None


def test_other_byte_orders_are_turned() -> None:
    data: Any = pattern((4, 5), ">u2")
    found = open_array(data, None).read((), Region(0, 0, 4, 5), [0])
    assert found.dtype.isnative
    np.testing.assert_array_equal(found[0], data)
