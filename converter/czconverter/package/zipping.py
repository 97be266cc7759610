"""Zips with the same bytes on every machine, day and Python: stored, in the order given, of one date.

What the members are called and mean is not known here.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from czconverter.package.contents import Member
from czengine.errors import ModelError, OptionError

_DATE = (1980, 1, 1, 0, 0, 0)  # the first a zip can say
_UNIX = 3
_ATTRIBUTES = 0o600 << 16  # readable and writable by its owner, as czmodel has it


def zip_bytes(members: Sequence[Member]) -> bytes:
    """A zip of these members, uncompressed, in this order; with 64-bit sizes only where 32 bits are too few.

    Raises
    ------
    OptionError
        Where two members have the same name, whatever the case of the letters (not every disk tells them apart),
        or one has a name that cannot be shown.
    """
    strange = next((name for name, _ in members if not name.isprintable()), None)
    if strange is not None:
        raise OptionError(f"a file of the archive would be called {strange!r}; rename it with plain letters")
    names = [name.casefold() for name, _ in members]
    repeated = next(
        (name for name, folded in zip(members, names, strict=True) if names.count(folded) > 1), None
    )
    if repeated is not None:
        raise OptionError(f"two files of the archive would be called {repeated[0]!r}; rename one of them")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system, entry.external_attr = _UNIX, _ATTRIBUTES
            archive.writestr(entry, data)
    return target.getvalue()


def zip_folder(folder: Path) -> bytes:
    """The files of a folder, e.g. a SavedModel, by their paths inside it; sorted, without empty folders.

    Raises
    ------
    ModelError
        Where it holds no file, or one that cannot be read.
    """
    try:
        files = sorted(
            (path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file()
        )
        members = [(name, path.read_bytes()) for name, path in files]
    except OSError as error:
        raise ModelError(
            f"{error.filename} cannot be read ({error.strerror}); check its permissions"
        ) from error
    if not members:
        raise ModelError(f"{folder} holds no files; give the folder that has saved_model.pb in it")
    return zip_bytes(members)
