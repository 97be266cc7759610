"""One process from start to end: wall time, processor time, peak memory, and what it says about itself.

Knows nothing of cases or goals; needs Linux or macOS. Only this module knows where the numbers come from and what is
wrong with them:

* The peak is the largest resident set the kernel saw, files mapped into memory included. On Linux a process inherits
  the peak of the one that starts it, so whoever calls `measure` has to stay small: drawing images and comparing
  results, which need NumPy, are processes of their own too. A peak that may be inherited is not reported.
* A contestant may print JSON lines; the last one with a "seconds" says how long its job took without the start of
  the interpreter, and without loading the network where it says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024
_LAST_LINES = 5


class Failed(RuntimeError):
    """A process ended with an exit code other than 0; the message ends with the last lines it printed."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one process took.

    Attributes
    ----------
    wall, cpu : float
        Seconds from start to end, and user plus system time.
    job : float or None
        Seconds of the work alone, as the process itself says; None where it does not say.
    peak : float or None
        Largest resident set, in megabytes; None where it is no larger than that of the process that measures.
    says : mapping
        The last JSON line with a "seconds" that the process printed.
    """

    wall: float
    cpu: float
    job: float | None
    peak: float | None
    says: Mapping[str, Any]


def measure(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Run:
    """Run a process and wait for it.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    environment : mapping of str to str, optional
        Variables added to those of this process.

    Raises
    ------
    Failed
        Where it cannot be started, or its exit code is not 0.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        try:
            process = subprocess.Popen(
                command, stdout=out, stderr=err, env={**os.environ, **(environment or {})}
            )
        except OSError as error:
            raise Failed(f"{command[0]} cannot be started: {error.strerror}") from error
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        printed = _text(out)
        if process.returncode:
            raise Failed(_failure(command, process.returncode, printed + _text(err)))
    says = _last_report(printed)
    return Run(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        job=says.get("seconds"),
        peak=_peak(usage.ru_maxrss * _BYTES_PER_MAXRSS),
        says=says,
    )


def _peak(largest: int) -> float | None:
    return None if largest <= _inheritable() else largest / 1e6


def _inheritable() -> int:
    """Bytes a child may have inherited: the largest resident set this process ever had."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return 0  # only Linux hands it on
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def fill_cache(path: Path) -> None:
    """Read every file of a folder once, so that the first contestant finds what the others find."""
    for file in _files(path):
        with file.open("rb", buffering=0) as stream:
            while stream.read(1 << 20):
                pass


def drop_cache(path: Path) -> None:
    """Ask the kernel to forget the files of a folder; needs no rights, and a kernel that has `posix_fadvise`."""
    for file in _files(path):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "replace")


def _failure(command: Sequence[str], code: int, printed: str) -> str:
    lines = [line for line in printed.replace("\r", "\n").splitlines() if line.strip()]
    return f"exit code {code} of: {' '.join(command)}\n" + "\n".join(lines[-_LAST_LINES:])


def _last_report(printed: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in printed.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and "seconds" in value:
            found = value
    return found
