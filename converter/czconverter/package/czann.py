"""`.czann`: the metadata as JSON 2.1.0, byte for byte as czmodel 6.2.0 writes it.

Only this module knows the keys and their order, and that MinOverlap is the border of both sides together. Networks
get pixels from 0 to 1; pixel types, colour handling and class colours have no place here.
"""

from __future__ import annotations

import json

from czconverter.metadata import REGRESSION
from czconverter.package.contents import Contents, Member

VERSION = "2.1.0"


def members(contents: Contents) -> list[Member]:
    """Metadata, network and licence, in this order."""
    licence = [] if contents.licence is None else [contents.licence]
    return [("model.json", _json(contents)), ("model.model", contents.network), *licence]


def _json(contents: Contents) -> bytes:
    metadata, (height, width) = contents.metadata, contents.tile
    values = {
        "FormatVersion": VERSION,
        "Id": metadata.id,
        "Type": metadata.task,
        "InputShape": [height, width, contents.channels],
        "OutputShape": [height, width, contents.outputs],
        "MinOverlap": [2 * side for side in metadata.sides],
        "Classes": None if metadata.task == REGRESSION else metadata.classes or None,
        "ModelName": metadata.name,
        "Scaling": metadata.pixel_size,
        "ModelDescription": metadata.description
        or None,  # not czmodel's: ZEN adds it when it saves an archive
    }
    return json.dumps({key: value for key, value in values.items() if value is not None}).encode("ascii")
