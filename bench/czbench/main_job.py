"""The main job against the naive loop: wall time and peak memory of whole processes, in turns.

`python -m czbench.main_job MODEL IMAGE` runs both contestants alternately, checks that their labels are equal, and
prints each run and the medians. Ratios count; the seconds belong to the machine and the moment.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

_LABELS = {"czengine": Path("0"), "naive": Path()}  # where each contestant's full-resolution array lies


@dataclass(frozen=True, kw_only=True)
class Run:
    """One process from start to end.

    Attributes
    ----------
    contestant : str
        "czengine" or "naive".
    seconds, cpu_seconds : float
        Wall time, and user plus system time.
    peak_mb : float
        Largest resident set, in megabytes.
    """

    contestant: str
    seconds: float
    cpu_seconds: float
    peak_mb: float


def main() -> None:
    """Measure and print; exit code 1 where the labels differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            run
            for repeat in range(arguments.repeats)
            for run in _pair(arguments.model, arguments.image, Path(folder) / str(repeat))
        ]
    for run in runs:
        print(json.dumps(asdict(run)))
    print(json.dumps(_summary(runs)))


def _pair(model: Path, image: Path, folder: Path) -> tuple[Run, Run]:
    folder.mkdir()
    ours, theirs = folder / "czengine.zarr", folder / "naive.zarr"
    command = [sys.executable, "-m", "czengine", "predict", str(model), str(image), "--out", str(ours), "-q"]
    first = _measure("czengine", command)
    second = _measure("naive", [sys.executable, "-m", "czbench.naive", str(model), str(image), str(theirs)])
    _check_equal(ours / _LABELS["czengine"], theirs / _LABELS["naive"])
    return first, second


def _measure(contestant: str, command: list[str]) -> Run:
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{contestant} failed with exit code {process.returncode}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Run(
        contestant=contestant, seconds=seconds, cpu_seconds=cpu_seconds, peak_mb=usage.ru_maxrss * 1024 / 1e6
    )


def _check_equal(ours: Path, theirs: Path) -> None:
    import numpy as np
    import zarr

    left = zarr.open_array(str(ours), mode="r")[...]
    right = zarr.open_array(str(theirs), mode="r")[...]
    if not np.array_equal(left, right):
        raise SystemExit("the labels differ; a time without the same result means nothing")


def _summary(runs: list[Run]) -> dict[str, float]:
    def median(contestant: str, field: str) -> float:
        return float(statistics.median(getattr(run, field) for run in runs if run.contestant == contestant))

    ratio = median("czengine", "seconds") / median("naive", "seconds")
    return {
        "wall_ratio": round(ratio, 3),
        "czengine_peak_mb": round(median("czengine", "peak_mb")),
        "naive_peak_mb": round(median("naive", "peak_mb")),
    }


if __name__ == "__main__":
    main()
