"""Everything that goes into an archive, complete and checked; how it is laid out is for `legacy` and `czann`.

Only this module knows what a licence may be called, so that no reader takes it for the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from czconverter.metadata import ArchiveMetadata
from czengine.archive import read_member
from czengine.errors import OptionError
from czengine.spec import ModelSpec, Runtime

Member = tuple[str, bytes]

_MAX_LICENCE = 16 * 2**20
# ZEISS readers take the first file of such a name for the model's own, whatever stands before the dot
_MODEL_SUFFIXES = (".json", ".xml", ".model")


@dataclass(frozen=True, kw_only=True)
class Contents:
    """An archive before it is written.

    Attributes
    ----------
    metadata : ArchiveMetadata
        Complete: `name`, `id` and whatever the format needs are there.
    network : bytes
        ONNX model, or zipped SavedModel.
    runtime : Runtime
        Which of them.
    tile : (height, width)
        Pixels, border included.
    channels, outputs : int
        Network channels in and out.
    licence : (name, bytes) or None
        File to pack.

    Raises
    ------
    OptionError
        Where the licence has a name that readers would take for something else.
    """

    metadata: ArchiveMetadata
    network: bytes = field(repr=False)
    runtime: Runtime
    tile: tuple[int, int]
    channels: int
    outputs: int
    licence: Member | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.licence is not None:
            _check_licence(self.licence[0])


def licence_file(path: Path) -> Member:
    """The licence at `path`, to be packed under its own name.

    Raises
    ------
    OptionError
        Where it cannot be read, is larger than 16 MiB, or has a name that readers would take for something else.
    """
    _check_licence(path.name)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_LICENCE + 1)
    except OSError as error:
        raise OptionError(f"the licence {path} cannot be read ({error.strerror}); check the path") from error
    if len(data) > _MAX_LICENCE:
        raise OptionError(f"the licence {path} has more than {_MAX_LICENCE} bytes; that is no licence")
    return path.name, data


def licence_inside(archive: Path, spec: ModelSpec) -> Member | None:
    """The licence of an archive that was read as `spec`; None where it has none.

    Raises
    ------
    ArchiveError
        Where it cannot be unpacked.
    """
    if spec.licence is None:
        return None
    data = read_member(archive.read_bytes(), spec.licence, what=str(archive))
    return None if data is None else (spec.licence, data)


def _check_licence(name: str) -> None:
    if not name.isprintable() or "/" in name or "\\" in name or ":" in name:
        raise OptionError(f"the licence is called {name!r}, which is no plain file name; rename it")
    if name.startswith((".", "modelid=")) or not name:
        raise OptionError(f"the licence is called {name!r}, which readers pass over; call it LICENSE.txt")
    if name.lower().endswith(_MODEL_SUFFIXES):
        raise OptionError(
            f"the licence is called {name!r}, which readers may take for the model; call it LICENSE.txt"
        )
