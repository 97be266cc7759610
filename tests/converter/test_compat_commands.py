"""The console scripts `savedmodel2czmodel` and `savedmodel2czann`: arguments, one line of result, exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from czconverter.compat import commands
from czengine import open_model
from tests.support.archives import czann_archive, onnx_network
from tests.support.commands import Outcome

Run = Callable[..., Outcome]
FLAT: dict[str, Any] = {
    "BorderSize": 8,
    "ColorHandling": "ConvertToMonochrome",
    "PixelType": ["Gray16"],
    "Classes": ["Background", "Cell"],
    "ModelPath": "net.onnx",
}
NESTED: dict[str, Any] = {
    "ModelMetadata": {
        "Type": "SingleClassSemanticSegmentation",
        "InputShape": [64, 48, 1],
        "OutputShape": [64, 48, 2],
        "Classes": ["Background", "Cell"],
        "ModelName": "Cells",
        "MinOverlap": [8, 8],
    },
    "ModelPath": "net.onnx",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.onnx").write_bytes(onnx_network(64, 48, 1, 2, opset=12))
    (tmp_path / "flat.json").write_text(json.dumps(FLAT))
    (tmp_path / "nested.json").write_text(json.dumps(NESTED))
    (tmp_path / "LICENSE.txt").write_text("free")
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A script in this process, as the installed one runs it: arguments in `sys.argv`, the code in SystemExit."""

    def run(script: str, *arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            getattr(commands, script)()
        return Outcome(int(stop.value.code or 0), *capsys.readouterr())

    return run


def test_a_flat_spec_becomes_a_czmodel(folder: Path, run: Run) -> None:
    outcome = run("savedmodel2czmodel", folder / "flat.json", folder / "some/path", "name")
    target = folder / "some/path/name.czmodel"
    assert (outcome.code, outcome.err.count("note:")) == (0, 1)
    assert "0 to 65535; a network trained on 0 to 1 needs --preprocess scale:1/65535" in outcome.err
    assert outcome.out.startswith(f"{target}: 64 by 48 pixels, 1 channels in, 2 out; largest difference")
    assert outcome.out.count("\n") == 1
    assert open_model(target).spec.name == "net.onnx"


def test_a_nested_spec_becomes_a_czann_with_a_licence(folder: Path, run: Run) -> None:
    licence = folder / "LICENSE.txt"
    outcome = run("savedmodel2czann", folder / "nested.json", folder, "name", "--license_file", licence)
    assert outcome.code == 0
    with zipfile.ZipFile(folder / "name.czann") as members:
        assert members.namelist() == ["model.json", "model.model", "LICENSE.txt"]


def test_what_should_be_known_is_told_apart(folder: Path, run: Run) -> None:
    metadata = {key: value for key, value in NESTED["ModelMetadata"].items() if key != "MinOverlap"}
    (folder / "nested.json").write_text(json.dumps({**NESTED, "ModelMetadata": metadata}))
    outcome = run("savedmodel2czann", folder / "nested.json", folder, "name")
    assert outcome.code == 0
    assert outcome.err.startswith("note: no border was given")


def test_what_the_archive_cannot_hold_is_told(folder: Path, run: Run) -> None:
    czann_archive(folder / "net.czann", Scaling=[1e-6, 2e-6])
    flat = {**FLAT, "ModelPath": "net.czann", "Classes": ["Background", "Object"]}
    (folder / "flat.json").write_text(json.dumps(flat))
    outcome = run("savedmodel2czmodel", folder / "flat.json", folder, "name")
    assert outcome.code == 0, outcome.err
    assert "note: pixel size left out: .czmodel has no place for it\n" in outcome.err


@pytest.mark.parametrize(
    ("script", "spec", "code", "message"),
    [
        ("savedmodel2czmodel", "absent.json", 2, "absent.json: it cannot be read"),
        ("savedmodel2czmodel", "nested.json", 2, "nested.json has the form of a .czann"),
        ("savedmodel2czann", "flat.json", 2, "flat.json has the form of a .czmodel"),
        ("savedmodel2czann", "broken.json", 3, "broken.onnx is empty"),
    ],
)
def test_failures_are_one_sentence_and_a_code(
    folder: Path, run: Run, script: str, spec: str, code: int, message: str
) -> None:
    (folder / "broken.json").write_text(json.dumps({**NESTED, "ModelPath": "broken.onnx"}))
    (folder / "broken.onnx").write_bytes(b"")
    outcome = run(script, folder / spec, folder / "out", "name")
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith(f"{script}: ")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (folder / "out").exists()


def test_arguments_that_are_missing_are_named(folder: Path, run: Run) -> None:
    outcome = run("savedmodel2czann", folder / "nested.json")
    assert outcome.code == 2
    assert "required: OUTPUT_PATH, OUTPUT_NAME" in outcome.err


def test_ctrl_c_leaves_nothing(folder: Path) -> None:
    """Struck while the archive is compared with its source, with all of it on the disk under a hidden name."""
    (folder / "net.onnx").write_bytes(onnx_network(2048, 2048, 1, 2, opset=12))
    shape = {"InputShape": [2048, 2048, 1], "OutputShape": [2048, 2048, 2]}
    (folder / "nested.json").write_text(
        json.dumps({**NESTED, "ModelMetadata": {**NESTED["ModelMetadata"], **shape}})
    )
    out = folder / "out"
    running = subprocess.Popen(
        [sys.executable, "-c", "from czconverter.compat.commands import *; savedmodel2czann()",
         str(folder / "nested.json"), str(out), "name"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while running.poll() is None and not any(path.stat().st_size for path in out.glob(".*")):
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    printed, err = running.communicate(timeout=60)
    assert (running.returncode, printed) == (130, ""), err
    assert err == "savedmodel2czann: stopped; nothing half-written was left behind\n"
    assert not out.exists()
