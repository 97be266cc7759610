"""Whatever goes wrong, the image and older results are untouched, nothing is left behind, and a sentence says why."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import zarr

from czengine.errors import CzEngineError, ImageError, OutputError
from czengine.geometry import Region
from czengine.sinks.base import Target
from czengine.sinks.omezarr import check_targets, open_sink
from czengine.sinks.staging import writing
from czengine.sources.base import ImageInfo
from tests.support.fulldisk import run_on_small_disk
from tests.support.images import pattern, write_array, write_group, write_labels, write_ome_zarr
from tests.support.results import (
    image_info,
    plan,
    snapshot,
    validate,
    write_result,
)

Version = Literal["0.4", "0.5"]
VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
ROWS = np.ones((1, 20, 24), np.uint8)
PLANE = Region(0, 0, 20, 24)


def write_image(path: Path, version: Version = "0.5") -> ImageInfo:
    return image_info(write_ome_zarr(path, pattern((20, 24)), "yx", version=version, levels=2))


@VERSIONS
def test_a_result_that_is_there_is_not_overwritten(tmp_path: Path, version: Version) -> None:
    info = write_image(tmp_path / "i.zarr", version)
    write_labels(info.root, np.ones((20, 24), np.uint8), "yx", name="test", version=version, levels=2)
    before = snapshot(tmp_path)
    message = r"labels/test exists already; give --overwrite to replace it, or another --name or --out"
    with pytest.raises(OutputError, match=message):
        check_targets(plan(info))
    with pytest.raises(OutputError, match=message), open_sink(plan(info)):
        pytest.fail("work began")
    assert snapshot(tmp_path) == before


@VERSIONS
def test_overwrite_replaces(tmp_path: Path, version: Version) -> None:
    info = write_image(tmp_path / "i.zarr", version)
    write_labels(info.root, np.ones((20, 24), np.uint8), "yx", name="test", version=version, levels=3)
    check_targets(plan(info, overwrite=True))
    assert (info.root / "labels" / "test" / "2").exists()
    write_result(plan(info, overwrite=True))
    assert not (info.root / "labels" / "test" / "2").exists()
    assert [p.name for p in (info.root / "labels").iterdir() if not p.name.startswith((".z", "zarr"))] == [
        "test"
    ]
    validate(info.root)


@pytest.mark.parametrize("kind", ["folder", "raw image", "well"])
@VERSIONS
def test_overwrite_replaces_results_only(tmp_path: Path, kind: str, version: Version) -> None:
    info = write_image(tmp_path / "i.zarr", version)
    place = tmp_path / "precious"
    if kind == "folder":
        place.mkdir()
        (place / "chapter1.tex").write_text("years of work")
    elif kind == "raw image":
        write_image(place, version)
    else:
        write_group(place, {"well": {"images": [{"path": "0"}]}}, version=version)
    before = snapshot(tmp_path)
    message = r"precious is neither a label image nor a result of czengine, .* choose another --name or --out"
    with pytest.raises(OutputError, match=message):
        check_targets(plan(info, out=place, overwrite=True))
    with pytest.raises(OutputError, match=message):
        write_result(plan(info, out=place, overwrite=True))
    assert snapshot(tmp_path) == before


@VERSIONS
def test_overwrite_replaces_scores(tmp_path: Path, version: Version) -> None:
    info = write_image(tmp_path / "i.zarr", version)
    write_result(plan(info, scores=True))
    pixels = write_result(plan(info, scores=True, overwrite=True), seed=1)
    found = zarr.open_array(str(tmp_path / "i.test_scores.ome.zarr" / "0"), mode="r")
    np.testing.assert_array_equal(found[...], pixels)


def write_and_fail(targets: Sequence[Target], planes: int, error: type[BaseException]) -> None:
    with open_sink(targets) as sink:
        for _ in range(planes):
            sink.write((), PLANE, ROWS)
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ImageError])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("planes", [0, 1])
def test_an_interrupted_run_leaves_everything_as_it_was(
    tmp_path: Path, error: type[BaseException], overwrite: bool, planes: int
) -> None:
    info = write_image(tmp_path / "i.zarr")
    if overwrite:
        write_result(plan(info))
    before = snapshot(tmp_path)
    with pytest.raises(error):
        write_and_fail(plan(info, overwrite=overwrite), planes, error)
    assert snapshot(tmp_path) == before
    write_result(plan(info, overwrite=overwrite), seed=1)
    validate(info.root)


_CTRL_C = """
from pathlib import Path
import numpy as np
from czengine.sinks.base import Target
from czengine.sinks.omezarr import open_sink
from tests.support.results import blocks_of, image_info, plan

info = image_info(Path({path!r}))
rows = np.random.default_rng(0).integers(0, 255, (1, info.height, info.width), np.uint8)
with open_sink(plan(info)) as sink:
    while True:
        for plane in range(info.size("z")):
            for part in blocks_of(sink, info.height, info.width):
                sink.write((plane,), part, rows[:, part.y : part.bottom, part.x : part.right])
        print("written", flush=True)
"""


@pytest.mark.parametrize(("number", "is_clean"), [(signal.SIGINT, True), (signal.SIGKILL, False)])
def test_a_stopped_process(tmp_path: Path, number: signal.Signals, is_clean: bool) -> None:
    """Ctrl-C in the middle of a write leaves nothing; after a kill the next run clears up."""
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((4, 600, 800)), "zyx", chunks=(1, 256, 256))
    before = snapshot(tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    code = _CTRL_C.format(path=str(path))
    child = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with child:
        if child.stdout is not None:
            assert child.stdout.readline() == b"written\n"
        time.sleep(0.02)
        child.send_signal(number)
        child.communicate(timeout=60)
    assert child.returncode == -number
    assert (snapshot(tmp_path) == before) == is_clean
    write_result(plan(image_info(path)))
    validate(path)
    assert sorted(p.name for p in (path / "labels").iterdir()) == ["test", "zarr.json"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (
            errno.ENOSPC,
            r"^disk full while writing r.zarr; free some space, or choose another place with --out$",
        ),
        (errno.EDQUOT, r"^disk full while writing r.zarr"),
        (errno.EACCES, r"^cannot write r.zarr \(Permission denied\); choose another place with --out$"),
        (errno.EROFS, r"^cannot write r.zarr \(Read-only file system\); choose another place with --out$"),
        (errno.EIO, r"^cannot write r.zarr: Input/output error$"),
    ],
)
def test_errors_of_the_file_system_become_sentences(number: int, message: str) -> None:
    with pytest.raises(OutputError, match=message) as caught, writing(Path("r.zarr")):
        raise OSError(number, "whatever")
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(OutputError, match=r"^as it is$"), writing(Path("r.zarr")):
        raise OutputError("as it is")


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    info = write_image(tmp_path / "i.zarr")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file/r.zarr: Not a directory"):
        check_targets(plan(info, out=tmp_path / "file" / "r.zarr"))
    with pytest.raises(OutputError, match=r"file exists already"):
        check_targets(plan(info, out=tmp_path / "file"))


def test_axes_without_a_place_are_refused_before_work(tmp_path: Path) -> None:
    path = write_array(tmp_path / "i.zarr", pattern((1, 1, 1, 1, 1, 4, 4)))
    with pytest.raises(OutputError, match="has at most 5"):
        check_targets(plan(image_info(path, axes="pmtczyx")))


_FULL = """
import json
from pathlib import Path
import numpy as np
from czengine.errors import OutputError
from czengine.sinks.base import Target
from czengine.sinks.omezarr import check_targets
from tests.support.images import pattern, write_ome_zarr
from tests.support.results import image_info, plan, snapshot, write_result

path = write_ome_zarr(Path({folder!r}) / "i.zarr", pattern((2000, 3000), np.uint8) // 200, "yx", version={version!r},
                      levels=2, chunks=(256, 256))
before = snapshot(Path({folder!r}))
targets = plan(image_info(path), scores={scores})
check_targets(targets)
try:
    write_result(targets)
except OutputError as error:
    print(json.dumps([str(error), snapshot(Path({folder!r})) == before]))
"""


@pytest.mark.parametrize(("version", "scores"), [("0.4", False), ("0.5", True)])
def test_a_full_disk(tmp_path: Path, version: Version, scores: bool) -> None:
    code = _FULL.format(folder=str(tmp_path), version=version, scores=scores)
    printed = run_on_small_disk(tmp_path, code, size="3m")
    place = "i.test_scores.ome.zarr" if scores else "i.zarr/labels/test"
    message = (
        f"disk full while writing {tmp_path / place}; free some space, or choose another place with --out"
    )
    assert printed == f'["{message}", true]\n'


_READ_ONLY = """
import json, subprocess, sys
from pathlib import Path
from czengine.errors import OutputError
from czengine.sinks.base import Target
from czengine.sinks.omezarr import check_targets
from tests.support.images import pattern, write_ome_zarr
from tests.support.results import image_info, plan, snapshot

folder = Path({folder!r})
path = write_ome_zarr(folder / "i.zarr", pattern((20, 30)), "yx")
subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
for targets in (plan(image_info(path)), plan(image_info(path), scores=True)):
    try:
        check_targets(targets)
    except OutputError as error:
        print(error)
"""


def test_a_read_only_place_is_found_before_work(tmp_path: Path) -> None:
    printed = run_on_small_disk(tmp_path, _READ_ONLY.format(folder=str(tmp_path)))
    reason = "(Read-only file system); choose another place with --out"
    assert printed.splitlines() == [
        f"cannot write {tmp_path / 'i.zarr/labels/test'} {reason}",
        f"cannot write {tmp_path / 'i.test_scores.ome.zarr'} {reason}",
    ]


def test_every_failure_is_one_of_ours() -> None:
    assert issubclass(OutputError, CzEngineError)
    assert OutputError.exit_code == 6
