"""Runs the command line as a user would: arguments in; exit code, stdout and stderr out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from czengine.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


def run_here(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Outcome:
    """In this process, which is fast: the same `main`, with the arguments in `sys.argv`."""
    before = sys.argv
    sys.argv = ["czengine", *map(str, arguments)]
    capsys.readouterr()
    try:
        main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = before
    return Outcome(code, *capsys.readouterr())


def run_apart(*arguments: str | Path, **more: str) -> Outcome:
    """In a process of its own; `more` are environment variables."""
    import os

    done = subprocess.run(
        [sys.executable, "-m", "czengine", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **more},
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
