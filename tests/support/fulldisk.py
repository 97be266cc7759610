"""Disks that are too small or read-only: real ones, mounted for one child process."""

from __future__ import annotations

import json
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


_COMMAND = """
import json, os, shutil, subprocess, sys
from pathlib import Path
from tests.support.results import snapshot
folder, content, room, *arguments = {facts!r}
folder = Path(folder)
shutil.copytree(content, folder / Path(content).name)
if room is None:
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
else:
    (folder / "filler").write_bytes(bytes(os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize - room))
before = snapshot(folder)
done = subprocess.run([sys.executable, "-m", "czengine", *arguments], capture_output=True, text=True)
print(json.dumps([done.returncode, done.stderr, snapshot(folder) == before]))
"""


def command_on_full_disk(
    folder: Path, content: Path, *arguments: str | Path, room: int | None
) -> tuple[int, str, bool]:
    """Run `czengine` with these arguments, where `folder` is a disk of its own that holds a copy of `content`.

    `room` is the number of bytes left on it; None makes it read-only. Gives the exit code, what was printed on
    stderr, and whether the disk's content is as it was before.
    """
    facts = [str(folder), str(content), room, *map(str, arguments)]
    code, err, is_unchanged = json.loads(run_on_small_disk(folder, _COMMAND.format(facts=facts), size="4m"))
    return code, err, is_unchanged


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
