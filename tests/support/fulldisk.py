"""Disks that are too small or read-only: real ones, mounted for one child process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


def run_on_small_disk(folder: Path, code: str, *, size: str = "4m") -> str:
    """Run Python code in a process for which `folder` is an empty disk of `size`; what it printed.

    The code may remount the disk read-only. Skips the test where the kernel does not let us mount.
    """
    _need_mounts(folder)
    script = 'mount -t tmpfs -o "size=$0" tmpfs "$1" && exec "$2" -c "$3"'
    command = [*_UNSHARE, "sh", "-c", script, size, str(folder), sys.executable, code]
    done = subprocess.run(
        command, env=_environment(), capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        pytest.fail(f"the process on the small disk failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def _need_mounts(folder: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("needs the command unshare, to mount a small disk")
    probe = [*_UNSHARE, "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("the kernel does not allow this user to mount a small disk")


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
