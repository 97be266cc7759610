"""Where the reference material lies that is not part of the repository: archives by ZEISS tools, a real image.

`CZENGINE_SHARED` names the folder (default: `shared` beside the checkout). Absent, tests that need it skip;
under CI they fail instead, so that nobody mistakes a skipped proof for a passed one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_REPOSITORY = Path(__file__).resolve().parents[2]


LOOPING = "real_N2V_tobacco_leaf.czann"  # the archive whose network has a loop over its batch, fixed to 1


def reference_entries(inner: str) -> list[dict[str, Any]]:
    """What MANIFEST.json says of the archives of one kind; empty where it is absent (then nothing is collected)."""
    manifest = _root() / "reference" / "MANIFEST.json"
    return [e for e in json.loads(manifest.read_text()) if e["inner"] == inner] if manifest.exists() else []


def reference_names(inner: str = "ONNX", *, but: str | None = None) -> list[str]:
    """Archives of one kind, or one that is absent, so that a test is there to skip or to fail."""
    found = [e["file"] for e in reference_entries(inner)] or ["MANIFEST.json"]
    return [name for name in found if name != but]


def shared_path(relative: str) -> Path:
    """Path of a shared file or folder; skips the test (fails under CI) where it is absent."""
    path = _root() / relative
    if not path.exists():
        message = f"needs {relative} of the shared reference material (set CZENGINE_SHARED)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def _root() -> Path:
    return Path(os.environ.get("CZENGINE_SHARED", _REPOSITORY.parent / "shared"))
