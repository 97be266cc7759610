"""The table of cases: everything it names exists, every command can be filled in, and goals judge as they say."""

from __future__ import annotations

import re
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from czbench.cases import CASES, CAST_MODEL, Case, Contestant, Goal, Picture
from czbench.measure import Run
from czbench.place import CONTESTANTS, Place
from tests.support.commands import run_here
from tests.support.shared import shared_path

ALL = [(case, contestant) for case in CASES for contestant in case.contestants]
IDS = [f"{case.id}: {contestant.name}" for case, contestant in ALL]
SECONDS = st.floats(0.01, 1000)


def place(folder: Path, **changes: object) -> Place:
    values: dict[str, object] = {
        "data": folder / "data",
        "work": folder / "work",
        "shared": folder / "shared",
        "python": "ours",
        "peer": "theirs",
        "threads": 3,
        "quick": False,
    }
    return Place(**{**values, **changes})  # type: ignore[arg-type]


def a_run(wall: float = 1, job: float | None = None, peak: float | None = None) -> Run:
    return Run(wall=wall, cpu=wall, job=job, peak=peak, says={})


def test_ids_are_unique() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_case_names_its_own_contestants(case: Case) -> None:
    names = [contestant.name for contestant in case.contestants]
    assert len(set(names)) == len(names)
    assert {name for same in case.same for name in (same.first, same.second)} <= set(names)
    assert {name for goal in case.goals for name in (goal.ours, goal.against)} <= set(names)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_no_time_counts_without_a_comparison(case: Case) -> None:
    """Contestants of a goal are compared, with each other or with one and the same third."""
    pairs = [{same.first, same.second} for same in case.same]
    for goal in (goal for goal in case.goals if goal.limit is not None):
        assert all(any(name in pair for pair in pairs) for name in (goal.ours, goal.against))


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_where_results_may_differ_it_says_why(case: Case) -> None:
    assert [same for same in case.same if (same.share or same.tolerance) and not same.why] == []


def test_every_goal_of_the_table_is_there() -> None:
    found = [(case.id, goal.quantity, goal.form, goal.limit) for case in CASES for goal in case.goals]
    assert {entry for entry in found if entry[3] is not None} == {
        ("pgc", "job", "ratio", 1.03),
        ("pgc", "wall", "speed-up", 1.25),
        ("nuclei", "wall", "speed-up", 3),
        ("nuclei", "peak", "ratio", 1 / 3),
        ("seamless", "wall", "speed-up", 2.5),
        ("copy", "job", "speed-up", 0.8),
        ("memory", "peak", "ratio", 1.05),
        ("cold", "wall", "difference", 1.5),
    }


@pytest.mark.parametrize(("case", "contestant"), ALL, ids=IDS)
def test_commands_can_be_filled_in(case: Case, contestant: Contestant, tmp_path: Path) -> None:
    command = place(tmp_path).command(contestant)
    assert not [part for part in command if re.search(r"[{}]", part)]
    assert str(tmp_path / "work") in " ".join(command)
    if contestant.needs_peer:
        assert Path(command[1]).is_file()
    elif command[1:3] != ["-m", "czengine"]:
        assert (CONTESTANTS / f"{command[2].rpartition('.')[2]}.py").is_file()


@pytest.mark.parametrize("contestant", [c for _, c in ALL if "{python}" in c.command], ids=lambda c: c.name)
def test_the_command_line_has_the_options_that_are_used(
    contestant: Contestant, capsys: pytest.CaptureFixture[str]
) -> None:
    help_page = run_here(capsys, "predict", "--help").out
    options = [part for part in contestant.command if part.startswith("--")]
    assert [option for option in options if option not in help_page] == []


def test_shared_material_is_where_the_cases_look() -> None:
    for _, contestant in ALL:
        if contestant.model not in ("", CAST_MODEL):
            shared_path(contestant.model)
        if isinstance(contestant.image, str):
            shared_path(contestant.image)


@given(a=SECONDS, b=SECONDS)
def test_forms_of_a_goal(a: float, b: float) -> None:
    ratio = Goal(ours="a", against="b", quantity="wall", form="ratio", limit=1.03)
    faster = Goal(ours="a", against="b", quantity="wall", form="speed-up", limit=3)
    more = Goal(ours="a", against="b", quantity="wall", form="difference", limit=1.5)
    values = [goal.value(a_run(a), a_run(b)) for goal in (ratio, faster, more)]
    assert values == [a / b, b / a, a - b]
    assert ratio.met(a / b) == (a / b <= 1.03)
    assert faster.met(b / a) == (b / a >= 3)
    assert more.met(a - b) == (a - b <= 1.5)


def test_a_goal_looks_at_its_quantity() -> None:
    ours, theirs = a_run(1, job=2, peak=30), a_run(10, job=8, peak=15)
    values = {
        quantity: Goal(ours="a", against="b", quantity=quantity, form="ratio").value(ours, theirs)
        for quantity in ("wall", "job", "peak")  # type: ignore[attr-defined]
    }
    assert values == {"wall": 0.1, "job": 0.25, "peak": 2}


def test_a_number_that_was_not_told_has_no_value() -> None:
    goal = Goal(ours="a", against="b", quantity="job", form="ratio", limit=1)
    assert goal.value(a_run(job=None), a_run(job=1)) is None
    assert goal.value(a_run(job=1), a_run(job=None)) is None


def test_information_is_always_met() -> None:
    assert Goal(ours="a", against="b", quantity="wall", form="ratio").met(1e9)


def test_paths_of_pictures_and_shared_images(tmp_path: Path) -> None:
    drawn = Picture(kind="nuclei", edge=8192, quick=64)
    here = place(tmp_path)
    assert here.image(drawn) == tmp_path / "data" / "nuclei-8192.ome.zarr"
    assert place(tmp_path, quick=True).image(drawn).name == "nuclei-64.ome.zarr"
    assert here.image("data/i") == tmp_path / "shared" / "data" / "i"
    assert here.model("m.czann") == tmp_path / "shared" / "m.czann"
    assert here.model(CAST_MODEL) == tmp_path / "data" / CAST_MODEL


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    here = place(tmp_path, peer=None)
    peer = Contestant(name="p", command=("{peer}",), image="i")
    assert "--peer-python" in (here.missing(peer) or "")
    other = Contestant(name="o", command=("x",), model="m.czann", image="i")
    assert here.missing(other) == f"{tmp_path / 'shared' / 'm.czann'} is not there"
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "m.czann").touch()
    assert here.missing(other) == f"{tmp_path / 'shared' / 'i'} is not there"
    (tmp_path / "shared" / "i").mkdir()
    assert here.missing(other) is None


def test_pictures_and_archives_are_drawn_once(tmp_path: Path) -> None:
    here = place(tmp_path, quick=True)
    contestant = Contestant(
        name="c", command=("x",), model=CAST_MODEL, image=Picture(kind="nuclei", edge=64, quick=48)
    )
    here.draw(contestant)
    assert here.missing(contestant) is None
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    assert tmp_path / "data" / "nuclei-48.ome.zarr" in files
    here.draw(contestant)
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
