"""Imports TensorFlow, Keras, PyTorch and onnxruntime: late, quietly, and with a way out where one is missing.

Nothing else in the converter imports them: an ONNX model is converted with onnxruntime alone. Only this module knows
which extra brings which package, and how to keep their start-up messages off the terminal.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from czconverter.reasons import reason
from czengine.errors import MissingExtra

_EXTRAS = {
    "tensorflow": "converter",
    "keras": "converter",
    "tf_keras": "converter",
    "tf2onnx": "converter",
    "h5py": "converter",
    "torch": "torch",
    "onnxscript": "torch",
    "onnxruntime": "cpu",
}


def load(name: str) -> Any:
    """Import a framework, without its start-up messages.

    Raises
    ------
    MissingExtra
        Where it is not installed, or broken; the message says why, and names the extra that brings it.
    """
    if sys.modules.get(name) is not None:
        return sys.modules[name]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with quiet():
            return importlib.import_module(name)
    except (
        Exception
    ) as error:  # a protobuf or NumPy that does not fit makes it a TypeError, AttributeError ...
        package = name.partition(".")[0]
        raise MissingExtra(
            f"this needs {package}, which cannot be imported ({reason(error)});"
            f" install it with: pip install 'czengine[{_EXTRAS[package]}]'"
        ) from error


def versions(*names: str) -> str:
    """Names and versions of packages, e.g. "keras 3.15.1, tensorflow 2.21.0"; those not installed are left out."""
    return ", ".join(f"{name} {found}" for name in names if (found := _version(name)))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the frameworks' own messages, warnings and log lines off the terminal; errors are still raised.

    All three belong to the whole process: while several threads are in here, the first silences it and the last
    lets it speak again.
    """
    _SILENCE.begin()
    try:
        yield
    finally:
        _SILENCE.end()


class _Silence:
    """A silence that threads share, and one thread may ask for within its own."""

    def __init__(self) -> None:
        self._lock = (
            threading.RLock()
        )  # held to count only, so that threads do not wait for each other's work
        self._depth = 0
        self._kept = ExitStack()

    def begin(self) -> None:
        with self._lock:
            if self._depth == 0:
                self._kept.enter_context(_silent())
            self._depth += 1

    def end(self) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._kept.close()


_SILENCE = _Silence()


@contextmanager
def _silent() -> Iterator[None]:
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
    kept = _copied_stderr()
    if kept is None:
        yield
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        _flush()
        os.dup2(kept, 2)
        os.close(kept)


def _copied_stderr() -> int | None:
    """A copy of file descriptor 2; None in a process without one, where 2 may be any file by now."""
    if sys.__stderr__ is None:
        return None
    _flush()
    try:
        return os.dup(2)
    except OSError:  # closed behind Python's back
        return None


def _flush() -> None:
    if sys.stderr is not None:
        with suppress(ValueError, OSError):  # closed; or on a full disk, which is nobody's business here
            sys.stderr.flush()
