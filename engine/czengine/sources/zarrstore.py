"""Zarr groups and arrays on local disk: finds and opens them, says what is wrong with a path or with metadata.

Reads no pixels; knows nothing of OME metadata and decides no axes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from czengine.errors import ImageError
from czengine.sources.pixels import reason

if TYPE_CHECKING:
    import zarr

    Array = zarr.Array[Any]

_MARKERS = ("zarr.json", ".zgroup", ".zarray")
_URL = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]+:/"
)  # "//" has become "/" in a Path; one letter is a Windows drive
_SHOWN = 5  # stores listed in an error message
_CONVERTERS = "convert it to OME-Zarr first, e.g. with bioformats2raw or ngff-zarr"


def is_node(path: Path) -> bool:
    """Whether a folder holds the metadata of a zarr group or array."""
    return any((path / marker).is_file() for marker in _MARKERS)


def open_node(path: Path) -> zarr.Group | Array:
    """Open the zarr group or array at `path` for reading.

    Consolidated metadata are passed over: writers that add a level or a label image leave them stale.

    Raises
    ------
    ImageError
        Where there is nothing, or nothing that is zarr, or its metadata cannot be read.
    """
    import zarr

    _check_path(path)
    try:
        return zarr.open(path, mode="r", use_consolidated=False)
    except Exception as error:  # whatever damaged metadata, unknown types and codecs make zarr raise
        raise _unreadable(str(path), error) from error


def child_group(group: zarr.Group, path: str, where: str) -> zarr.Group:
    """The group at `path` inside `group`; `where` names the latter in messages.

    Raises
    ------
    ImageError
        Where it is absent, an array, or its metadata cannot be read.
    """
    import zarr

    node = _child(group, path, where)
    if not isinstance(node, zarr.Group):
        raise ImageError(f"the metadata of {where} list {path!r} as a group, but it is an array")
    return node


def child_array(group: zarr.Group, path: str, where: str) -> Array:
    """The array at `path` inside `group`; `where` names the latter in messages.

    Raises
    ------
    ImageError
        Where it is absent, a group, or its metadata cannot be read.
    """
    import zarr

    node = _child(group, path, where)
    if not isinstance(node, zarr.Array):
        raise ImageError(f"the metadata of {where} list {path!r} as an array, but it is a group")
    return node


def _child(group: zarr.Group, path: str, where: str) -> zarr.Group | Array:
    try:
        return group[path]
    except KeyError as error:
        raise ImageError(f"the metadata of {where} list {path!r}, but the store does not hold it") from error
    except Exception as error:  # whatever damaged metadata make zarr raise
        raise _unreadable(f"{where}/{path}", error) from error


def _check_path(path: Path) -> None:
    if _URL.match(str(path)):
        raise ImageError(f"{path} is a remote store, which is not supported yet; copy it to a local disk")
    if not path.exists():
        raise ImageError(f"there is no image at {path}; check the path")
    if path.is_file() and path.suffix.lower() == ".zip":
        raise ImageError(f"{path} is a zipped store, which is not supported yet; unpack it")
    if path.is_file():
        raise ImageError(f"{path} is a file, not a zarr store; {_CONVERTERS}")
    if is_node(path):
        return
    inside = sorted(child.name for child in path.iterdir() if is_node(child))
    if inside:
        raise ImageError(f"{path} is a folder that holds {', '.join(inside[:_SHOWN])}; name one of them")
    raise ImageError(f"{path} is a folder without zarr metadata, not a zarr store; {_CONVERTERS}")


def _unreadable(where: str, error: Exception) -> ImageError:
    return ImageError(f"the zarr metadata of {where} cannot be read ({reason(error)}); write the image again")
