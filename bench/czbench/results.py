"""From runs to verdicts: medians, goals met or not, the table. Nothing is run here.

A goal is judged on the medians of its two contestants; the smallest and largest value of single rounds, in which both
ran one after the other, say how far to trust it. Where the results of a case do not agree, no time of it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from czbench.cases import Case, Goal
from czbench.measure import Run

_SIGNS = {"ratio": "≤", "speed-up": "≥", "difference": "≤"}
_WHAT = {"wall": "time of the process", "job": "time of the job", "peak": "peak memory"}
_UNITS = {"wall": "s", "job": "s", "peak": "MB"}


@dataclass(kw_only=True)
class Outcome:
    """What happened in a case.

    Attributes
    ----------
    case : Case
        Which one.
    quick : bool
        On small images, which no goal is about.
    runs : dict of str to list of Run
        By contestant, one per round.
    agreements : list of dict
        One per comparison that was made: contestants, counts, whether it was good enough.
    faults : list of str
        Why goals cannot be judged: a contestant failed, results differ.
    absent : list of str
        Contestants that could not take part.
    """

    case: Case
    quick: bool = False
    runs: dict[str, list[Run]] = field(default_factory=dict)
    agreements: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A goal with what was measured; `value` None where there was nothing to judge, and `verdict` says why."""

    case: str
    title: str
    goal: Goal
    ours: float | None
    against: float | None
    value: float | None
    spread: tuple[float, float] | None
    verdict: str


def median_run(runs: Sequence[Run]) -> Run:
    """The medians of every number by itself."""
    return Run(
        wall=median(run.wall for run in runs),
        cpu=median(run.cpu for run in runs),
        job=_median_known([run.job for run in runs]),
        peak=_median_known([run.peak for run in runs]),
        says={},
    )


def _median_known(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return median(known) if known else None


def verdicts(outcome: Outcome) -> list[Verdict]:
    """One verdict per goal of a case."""
    return [_verdict(outcome, goal) for goal in outcome.case.goals]


def _verdict(outcome: Outcome, goal: Goal) -> Verdict:
    ours, against = (outcome.runs.get(name, []) for name in (goal.ours, goal.against))
    value, middle, spread = None, (None, None), None
    if ours and against:
        a, b = median_run(ours), median_run(against)
        value, middle = goal.value(a, b), (getattr(a, goal.quantity), getattr(b, goal.quantity))
        rounds = [goal.value(x, y) for x, y in zip(ours, against, strict=False)]
        numbers = [number for number in rounds if number is not None]
        spread = (min(numbers), max(numbers)) if numbers else None
    return Verdict(
        case=outcome.case.id,
        title=outcome.case.title,
        goal=goal,
        ours=middle[0],
        against=middle[1],
        value=value,
        spread=spread,
        verdict=_word(outcome, goal, value),
    )


def _word(outcome: Outcome, goal: Goal, value: float | None) -> str:
    if outcome.faults:
        return "void"
    if value is None:
        return "not measured"
    if goal.limit is None or outcome.quick:
        return "for information"
    return "met" if goal.met(value) else "NOT MET"


def table(found: Sequence[Verdict]) -> str:
    """Verdicts as a Markdown table."""
    head = "| case | what | ours | against | value | rounds | goal | verdict |"
    rows = [head, "|---|---|---|---|---|---|---|---|", *(_row(verdict) for verdict in found)]
    return "\n".join(rows)


def _row(v: Verdict) -> str:
    goal, unit = v.goal, _UNITS[v.goal.quantity]
    limit = "–" if goal.limit is None else f"{_SIGNS[goal.form]} {goal.limit:.3g}"
    spread = "–" if v.spread is None else f"{v.spread[0]:.3g} – {v.spread[1]:.3g}"
    ours, against = (
        name if number is None else f"{name}: {number:.4g} {unit}"
        for name, number in ((goal.ours, v.ours), (goal.against, v.against))
    )
    value = "–" if v.value is None else f"{v.value:.3f}"
    what = f"{_WHAT[goal.quantity]}, {goal.form}"
    return f"| {v.title} | {what} | {ours} | {against} | {value} | {spread} | {limit} | {v.verdict} |"


def notes(outcomes: Mapping[str, Outcome]) -> list[str]:
    """What stands under the table: agreements, faults, absentees."""
    lines = []
    for outcome in outcomes.values():
        lines += [f"* {outcome.case.id}: {fault}" for fault in outcome.faults]
        lines += [f"* {outcome.case.id}: {name} did not take part" for name in outcome.absent]
        lines += [f"* {outcome.case.id}: {_agreement(found)}" for found in outcome.agreements]
    return list(dict.fromkeys(lines))


def _agreement(found: Mapping[str, Any]) -> str:
    text = (
        f"{found['first']} and {found['second']} differ in {found['differing']} of {found['pixels']} pixels, "
        f"{found['share']:g} of them may"
    )
    if "codecs" in found:
        text += f"; largest difference {found['largest']:.4g}; stored with {' and '.join(found['codecs'])}"
    return text + (f" ({found['why']})" if found["why"] and found["differing"] else "")
