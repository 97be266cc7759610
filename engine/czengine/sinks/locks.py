"""Locks on folders, between the runs on one machine. They end with their process, however it ends.

Where the system has none (Windows, some network file systems), two runs with one result have to be avoided by
the user.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Keep other runs from locking `folder`; nothing is written into it.

    Parameters
    ----------
    folder : Path
        An existing folder.
    wait : bool
        Whether to wait for another run that has it.

    Yields
    ------
    bool
        False where the folder was removed before it was locked, so that the lock is worth nothing.

    Raises
    ------
    BlockingIOError
        Where another run has it and `wait` is False.
    OSError
        Where the folder cannot be opened.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield True
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise
        except OSError:  # some network file systems
            pass
        yield _is_at(handle, folder)
    finally:
        os.close(handle)


def _is_at(handle: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(folder))
    except FileNotFoundError:
        return False
