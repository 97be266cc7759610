"""Packages that only some installations have: the tests that need one say so.

Absent, they skip; under CI they fail instead, so that nobody mistakes a skipped proof for a passed one.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, NoReturn

import pytest

from czconverter import frameworks
from czengine.errors import MissingExtra


def need(name: str) -> Any:
    """The framework called `name`, imported; skips the test (fails under CI) where it is not installed."""
    try:
        return frameworks.load(name)
    except MissingExtra as error:
        _absent(str(error))


def need_package(name: str) -> Any:
    """The same for a package the converter itself never imports: other people's readers, e.g. "czmodel.core"."""
    try:
        with frameworks.quiet():
            return importlib.import_module(name)
    except ImportError as error:
        _absent(f"this needs {name}, which cannot be imported ({error})")


def _absent(message: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
