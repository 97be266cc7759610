"""What has to be said about a new label image outside of it: the labels list, and consolidated metadata.

Edits JSON files of zarr v2 and v3 stores and leaves everything in them that it does not know. Consolidated
metadata are a copy of all metadata below a group; readers believe the copy, and a label image that is not in
it does not exist for them. Only the entries of the new image are exchanged: a plate need not be walked, but
its copy is read and written once per image.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from czengine.errors import OutputError
from czengine.sinks.base import Target
from czengine.sinks.locks import locked
from czengine.sinks.metadata import ngff_version

Document = dict[str, Any]

_GROUP_FILES = {2: ".zgroup", 3: "zarr.json"}
_CONSOLIDATED_FILES = {2: ".zmetadata", 3: "zarr.json"}
_V2_FILES = (".zgroup", ".zarray", ".zattrs")


def is_result(folder: Path) -> bool:
    """Whether a label image, or a result of czengine, lies in `folder`."""
    attributes = _read(folder / ".zattrs") or (_read(folder / "zarr.json") or {}).get("attributes", {})
    return not {"image-label", "czengine"}.isdisjoint([*attributes, *attributes.get("ome", {})])


def has_copy(folder: Path, zarr_format: int) -> bool:
    """Whether the group in `folder` has consolidated metadata."""
    return _entries(_read(folder / _CONSOLIDATED_FILES[zarr_format]), zarr_format) is not None


def groups_above(target: Target) -> Iterator[Path]:
    """The groups above a new label image, from its labels group to the outermost one; none of other results."""
    if target.registry is None:
        return
    root, folder = _absolute(target.image.root), _absolute(target.path).parent
    while True:
        yield folder
        outside = root not in folder.parents
        folder = folder.parent
        if outside and not (folder / _GROUP_FILES[target.image.zarr_format]).exists():
            return


@contextmanager
def registering(targets: Sequence[Target]) -> Iterator[Registration]:
    """A `Registration`, during which no other run changes the same files; nothing temporary is left behind."""
    with ExitStack() as stack:
        for folder in next((groups_above(t) for t in targets if t.registry is not None), ()):
            if folder.exists():  # always the inner one first, so that no two runs wait for each other
                stack.enter_context(locked(folder, wait=True))
        registration = Registration(targets)
        stack.callback(registration.discard)
        yield registration


class Registration:
    """The files that change when new label images of one image appear.

    Parameters
    ----------
    targets : sequence of Target
        Those with a `registry`, the same for all of them, are registered; the others stand alone.

    Raises
    ------
    OutputError
        Where a labels list cannot be understood.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = [t for t in targets if t.registry is not None]
        self._documents: dict[Path, Document] = {}
        self._copies: dict[Path, Document] = {}  # folder to the entries of its consolidated metadata
        self._absent: list[Path] = []  # files that were not there before
        for target in self._targets:
            self._list(target)

    def write(self, folders: Mapping[Path, Path]) -> None:
        """Write the new files beside the old ones; what can fail, fails here.

        Parameters
        ----------
        folders : mapping of Path to Path
            `Target.path` of each new image to the folder it lies in now.
        """
        self._find_copies()
        for copy, entries in self._copies.items():
            for target in self._targets:
                self._exchange(copy, entries, target, folders[target.path])
            _sort(entries)
        for path, document in self._documents.items():
            _write(_new(path), document)
            if path.exists():
                shutil.copymode(path, _new(path))
                _keep(path)
            else:
                self._absent.append(path)

    def commit(self) -> None:
        """Put the new files in the place of the old ones."""
        for path in self._documents:
            os.replace(_new(path), path)

    def restore(self) -> None:
        """Undo `commit`, however far it came."""
        for path in self._documents:
            if _kept(path).exists():
                os.replace(_kept(path), path)
        for path in self._absent:
            path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what `write` wrote, here or in a run that was killed."""
        for path in self._documents:
            for left in path.parent.glob(f".{path.name}.czengine-*"):
                left.unlink(missing_ok=True)

    def _list(self, target: Target) -> None:
        labels = _absolute(target.path).parent
        if target.image.zarr_format == 2:
            self._edit(labels / ".zgroup", {"zarr_format": 2})
            attributes = self._edit(labels / ".zattrs", {})
        else:
            group = self._edit(labels / "zarr.json", {"zarr_format": 3, "node_type": "group"})
            attributes = group.setdefault("attributes", {})
        if ngff_version(target) == "0.5":
            attributes = attributes.setdefault("ome", {"version": "0.5"})
        names = attributes.setdefault("labels", [])
        if not isinstance(names, list):
            raise OutputError(f"the labels list in {labels} is {names!r}, not a list; repair it")
        if target.path.name not in names:
            names.append(target.path.name)

    def _find_copies(self) -> None:
        for target in self._targets[:1]:
            zarr_format = target.image.zarr_format
            for folder in groups_above(target):
                path = folder / _CONSOLIDATED_FILES[zarr_format]
                document = self._current(path)
                entries = _entries(document, zarr_format)
                if document is not None and entries is not None:
                    self._documents[path], self._copies[folder] = document, entries

    def _exchange(self, copy: Path, entries: Document, target: Target, folder: Path) -> None:
        """Put the nodes of one new image, now in `folder`, into the consolidated metadata of `copy`."""
        zarr_format, place = target.image.zarr_format, _absolute(target.path)
        node, labels = place.relative_to(copy).as_posix(), place.parent.relative_to(copy).as_posix()
        for key in [k for k in entries if k == node or k.startswith(f"{node}/")]:
            del entries[key]
        if labels != ".":
            entries.update(self._node(place.parent, labels, zarr_format))
        entries.update(self._node(folder, node, zarr_format))
        for level in (f for f in folder.iterdir() if f.is_dir()):
            entries.update(self._node(level, f"{node}/{level.name}", zarr_format))

    def _node(self, folder: Path, node: str, zarr_format: int) -> Document:
        """What consolidated metadata say about the node that lies in `folder`."""
        if zarr_format == 2:
            found = {f"{node}/{name}": self._current(folder / name) for name in _V2_FILES}
            return {key: document for key, document in found.items() if document is not None}
        document = self._current(folder / "zarr.json") or {}
        return {node: {key: value for key, value in document.items() if key != "consolidated_metadata"}}

    def _current(self, path: Path) -> Document | None:
        return self._documents.get(path) or _read(path)

    def _edit(self, path: Path, default: Document) -> Document:
        if path not in self._documents:
            self._documents[path] = _read(path) or default
        return self._documents[path]


def _entries(document: Document | None, zarr_format: int) -> Document | None:
    """The consolidated metadata in a document, by node; None where it has none."""
    container = document if zarr_format == 2 else (document or {}).get("consolidated_metadata")
    entries = container.get("metadata") if isinstance(container, dict) else None
    return entries if isinstance(entries, dict) else None


def _sort(entries: Document) -> None:
    """zarr-python loses nodes whose siblings do not stand together."""
    ordered = sorted(entries.items(), key=lambda item: (item[0].count("/"), item[0]))
    entries.clear()
    entries.update(ordered)


def _read(path: Path) -> Document | None:
    """A JSON object; None where there is no such file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise OutputError(f"{path} is damaged ({error}); repair it, or write elsewhere with --out") from error
    if not isinstance(document, dict):
        raise OutputError(f"{path} is damaged (not a JSON object); repair it, or write elsewhere with --out")
    return document


def _write(path: Path, document: Document) -> None:
    """On the disk itself, before it takes the place of another; large ones compact, which is 20 times faster."""
    is_large = "consolidated_metadata" in document or "metadata" in document
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(document, indent=None if is_large else 2))
        file.flush()
        os.fsync(file.fileno())


def _keep(path: Path) -> None:
    """Keep the old file by a second name, which takes no space."""
    try:
        os.link(path, _kept(path))
    except OSError:  # a file system without links
        shutil.copy2(path, _kept(path))


def _new(path: Path) -> Path:
    return path.with_name(f".{path.name}.czengine-partial-{os.getpid()}")


def _kept(path: Path) -> Path:
    return path.with_name(f".{path.name}.czengine-old-{os.getpid()}")


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
