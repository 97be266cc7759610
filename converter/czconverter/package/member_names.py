"""Names of members that become files: whether all of them can, side by side, on any disk.

That none points outside has been settled where the zip was read. Names are hostile input.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from czengine.errors import ArchiveError

_LONGEST = 255  # bytes of one part of a path; no disk takes more


def check_names(names: Iterable[str], *, what: str) -> None:
    """Refuse names that hide something, or get into each other's way on some disk.

    Parameters
    ----------
    names : iterable of str
        With slashes between their parts.
    what : str
        What holds them, for messages.

    Raises
    ------
    ArchiveError
        At the first such name.
    """
    taken: set[str] = set()
    parents: set[str] = set()
    for name in names:
        folded = name.casefold()
        above = {parent.as_posix() for parent in PurePosixPath(folded).parents}
        if not name.isprintable() or ":" in name or any(len(p.encode()) > _LONGEST for p in name.split("/")):
            raise ArchiveError(
                f"{what} holds a file called {_shown(name)}, which is no plain file name; refused as unsafe"
            )
        if folded in taken | parents or above & taken:
            raise ArchiveError(
                f"{what} holds a file called {_shown(name)}, where another has to be; refused as unsafe"
            )
        taken.add(folded)
        parents |= above


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:80]}…")
