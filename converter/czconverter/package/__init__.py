"""Archives, written: metadata and network become the members of a zip, in the byte layout of ZEISS tools.

Formats as observed in archives by the `czmodel` packages 0.1 to 6.2; `czengine.formats` is the reading side.
"""

from __future__ import annotations

from czconverter.options import TargetFormat
from czconverter.package import czann, legacy
from czconverter.package.contents import Contents
from czconverter.package.zipping import zip_bytes


def archive_bytes(contents: Contents, format: TargetFormat) -> bytes:
    """The whole archive: the same contents give the same bytes.

    Raises
    ------
    OptionError
        Where the licence has the name of one of the archive's own members.
    """
    return zip_bytes((czann if format == "czann" else legacy).members(contents))
