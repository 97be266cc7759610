"""Packages that only some installations have: the tests that need one say so.

Absent, they skip; under CI they fail instead, so that nobody mistakes a skipped proof for a passed one.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from czconverter import frameworks
from czengine.errors import MissingExtra


def need(name: str) -> Any:
    """The package called `name`, imported; skips the test (fails under CI) where it is not installed."""
    try:
        return frameworks.load(name)
    except MissingExtra as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
