"""The memory that a job needs at least, as its refusal says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from czengine import OptionError, RunOptions, TilingOptions, api


def smallest_limit(archive: Path, image: Path, *, tiling: TilingOptions | None = None) -> int:
    """Bytes of the smallest limit that works, which the refusal of a smaller one names."""
    with pytest.raises(OptionError, match="need at least") as refused:
        api.plan(archive, image, tiling=tiling or TilingOptions(), run=RunOptions(memory_limit=1))
    (named,) = re.findall(r"at least (\d+) MiB", str(refused.value))
    return int(named) * 2**20
