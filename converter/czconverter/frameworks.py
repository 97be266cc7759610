"""Imports TensorFlow, Keras, tf2onnx and PyTorch: late, quietly, and with a way out where one is missing.

Nothing else in the converter imports them at the top of a module: an ONNX model is converted without any of them.
Only this module knows which extra brings which package, and how to keep their start-up messages off the terminal.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from czengine.errors import MissingExtra

_EXTRAS = {
    "tensorflow": "converter",
    "keras": "converter",
    "tf_keras": "converter",
    "tf2onnx": "converter",
    "h5py": "converter",
    "torch": "torch",
    "onnxscript": "torch",
}


def load(name: str) -> Any:
    """Import a framework, without its start-up messages.

    Raises
    ------
    MissingExtra
        Where it is not installed; the message names the extra that brings it.
    """
    if sys.modules.get(name) is not None:
        return sys.modules[name]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with quiet():
            return importlib.import_module(name)
    except ImportError as error:
        extra = _EXTRAS[name.partition(".")[0]]
        raise MissingExtra(
            f"this needs {name.partition('.')[0]}, which cannot be imported ({error});"
            f" install it with: pip install 'czengine[{extra}]'"
        ) from error


def versions(*names: str) -> str:
    """Names and versions of packages, e.g. "keras 3.15.1, tensorflow 2.21.0"; those not installed are left out."""
    return ", ".join(f"{name} {found}" for name in names if (found := _version(name)))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the frameworks' own messages, warnings and log lines off the terminal; errors are still raised."""
    with warnings.catch_warnings(), _no_stderr():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(before)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@contextmanager
def _no_stderr() -> Iterator[None]:
    """The C++ parts write to file descriptor 2 themselves, before anyone could configure their logging."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # a process without stderr
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
