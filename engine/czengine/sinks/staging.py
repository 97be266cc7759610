"""A result is made beside its place and appears there, all at once, when it is complete.

Knows folders and the errors of file systems; nothing of zarr.

        labels/.nuclei.czengine-partial/       locked by the run that writes; what a killed run left is cleared up
        labels/.nuclei.czengine-partial/new    being written
        labels/.nuclei.czengine-partial/old    what stood at the place (overwrite), until the new one is there
        labels/nuclei                          the place
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from czengine.errors import OutputError
from czengine.sinks.locks import locked

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_ATTEMPTS = 100  # other runs may remove the folder between making and locking it


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

    Whatever was done is read from the disk, never remembered: an interrupt can come between any two lines.

    Parameters
    ----------
    path : Path
        The place. Missing parents are made, and removed again if nothing comes of it.
    overwrite : bool
        Whether what stands there may be replaced.

    Attributes
    ----------
    folder : Path
        The folder to write into, between `open` and `publish`.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self._path = path
        self._overwrite = overwrite
        self._work = path.with_name(f".{path.name}.czengine-partial")
        self._old = self._work / "old"
        self._made: list[Path] = []
        self._lock = ExitStack()
        self.folder = self._work / "new"

    def check(self) -> None:
        """Find out whether `open` would work, as far as that needs no writing.

        Raises
        ------
        OutputError
            Where the place is taken, is a mount point, or another run is writing there now.
        """
        with writing(self._path):
            self._refuse_mount()
            if not self._work.exists():
                return self._refuse_taken()
        try:
            self.open()
        finally:
            self.discard()

    def open(self) -> None:
        """Make the folder; `discard` undoes it, also after an error here.

        Raises
        ------
        OutputError
            As `check`; and where the place cannot be written.
        """
        with writing(self._path):
            self._refuse_mount()
            self._lock_work()
            self._recover()
            self._refuse_taken()
            self.folder.mkdir()

    def publish(self) -> None:
        """Bring the folder to its place; what stood there waits for `finish` or `restore`."""
        with writing(self._path):
            self._refuse_taken()
            if os.path.lexists(self._path):
                self._path.rename(self._old)
            self.folder.rename(self._path)

    def restore(self) -> None:
        """Undo `publish`, however far it came."""
        with writing(self._path):
            if not os.path.lexists(self.folder) and os.path.lexists(self._path):
                self._path.rename(self.folder)
            self._bring_back()

    def finish(self) -> None:
        """Remove what was replaced: the new result is there to stay."""
        _remove(self._old)

    def discard(self) -> None:
        """Remove the folder and the parents made for it; nothing happens to a published result."""
        self._lock.close()
        for parent in reversed(self._made):
            with suppress(OSError):  # not empty: a result, or somebody else's
                parent.rmdir()
        self._made = []

    def _lock_work(self) -> None:
        for _ in range(_ATTEMPTS):
            self._make_parents()
            try:
                self._work.mkdir(exist_ok=True)
                is_there = self._lock.enter_context(locked(self._work, wait=False))
            except FileNotFoundError:
                continue
            except BlockingIOError:
                break
            if is_there:
                self._lock.callback(self._clear)
                return
            self._lock.close()
        raise OutputError(
            f"another run is writing {self._path}; wait for it, or choose another --name or --out"
        )

    def _clear(self) -> None:
        with suppress(OSError):  # the next run tries again
            self._bring_back()
            _remove(self._work)

    def _make_parents(self) -> None:
        missing = [p for p in self._path.parents if not p.exists()]
        for parent in reversed(missing):
            parent.mkdir(exist_ok=True)
            self._made.append(parent)

    def _recover(self) -> None:
        """Clear up after a run that was killed: before its new result came, the old one counts."""
        self._bring_back()
        _remove(self._old)
        _remove(self.folder)

    def _bring_back(self) -> None:
        if os.path.lexists(self._old) and not os.path.lexists(self._path):
            self._old.rename(self._path)

    def _refuse_taken(self) -> None:
        if not self._overwrite and is_taken(self._path):
            raise OutputError(
                f"{self._path} exists already; give --overwrite to replace it, or another --name or --out"
            )

    def _refuse_mount(self) -> None:
        if os.path.ismount(self._path):
            raise OSError(errno.EBUSY, "a mount point")


def is_taken(path: Path) -> bool:
    """Whether something stands at `path`; an empty folder is nothing."""
    return os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir()))


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _sentence(path: Path, error: OSError) -> str:
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _FULL:
        return f"disk full while writing {path}; free some space, or choose another place with --out"
    if error.errno in _FORBIDDEN:
        return f"cannot write {path} ({reason}); choose another place with --out"
    if error.errno == errno.EBUSY:
        return f"{path} is a mount point, which no result can replace; name a folder inside it with --out"
    return f"cannot write {path}: {reason}"
