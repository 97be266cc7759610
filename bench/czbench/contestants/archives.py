"""What the baselines share: their arguments, and networks of well-behaved archives, read without the engine."""

from __future__ import annotations

import argparse
import json
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import dataclass, field
from pathlib import Path


def read_arguments(doc: str | None) -> argparse.Namespace:
    """What the command line of a baseline says: `model`, `image` and `out`, paths; `threads`, 0 for all."""
    parser = argparse.ArgumentParser(description=doc)
    for name in ("model", "image", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--threads", type=int, default=0)
    return parser.parse_args()


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
