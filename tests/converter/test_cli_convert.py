"""`czengine convert` and `czengine unpack` as a user runs them: output, exit codes, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from czengine import open_model
from tests.support.archives import czann_archive, onnx_network
from tests.support.commands import Outcome, run_apart, run_here
from tests.support.frameworks import need

COMMON = ("--classes", "Background,Cell", "--border", "4")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_network("h", "w", kernel=3, opset=17))
    return path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_options_reach_the_archive(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = source.with_name("a.czmodel")
    done = run_here(
        capsys, "convert", source, target, *COMMON, "--name", "Cells", "--pixel-type", "Gray16",
        "--spatial-dims", "32", "48", "--preprocess", "scale:1/65535", "--opset", "18",
        "--id", "5D0C2A6E-7F2B-4C55-9A57-0E3C1F6B8D21", "--color-handling", "SplitRgb",
    )  # fmt: skip
    assert (done.code, done.err.count("note:")) == (0, 1), done.err
    assert "only newer ZEN reads more than 12" in done.err
    spec = open_model(target).spec
    assert (spec.name, spec.tile, spec.opset) == ("Cells", (32, 48), 18)
    assert (spec.pixel_types, spec.color_handling) == ((("Gray16",),), "SplitRgb")
    assert spec.id == "5d0c2a6e-7f2b-4c55-9a57-0e3c1f6b8d21"
    assert f"result:       {target}" in done.out
    assert "100.0000% of the labels equal" in done.out


def test_the_report_as_json(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = source.with_name("a.czann")
    done = run_here(capsys, "convert", source, target, *COMMON, "--spatial-dims", "32", "32", "--json")
    report = json.loads(done.out)
    assert report["target"] == str(target)
    assert report["comparison"]["relative_error"] <= 1e-6
    assert report["tile"] == [32, 32]


def test_progress_as_json_lines(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here(
        capsys,
        "convert",
        source,
        source.with_name("a.czann"),
        *COMMON,
        "--tile",
        "32",
        "32",
        "--progress",
        "json",
    )
    *lines, report = map(json.loads, done.out.splitlines())
    assert [line["doing"] for line in lines] == ["loading", "running the source", "converting", "comparing"]
    assert report["format"] == "czann"


def test_quiet_says_nothing(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here(
        capsys, "convert", source, source.with_name("a.czann"), *COMMON, "--tile", "32", "32", "--quiet"
    )
    assert done == Outcome(0, "", "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("nowhere.keras", "a.czann", *COMMON),
            3,
            "nowhere.keras does not exist; check the path of the model",
        ),
        (("net.onnx", "a.czann", *COMMON), 2, "--spatial-dims HEIGHT WIDTH"),
        (("net.onnx", "a.czann"), 2, "needs the names of the classes (--classes)"),
        (("net.onnx", "a.czmodel"), 2, "(--classes) and the pixel type of each channel (--pixel-type)"),
        (("net.onnx", "a.txt", *COMMON), 2, "--format"),
        (("net.onnx", "a.czann", *COMMON, "--preprocess", "sharpen"), 2, "sharpen"),
        (("net.onnx", "a.czann", *COMMON, "--opset", "99"), 2, "opset is 99"),
        (("net.onnx", "a.czann", *COMMON, "--tolerance", "0"), 2, "tolerance is 0"),
        (("net.onnx", "a.czann", *COMMON, "--border", "x"), 2, "--border is 'x'"),
        (("net.onnx", "a.czann", *COMMON, "--id", "1"), 2, "id '1' is no UUID"),
        (("net.onnx", "a.czann", *COMMON, "--type", "Magic"), 2, "model type 'Magic' is unknown"),
        (("net.onnx", "a.czann", *COMMON, "--json-spec", "no.json"), 2, "no.json: it cannot be read"),
        (("net.onnx", "net.onnx/a.czann", *COMMON, "--tile", "32", "32"), 6, "net.onnx"),
        (("net.onnx", "a.czann", *COMMON, "--tile", "8", "8"), 3, "leaves nothing of a tile"),
        (
            ("net.onnx", "a.czann", *COMMON, "--tile", "32", "32", "--runtime", "savedmodel"),
            3,
            "cannot become a SavedModel",
        ),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(
    source: Path,
    arguments: tuple[str, ...],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(source.parent)
    done = run_here(capsys, "convert", *arguments)
    assert done.code == code, done.err
    assert message in done.err
    assert done.err.startswith("czengine: ")
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
    assert left(source.parent) == ["net.onnx"]


def two_inputs() -> bytes:
    import onnx

    return bytes(
        onnx.parser.parse_model(
            '<ir_version: 8, opset_import: ["": 17]>'
            " g (float[N,32,32,1] one, float[N,32,32,1] two) => (float[N,32,32,1] sum) { sum = Add (one, two) }"
        ).SerializeToString()
    )


def foreign_operator() -> bytes:
    import onnx

    return bytes(
        onnx.parser.parse_model(
            '<ir_version: 8, opset_import: ["": 17]>'
            " g (float[N,32,32,2] one) => (float[N,32,32,2] two) { two = FancyUpsampling (one) }"
        ).SerializeToString()
    )


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (two_inputs(), "the network has 2 inputs (one, two); exactly one is supported"),
        (foreign_operator(), "FancyUpsampling"),
        (onnx_network(32, 32)[:200], "network"),
        (b"\x89HDF\r\n\x1a\n and no more", "net.onnx"),
    ],
)
def test_networks_that_cannot_be_converted(
    network: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.onnx").write_bytes(network)
    if network.startswith(b"\x89HDF"):
        need("h5py")
    done = run_here(capsys, "convert", tmp_path / "net.onnx", tmp_path / "a.czann", *COMMON)
    assert (done.code, done.err.count("\n")) == (3, 1), done.err
    assert message in done.err
    assert left(tmp_path) == ["net.onnx"]


def test_debug_shows_the_traceback(source: Path) -> None:
    done = run_apart("convert", source, source.with_name("a.czann"), "--debug")
    assert "Traceback" in done.err


def test_help_names_every_step_without_loading_anything(capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here(capsys, "convert", "--help")
    assert done.code == 0
    assert all(word in done.out for word in ("--preprocess", "rgb-to-bgr", "--trust", "Gray32Float"))


def test_ctrl_c_leaves_nothing(source: Path) -> None:
    """Struck while the network is exported: on the first word of progress about it."""
    running = subprocess.Popen(
        [sys.executable, "-m", "czengine", "convert", str(source), str(source.with_name("a.czann")), *COMMON,
         "--spatial-dims", "2048", "2048", "--progress", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    assert running.stdout is not None
    for line in running.stdout:
        if "running the source" in line:
            running.send_signal(signal.SIGINT)
            break
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "stopped" in err
    assert left(source.parent) == ["net.onnx"]


def test_unpack_lists_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = czann_archive(tmp_path / "a.czann", extra={"LICENSE.txt": b"free"})
    done = run_here(capsys, "unpack", archive, tmp_path / "parts")
    assert done.code == 0
    assert sorted(map(Path, done.out.split())) == sorted((tmp_path / "parts").iterdir())
    assert left(tmp_path / "parts") == ["LICENSE.txt", "metadata.json", "model_spec.json", "network.onnx"]


def test_what_was_unpacked_can_be_packed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = czann_archive(tmp_path / "a.czann")
    run_here(capsys, "unpack", archive, tmp_path / "parts")
    done = run_here(capsys, "convert", tmp_path / "parts" / "model_spec.json", tmp_path / "b.czann")
    assert done.code == 0, done.err
    one, two = open_model(archive).spec, open_model(tmp_path / "b.czann").spec
    assert (one.classes, one.border, one.tile, one.id, one.name) == (
        two.classes,
        two.border,
        two.tile,
        two.id,
        two.name,
    )


def test_unpack_into_a_folder_with_something_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = czann_archive(tmp_path / "a.czann")
    done = run_here(capsys, "unpack", archive, tmp_path)
    assert (done.code, left(tmp_path)) == (6, ["a.czann"])
    assert "is a folder with something in it; name a new one" in done.err
