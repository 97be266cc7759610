"""A target appears all at once, when it is complete, or not at all; and what its name says about its format.

The new file or folder is made beside its place, under a hidden name that only this module knows, and renamed.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from czconverter.options import TargetFormat
from czengine.errors import CzEngineError, OptionError, OutputError

_FORMATS: dict[str, TargetFormat] = {".czmodel": "czmodel", ".czseg": "czmodel", ".czann": "czann"}
_FULL = (errno.ENOSPC, errno.EDQUOT)
_WRITING = (*_FULL, errno.EFBIG, errno.EIO, errno.EROFS)  # only writing fails like this
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def format_of(target: Path, format: TargetFormat | None) -> TargetFormat:
    """The format that was asked for, or the one the target's name says.

    Raises
    ------
    OptionError
        Where neither says one, or they contradict each other.
    """
    named = _FORMATS.get(target.suffix.lower())
    if format is None and named is None:
        raise OptionError(
            f"the format of {target} is unknown; end it in .czann or .czmodel, or give --format"
        )
    if format is not None and named not in (None, format):
        raise OptionError(f"{target} is to be a {format}, but its name says {named}; change one of them")
    return format or named  # type: ignore[return-value]  # one of them is given


def target_path(target: Path, format: TargetFormat) -> Path:
    """The target, with the format's extension added unless its name has one of that format already.

    Raises
    ------
    OptionError
        Where it names no file.
    """
    if target.name in ("", ".."):
        raise OptionError(f"{str(target)!r} names no file; give one such as model.{format}")
    if _FORMATS.get(target.suffix.lower()) == format:
        return target
    return target.with_name(f"{target.name}.{format}")


@contextmanager
def staged(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A file to write to, empty, which replaces `target` at the end; whatever goes wrong, it is gone.

    Parameters
    ----------
    target : Path
        The place. Missing folders are made, and removed again if nothing comes of it.
    overwrite : bool
        Whether a file that stands there may be replaced.

    Raises
    ------
    OutputError
        Where the place is taken, or cannot be written.
    """
    with _beside(target) as temporary:
        _check_file(target, overwrite=overwrite)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        _check_file(target, overwrite=overwrite)
        temporary.replace(target)


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes `target` at the end; whatever goes wrong, it is gone.

    Raises
    ------
    OutputError
        Where something stands at the place, an empty folder excepted, or it cannot be written.
    """
    target = target.absolute() if target.name in ("", "..") else target
    with _beside(target) as temporary:
        _check_folder(target)
        temporary.mkdir()
        yield temporary
        _check_folder(target)
        if target.is_dir():  # Windows renames onto nothing
            target.rmdir()
        temporary.rename(target)


def _check_file(target: Path, *, overwrite: bool) -> None:
    if os.path.isdir(target):
        raise OutputError(f"{target} is a folder; name a file in it")
    if os.path.lexists(target) and not overwrite:
        raise OutputError(f"{target} exists already; give --overwrite to replace it, or choose another name")


def _check_folder(target: Path) -> None:
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise OutputError(f"{target} is a file; name a new folder")
    if any(target.iterdir()):
        raise OutputError(f"{target} is a folder with something in it; name a new one")
    if target.is_symlink() or target.is_mount() or target.samefile(Path.cwd()):
        raise OutputError(f"{target} cannot be replaced by a new folder; name one inside it")


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A path in the target's folder where nothing is; what is made there, and folders made for it, do not stay."""
    temporary = target.with_name(f".{os.getpid()}-{uuid.uuid4().hex[:8]}.czengine-partial")
    made = [folder for folder in target.parents if not os.path.lexists(folder)]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
    except BaseException as error:
        _remove(temporary)
        for folder in made:
            with suppress(OSError):  # not empty: somebody else's by now
                folder.rmdir()
        if isinstance(error, OSError) and _is_ours(error, target, temporary):
            raise OutputError(_sentence(target, error)) from error
        raise


def _is_ours(error: OSError, target: Path, temporary: Path) -> bool:
    """Whether writing the target failed, and not something else that happened meanwhile."""
    if isinstance(error, CzEngineError):
        return False
    if error.filename is None:
        return error.errno in _WRITING
    path = Path(os.fsdecode(error.filename))
    return path in (target, *target.parents) or path.is_relative_to(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _sentence(target: Path, error: OSError) -> str:
    if error.errno in _FULL:
        return f"disk full while writing {target}; free some space, or choose another place"
    if error.errno in _FORBIDDEN:
        return f"cannot write {target} ({error.strerror}); choose another place"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"cannot write {target}: part of its path is a file, not a folder; choose another place"
    return f"cannot write {target}: {error.strerror}"
