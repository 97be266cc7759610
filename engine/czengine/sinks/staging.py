"""A result is made beside its place and appears there, all at once, when it is complete.

Knows folders and the errors of file systems; nothing of zarr.

        labels/.nuclei.czengine-partial    being written; removed on an error, replaced when its run was killed
        labels/.nuclei.czengine-old        what stood at the place (overwrite), until the new one is there
        labels/nuclei                     the place
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from czengine.errors import OutputError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the file system's errors into sentences about `path`.

    Raises
    ------
    OutputError
        For every OSError inside.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(_sentence(path, error)) from error


class Staging:
    """The folder a result is written into, and its way to its place.

    Parameters
    ----------
    path : Path
        The place. Missing parents are made, and removed again if nothing comes of it.
    overwrite : bool
        Whether an image that stands there may be replaced.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self._path = path
        self._overwrite = overwrite
        self._old = path.with_name(f".{path.name}.czengine-old")
        self._made: list[Path] = []
        self._is_mine = self._is_placed = self._is_aside = False
        self._lock: int | None = None
        self.folder = path.with_name(f".{path.name}.czengine-partial")

    def open(self) -> None:
        """Make the folder; `discard` undoes it, also after an error here.

        Raises
        ------
        OutputError
            Where the place is taken, cannot be written, or another run is writing there now.
        """
        with writing(self._path):
            self._recover()
            self._refuse_taken()
            self._make_parents()
            self._remove_stale()
            self.folder.mkdir()
            self._is_mine = True
            self._lock = _lock(self.folder)

    def publish(self) -> None:
        """Bring the folder to its place; what stood there waits for `finish` or `restore`."""
        with writing(self._path):
            if os.path.lexists(self._path):
                self._path.rename(self._old)
                self._is_aside = True
            self.folder.rename(self._path)
            self._is_placed = True

    def restore(self) -> None:
        """Undo `publish`, however far it came."""
        with writing(self._path):
            if self._is_placed:
                self._path.rename(self.folder)
            if self._is_aside:
                self._old.rename(self._path)
        self._is_placed = self._is_aside = False

    def finish(self) -> None:
        """Remove what was replaced: the new result is there to stay."""
        self._made = []
        _remove(self._old)

    def discard(self) -> None:
        """Remove the folder and the parents made for it; nothing happens to a published result."""
        if self._is_mine:
            _remove(self.folder)
            _unlock(self._lock)
            self._is_mine = False
        for parent in reversed(self._made):
            with suppress(OSError):  # no longer empty: somebody else uses it
                parent.rmdir()
        self._made = []

    def _recover(self) -> None:
        """A run that was killed while it replaced a result: before the new one came, the old one counts."""
        if os.path.lexists(self._old) and not os.path.lexists(self._path):
            self._old.rename(self._path)
        _remove(self._old)

    def _refuse_taken(self) -> None:
        if not self._overwrite and is_taken(self._path):
            raise OutputError(
                f"{self._path} exists already; give --overwrite to replace it, or another --name or --out"
            )

    def _make_parents(self) -> None:
        missing = [p for p in self._path.parents if not p.exists()]
        for parent in reversed(missing):
            parent.mkdir(exist_ok=True)
            self._made.append(parent)

    def _remove_stale(self) -> None:
        if not self.folder.exists():
            return
        try:
            lock = _lock(self.folder)
        except BlockingIOError as error:
            raise OutputError(
                f"another run is writing {self._path}; wait for it, or choose another --name or --out"
            ) from error
        _remove(self.folder)
        _unlock(lock)


def is_taken(path: Path) -> bool:
    """Whether something stands at `path`; an empty folder is nothing."""
    return os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir()))


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _lock(folder: Path) -> int | None:
    """Mark `folder` as in use until the handle is closed or its process ends, however it ends.

    None where the system cannot do that: two runs with one result then have to be avoided by the user.
    Raises BlockingIOError where another run has it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise
        return None  # some network file systems
    return handle


def _unlock(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


def _sentence(path: Path, error: OSError) -> str:
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _FULL:
        return f"disk full while writing {path}; free some space, or choose another place with --out"
    if error.errno in _FORBIDDEN:
        return f"cannot write {path} ({reason}); choose another place with --out"
    return f"cannot write {path}: {reason}"
