"""Networks of well-behaved archives, read without the engine: enough for what the baselines run, and no more."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A network with square tiles: its bytes, the tile's edge, and the border on each side, in pixels."""

    network: bytes = field(repr=False)
    tile: int
    border: int


def read_archive(path: Path) -> Archive:
    """Read a .czann, or a legacy archive that says its tile; only for archives one trusts."""
    with zipfile.ZipFile(path) as archive:
        members = {name.rpartition(".")[2]: archive.read(name) for name in archive.namelist()}
    if "json" in members:
        said = json.loads(members["json"])
        tile, border = said["InputShape"][0], said.get("MinOverlap", [0])[0] // 2
    else:
        root = ET.fromstring(members["xml"].decode("utf-8-sig"))
        tile, border = (int(root.findtext(key, "0")) for key in ("TotalTileHeight", "BorderSize"))
    return Archive(network=members["model"], tile=tile, border=border)
