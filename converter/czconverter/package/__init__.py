"""Archives, written: metadata and network become the members of a zip, in the byte layout of ZEISS tools.

Formats as observed in archives by the `czmodel` packages 0.1 to 6.2; `czengine.formats` is the reading side.
"""
