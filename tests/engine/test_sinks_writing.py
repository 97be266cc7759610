"""Blocks of any shape, in any order, from several threads; the pyramid from them; both can be stopped."""

from __future__ import annotations

import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from czengine.config import InputOptions
from czengine.errors import Cancelled, OutputError
from czengine.geometry import Axes, Region
from czengine.sinks.omezarr import check_targets, open_sink
from czengine.sources.base import ImageInfo, Level
from czengine.sources.collection import open_images
from tests.support.fulldisk import run_on_small_disk
from tests.support.images import chunk_files, pattern, write_ome_zarr, write_plate
from tests.support.results import (
    blocks_of,
    image_info,
    in_storage_order,
    plan,
    result_pixels,
    snapshot,
    write_planes,
)


def array(path: Path) -> zarr.Array[Any]:
    return zarr.open_array(str(path), mode="r")


@st.composite
def images(draw: st.DrawFn) -> ImageInfo:
    """An image without files: axes in a legal order, several blocks a plane, levels of any kind."""
    axes = draw(st.sampled_from(["yx", "xy", "cyx", "zyx", "tzyx", "tcxy"]))
    size = {"t": 2, "c": 2, "z": 3, "y": draw(st.integers(250, 700)), "x": draw(st.integers(250, 700))}
    shape = tuple(size[axis] for axis in axes)
    levels = [Level(path="0", shape=shape, scale=(0.5,) * len(axes), translation=(0.0,) * len(axes))]
    for number in range(1, draw(st.integers(2, 4))):
        factors = [draw(st.integers(1, 5)) if axis in "zyx" else 1 for axis in axes]
        if draw(st.booleans()):
            factors = [2**number if axis in "yx" else 1 for axis in axes]
        shift = draw(st.sampled_from([0.0, 0.25]))
        levels.append(
            Level(
                path=str(number),
                shape=tuple(-(-n // f) for n, f in zip(shape, factors, strict=True)),
                scale=tuple(0.5 * f for f in factors),
                translation=tuple(shift * (f - 1) for f in factors),
            )
        )
    version = draw(st.sampled_from(["0.4", "0.5"]))
    is_sharded = version == "0.5" and draw(st.booleans())
    return ImageInfo(
        root=Path("absent.zarr"),
        path="",
        axes=Axes.parse(axes),
        units=(None,) * len(axes),
        dtype=np.dtype(np.uint8),
        levels=tuple(levels),
        level=0,
        chunks=(256,) * len(axes),
        shards=(512,) * len(axes) if is_sharded else None,
        channel_names=(),
        is_color=False,
        ngff=version,  # type: ignore[arg-type]
        zarr_format=2 if version == "0.4" else 3,
    )


@given(info=images(), scores=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_blocks_in_any_order_make_the_image_and_each_level_its_nearest_pixels(
    info: ImageInfo, scores: bool, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        targets = plan(info, out=Path(folder) / "r.zarr", scores=scores)
        pixels = result_pixels(targets, seed=seed)
        with open_sink(targets, threads=2) as sink:
            write_planes(sink, pixels, threads=3, seed=seed)
        found = [array(targets[0].path / str(number))[...] for number in range(len(info.levels))]
        written = sink.bytes_written
    names = str(info.axes).lower()
    ordered = names if "c" in names or not scores else "t" * names.count("t") + "c" + names.lstrip("t")
    full = in_storage_order(pixels, targets[0], ordered)
    assert written == sum(np.asarray(level).nbytes for level in found)
    np.testing.assert_array_equal(found[0], full)
    for level, pixels_found in zip(info.levels[1:], found[1:], strict=True):
        wanted = full
        for axis, name in enumerate(ordered):
            if name == "c":
                continue
            at = info.axes.index(name)
            finest = info.levels[0]
            places = np.arange(finest.shape[at]) * finest.scale[at]
            worlds = np.arange(level.shape[at]) * level.scale[at] + level.translation[at]
            nearest = [int(np.argmin(np.round(np.abs(places - world), 9))) for world in worlds]
            wanted = wanted.take(nearest, axis)
        np.testing.assert_array_equal(pixels_found, wanted)


def test_pixels_may_be_used_again_once_write_returns(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((6, 300, 400)), "zyx", levels=2, chunks=(1, 256, 256))
    targets = plan(image_info(path))
    with open_sink(targets) as sink:
        for z in range(6):
            for region in blocks_of(sink, 300, 400):
                pixels = np.full((1, region.height, region.width), z + 1, np.uint8)
                sink.write((z,), region, pixels)
                pixels[:] = 99
    for level in "01":
        found = array(targets[0].path / level)[...]
        np.testing.assert_array_equal(found, np.arange(1, 7)[:, None, None] * np.ones_like(found))


def test_there_is_no_memory_for_blocks_of_files(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((20, 24)), "yx")
    with open_sink(plan(image_info(path))) as sink:
        assert sink.new_block((), Region(0, 0, 20, 24)) is None
        assert sink.bytes_written == 0
        sink.write((), Region(0, 0, 20, 24), np.ones((1, 20, 24), np.uint8))
        assert sink.bytes_written == 20 * 24


@pytest.mark.parametrize("level", ["0", "1"])
def test_a_write_that_fails_is_reported_and_leaves_nothing(tmp_path: Path, level: str) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((2, 20, 24)), "zyx", levels=2)
    before = snapshot(tmp_path)

    def write_in_vain() -> None:
        with open_sink(plan(image_info(path))) as sink:
            (place,) = (path / "labels").glob(f".*/new/{level}")
            (place / "c").touch()  # a file where a folder is needed
            sink.write((0,), Region(0, 0, 20, 24), np.ones((1, 20, 24), np.uint8))
            assert level != "0"
            sink.finish(2)

    with pytest.raises(OutputError, match=r"cannot write .*labels/test: Not a directory"):
        write_in_vain()
    assert snapshot(tmp_path) == before


def test_files_are_those_of_the_chunks_and_have_a_checksum(tmp_path: Path) -> None:
    """One file a chunk or shard, none beside; bit 2 of a zstd frame's descriptor says that a checksum follows."""
    for shards in (None, (512, 512)):
        path = write_ome_zarr(
            tmp_path / f"{shards}.zarr", pattern((600, 700)), "yx", chunks=(256, 256), shards=shards
        )
        targets = plan(image_info(path))
        with open_sink(targets) as sink:
            write_planes(sink, result_pixels(targets))
        files = chunk_files(targets[0].path / "0")
        assert {file.name for file in files} == set("01" if shards else "012")
        for file in files:
            data = file.read_bytes()
            assert data[:4] == b"\x28\xb5\x2f\xfd"
            assert data[4] & 0b100


def test_blocks_without_a_class_leave_no_file(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((600, 700)), "yx", levels=2, chunks=(256, 256))
    targets = plan(image_info(path))
    pixels = np.zeros((1, 600, 700), np.uint8)
    pixels[:, :256, :256] = 1
    with open_sink(targets) as sink:
        write_planes(sink, pixels)
    assert [len(chunk_files(targets[0].path / level)) for level in "01"] == [1, 1]
    np.testing.assert_array_equal(array(targets[0].path / "1")[...], pixels[0, ::2, ::2])


def test_a_pyramid_can_be_stopped_between_blocks(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((9, 300, 400)), "zyx", levels=2, chunks=(1, 256, 256))
    before = snapshot(tmp_path)
    asked: list[int] = []

    def check() -> None:
        asked.append(len(list((path / "labels").glob(".*/new/1/c/*/*/*"))))
        if len(asked) == 4:
            raise Cancelled("enough")

    def write_and_stop() -> None:
        targets = plan(image_info(path))
        with open_sink(targets) as sink:
            write_planes(sink, np.ones_like(result_pixels(targets)), finish=False)
            sink.finish(1, check)

    with pytest.raises(Cancelled, match="enough"):
        write_and_stop()
    assert len(asked) == 4
    assert asked[-1] < 9
    assert snapshot(tmp_path) == before
    assert not any(t.name.startswith("czengine-pyramid") for t in threading.enumerate())


def test_a_pyramid_is_made_once_and_also_where_nobody_asked(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((300, 400)), "yx", levels=3, chunks=(256, 256))
    for name, times in (("none", 0), ("two", 2)):
        targets = plan(image_info(path), name=name)
        pixels = result_pixels(targets)
        with open_sink(targets) as sink:
            write_planes(sink, pixels, finish=False)
            for _ in range(times):
                sink.finish(2)
        assert sink.bytes_written == sum(array(targets[0].path / level).nbytes for level in "012")
        for number in range(3):
            found = array(targets[0].path / str(number))[...]
            np.testing.assert_array_equal(found, pixels[0, :: 2**number, :: 2**number])


def test_large_factors_are_read_in_pieces(tmp_path: Path) -> None:
    """A level 100 times smaller comes straight from full resolution, of which little is in memory at once."""
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((4500, 4200), np.uint8), "yx", chunks=(512, 512))
    info = image_info(path)
    coarse = Level(path="1", shape=(45, 42), scale=(100.0, 100.0), translation=(49.5, 49.5))
    targets = plan(replace(info, levels=(*info.levels, coarse)), out=tmp_path / "r.zarr")
    pixels = result_pixels(targets)
    with open_sink(targets) as sink:
        write_planes(sink, pixels)
    picked = np.arange(49, 4500, 100)
    np.testing.assert_array_equal(
        array(tmp_path / "r.zarr" / "1")[...], pixels[0][np.ix_(picked, picked[:42])]
    )


_FULL_PYRAMID = """
import json
from pathlib import Path
import numpy as np
from czengine.errors import OutputError
from czengine.sinks.omezarr import open_sink
from tests.support.images import pattern, write_ome_zarr
from tests.support.results import image_info, plan, result_pixels, snapshot, write_planes

path = write_ome_zarr(Path({folder!r}) / "i.zarr", pattern((800, 800), np.uint8) // 200, "yx", levels=2,
                      chunks=(256, 256))
before = snapshot(Path({folder!r}))
targets = plan(image_info(path), scores=True)
pixels = result_pixels(targets)
try:
    with open_sink(targets) as sink:
        write_planes(sink, pixels, finish=False)
        print("level 0 is there")
        sink.finish(2)
except OutputError as error:
    print(error)
print(snapshot(Path({folder!r})) == before)
"""


def test_a_disk_that_is_full_when_the_pyramid_is_made(tmp_path: Path) -> None:
    printed = run_on_small_disk(tmp_path, _FULL_PYRAMID.format(folder=str(tmp_path)), size="5300k")
    assert printed.splitlines() == [
        "level 0 is there",
        f"disk full while writing {tmp_path / 'i.test_scores.ome.zarr'}; free some space, or choose another place"
        " with --out",
        "True",
    ]


def test_checking_a_plate_does_not_read_its_consolidated_metadata_for_every_field(tmp_path: Path) -> None:
    wells = {("A", str(n)): [pattern((20, 24))] * 4 for n in range(1, 4)}
    path = write_plate(tmp_path / "p.zarr", wells, "yx")
    targets = [t for s in open_images(path, InputOptions()) for t in plan(s.info)]
    assert len(targets) == 12
    before = snapshot(tmp_path)
    opened: list[str] = []

    def listen(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and arguments[0] == str(path / "zarr.json"):
            opened.append(event)

    sys.addaudithook(listen)
    check_targets(targets)
    count = len(opened)
    opened.clear()
    assert count == 1
    assert snapshot(tmp_path) == before
