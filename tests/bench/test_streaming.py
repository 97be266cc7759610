"""Rounds of real processes on tiny inputs: turns, comparison before times count, failures, the program itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from czbench import streaming
from czbench.cases import Case, Contestant, Goal, Picture, Same
from czbench.machine import facts, usable_cores, versions
from czbench.place import Place
from czbench.results import verdicts
from czbench.streaming import run_case
from tests.support.archives import czann_archive, onnx_network

TILE = 32
PICTURE = Picture(kind="nuclei", edge=256, quick=48)
GOAL = Goal(ours="a", against="b", quantity="wall", form="ratio", limit=1e9)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn once for all tests."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def place(tmp_path: Path, data: Path) -> Place:
    # separates what the drawn nuclei are from what they are not
    network = onnx_network(TILE, TILE, weights=[100.0, 0.0], bias=[0.0, 2.0])
    czann_archive(tmp_path / "shared" / "m.czann", network=network)
    (tmp_path / "work").mkdir()
    return Place(
        data=data,
        work=tmp_path / "work",
        shared=tmp_path / "shared",
        python=sys.executable,
        peer=None,
        threads=1,
        quick=False,
    )


def loop(name: str) -> Contestant:
    command = ("{here}", "-m", "czbench.contestants.session_loop", "{model}", "{image}", "{out}")
    return Contestant(name=name, command=command, model="m.czann", image=PICTURE)


def program(name: str, code: str) -> Contestant:
    """Python code with `out` and `image` at hand."""
    start = "import sys, shutil; from pathlib import Path; image, out = map(Path, sys.argv[1:]); "
    return Contestant(name=name, command=("{here}", "-c", start + code, "{image}", "{out}"), image=PICTURE)


def copy(name: str) -> Contestant:
    return program(name, "shutil.copytree(image / '0', out)")


def case(*contestants: Contestant, **more: Any) -> Case:
    return Case(id="c", title="the case", contestants=contestants, goals=(GOAL,), **more)


def test_contestants_take_turns_and_leave_nothing(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = run_case(case(loop("a"), loop("b"), same=(Same(first="a", second="b"),)), place, repeats=2)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["contestant"] for line in lines] == ["a", "b", "a", "b"]
    assert all(line["wall_s"] > line["job_s"] > 0 for line in lines)
    assert {name: len(runs) for name, runs in outcome.runs.items()} == {"a": 2, "b": 2}
    assert [found["differing"] for found in outcome.agreements] == [0, 0]
    assert (outcome.faults, outcome.absent) == ([], [])
    assert [verdict.verdict for verdict in verdicts(outcome)] == ["met"]
    assert list(place.work.iterdir()) == []


def test_the_number_of_rounds_is_the_cases_own(place: Place) -> None:
    outcome = run_case(case(copy("a"), copy("b"), repeats=3), place)
    assert len(outcome.runs["a"]) == 3


def test_cold_inputs_are_the_same_inputs(place: Place) -> None:
    same = (Same(first="a", second="b"),)
    outcome = run_case(case(copy("a"), copy("b"), same=same, repeats=1), place, cold=True)
    assert outcome.faults == []


def test_results_that_differ_make_times_void(place: Place) -> None:
    outcome = run_case(case(copy("a"), loop("b"), same=(Same(first="a", second="b"),)), place, repeats=1)
    assert len(outcome.faults) == 1
    assert "a and b differ in 65536 of 65536 pixels" in outcome.faults[0]
    assert [verdict.verdict for verdict in verdicts(outcome)] == ["void"]


def test_a_share_of_pixels_may_differ_where_a_case_says_so(place: Place) -> None:
    same = Same(first="a", second="b", share=1.0, why="for the test")
    assert run_case(case(copy("a"), loop("b"), same=(same,)), place, repeats=1).faults == []


def test_agreement_on_one_value_proves_nothing(place: Place) -> None:
    empty = "import zarr; zarr.create_array(str(out), shape=(256, 256), dtype='u1')"
    contestants = (program("a", empty), program("b", empty))
    outcome = run_case(case(*contestants, same=(Same(first="a", second="b"),)), place, repeats=1)
    assert outcome.faults == ["a gave one value everywhere; that proves nothing"]


def foreground(name: str, pixels: int) -> Contestant:
    said = json.dumps({"seconds": 1, "classes": [{"pixels": 7}, {"pixels": pixels}]})
    return program(name, f"out.mkdir(); print({said!r})".replace("{", "{{").replace("}", "}}"))


@pytest.mark.parametrize(("b", "fault"), [(98, None), (90, "differ in 10 of 100"), (0, "proves nothing")])
def test_counts_that_both_report(place: Place, b: int, fault: str | None) -> None:
    same = Same(first="a", second="b", by="foreground", share=0.05, why="for the test")
    outcome = run_case(case(foreground("a", 100), foreground("b", b), same=(same,)), place, repeats=1)
    assert len(outcome.faults) == (fault is not None)
    assert fault is None or fault in outcome.faults[0]


def test_a_failing_contestant_ends_its_case_and_is_quoted(place: Place) -> None:
    outcome = run_case(case(copy("a"), program("b", "sys.exit('no such luck')")), place)
    assert len(outcome.faults) == 1
    assert outcome.faults[0].endswith("no such luck")
    assert [verdict.verdict for verdict in verdicts(outcome)] == ["void"]


def test_who_cannot_take_part_is_named_and_the_others_run(place: Place) -> None:
    peer = Contestant(name="b", command=("{peer}", "x"), image=PICTURE)
    outcome = run_case(case(copy("a"), peer, same=(Same(first="a", second="b"),)), place, repeats=1)
    assert outcome.absent == ["b: no interpreter that has the peer was given (--peer-python)"]
    assert len(outcome.runs["a"]) == 1
    assert [verdict.verdict for verdict in verdicts(outcome)] == ["not measured"]


def test_facts_of_the_machine() -> None:
    found = facts({"czengine": sys.executable})
    assert found["cores"] == len(usable_cores()) >= 1
    assert found["memory_gb"] > 0
    assert found["versions"]["czengine"]["python"] == sys.version.split()[0]
    assert {"numpy", "onnxruntime", "zarr"} <= versions(sys.executable).keys()


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "czbench.streaming", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_the_program_without_its_material(tmp_path: Path) -> None:
    """Says what is missing, writes its results all the same, and claims nothing."""
    done = command("pgc", "--quick", "--shared", tmp_path, "--json", tmp_path / "r.json", "--cores", "1")
    assert done.returncode == 0, done.stderr
    assert "czengine cpu" in done.stdout
    assert "is not there did not take part" in done.stdout
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["machine"]["cores"] == 1
    assert {verdict["verdict"] for verdict in report["verdicts"]} == {"not measured"}
    assert (report["quick"], report["page_cache"]) == (True, "warm")


def test_the_program_refuses_cases_that_do_not_exist() -> None:
    done = command("nonsense")
    assert done.returncode == 2
    assert "no such case: nonsense" in done.stderr


@pytest.mark.parametrize(
    ("words", "exits"), [(["pass"], 0), (["pass", "raise SystemExit(1)"], 1), (["raise SystemExit(1)"], 1)]
)
def test_exit_code(
    words: list[str],
    exits: int,
    monkeypatch: pytest.MonkeyPatch,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cases = tuple(
        Case(
            id=str(index),
            title="t",
            contestants=(copy("a"), program("b", f"out.mkdir(); {word}")),
            goals=(GOAL,),
            repeats=1,
        )
        for index, word in enumerate(words)
    )
    monkeypatch.setattr(streaming, "CASES", cases)
    monkeypatch.setattr(
        "sys.argv", ["streaming", "--data", str(data), "--work", str(tmp_path), "--shared", str(tmp_path)]
    )
    with pytest.raises(SystemExit) as stop:
        streaming.main()
    assert int(stop.value.code or 0) == exits
    assert "| verdict |" in capsys.readouterr().out


def test_a_goal_that_is_missed_is_no_success(
    monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    goal = Goal(ours="a", against="b", quantity="wall", form="ratio", limit=0)
    missed = Case(id="x", title="t", contestants=(copy("a"), copy("b")), goals=(goal,), repeats=1)
    monkeypatch.setattr(streaming, "CASES", (missed,))
    monkeypatch.setattr(
        "sys.argv", ["streaming", "--data", str(data), "--work", str(tmp_path), "--shared", str(tmp_path)]
    )
    with pytest.raises(SystemExit) as stop:
        streaming.main()
    assert stop.value.code == 1
    assert "NOT MET" in capsys.readouterr().out
