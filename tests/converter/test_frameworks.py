"""Packages that are missing or broken are named with their extra; their noise is kept off the terminal."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from czconverter import frameworks
from czengine.errors import MissingExtra

PRELUDE = "import logging, os, sys, warnings\nfrom czconverter import frameworks\n"


def run_apart(program: str, *, shell: str = "") -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, with what the shell says about its files."""
    command = f'exec "$@" {shell}'
    return subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, "-c", PRELUDE + program],
        capture_output=True,
        text=True,
        check=False,
    )


# ------------------------------------------------------------------------------------------------- load


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A tf2onnx whose import runs the line of the parameter; nobody needs the real one meanwhile."""
    (tmp_path / "tf2onnx.py").write_text(request.param)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tf2onnx", raising=False)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (
            "raise ImportError('libcudart.so.12: cannot open shared object file')",
            "libcudart.so.12: cannot open",
        ),
        (
            "raise TypeError('Descriptors cannot be created directly.\\nmore')",
            "Descriptors cannot be created directly",
        ),
        ("import numpy; numpy.no_such_thing", "module 'numpy' has no attribute 'no_such_thing'"),
        ("raise RuntimeError", "RuntimeError"),
    ],
    indirect=["broken"],
)
def test_a_package_that_is_broken_is_named_with_its_extra(reason: str) -> None:
    with pytest.raises(MissingExtra) as caught:
        frameworks.load("tf2onnx")
    message = str(caught.value)
    assert message.startswith(f"this needs tf2onnx, which cannot be imported ({reason}")
    assert message.endswith("); install it with: pip install 'czengine[converter]'")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["torch", "onnxruntime"])
def test_a_package_that_is_missing_is_named_with_its_extra(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    extra = {"torch": "torch", "onnxruntime": "cpu"}[name]
    with pytest.raises(MissingExtra, match=rf"^this needs {name}, .*install 'czengine\[{extra}\]'$"):
        frameworks.load(f"{name}")


def test_versions_leave_out_what_is_not_there() -> None:
    found = frameworks.versions("numpy", "no-such-package", "pytest")
    assert found.startswith("numpy ")
    assert found.endswith(f", pytest {pytest.__version__}")
    assert "no-such" not in found


# ------------------------------------------------------------------------------------------------- quiet


def test_messages_of_all_kinds_are_kept_off_the_terminal() -> None:
    done = run_apart("""
with frameworks.quiet():
    with frameworks.quiet():
        os.write(2, b"from C\\n")
    os.write(2, b"from C\\n")
    print("from Python", file=sys.stderr)
    warnings.warn("a warning")
    logging.error("a log line")
os.write(2, b"after\\n")
logging.error("a log line after")
""")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "after\nERROR:root:a log line after\n"


def test_errors_are_still_raised() -> None:
    with pytest.raises(ValueError, match="mine"), frameworks.quiet():
        raise ValueError("mine")


@pytest.mark.parametrize(
    ("before", "shell"),
    [
        ("pass", "2>&-"),
        ("pass", "2>/dev/full"),
        ("sys.stderr = None", ""),
        ("sys.stderr.close()", ""),
        ("os.close(2)", ""),
    ],
)
def test_a_process_needs_no_stderr(before: str, shell: str) -> None:
    done = run_apart(f"{before}\nwith frameworks.quiet(): os.write(1, b'in ')\nprint('done')", shell=shell)
    assert done.stdout == "in done\n"


def test_a_file_in_the_place_of_stderr_is_let_alone(tmp_path: Path) -> None:
    """The first file that is opened in a process without stderr gets its number."""
    path = tmp_path / "file"
    done = run_apart(
        f"file = open({str(path)!r}, 'wb', buffering=0); print(file.fileno())\n"
        "with frameworks.quiet(): file.write(b'kept')",
        shell="2>&-",
    )
    assert (done.stdout, path.read_bytes()) == ("2\n", b"kept")


def test_threads_share_a_silence(capfd: pytest.CaptureFixture[str]) -> None:
    """The first begins it and leaves first: the others are still quiet, and at the end all is as it was."""
    filters, disabled, descriptor = warnings.filters[:], logging.root.manager.disable, os.fstat(2)
    inside, leave = threading.Barrier(4), [threading.Event() for _ in range(3)]

    def work(number: int) -> None:
        with frameworks.quiet():
            inside.wait(10)
            leave[number].wait(10)
            os.write(2, b"noise")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    for event, thread in zip(leave, threads, strict=True):
        event.set()
        thread.join(10)
    assert capfd.readouterr().err == ""
    assert (warnings.filters, logging.root.manager.disable) == (filters, disabled)
    assert os.path.samestat(os.fstat(2), descriptor)
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_many_threads_leave_it_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    filters, disabled = warnings.filters[:], logging.root.manager.disable

    def work() -> None:
        for _ in range(50):
            with frameworks.quiet():
                os.write(2, b"noise")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
    assert (warnings.filters, logging.root.manager.disable) == (filters, disabled)
