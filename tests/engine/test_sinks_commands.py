"""Disks that are full or read-only, as the user of the command line meets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.archives import czann_archive
from tests.support.fulldisk import command_on_full_disk
from tests.support.images import pattern, write_ome_zarr


def make_inputs(folder: Path) -> tuple[Path, Path, Path]:
    """A model, an image to be copied to the disk, and the disk."""
    disk = folder / "disk"
    disk.mkdir()
    image = write_ome_zarr(folder / "i.zarr", pattern((1, 40, 50)), "cyx", levels=2)
    return czann_archive(folder / "model.czann"), image, disk


@pytest.mark.parametrize("room", [0, 12_288])
def test_a_full_disk_ends_with_6(tmp_path: Path, room: int) -> None:
    """Full from the beginning, and full in the middle of writing."""
    model, image, disk = make_inputs(tmp_path)
    done = command_on_full_disk(disk, image, "predict", model, disk / "i.zarr", "--name", "r", room=room)
    message = (
        f"disk full while writing {disk}/i.zarr/labels/r; free some space, or choose another place with --out"
    )
    assert_refused(done, message)


@pytest.mark.parametrize("out", [None, "far/away.zarr"])
def test_a_read_only_disk_ends_with_6(tmp_path: Path, out: str | None) -> None:
    model, image, disk = make_inputs(tmp_path)
    options = ["--out", str(disk / out)] if out else ["--name", "r"]
    done = command_on_full_disk(disk, image, "predict", model, disk / "i.zarr", *options, room=None)
    place = disk / (out or "i.zarr/labels/r")
    assert_refused(done, f"cannot write {place} (Read-only file system); choose another place with --out")


def test_a_mount_point_ends_with_6(tmp_path: Path) -> None:
    model, image, disk = make_inputs(tmp_path)
    done = command_on_full_disk(disk, image, "predict", model, image, "--out", disk, room=2**20)
    message = f"{disk} is a mount point, which no result can replace; name a folder inside it with --out"
    assert_refused(done, message)


def assert_refused(done: tuple[int, str, bool], message: str) -> None:
    code, err, is_unchanged = done
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert (code, lines) == (6, [f"czengine: {message}"])
    assert is_unchanged
