"""Selections and channels as typed by a user, and the planes they leave."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.config import InputOptions
from czengine.errors import OptionError
from czengine.geometry import Axes
from czengine.sources.base import ImageInfo, Level
from czengine.sources.select import OPEN_END, parse_channels, parse_selection, planes


def info(axes: str = "tczyx", shape: tuple[int, ...] = (4, 2, 3, 8, 9)) -> ImageInfo:
    ones = (1.0,) * len(shape)
    return ImageInfo(
        root=Path("i.zarr"),
        path="",
        axes=Axes(tuple(axes)),
        units=(None,) * len(shape),
        dtype=np.dtype(np.uint8),
        levels=(Level(path="0", shape=shape, scale=ones, translation=ones),),
        level=0,
        chunks=shape,
        shards=None,
        channel_names=(),
        is_color=False,
        ngff="0.5",
        zarr_format=3,
    )


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("t=3", {"t": (3, 4)}),
        ("t=0:10,z=3", {"t": (0, 10), "z": (3, 4)}),
        (" T = 2 : 5 , z=:2 ", {"t": (2, 5), "z": (0, 2)}),
        ("angle=1:", {"angle": (1, OPEN_END)}),
        ("t=:", {"t": (0, OPEN_END)}),
    ],
)
def test_selections_are_half_open_ranges(text: str, ranges: dict[str, tuple[int, int]]) -> None:
    assert parse_selection(text) == ranges
    assert InputOptions(select=parse_selection(text)).select == ranges


@pytest.mark.parametrize(
    "text", ["", "t", "t=", "=3", "t=a", "t=-1", "t=1:-1", "t=1:2:3", "t=1 2", "t=1,", "3=t"]
)
def test_nonsense_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(OptionError, match=r"select .* is not understood at .*; write e.g. t=0:10,z=3"):
        parse_selection(text)


@pytest.mark.parametrize("text", ["t=3:3", "t=5:2", "t=:0"])
def test_empty_ranges_are_refused(text: str) -> None:
    with pytest.raises(
        OptionError, match=f"select '{text}' takes nothing at '{text}'; the end is not included"
    ):
        parse_selection(text)


def test_an_axis_has_one_range() -> None:
    with pytest.raises(OptionError, match=r"names axis 't' twice; give it one range"):
        parse_selection("t=1,T=2")


def test_channels_are_indices_or_names() -> None:
    assert parse_channels("0, DAPI ,2") == (0, "DAPI", 2)
    assert parse_channels("-1") == ("-1",)
    for text in ("", "0,", ",DAPI"):
        with pytest.raises(OptionError, match=r"has an empty entry; give indices or names, e.g. 0,DAPI"):
            parse_channels(text)


def test_without_a_selection_all_planes_come_in_storage_order() -> None:
    assert planes(info(), None) == tuple(itertools.product(range(4), range(3)))
    assert planes(info("zyx", (2, 8, 8)), {}) == ((0,), (1,))
    assert planes(info("yx", (8, 8)), None) == ((),)


@given(st.data())
def test_a_selection_keeps_what_it_names(data: st.DataObject) -> None:
    ranges = {}
    for axis, size in (("t", 4), ("z", 3)):
        if data.draw(st.booleans()):
            start = data.draw(st.integers(0, size - 1))
            ranges[axis] = (start, data.draw(st.sampled_from([*range(start + 1, size + 1), OPEN_END])))
    limits = [ranges.get("t", (0, 4)), ranges.get("z", (0, 3))]
    everything = itertools.product(range(4), range(3))
    wanted = [p for p in everything if all(lo <= i < hi for i, (lo, hi) in zip(p, limits, strict=True))]
    assert list(planes(info(), ranges)) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t=4", "select takes t=4:5, but i.zarr has 4 along 't': 0 to 3"),
        ("t=0:5", "select takes t=0:5, but i.zarr has 4 along 't'"),
        ("z=3:", "select takes z=3:, but i.zarr has 3 along 'z': 0 to 2"),
        ("y=0:4", "select names axis 'y'; cropping planes is not supported"),
        ("c=0", "select names axis 'c'; pick channels with --channel"),
        ("q=0", "select names axis 'q', which i.zarr does not have; its plane axes are t, z"),
    ],
)
def test_selections_that_do_not_fit_the_image(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        planes(info(), parse_selection(text))


def test_a_single_plane_has_nothing_to_select() -> None:
    with pytest.raises(
        OptionError, match=r"which i.zarr does not have; it is a single plane; leave --select out"
    ):
        planes(info("yx", (8, 8)), {"t": (0, 1)})


@pytest.mark.parametrize("bounds", [(-1, 2), (2, 2), (3, 1)])
def test_ranges_from_python_are_checked_too(bounds: tuple[int, int]) -> None:
    with pytest.raises(OptionError, match=r"select takes t="):
        planes(info(), {"t": bounds})
