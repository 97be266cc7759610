"""What a person and a program see of the commands; what goes wrong is in `test_bad_input`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from PIL import Image

from czengine import example
from czengine.progress import Progress
from tests.support.archives import czann_archive, legacy_archive, onnx_network, saved_model
from tests.support.commands import run_apart, run_here
from tests.support.images import pattern, write_bf2raw, write_ome_zarr


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return czann_archive(
        tmp_path / "model.czann", network=onnx_network(kernel=3), Classes=["Background", "Cell"]
    )


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_ome_zarr(tmp_path / "image.ome.zarr", pattern((2, 70, 61)), "zyx", levels=2)


def events(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_predict_says_what_was_found_and_where(
    model: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run_here(capsys, "predict", model, image)
    assert (done.code, done.err) == (0, "")
    labels = np.asarray(zarr.open_array(str(image / "labels" / "Test_network" / "0"), mode="r")[...])
    for value, name, color in ((1, "Background", "#ff0000"), (2, "Cell", "#00ff00")):
        (row,) = (line for line in done.out.splitlines() if name in line)
        count = int((labels == value).sum())
        assert row.split()[0] == str(value)
        assert color in row
        assert f"{count:,}" in row
        assert f"{count / labels.size:.2%}" in row
        assert f"{count:,.1f} µm²" in row  # the pixels are 1 µm wide
    assert "1 image, 2 planes, 18 tiles: 0.0 MPix" in done.out
    assert f"result:  {image / 'labels' / 'Test_network'}" in done.out


def test_quiet_says_nothing(model: Path, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here(capsys, "predict", model, image, "-q")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (image / "labels" / "Test_network").is_dir()


def test_scores_are_shown_as_ranges(model: Path, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here(capsys, "predict", model, image, "--scores")
    (row,) = (line for line in done.out.splitlines() if "Cell" in line)
    low, mean, high = (float(text) for text in row.split()[1:])
    assert 0 <= low <= mean <= high <= 1


def test_json_lines_are_all_there_is_on_stdout(
    model: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "p.png"
    done = run_here(capsys, "predict", model, image, "--progress", "json", "--preview", picture)
    lines = events(done.out)
    assert [line["event"] for line in lines if line["event"] != "progress"] == ["image", "preview", "done"]
    last = [line for line in lines if line["event"] == "progress"][-1]
    assert last["pixels_done"] == last["pixels"] == 2 * 70 * 61
    assert last["eta_s"] == 0
    assert {"mpix_per_s", "image", "images", "images_done", "seconds"} <= set(last)
    (report,) = (line for line in lines if line["event"] == "image")
    assert report["results"] == [str(image / "labels" / "Test_network")]
    assert sum(c["pixels"] for c in report["classes"]) == 2 * 70 * 61
    assert lines[-2] == {"event": "preview", "path": str(picture)}


def test_json_lines_come_a_few_times_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    from czengine.cli.listeners import json_lines

    times = iter([0.0, 0.05, 0.15, 0.25, 0.26])
    listen = json_lines(clock=lambda: next(times))
    for done in (1, 2, 3, 4, 10):
        listen(Progress(image="a", images_done=0, images=1, pixels_done=done, pixels=10, seconds=1.0))
    assert [line["pixels_done"] for line in events(capsys.readouterr().out)] == [1, 4, 10]


def test_the_bar_shows_rate_and_time_left(
    model: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run_here(capsys, "predict", model, image, "--progress", "bar")
    assert "image.ome.zarr" in done.err
    assert "100%" in done.err
    assert "MPix/s" in done.err
    assert "ETA" in done.err


def test_collections_are_summed_up(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_bf2raw(
        tmp_path / "s.ome.zarr", [pattern((1, 40, 50), seed=i) for i in range(12)], axes="cyx"
    )
    done = run_here(capsys, "predict", model, root)
    assert "12 images, 12 planes" in done.out
    assert "result:  … and 2 more" in done.out
    counts = [int(line.split()[-4].replace(",", "")) for line in done.out.splitlines() if "#" in line]
    assert sum(counts) == 12 * 40 * 50


def test_notes_come_once_and_before_the_work(
    tmp_path: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loud = legacy_archive(tmp_path / "m.czmodel", Postprocessing="ConditionalRandomField")
    done = run_here(capsys, "predict", loud, image)
    assert done.code == 0
    assert done.err.count("note: Postprocessing is 'ConditionalRandomField', which is not applied here") == 1
    assert run_here(capsys, "predict", loud, image, "--overwrite", "-q").err == ""


def test_class_names_are_never_markup(
    tmp_path: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = czann_archive(tmp_path / "m.czann", Classes=["[red]evil[/red]", "[/]"])
    done = run_here(capsys, "predict", archive, image)
    assert (done.code, "[red]evil[/red]" in done.out, "[/]" in done.out) == (0, True, True)


def test_inspect_shows_the_model_and_the_work(
    model: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run_here(capsys, "inspect", model, image)
    assert done.code == 0
    text = " ".join(done.out.split())
    for part in (
        "Test network",
        "SingleClassSemanticSegmentation",
        "32 × 32 pixels (height × width) (from: network input shape)",
        "4 and 4 pixels per side",
        "Background",
        "ZYX 2 × 70 × 61, uint16",
        "2 planes of 9 tiles",
        "recompute factor",
        "and what the network itself needs",
    ):
        assert part in text
    assert not (image / "labels").exists()


def test_inspect_as_json(model: Path, image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(run_here(capsys, "inspect", model, image, "--json").out)
    assert (told["model"]["format"], told["model"]["task"]) == ("czann", "segmentation")
    assert told["images"][0]["tiles"] == 18
    assert json.loads(run_here(capsys, "inspect", model, "--json").out)["images"] == []


def test_inspect_of_a_saved_model_works_without_tensorflow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = czann_archive(tmp_path / "s.czann", network=saved_model())
    assert "savedmodel" in run_here(capsys, "inspect", archive).out


def test_the_demo_is_the_main_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here(capsys, "demo", "--folder", tmp_path)
    assert done.code == 0
    assert "Nucleus border" in done.out
    assert f"Look at {tmp_path / 'demo.png'}" in done.out
    with Image.open(tmp_path / "demo.png") as picture:
        assert min(picture.size) > 400
    labels = zarr.open_array(str(tmp_path / "demo.ome.zarr" / "labels" / "Nuclei" / "0"), mode="r")
    assert set(np.unique(labels[...])) == {1, 2, 3}


def test_a_second_demo_replaces_nothing_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(capsys, "demo", "--folder", tmp_path).code == 0
    again = run_here(capsys, "demo", "--folder", tmp_path)
    assert (again.code, "czengine demo --overwrite" in again.err) == (6, True)
    mine = tmp_path / "demo.ome.zarr" / "labels" / "mine"
    archive, image = tmp_path / "demo.czann", tmp_path / "demo.ome.zarr"
    assert run_here(capsys, "predict", archive, image, "--name", "mine", "-q").code == 0
    assert run_here(capsys, "demo", "--folder", tmp_path, "--overwrite").code == 0
    assert mine.is_dir()


def test_the_demo_needs_a_folder_it_can_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    done = run_here(capsys, "demo", "--folder", tmp_path / "file")
    assert (done.code, "give --folder" in done.err) == (6, True)


def test_a_preview_beside_the_labels(
    model: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "look.png"
    done = run_here(capsys, "predict", model, image, "--preview", picture)
    assert f"preview: {picture}" in done.out
    with Image.open(picture) as shown:
        assert shown.format == "PNG"


def test_version_and_module() -> None:
    done = run_apart("--version")
    assert (done.code, done.out.split()[0]) == (0, "czengine")
    assert run_apart().code in (0, 2)  # no command: the help page


def test_errors_are_events_too(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run_here(capsys, "predict", tmp_path / "absent.czann", image, "--progress", "json")
    (event,) = events(done.out)
    assert (event["event"], event["exit_code"], done.code) == ("error", 3, 3)
    assert f"czengine: {event['message']}\n" == done.err


@pytest.mark.parametrize("delay", [0.3, 0.6, 0.9, 1.2])
def test_ctrl_c_while_everything_is_being_loaded(model: Path, image: Path, delay: float) -> None:
    before = sorted(image.rglob("*"))
    command = [sys.executable, "-m", "czengine", "predict", str(model), str(image), "-q"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (0, 130, -signal.SIGINT), err
    assert "Error" not in err.replace("KeyboardInterrupt", "")
    if process.returncode == 130:
        assert err == "czengine: stopped; nothing half-written was left behind\n"
    left = sorted(image.rglob("*"))
    complete = image / "labels" / "Test_network" / "zarr.json"
    assert left == before or (complete in left and not [p for p in left if "partial" in p.name])


def test_ctrl_c_stops_at_once_and_leaves_nothing(model: Path, tmp_path: Path) -> None:
    image = write_ome_zarr(
        tmp_path / "big.ome.zarr", pattern((60, 256, 256), np.uint8), "zyx", chunks=(1, 256, 256)
    )
    before = sorted(tmp_path.rglob("*"))
    command = [sys.executable, "-m", "czengine", "predict", str(model), str(image), "--progress", "json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if process.stdout is None or process.stderr is None:
        raise RuntimeError("no pipes")
    process.stdout.readline()  # the first event: the run is on
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "stopped" in err
    assert "Traceback" not in err
    assert '"done"' not in out
    assert sorted(tmp_path.rglob("*")) == before


PLUGIN = """
import typer
app = typer.Typer()
@app.command()
def go(number: int, debug: bool = False) -> None:
    from czengine.errors import DeviceError
    print("plugin got", number)
    if number == 13:
        raise DeviceError("the plugin's device is gone; plug it in")
"""


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    """PYTHONPATH with an installed package that offers the command "sharpen"."""
    package = tmp_path / "site"
    info = package / "plug-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[czengine.commands]\nsharpen = plugmodule.commands:app\n")
    (package / "plugmodule").mkdir()
    (package / "plugmodule" / "__init__.py").write_text("print('LOADED')\n")
    (package / "plugmodule" / "commands.py").write_text(textwrap.dedent(PLUGIN))
    return os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])


def test_commands_of_other_packages_are_listed_without_being_loaded(plugin: str) -> None:
    done = run_apart("--help", PYTHONPATH=plugin)
    assert "sharpen" in done.out
    assert "From the package plugmodule" in done.out
    assert "LOADED" not in done.out


def test_commands_of_other_packages_run_when_they_are_named(plugin: str) -> None:
    done = run_apart("sharpen", "7", PYTHONPATH=plugin)
    assert (done.code, done.out.split("\n")[:2]) == (0, ["LOADED", "plugin got 7"])


def test_commands_of_other_packages_fail_like_our_own(plugin: str) -> None:
    done = run_apart("sharpen", "13", PYTHONPATH=plugin)
    assert done.code == 5
    assert done.err == "czengine: the plugin's device is gone; plug it in\n"


def test_a_terminal_that_lacks_letters_is_no_reason_to_fail(model: Path, image: Path) -> None:
    done = run_apart("predict", model, image, PYTHONIOENCODING="ascii")
    assert (done.code, "Background" in done.out) == (0, True)


def test_scores_that_are_no_numbers_are_null(model: Path, tmp_path: Path) -> None:
    nothing = np.full((40, 50), np.nan, np.float32)
    image = write_ome_zarr(tmp_path / "nan.ome.zarr", nothing, "yx")
    done = run_apart("predict", model, image, "--scores", "--progress", "json")
    (report,) = (line for line in events(done.out) if line["event"] == "image")
    assert report["scores"][0] == {"name": "Background", "minimum": None, "mean": None, "maximum": None}
    table = run_apart("predict", model, image, "--scores", "--overwrite")
    assert "none" in table.out


def test_an_unknown_command_is_a_usage_error() -> None:
    done = run_apart("segment")
    assert (done.code, "segment" in done.err) == (2, True)


def test_the_example_is_the_one_that_ships() -> None:
    assert example.model_path().is_file()
    assert (example.image_path() / "zarr.json").is_file()
