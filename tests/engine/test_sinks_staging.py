"""Places, locks and undoing: between two runs, after a kill, and at every line an interrupt can come."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
import zarr

from czengine.errors import OutputError
from czengine.geometry import Region
from czengine.sinks.omezarr import check_targets, open_sink
from czengine.sinks.registry import registering
from czengine.sinks.staging import Staging
from czengine.sources.base import ImageInfo
from tests.support.fulldisk import run_on_small_disk
from tests.support.images import pattern, write_ome_zarr
from tests.support.results import (
    image_info,
    ome,
    plan,
    result_pixels,
    snapshot,
    validate,
    write_planes,
    write_result,
)

ROWS = np.ones((1, 20, 24), np.uint8)
PLANE = Region(0, 0, 20, 24)
ANOTHER_RUN = r"another run is writing .*; wait for it, or choose another --name or --out"


def write_image(path: Path) -> ImageInfo:
    return image_info(write_ome_zarr(path, pattern((20, 24)), "yx", levels=2))


def make_place(folder: Path) -> Path:
    """A place with an old result."""
    place = folder / "place"
    place.mkdir()
    (place / "old").touch()
    return place


def open_staging(place: Path) -> Staging:
    """A run that is about to publish a new result."""
    staging = Staging(place, overwrite=True)
    staging.open()
    (staging.folder / "new").touch()
    return staging


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def test_two_runs_do_not_write_one_result(tmp_path: Path) -> None:
    info = write_image(tmp_path / "i.zarr")
    with open_sink(plan(info)) as sink:
        with pytest.raises(OutputError, match=ANOTHER_RUN):
            check_targets(plan(info))
        with pytest.raises(OutputError, match=ANOTHER_RUN):
            write_result(plan(info))
        write_result(plan(info, name="other"))
        sink.write((), PLANE, ROWS)
    assert ome(info.root / "labels")["labels"] == ["other", "test"]
    validate(info.root)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("attempt", [Staging.check, Staging.open])
def test_what_a_run_replaces_is_out_of_reach_of_others(
    tmp_path: Path, attempt: Callable[[Staging], None], overwrite: bool
) -> None:
    place = make_place(tmp_path)
    staging = open_staging(place)
    staging.publish()
    other = Staging(place, overwrite=overwrite)
    with pytest.raises(OutputError, match=ANOTHER_RUN):
        attempt(other)
    other.discard()
    staging.restore()
    assert names(place) == ["old"]
    staging.discard()
    assert names(tmp_path) == ["place", "place/old"]


def test_the_lock_outlives_neither_the_run_nor_its_folder(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    for _ in range(3):
        staging = open_staging(place)
        staging.publish()
        staging.finish()
        staging.discard()
    assert names(tmp_path) == ["place", "place/new"]


def test_publishing_can_be_undone_at_every_step(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    staging = open_staging(place)
    staging.restore()
    assert names(place) == ["old"]
    staging.publish()
    assert names(place) == ["new"]
    staging.restore()
    assert names(place) == ["old"]
    staging.discard()
    assert names(tmp_path) == ["place", "place/old"]


PUBLISHING = ("omezarr.py", "staging.py", "registry.py")  # in `locks` an unlucky line can cost a file handle


def interrupted_at_line(number: int, work: Callable[[], object]) -> bool:
    """Run `work`, with Ctrl-C before the line that comes `number`-th in these modules; whether it came."""
    left = number

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal left
        if Path(frame.f_code.co_filename).name not in PUBLISHING:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def visible(folder: Path) -> dict[str, bytes]:
    """Every file, but for what the next run clears up."""
    return {
        n: data for n, data in snapshot(folder).items() if "czengine-" not in n and (folder / n).is_file()
    }


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_interrupt_at_any_line_of_publishing(tmp_path: Path, overwrite: bool) -> None:
    """Either all is old or all is new, also where the interrupt hits the clearing up; the next run is fine."""
    info = write_image(tmp_path / "i.zarr")
    nothing = visible(tmp_path)
    write_result(plan(info), seed=1)
    old = visible(tmp_path) if overwrite else nothing
    outcomes = []
    was_interrupted, line = True, 0
    while was_interrupted:
        line += 3 if overwrite else 5  # all of them take 10 s
        shutil.rmtree(info.root / "labels", ignore_errors=True)
        if overwrite:
            write_result(plan(info), seed=1)
        sink = open_sink(plan(info, overwrite=overwrite))
        opened = sink.__enter__()
        opened.write((), PLANE, ROWS)
        opened.finish(1)
        was_interrupted = interrupted_at_line(line, partial(sink.__exit__, None, None, None))
        found = visible(tmp_path)
        outcomes.append(found == old)
        if found != old:
            assert ome(info.root / "labels")["labels"] == ["test"], line
            assert zarr.open_array(str(info.root / "labels" / "test" / "1"), mode="r")[...].all(), line
    write_result(plan(info, overwrite=True))
    assert sorted(p.name for p in (info.root / "labels").iterdir()) == ["test", "zarr.json"]
    assert len(outcomes) > 20
    assert outcomes[0]
    assert outcomes == sorted(outcomes, reverse=True)


def test_what_a_killed_run_left_beside_the_lists_is_removed(tmp_path: Path) -> None:
    info = write_image(tmp_path / "i.zarr")
    write_result(plan(info))
    for left in (".zarr.json.czengine-partial-1", ".zarr.json.czengine-old-1"):
        (info.root / "labels" / left).touch()
    write_result(plan(info, name="more"))
    assert sorted(p.name for p in (info.root / "labels").iterdir()) == ["more", "test", "zarr.json"]


def test_a_run_killed_while_it_replaced_a_result_loses_nothing(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    work = tmp_path / ".place.czengine-partial"
    (work / "new").mkdir(parents=True)
    place.rename(work / "old")  # the moment before the new one comes
    with pytest.raises(OutputError, match="exists already"):
        Staging(place, overwrite=False).check()
    assert names(tmp_path) == ["place", "place/old"]


def test_what_was_replaced_is_removed_by_the_next_run_at_the_latest(tmp_path: Path) -> None:
    info = write_image(tmp_path / "i.zarr")
    write_result(plan(info))
    left = info.root / "labels" / ".test.czengine-partial" / "old" / "0"
    left.mkdir(parents=True)
    write_result(plan(info, overwrite=True))
    assert sorted(p.name for p in (info.root / "labels").iterdir()) == ["test", "zarr.json"]


def test_a_failure_while_publishing_several_results_undoes_all(tmp_path: Path) -> None:
    """The second place is taken by somebody else in the last moment."""
    info = write_image(tmp_path / "i.zarr")
    targets = [*plan(info, out=tmp_path / "a"), *plan(info, out=tmp_path / "b")]

    def write_and_be_late() -> None:
        with open_sink(targets) as sink:
            write_planes(sink, result_pixels(targets))
            (tmp_path / "b" / "theirs").mkdir(parents=True)

    with pytest.raises(OutputError, match=r"/b exists already"):
        write_and_be_late()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "i.zarr"]
    assert names(tmp_path / "b") == ["theirs"]


def test_a_commit_that_fails_half_way_is_undone(tmp_path: Path) -> None:
    """Of the two files of a v2 labels group, the second cannot be replaced."""
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((20, 24)), "yx", version="0.4")
    write_result(plan(image_info(path)))
    before = snapshot(tmp_path)
    targets = plan(image_info(path), name="more")
    with registering(targets) as registration:
        registration.write({})
        (new,) = (path / "labels").glob("..zattrs.czengine-partial-*")
        new.unlink()
        (path / "labels" / ".zgroup").chmod(0o600)
        with pytest.raises(FileNotFoundError):
            registration.commit()
        registration.restore()
    assert snapshot(tmp_path) == before


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    info = write_image(tmp_path / "i.zarr")
    disk, link = tmp_path / "disk" / "results", tmp_path / "link"
    disk.mkdir(parents=True)
    link.symlink_to(disk)
    targets = plan(info, out=link)
    check_targets(targets)
    write_result(targets)
    assert link.is_symlink()
    validate(disk)
    assert ome(disk)["image-label"]["source"] == {"image": "../../i.zarr"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["disk", "i.zarr", "link"]


_MOUNT = """
from pathlib import Path
from czengine.errors import OutputError
from czengine.sinks.base import Target
from czengine.sinks.omezarr import check_targets
from tests.support.results import image_info, plan, write_result
info = image_info(Path({image!r}))
for work in (check_targets, write_result):
    try:
        work(plan(info, out=Path({place!r})))
    except OutputError as error:
        print(error)
write_result(plan(info, out=Path({place!r}) / "r.zarr"))
"""


def test_a_mount_point_is_no_place(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((20, 24)), "yx")
    place = tmp_path / "out"
    place.mkdir()
    printed = run_on_small_disk(place, _MOUNT.format(image=str(path), place=str(place)))
    message = f"{place} is a mount point, which no result can replace; name a folder inside it with --out"
    assert printed.splitlines() == [message, message]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["i.zarr", "out"]


_RACE = """
import sys
from pathlib import Path
import numpy as np
from czengine.geometry import Region
from czengine.sinks.base import Target
from czengine.sinks.omezarr import open_sink
from tests.support.results import image_info, plan
info = image_info(Path(sys.argv[1]))
for i in range(int(sys.argv[3])):
    with open_sink(plan(info, name=f"{sys.argv[2]}{i}")) as sink:
        sink.write((), Region(0, 0, info.height, info.width), np.ones((1, info.height, info.width), np.uint8))
"""


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_two_processes_list_their_labels(tmp_path: Path, version: str) -> None:
    from tests.engine.test_sinks_registry import assert_up_to_date, consolidate

    path = write_ome_zarr(tmp_path / "i.zarr", pattern((20, 24)), "yx", version=version)  # type: ignore[arg-type]
    consolidate(path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    children = [
        subprocess.Popen([sys.executable, "-c", _RACE, str(path), name, "15"], env=environment)
        for name in "ab"
    ]
    assert [child.wait(timeout=60) for child in children] == [0, 0]
    expected = sorted(f"{name}{i}" for name in "ab" for i in range(15))
    assert sorted(ome(path / "labels")["labels"]) == expected
    assert sorted(p.name for p in (path / "labels").iterdir() if p.is_dir()) == expected
    assert_up_to_date(path)


def test_a_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    place = tmp_path / "place"
    code = (
        "import os, signal; from pathlib import Path; from czengine.sinks.staging import Staging\n"
        f"Staging(Path({str(place)!r}), overwrite=False).open(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert names(tmp_path) == [".place.czengine-partial", ".place.czengine-partial/new"]
    Staging(place, overwrite=False).check()
    assert names(tmp_path) == []
