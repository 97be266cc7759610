"""The committed types of czengine._native are the ones the built module has."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_stub_is_fresh(tmp_path: Path) -> None:
    if importlib.util.find_spec("czengine._native") is None:
        message = "czengine._native is not built: install czengine where there is a C++ compiler"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    fresh = tmp_path / "_native.pyi"
    subprocess.run([ROOT / "scripts/stubs", fresh], check=True, env=os.environ | {"PYTHON": sys.executable})

    committed = ROOT / "engine/czengine/_native.pyi"
    assert committed.read_text() == fresh.read_text(), "run scripts/stubs and commit the result"
