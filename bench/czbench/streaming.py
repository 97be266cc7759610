"""The benchmark of the streaming engine: `python -m czbench.streaming [CASE ...]`.

Contestants of a case take turns, round by round (A B A B), each a process of its own; after every round their results
are compared, and where they do not agree no time counts. One JSON line is printed per run, a Markdown table at the
end. Exit code 1 where a goal is missed or could not be judged because something failed. Ratios count; the seconds
belong to the machine and the moment.

This process stays small on purpose and imports nothing heavy, see `measure`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from czbench import machine, results
from czbench.cases import CASES, Case, Contestant, Same
from czbench.measure import Failed, Run, drop_cache, fill_cache, measure
from czbench.place import Place
from czbench.results import Outcome


def main() -> None:
    """Run the chosen cases and print what came out."""
    arguments = _arguments(sys.argv[1:])
    if arguments.cores:
        os.sched_setaffinity(0, machine.usable_cores()[: arguments.cores])
    chosen = [case for case in CASES if case.id in (arguments.cases or [case.id])]
    with tempfile.TemporaryDirectory(prefix="czbench-", dir=arguments.work) as work:
        place = _place(arguments, Path(work))
        about = machine.facts({"czengine": place.python} | ({"peer": place.peer} if place.peer else {}))
        print(json.dumps({"machine": about}), flush=True)
        cold = "cold" if arguments.cold else "warm"
        outcomes = {
            case.id: run_case(case, place, repeats=arguments.repeats, cold=arguments.cold) for case in chosen
        }
    found = [verdict for outcome in outcomes.values() for verdict in results.verdicts(outcome)]
    _print(
        about,
        found,
        outcomes,
        f"page cache {cold}" + (", small images: no goal applies" if place.quick else ""),
    )
    if arguments.json:
        report = {
            "machine": about,
            "page_cache": cold,
            "quick": place.quick,
            "verdicts": [asdict(v) for v in found],
        }
        report["cases"] = {key: _as_json(outcome) for key, outcome in outcomes.items()}
        arguments.json.write_text(json.dumps(report, indent=1, default=str) + "\n", encoding="utf-8")
    missed = any(verdict.verdict == "NOT MET" for verdict in found)
    sys.exit(missed or any(outcome.faults for outcome in outcomes.values()))


def run_case(case: Case, place: Place, *, repeats: int | None = None, cold: bool = False) -> Outcome:
    """Let the contestants of a case take turns.

    Parameters
    ----------
    case : Case
        What to measure.
    place : Place
        Where everything lies.
    repeats : int, optional
        Rounds; None takes the case's own number, one for a quick look.
    cold : bool
        Drop the input from the page cache before every run; else it is read once before the first.
    """
    outcome = Outcome(case=case, quick=place.quick)
    present = []
    for contestant in case.contestants:
        place.draw(contestant)
        reason = place.missing(contestant)
        if reason is None:
            present.append(contestant)
            fill_cache(place.image(contestant.image))
        else:
            outcome.absent.append(f"{contestant.name}: {reason}")
    for _ in range(repeats or (1 if place.quick else case.repeats)):
        try:
            _round(outcome, place, present, cold=cold)
        except Failed as failure:
            outcome.faults.append(str(failure))
            break
    return outcome


def _round(outcome: Outcome, place: Place, contestants: Sequence[Contestant], *, cold: bool) -> None:
    runs: dict[str, Run] = {}
    for contestant in contestants:
        shutil.rmtree(place.out(contestant), ignore_errors=True)
        if cold:
            drop_cache(place.image(contestant.image))
        run = measure(place.command(contestant))
        print(
            json.dumps({"case": outcome.case.id, "contestant": contestant.name, **_numbers(run)}), flush=True
        )
        runs[contestant.name] = run
    for same in outcome.case.same:
        if {same.first, same.second} <= runs.keys():
            _judge_agreement(outcome, same, _compare(same, place, contestants, runs))
    for name, run in runs.items():
        outcome.runs.setdefault(name, []).append(run)
    for contestant in contestants:
        shutil.rmtree(place.out(contestant))


def _compare(
    same: Same, place: Place, contestants: Sequence[Contestant], runs: Mapping[str, Run]
) -> dict[str, Any]:
    """How far two results agree, as `compare.Agreement`, or as pixel counts that both report."""
    if same.by == "foreground":
        counts = [
            sum(found["pixels"] for found in runs[name].says["classes"][1:])
            for name in (same.first, same.second)
        ]
        return {"pixels": max(counts), "differing": abs(counts[0] - counts[1]), "constant": not min(counts)}
    paths = [
        str(place.result(c)) for name in (same.first, same.second) for c in contestants if c.name == name
    ]
    compare = [sys.executable, "-m", "czbench.compare", *paths, "--tolerance", str(same.tolerance)]
    return dict(measure(compare).says)


def _judge_agreement(outcome: Outcome, same: Same, found: dict[str, Any]) -> None:
    outcome.agreements.append({**asdict(same), **found})
    if found["constant"]:
        outcome.faults.append(f"{same.first} gave one value everywhere; that proves nothing")
    elif found["differing"] > same.share * found["pixels"]:
        outcome.faults.append(
            f"{same.first} and {same.second} differ in {found['differing']} of {found['pixels']} pixels, "
            f"{same.share:g} of them may; a time without the same result means nothing"
        )


def _numbers(run: Run) -> dict[str, float | None]:
    named = {"wall_s": run.wall, "cpu_s": run.cpu, "job_s": run.job, "peak_mb": run.peak}
    return {name: None if value is None else round(value, 3) for name, value in named.items()}


def _print(
    about: Mapping[str, Any], found: Sequence[results.Verdict], outcomes: Mapping[str, Outcome], state: str
) -> None:
    print(f"\n{about['date']}, {about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB, {state}\n")
    print(results.table(found), *results.notes(outcomes), sep="\n")


def _as_json(outcome: Outcome) -> dict[str, Any]:
    runs = {name: [_numbers(run) for run in runs] for name, runs in outcome.runs.items()}
    return {
        "runs": runs, "agreements": outcome.agreements, "faults": outcome.faults, "absent": outcome.absent,
    }  # fmt: skip


def _place(arguments: argparse.Namespace, work: Path) -> Place:
    return Place(
        data=arguments.data or work / "data",
        work=work,
        shared=arguments.shared,
        python=arguments.python,
        peer=arguments.peer_python,
        threads=len(machine.usable_cores()),
        quick=arguments.quick,
    )


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m czbench.streaming", description=__doc__.partition("\n")[0]
    )
    add = parser.add_argument
    add("cases", nargs="*", metavar="CASE", help=f"default: all of {', '.join(case.id for case in CASES)}")
    add("--repeats", type=int, metavar="N", help="rounds; default: what each case says, 1 with --quick")
    add("--quick", action="store_true", help="small images, one round: to see that everything works")
    add("--data", type=Path, metavar="FOLDER", help="keeps the drawn images (1.1 GB); default: drawn again")
    add("--work", type=Path, metavar="FOLDER", help="where results are written; default: the system's")
    shared = Path(os.environ.get("CZENGINE_SHARED", "../shared"))
    add(
        "--shared",
        type=Path,
        metavar="FOLDER",
        default=shared,
        help="reference material; default: $CZENGINE_SHARED",
    )
    add(
        "--python",
        metavar="PATH",
        default=sys.executable,
        help="interpreter with czengine; default: this one",
    )
    add(
        "--peer-python",
        metavar="PATH",
        help="interpreter with napari-czann-segment and zarr; default: no peer",
    )
    add("--cores", type=int, metavar="N", help="let everything run on the first N cores only")
    add("--cold", action="store_true", help="drop the images from the page cache before every run")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured there")
    arguments = parser.parse_args(words)
    unknown = set(arguments.cases) - {case.id for case in CASES}
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    main()
