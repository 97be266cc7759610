"""Locks on folders, between the runs on one machine. They end with their process, however it ends.

None where the system cannot do that (Windows, some network file systems): two runs with one result then have
to be avoided by the user.
"""

from __future__ import annotations

import os
from pathlib import Path


def lock(folder: Path, *, wait: bool) -> int | None:
    """Keep other runs from locking `folder` until `unlock`.

    Parameters
    ----------
    folder : Path
        An existing folder; nothing is written into it.
    wait : bool
        Whether to wait for another run that has it.

    Returns
    -------
    int or None
        Handle for `unlock`; None where the system has no locks.

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
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException as error:
        os.close(handle)
        if not isinstance(error, OSError) or isinstance(error, BlockingIOError):
            raise
        return None  # some network file systems
    return handle


def unlock(handle: int | None) -> None:
    """Give back what `lock` gave."""
    if handle is not None:
        os.close(handle)


def is_lock_of(handle: int, folder: Path) -> bool:
    """Whether `handle` locks what lies at `folder` now, and not a folder removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(folder))
    except FileNotFoundError:
        return False
