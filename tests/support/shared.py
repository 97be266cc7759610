"""Where the reference material lies that is not part of the repository: archives by ZEISS tools, a real image.

`CZENGINE_SHARED` names the folder (default: `shared` beside the checkout). Absent, tests that need it skip;
under CI they fail instead, so that nobody mistakes a skipped proof for a passed one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[2]


def shared_path(relative: str) -> Path:
    """Path of a shared file or folder; skips the test (fails under CI) where it is absent."""
    root = Path(os.environ.get("CZENGINE_SHARED", _REPOSITORY.parent / "shared"))
    path = root / relative
    if not path.exists():
        message = f"needs {relative} of the shared reference material (set CZENGINE_SHARED)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path
