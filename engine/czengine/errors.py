"""The error tree, and the exit code each branch has on the command line.

Every error a user can cause is one of these. The message is one sentence: what is wrong, which value,
what to do. This module knows the exit codes and nothing else.

    CzEngineError
    ├── OptionError     (ValueError)    2    an option or argument has a value that cannot work
    ├── ArchiveError    (ValueError)    3    the file is not an archive we can open safely
    ├── ModelError                      3    the archive is fine, the model in it cannot be run
    ├── PlanError                       3    tile and border do not make a tiling
    ├── ImageError                      4    the image cannot be read or does not fit the model
    ├── DeviceError     (RuntimeError)  5    the device or the runtime failed
    ├── MissingExtra    (ImportError)   5    an optional package is needed and not installed
    ├── OutputError     (OSError)       6    the result cannot be written
    ├── ResumeError                     7    an unfinished run cannot be taken up again
    └── Cancelled                     130    stopped on request
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CzEngineError(Exception):
    """Base of every error czengine raises on purpose."""

    exit_code: int = 1


class OptionError(CzEngineError, ValueError):
    """An option or argument has a value that cannot work."""

    exit_code = 2


class ArchiveError(CzEngineError, ValueError):
    """The file is not an archive that can be opened safely."""

    exit_code = 3


class ModelError(CzEngineError):
    """The archive is readable, but its model cannot be run."""

    exit_code = 3


class PlanError(CzEngineError):
    """Tile size and border do not make a tiling."""

    exit_code = 3


class ImageError(CzEngineError):
    """The image cannot be read, or does not fit the model."""

    exit_code = 4


class DeviceError(CzEngineError, RuntimeError):
    """The device or the runtime on it failed."""

    exit_code = 5


class MissingExtra(CzEngineError, ImportError):
    """An optional package is needed and not installed."""

    exit_code = 5


class OutputError(CzEngineError, OSError):
    """The result cannot be written."""

    exit_code = 6


class ResumeError(CzEngineError):
    """An unfinished run cannot be taken up again."""

    exit_code = 7


class Cancelled(CzEngineError):
    """The run was stopped on request."""

    exit_code = 130


@contextmanager
def located(place: object) -> Iterator[None]:
    """Say in every error inside where it happened: ours in the message, others in a note."""
    try:
        yield
    except CzEngineError as error:
        raise type(error)(f"{error} ({place})") from error
    except Exception as error:
        error.add_note(f"at {place}")
        raise
