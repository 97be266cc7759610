"""Writing goes on beside the work, and checking many places is cheap."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from czengine.config import InputOptions
from czengine.errors import OutputError
from czengine.sinks.omezarr import check_targets, open_sink
from czengine.sources.collection import open_images
from tests.support.images import pattern, write_ome_zarr, write_plate
from tests.support.results import image_info, plan, snapshot


def test_rows_may_be_used_again_once_write_returns(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((6, 300, 400)), "zyx", levels=2, chunks=(1, 256, 256))
    targets = plan(image_info(path))
    rows = np.empty((1, 300, 400), np.uint8)
    with open_sink(targets) as sink:
        for z in range(6):
            rows[:] = z + 1
            sink.write((z,), 0, rows)
            rows[:] = 99
    for level in "01":
        found = zarr.open_array(str(targets[0].path / level), mode="r")[...]
        np.testing.assert_array_equal(found, np.arange(1, 7)[:, None, None] * np.ones_like(found))


@pytest.mark.parametrize("more", [0, 1])
def test_a_write_that_fails_is_reported_by_the_next_one_or_at_the_end(tmp_path: Path, more: int) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((2, 20, 24)), "zyx")
    before = snapshot(tmp_path)
    targets = plan(image_info(path))
    done = []

    def write_in_vain() -> None:
        with open_sink(targets) as sink:
            (level,) = (path / "labels").glob(".*/new/0")
            (level / "c").touch()  # a file where a folder is needed
            for _ in range(1 + more):
                sink.write((0,), 0, np.ones((1, 20, 24), np.uint8))
                done.append(1)

    with pytest.raises(OutputError, match=r"cannot write .*labels/test: "):
        write_in_vain()
    assert len(done) == 1
    assert snapshot(tmp_path) == before


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
