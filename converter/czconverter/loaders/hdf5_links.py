"""What an HDF5 file would read from other files: links, and datasets whose numbers lie elsewhere.

HDF5 follows them without asking, so a file from somebody else could bring what it finds on this computer into a
network.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from czconverter import frameworks


def outside(file: Any) -> Iterator[str]:
    """Names of links and datasets that lead out of an open h5py.File, in any of its groups."""
    h5py = frameworks.load("h5py")
    waiting, seen = [file["/"]], set()
    while waiting:
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink):  # to something in this file, which is met on its own
                continue
            path = f"{group.name.rstrip('/')}/{name}"
            if not isinstance(link, h5py.HardLink):
                yield path
                continue
            item = group[name]
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    yield path
            elif isinstance(item, h5py.Group) and (place := h5py.h5o.get_info(item.id).addr) not in seen:
                seen.add(place)
                waiting.append(item)
