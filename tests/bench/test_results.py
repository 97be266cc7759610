"""From runs to verdicts: medians, spread of rounds, the words, and the table."""

from __future__ import annotations

from statistics import median
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from czbench.cases import Case, Contestant, Goal
from czbench.measure import Run
from czbench.results import Outcome, Verdict, median_run, notes, table, verdicts

SECONDS = st.floats(0.01, 1000)
NUMBERS = st.none() | SECONDS
RUNS = st.builds(Run, wall=SECONDS, cpu=SECONDS, job=NUMBERS, peak=NUMBERS, says=st.just({}))


def runs(*walls: float) -> list[Run]:
    return [Run(wall=wall, cpu=wall, job=None, peak=None, says={}) for wall in walls]


def outcome(
    ours: list[Run], against: list[Run], *, limit: float | None = 2, quantity: Any = "wall", **more: Any
) -> Outcome:
    goal = Goal(ours="a", against="b", quantity=quantity, form="ratio", limit=limit)
    contestants = tuple(Contestant(name=name, command=(), image="i") for name in "ab")
    case = Case(id="c", title="the case", contestants=contestants, goals=(goal,))
    found = {name: r for name, r in (("a", ours), ("b", against)) if r}
    return Outcome(case=case, runs=found, **more)


def only(of: Outcome) -> Verdict:
    (verdict,) = verdicts(of)
    return verdict


@given(st.lists(RUNS, min_size=1, max_size=7))
def test_medians_number_by_number(found: list[Run]) -> None:
    middle = median_run(found)
    assert middle.wall == median([run.wall for run in found])
    assert middle.cpu == median([run.cpu for run in found])
    for name in ("job", "peak"):
        known = [getattr(run, name) for run in found if getattr(run, name) is not None]
        assert getattr(middle, name) == (median(known) if known else None)


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=7))
def test_a_verdict_is_the_ratio_of_medians_and_the_spread_of_rounds(pairs: list[tuple[float, float]]) -> None:
    ours, against = (list(side) for side in zip(*pairs, strict=True))
    verdict = only(outcome(runs(*ours), runs(*against)))
    assert verdict.value == median(ours) / median(against)
    assert verdict.spread == (min(a / b for a, b in pairs), max(a / b for a, b in pairs))
    assert verdict.verdict == ("met" if median(ours) / median(against) <= 2 else "NOT MET")


def test_one_slow_round_decides_nothing() -> None:
    verdict = only(outcome(runs(1, 1, 9), runs(1, 1, 1)))
    assert (verdict.value, verdict.spread, verdict.verdict) == (1, (1, 9), "met")


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (outcome(runs(3), runs(1)), "NOT MET"),
        (outcome(runs(2), runs(1)), "met"),
        (outcome(runs(1), runs(1), faults=["they differ"]), "void"),
        (outcome([], runs(1)), "not measured"),
        (outcome(runs(1), []), "not measured"),
        (outcome(runs(1), runs(1), quantity="peak"), "not measured"),
        (outcome(runs(9), runs(1), limit=None), "for information"),
        (outcome(runs(9), runs(1), quick=True), "for information"),
        (outcome(runs(9), runs(1), quick=True, faults=["they differ"]), "void"),
    ],
)
def test_the_word(made: Outcome, word: str) -> None:
    assert only(made).verdict == word


def test_the_table_has_a_row_per_goal() -> None:
    text = table([only(outcome(runs(3, 1, 2), runs(1, 1, 1))), only(outcome([], runs(1)))])
    rows = text.splitlines()
    assert len(rows) == 4
    assert {row.count("|") for row in rows} == {9}
    assert rows[2] == (
        "| the case | time of the process, ratio | a: 2 s | b: 1 s | 2.000 | 1 – 3 | ≤ 2 | met |"
    )
    assert rows[3] == "| the case | time of the process, ratio | a | b | – | – | ≤ 2 | not measured |"


def test_notes_say_what_was_compared_and_what_was_not() -> None:
    same = {
        "first": "a",
        "second": "b",
        "differing": 3,
        "pixels": 100,
        "share": 0.1,
        "largest": 2.0,
        "codecs": ("x", "y"),
        "why": "it is so",
    }
    made = outcome(runs(1), runs(1), faults=["f"], absent=["p: no peer"], agreements=[same, same])
    lines = notes({"c": made})
    assert lines[:2] == ["* c: f", "* c: p: no peer did not take part"]
    assert lines[2] == (
        "* c: a and b differ in 3 of 100 pixels, 0.1 of them may; largest difference 2; stored with x and y (it is so)"
    )
    assert len(lines) == 3  # rounds that agree alike are one line
