"""The report lies where a person looks for it, is JSON, and never in the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from czengine.config import OutputOptions
from czengine.meter import StageTime
from czengine.report import ClassCount, ScoreRange
from czengine.runlog import SUFFIX, as_json, report_path, save_reports
from czengine.sinks.base import Target
from czengine.sinks.targets import plan_targets
from tests.support.fulldisk import run_on_small_disk
from tests.support.images import write_ome_zarr, write_plain_group
from tests.support.reports import make_report
from tests.support.specs import make_spec
from tests.support.streams import image_info


def target_of(
    root: Path, path: str = "", *, ngff: bool = True, out: Path | None = None, scores: bool = False
) -> Target:
    """Where the result of a model called "test" goes."""
    info = image_info((8, 8), np.uint8, "yx", root=root, path=path, ngff="0.5" if ngff else None)
    (target,) = plan_targets(make_spec(), info, OutputOptions(out=out, scores=scores), provenance={})
    return target


# ------------------------------------------------------------------------------------------ where


def test_of_a_result_inside_an_image_it_lies_beside_the_image(tmp_path: Path) -> None:
    assert report_path(target_of(tmp_path / "i.ome.zarr")) == tmp_path / "i.ome.zarr.test.report.json"


def test_of_a_whole_plate_it_lies_beside_the_plate(tmp_path: Path) -> None:
    assert report_path(target_of(tmp_path / "p.zarr", "A/1/0")) == tmp_path / "p.zarr.test.report.json"


def test_of_one_well_it_lies_beside_the_plate_too(tmp_path: Path) -> None:
    for group in ("p.zarr", "p.zarr/A", "p.zarr/A/1", "p.zarr/A/1/0"):
        write_plain_group(tmp_path / group, zarr_format=2 if group.endswith("A") else 3)
    found = report_path(target_of(tmp_path / "p.zarr" / "A" / "1" / "0"))
    assert found == tmp_path / "p.zarr.A.1.0.test.report.json"


def test_of_a_result_that_stands_alone_it_lies_beside_it(tmp_path: Path) -> None:
    plain = target_of(tmp_path / "i.zarr", ngff=False)
    assert report_path(plain) == tmp_path / "i.labels.zarr.report.json"
    scores = target_of(tmp_path / "i.ome.zarr", scores=True)
    assert report_path(scores) == tmp_path / "i.test_scores.ome.zarr.report.json"


def test_out_decides_where_it_lies(tmp_path: Path) -> None:
    target = target_of(tmp_path / "i.ome.zarr", out=tmp_path / "results" / "mine.zarr")
    assert report_path(target) == tmp_path / "results" / "mine.zarr.report.json"


def test_out_in_another_store_is_left_too(tmp_path: Path) -> None:
    write_plain_group(tmp_path / "store.zarr")
    target = target_of(tmp_path / "i.ome.zarr", out=tmp_path / "store.zarr" / "mine")
    assert report_path(target) == tmp_path / "store.zarr.mine.report.json"


@pytest.mark.parametrize("root", [".", "../i.zarr", "sub/.."])
def test_an_image_named_by_dots_has_its_real_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    image = tmp_path / "i.zarr"
    (image / "sub").mkdir(parents=True)
    monkeypatch.chdir(image)
    assert report_path(target_of(Path(root))) == tmp_path / "i.zarr.test.report.json"


def test_no_store_has_a_file_that_is_not_its_own(tmp_path: Path) -> None:
    image = write_ome_zarr(tmp_path / "i.ome.zarr", np.zeros((8, 8), np.uint8), "yx")
    found = report_path(target_of(image))
    assert image not in found.parents
    assert save_reports([make_report()], found) == found


# ------------------------------------------------------------------------------------------ what


def test_it_holds_the_reports_as_json(tmp_path: Path) -> None:
    path = tmp_path / f"i{SUFFIX}"
    path.write_text("what an earlier run said")
    reports = [
        make_report(
            image="Zellkörper.zarr",
            results=(tmp_path / "a", tmp_path / "b"),
            memory_peak=None,
            seconds=4.0,
            stages=(StageTime(stage="run", busy=1.0, waiting=0.5, items=3),),
            classes=(ClassCount(name="cell", label=1, color=(255, 0, 0), pixels=3, share=0.25, area=None),),
        ),
        make_report(scores=(ScoreRange(name="a", minimum=None, mean=0.5, maximum=1.0),), notes=("a note",)),
    ]
    before = datetime.now(UTC).replace(microsecond=0)
    assert save_reports(reports, path) == path
    saved = json.loads(path.read_text(encoding="utf-8"))
    assert before <= datetime.fromisoformat(saved["finished"]) <= datetime.now(UTC)
    first, second = saved["images"]
    assert first["image"] == "Zellkörper.zarr"
    assert first["results"] == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert first["stages"] == [{"stage": "run", "busy": 1.0, "waiting": 0.5, "items": 3}]
    assert first["device_busy"] == 0.25
    assert first["memory_peak"] is None
    assert first["classes"] == [
        {"name": "cell", "label": 1, "color": [255, 0, 0], "pixels": 3, "share": 0.25, "area": None}
    ]
    assert second["scores"] == [{"name": "a", "minimum": None, "mean": 0.5, "maximum": 1.0}]
    assert second["notes"] == ["a note"]
    assert list(tmp_path.iterdir()) == [path]


def test_every_field_of_a_report_is_in_it() -> None:
    report = make_report()
    assert set(as_json(report)) == {*vars(report), "device_busy"}
    json.dumps(as_json(report), allow_nan=False)


# ------------------------------------------------------------------------------------ no place for it


def test_a_folder_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert save_reports([make_report()], tmp_path / "absent" / "i.report.json") is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_its_place_is_no_error_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "i.report.json"
    (path / "something").mkdir(parents=True)
    assert save_reports([make_report()], path) is None
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_is_too_long_is_no_error(tmp_path: Path) -> None:
    assert save_reports([make_report()], tmp_path / ("i" * 250 + SUFFIX)) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_disk_that_takes_nothing_is_no_error(tmp_path: Path, trouble: str) -> None:
    code = f"""if True:
        import os, subprocess
        from pathlib import Path
        from czengine.runlog import save_reports
        from tests.support.reports import make_report
        folder = Path({str(tmp_path)!r})
        path = folder / "i.report.json"
        path.write_text("earlier")
        if {trouble == "full"}:
            disk = os.statvfs(folder)
            (folder / "filler").write_bytes(bytes(disk.f_bavail * disk.f_bsize))
        else:
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        saved = save_reports([make_report(notes=("a note",) * 1000)], path)
        print(saved, path.read_text(), sorted(p.name for p in folder.iterdir() if p.name != "filler"))
    """
    assert run_on_small_disk(tmp_path, code).strip() == "None earlier ['i.report.json']"
