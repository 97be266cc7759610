"""The memory that a job needs at least: as its refusal says, or found by trying."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from czengine import OptionError, RunOptions, TilingOptions, api
from czengine.footprint import Sizes, plan_memory


def smallest_limit(archive: Path, image: Path, *, tiling: TilingOptions | None = None) -> int:
    """Bytes of the smallest limit that works, which the refusal of a smaller one names."""
    with pytest.raises(OptionError, match="need at least") as refused:
        api.plan(archive, image, tiling=tiling or TilingOptions(), run=RunOptions(memory_limit=1))
    (named,) = re.findall(r"at least (\d+) MiB", str(refused.value))
    return int(named) * 2**20


def needed(sizes: Sizes) -> int:
    """The smallest limit, in bytes."""
    low, high = 0, 2**30  # the small images of the tests need less
    while low < high:
        middle = (low + high) // 2
        try:
            plan_memory(sizes, middle)
            high = middle
        except OptionError:
            low = middle + 1
    return low
