"""Opens an archive in memory, under limits, and says which member is what. No meaning, no extraction.

A model file is hostile input: names, flags, counts and declared sizes are checked before a byte is read, and
what is read never exceeds its declared size. What the metadata and the network say is for `formats` and
`graph`; only this module knows zip members. Stored and deflated members are read; bzip2 and LZMA are refused, since no
ZEISS tool writes them and LZMA lets a file choose how much memory its reader takes.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, NoReturn

from czengine.errors import ArchiveError

_MARKER = "modelid="
_DIRECTORY_ENTRY = b"PK\x01\x02"
_LOCAL_HEADER_SIZE = 30  # without name and extra field
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # classic, strong, masked headers
# everything zipfile was seen to raise for bytes that are no sound zip; NotImplementedError is a RuntimeError
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a zip may hold.

    Attributes
    ----------
    members : int
        Entries, folders included.
    member, total, metadata : int
        Bytes unpacked, of one member, of all together, of the XML or JSON.
    ratio : int
        Unpacked over packed size. Weights barely compress, but constant ones do, so it is only looked
        at from `ratio_from` bytes on.
    """

    members: int = 1000
    member: int = 2**31 - 1  # a protobuf cannot be larger
    total: int = 3 * 2**30
    metadata: int = 4 * 2**20
    ratio: int = 100
    ratio_from: int = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class Archive:
    """The members of an archive that matter.

    Attributes
    ----------
    path : Path
        Where it was read from.
    format : {"legacy", "czann"}
        XML (`.czmodel`, `.czseg`) or JSON (`.czann`), told by the members.
    metadata, network : bytes
        The XML or JSON, and the ONNX model or zipped SavedModel.
    licence : str or None
        Name of the licence member.
    id_hint : str or None
        The id in the name of a legacy archive's marker.
    """

    path: Path
    format: Literal["legacy", "czann"]
    metadata: bytes
    network: bytes
    licence: str | None
    id_hint: str | None


def read_archive(path: Path, *, limits: Limits | None = None) -> Archive:
    """Read metadata and network of the archive at `path`.

    Raises
    ------
    ArchiveError
        If the file is missing, is no zip, is damaged, breaks a limit, or holds no model.
    """
    path = Path(path)
    limits = limits or Limits()
    _check_file(path, limits)
    try:
        file = path.open("rb")
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    with file:
        return _find_model(_Zip(file, str(path), limits), path)


def read_member(data: bytes, name: str, *, what: str, limits: Limits | None = None) -> bytes | None:
    """One member of a zip that is itself in memory, under the same limits; None where it has no such member.

    `what` names the zip in error messages.

    Raises
    ------
    ArchiveError
        If the zip is damaged or breaks a limit.
    """
    members = _Zip(io.BytesIO(data), what, limits or Limits())
    return members.read(name) if name in members.names else None


def read_members(data: bytes, *, what: str, limits: Limits | None = None) -> dict[str, bytes]:
    """All members of a zip that is itself in memory, by name, under the same limits as an archive's.

    Names have slashes between their parts, never lead upwards, and are relative; folders are left out. `what` names the
    zip in error messages.

    Raises
    ------
    ArchiveError
        If the zip is damaged or breaks a limit.
    """
    members = _Zip(io.BytesIO(data), what, limits or Limits())
    return {name: members.read(name) for name in members.names}


def _check_file(path: Path, limits: Limits) -> None:
    if path.is_dir():
        raise ArchiveError(
            f"{path} is a folder; MODEL is a .czmodel, .czseg or .czann file and comes before IMAGE"
        )
    if not path.exists():
        raise ArchiveError(f"{path} does not exist; check the path of the archive")
    if not path.is_file():
        raise ArchiveError(f"{path} is not a regular file; copy the archive to a disk first")
    size = path.stat().st_size
    if size == 0:
        raise ArchiveError(f"{path} is empty; copy or download it again")
    if size > limits.total:
        raise ArchiveError(f"{path} is too large: {size} bytes, at most {limits.total} are read")


class _Zip:
    """Members by normalised name, every one of them checked."""

    def __init__(self, file: IO[bytes], what: str, limits: Limits) -> None:
        self.what, self.limits = what, limits
        # zipfile builds an object per entry before anyone can count them, so they are counted first
        if _occurrences(file, _DIRECTORY_ENTRY) > limits.members:
            self._refuse(f"has more than {limits.members} members; a model needs about five")
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        starts_like_zip = file.read(2) == b"PK"
        try:
            self._zip = zipfile.ZipFile(file)
        except _DAMAGED as error:
            if starts_like_zip:
                self._refuse("is a damaged zip, probably cut short; copy or download it again", error)
            self._refuse("is not a zip, so not a .czmodel, .czseg or .czann archive", error)
        entries = self._zip.infolist()
        self._check_sizes(entries, size)
        self._members: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            self._add(entry)

    @property
    def names(self) -> list[str]:
        """Names of all members but folders, in the order of the zip's directory."""
        return list(self._members)

    def size(self, name: str) -> int:
        """Declared size in bytes."""
        return self._members[name].file_size

    def read(self, name: str) -> bytes:
        """Content of a member: never more than its declared size, CRC checked."""
        entry = self._members[name]
        try:
            with self._zip.open(entry) as stream:
                data = stream.read(entry.file_size + 1)
        except _DAMAGED as error:
            self._refuse(f"is damaged: member {name!r} cannot be unpacked ({error}); copy it again", error)
        if len(data) != entry.file_size:
            self._refuse(f"is damaged: member {name!r} has {len(data)} bytes, {entry.file_size} are declared")
        return data

    def _check_sizes(self, entries: list[zipfile.ZipInfo], size: int) -> None:
        total = sum(entry.file_size for entry in entries)
        if total > self.limits.total:
            self._refuse(f"unpacks to {total} bytes; at most {self.limits.total} are read")
        in_order = sorted(entries, key=lambda entry: entry.header_offset)
        starts = [entry.header_offset for entry in in_order] + [size]
        for entry, following in zip(in_order, starts[1:], strict=True):
            if entry.header_offset + _LOCAL_HEADER_SIZE + entry.compress_size > following:
                self._refuse(f"has overlapping members ({entry.filename!r}); no archive tool writes that")

    def _add(self, entry: zipfile.ZipInfo) -> None:
        name = self._safe_name(entry.orig_filename)
        self._check_entry(entry, name)
        if entry.orig_filename.endswith(("/", "\\")) or not name:
            return
        if name in self._members:
            self._refuse(f"has two members called {name!r}; which one counts is unclear")
        self._members[name] = entry

    def _safe_name(self, raw: str) -> str:
        name = raw.replace("\\", "/")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name) or "\0" in name:
            self._refuse(f"has a member called {raw!r}, which points outside the archive")
        return "/".join(parts)

    def _check_entry(self, entry: zipfile.ZipInfo, name: str) -> None:
        limits, size = self.limits, entry.file_size
        if entry.flag_bits & _ENCRYPTED:
            self._refuse(f"is encrypted (member {name!r}); save it without a password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            self._refuse(f"uses compression method {entry.compress_type} for {name!r}; pack it as deflated")
        if size > limits.member:
            self._refuse(f"has a member {name!r} of {size} bytes; at most {limits.member} are read")
        if size > limits.ratio_from and size > limits.ratio * entry.compress_size:
            self._refuse(
                f"has a member {name!r} that grows from {entry.compress_size} to {size} bytes;"
                f" more than {limits.ratio} times is refused as a zip bomb"
            )

    def _refuse(self, sentence: str, cause: BaseException | None = None) -> NoReturn:
        raise ArchiveError(f"{self.what} {sentence}") from cause


def _occurrences(file: IO[bytes], pattern: bytes) -> int:
    """How often `pattern` occurs in the file; an upper bound for the entries of its directory."""
    count, tail = 0, b""
    file.seek(0)
    while block := file.read(2**20):
        count += (tail + block).count(pattern)
        tail = (tail + block)[-(len(pattern) - 1) :]
    return count


def _find_model(members: _Zip, path: Path) -> Archive:
    root = [name for name in members.names if "/" not in name]
    id_hint = next((n[len(_MARKER) :] for n in root if n.casefold().startswith(_MARKER)), None)
    metadata = _find_metadata(members, root, id_hint)
    format_: Literal["legacy", "czann"] = "czann" if _suffix(metadata) == "json" else "legacy"
    if members.size(metadata) > members.limits.metadata:
        size, most = members.size(metadata), members.limits.metadata
        raise ArchiveError(f"{path} has metadata {metadata!r} of {size} bytes; at most {most} are read")
    network = _find_network(root, metadata)
    if network is None:
        raise ArchiveError(f"{path} has {metadata!r} but no network (.model) with it; export it again")
    if members.size(network) == 0:
        raise ArchiveError(f"{path} has an empty network {network!r}; export the model again")
    others = (n for n in root if n not in (metadata, network) and not n.startswith((".", _MARKER)))
    return Archive(
        path=path,
        format=format_,
        metadata=members.read(metadata),
        network=members.read(network),
        licence=next(others, None),
        id_hint=id_hint if format_ == "legacy" and id_hint else None,
    )


def _find_metadata(members: _Zip, root: list[str], id_hint: str | None) -> str:
    """The metadata member. A licence may have any name, even model.json or x.xml: the marker goes first."""

    def says(name: str, *words: bytes) -> bool:
        small = members.size(name) <= members.limits.metadata
        return small and all(re.search(word, members.read(name)) for word in words)

    def named(name: str) -> list[str]:
        return [n for n in root if n == name] + [n for n in root if n.casefold() == name.casefold()]

    xml = [n for n in root if _suffix(n) == "xml"]
    xml.sort(
        key=lambda n: _find_network(root, n, exact=True) is None
    )  # first those with a network of their name
    marked = named(f"{id_hint}.xml") if id_hint else []
    candidates = [
        *marked,
        *named("model.json"),
        *(n for n in xml if says(n, rb"<Model[\s/>]")),
        *(n for n in root if _suffix(n) == "json" and says(n, rb'"Type"', rb'"InputShape"')),
    ]
    if not candidates:
        raise ArchiveError(
            f"{members.what} holds no model: a .czann has model.json and model.model at its root,"
            " a .czmodel or .czseg an .xml and a .model"
        )
    return candidates[0]


def _find_network(root: list[str], metadata: str, *, exact: bool = False) -> str | None:
    """The network beside `metadata`: of the same name, else (unless `exact`) the first there is."""
    networks = [n for n in root if _suffix(n) == "model"]
    wanted = metadata.rpartition(".")[0] + ".model"
    same = [n for n in networks if n == wanted] + [n for n in networks if n.casefold() == wanted.casefold()]
    return next(iter(same if exact else same + networks), None)


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].casefold()
