"""The preview picture: a result over its image, with legend and scale bar.

`saving` reads and writes, `drawing` lays out, `overlay` makes the pixels.
"""

from czengine.preview.saving import check_preview_path, write_preview

__all__ = ["check_preview_path", "write_preview"]
