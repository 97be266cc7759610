"""What the command line tells of a run's time and memory: trace, report, stage table; and the limits it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from czengine.pipeline import STAGES
from tests.support import zoo
from tests.support.archives import czann_archive, onnx_network
from tests.support.commands import Outcome, run_apart, run_here
from tests.support.images import pattern, write_ome_zarr, write_plate

Capture = pytest.CaptureFixture[str]
SHAPE = (2, 70, 61)
PIXELS = 2 * 70 * 61
NAME = "Test_network"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return czann_archive(tmp_path / "model.czann", network=onnx_network(kernel=3))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_ome_zarr(tmp_path / "image.ome.zarr", pattern(SHAPE), "zyx", levels=2)


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def image_event(done: Outcome) -> dict[str, Any]:
    assert done.code == 0, done.err
    events = [json.loads(line) for line in done.out.splitlines()]
    (found,) = (event for event in events if event.pop("event") == "image")
    return dict(found)


def assert_refused(done: Outcome, code: int, *parts: str) -> None:
    """One sentence on stderr, and nothing on stdout."""
    assert (done.code, done.out) == (code, ""), done.err
    assert done.err.count("\n") == 1
    assert done.err.startswith("czengine: ")
    for part in parts:
        assert part in done.err


# ------------------------------------------------------------------------------------------ trace


def test_a_trace_shows_what_every_thread_did(
    model: Path, image: Path, tmp_path: Path, capsys: Capture
) -> None:
    trace = tmp_path / "trace.json"
    assert run_here(capsys, "predict", model, image, "--trace", trace, "--device", "cpu", "-q").code == 0
    events = json.loads(trace.read_text(encoding="utf-8"))
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert {"MainThread", "czengine-gather", "czengine-run"} <= set(names.values())
    assert any(name.startswith("czengine-write") for name in names.values())
    spans = [event for event in events if event["ph"] == "X"]
    assert {event["name"] for event in spans} >= {"gather", "run", "stitch", "write", "pyramid"}
    assert {names[e["tid"]] for e in spans if e["name"] == "run"} == {"czengine-run"}
    assert {names[e["tid"]] for e in spans if e["name"] == "gather"} == {"czengine-gather"}
    assert all(event["ts"] >= 0 and event["dur"] >= 0 for event in spans)


def test_a_trace_has_as_many_spans_as_the_report_counts(
    model: Path, image: Path, tmp_path: Path, capsys: Capture
) -> None:
    trace = tmp_path / "trace.json"
    report = image_event(run_here(capsys, "predict", model, image, "--trace", trace, "--progress", "json"))
    spans = [event["name"] for event in json.loads(trace.read_text(encoding="utf-8"))]
    assert {s["stage"]: s["items"] for s in report["stages"]} == {name: spans.count(name) for name in STAGES}


@pytest.mark.parametrize("place", ["absent/trace.json", "file/trace.json", "."])
def test_a_trace_that_cannot_be_written_stops_the_run_before_it_begins(
    model: Path, image: Path, tmp_path: Path, capsys: Capture, place: str
) -> None:
    (tmp_path / "file").write_text("")
    before = everything(tmp_path)
    done = run_here(capsys, "predict", model, image, "--trace", tmp_path / place)
    assert_refused(done, 6, f"cannot write the trace {tmp_path / place}")
    assert everything(tmp_path) == before


# ------------------------------------------------------------------------------------------ report


def saved(path: Path) -> dict[str, Any]:
    (found,) = json.loads(path.read_text(encoding="utf-8"))["images"]
    return dict(found)


def test_the_report_is_what_the_json_event_says(model: Path, image: Path, capsys: Capture) -> None:
    event = image_event(run_here(capsys, "predict", model, image, "--progress", "json"))
    assert event == saved(image.with_name(f"{image.name}.{NAME}.report.json"))


def test_what_the_report_says_is_so(model: Path, image: Path, capsys: Capture) -> None:
    report = image_event(
        run_here(capsys, "predict", model, image, "--progress", "json", "--device", "cpu", "--threads", "1")
    )
    assert report["device"] == "CPU, 1 thread"
    assert (report["planes"], report["tiles"], report["pixels"]) == (2, 18, PIXELS)
    assert report["recompute_factor"] == pytest.approx(18 * 32 * 32 / PIXELS)
    assert report["chunks_decoded"] == 3 * 2  # chunks of two planes and 32 × 32 pixels, each once
    assert report["bytes_read"] == 2 * PIXELS  # uint16
    assert report["bytes_written"] >= PIXELS
    assert 0 < report["memory_planned"] < report["memory_peak"]
    assert 0 < report["device_busy"] <= 1
    stages = {stage["stage"]: stage for stage in report["stages"]}
    assert tuple(stages) == STAGES
    assert (stages["run"]["items"], stages["stitch"]["items"]) == (18, 18)
    assert report["device_busy"] == pytest.approx(stages["run"]["busy"] / report["seconds"], abs=1e-3)
    assert sum(found["pixels"] for found in report["classes"]) == PIXELS


def test_the_report_of_a_result_elsewhere_lies_beside_that(
    model: Path, image: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "results" / "mine.zarr"
    done = run_here(capsys, "predict", model, image, "--out", out)
    path = out.with_name("mine.zarr.report.json")
    assert (done.code, f"report:  {path}" in done.out) == (0, True)
    assert saved(path)["results"] == [str(out)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["image.ome.zarr", "model.czann", "results"]


def test_the_report_of_a_plate_has_all_its_images(model: Path, tmp_path: Path, capsys: Capture) -> None:
    wells = {("A", "1"): [pattern((40, 50))], ("B", "2"): [pattern((30, 40), seed=1)]}
    plate = write_plate(tmp_path / "plate.ome.zarr", wells, "yx")
    assert run_here(capsys, "predict", model, plate, "-q").code == 0
    (path,) = tmp_path.glob("*.report.json")
    assert path.name == f"plate.ome.zarr.{NAME}.report.json"
    found = json.loads(path.read_text(encoding="utf-8"))["images"]
    assert [report["pixels"] for report in found] == [40 * 50, 30 * 40]
    assert list(plate.rglob("*report*")) == []


def test_a_report_that_cannot_be_written_is_no_failure(model: Path, image: Path, capsys: Capture) -> None:
    path = image.with_name(f"{image.name}.{NAME}.report.json")
    path.mkdir()  # a folder in its place stops everybody, root too
    done = run_here(capsys, "predict", model, image)
    assert (done.code, done.err) == (0, "")
    assert "report:  could not be written" in done.out
    assert (image / "labels" / NAME / "zarr.json").is_file()
    assert list(path.iterdir()) == []
    assert [p.name for p in image.parent.iterdir() if p.name.endswith(".part")] == []


def test_no_compile_and_no_memo_show_in_the_report(model: Path, tmp_path: Path, capsys: Capture) -> None:
    flat = write_ome_zarr(tmp_path / "flat.ome.zarr", pattern((64, 64)) * 0 + 7, "yx")

    def report(*options: str) -> dict[str, Any]:
        always = ("--progress", "json", "--overwrite", "--device", "cpu")
        return image_event(run_here(capsys, "predict", model, flat, *always, *options))

    plain, exact, every = report(), report("--no-compile"), report("--no-memo")
    assert "softmax dropped" in plain["network"]
    assert (exact["network"], every["network"]) == ([], plain["network"])
    assert plain["repeats"] == exact["repeats"] > 0
    assert every["repeats"] == 0
    runs = [next(s["items"] for s in r["stages"] if s["stage"] == "run") for r in (plain, every)]
    assert runs == [plain["tiles"] - plain["repeats"], every["tiles"]]
    assert plain["classes"] == exact["classes"] == every["classes"]


# ------------------------------------------------------------------------------------------ shown


def test_the_table_of_stages_is_printed(model: Path, image: Path, capsys: Capture) -> None:
    done = run_here(capsys, "predict", model, image)
    assert "of the time" in done.out
    for stage in STAGES:
        assert re.search(rf"^\s*{stage}\s+\d+\.\d\d s\s+\d+\.\d\d s\s+\d+%\s*$", done.out, re.MULTILINE), (
            stage
        )
    assert re.search(r"^device:  .*, busy \d+% of the time$", done.out, re.MULTILINE)
    assert re.search(r"^work:    2\.16 pixels computed per pixel, 6 chunks decoded", done.out, re.MULTILINE)


def test_quiet_prints_nothing_at_all_from_a_process_of_its_own(model: Path, image: Path) -> None:
    done = run_apart("predict", model, image, "--quiet", "--trace", image.parent / "t.json")
    assert (done.code, done.out, done.err) == (0, "", "")


# ------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--device", "nonsense"), "device is 'nonsense'; choose one of auto, cpu, openvino"),
        (("--device", "openvino:"), "device is 'openvino:'"),
        (("--memory-limit", "abc"), "memory-limit 'abc' is not understood; write e.g. 512MiB"),
        (("--memory-limit", "0"), "memory_limit is 0; give bytes"),
        (("--tile-size", "0"), "tile is 0 × 0 pixels"),
        (("--tile-size", "x"), "tile-size 'x' is not understood"),
        (("--border", "-1"), "border '-1' is not understood"),
        (("--batch", "0"), "batch is 0"),
        (("--threads", "0"), "threads is 0"),
    ],
)
def test_options_that_cannot_be(
    model: Path, image: Path, tmp_path: Path, capsys: Capture, options: tuple[str, str], sentence: str
) -> None:
    before = everything(tmp_path)
    assert_refused(run_here(capsys, "predict", model, image, *options), 2, sentence)
    assert everything(tmp_path) == before


def test_a_device_that_is_not_there_has_a_remedy(
    model: Path, image: Path, tmp_path: Path, capsys: Capture
) -> None:
    before = everything(tmp_path)
    done = run_here(capsys, "predict", model, image, "--device", "openvino:GPU.77")
    assert done.code == 5
    assert done.err.count("\n") == 1
    assert "--device cpu" in done.err or "pip install 'czengine[openvino]'" in done.err
    assert everything(tmp_path) == before


def test_too_small_a_limit_names_one_that_works(tmp_path: Path, capsys: Capture) -> None:
    network = onnx_network(256, 256)
    shapes: dict[str, Any] = {"InputShape": [256, 256, 1], "OutputShape": [256, 256, 2]}
    model = czann_archive(tmp_path / "model.czann", network=network, **shapes)
    image = write_ome_zarr(tmp_path / "i.ome.zarr", pattern((600, 900)), "yx", chunks=(256, 256))
    before = everything(tmp_path)
    done = run_here(capsys, "predict", model, image, "--memory-limit", "1MiB")
    assert_refused(done, 2, "memory_limit is 1 MiB, but this image and network need at least")
    assert everything(tmp_path) == before
    (named,) = re.findall(r"at least (\d+) MiB", done.err)
    less = f"{int(named) - 1}MiB"
    assert run_here(capsys, "predict", model, image, "--memory-limit", less).code == 2
    enough = run_here(capsys, "predict", model, image, "--memory-limit", f"{named}MiB", "--progress", "json")
    assert image_event(enough)["memory_planned"] <= int(named) * 2**20


def global_network(folder: Path) -> Path:
    network = zoo.build("global pooling", dims=(1, 1, 32, 32)).SerializeToString()
    shapes: dict[str, Any] = {"InputShape": [32, 32, 1], "OutputShape": [32, 32, 2]}
    return czann_archive(folder / "global.czann", network=network, **shapes)


def test_what_looks_at_the_whole_tile_cannot_be_seamless(
    image: Path, tmp_path: Path, capsys: Capture
) -> None:
    model = global_network(tmp_path)
    before = everything(tmp_path)
    done = run_here(capsys, "predict", model, image, "--tiling", "seamless")
    assert_refused(done, 3, "GlobalAveragePool at", "here", "use --tiling intellesis")
    assert everything(tmp_path) == before
    assert run_here(capsys, "predict", model, image, "-q").code == 0


# ------------------------------------------------------------------------------------------ inspect


def test_inspect_tells_memory_stripes_certificate_grid_and_tiling(
    model: Path, tmp_path: Path, capsys: Capture
) -> None:
    wide = write_ome_zarr(tmp_path / "wide.ome.zarr", pattern((150, 6000)), "yx", chunks=(100, 256))
    refused = run_here(capsys, "inspect", model, wide, "--memory-limit", "1")
    (named,) = re.findall(r"at least (\d+) MiB", refused.err)
    options = ("--memory-limit", f"{named}MiB")
    told = json.loads(run_here(capsys, "inspect", model, wide, *options, "--json").out)
    (found,) = told["images"]
    assert found["stripes"] > 1
    assert found["memory_bytes"] == sum(found["memory"].values()) <= int(named) * 2**20
    assert found["tiling"] == {"method": "intellesis", "tile": [32, 32], "border": [4, 4]}
    certificate = told["model"]["certificate"]
    assert (certificate["exact"], certificate["enough"]) == (True, [1, 1])
    text = " ".join(run_here(capsys, "inspect", model, wide, *options).out.split())
    for part in (
        f"{found['stripes']} per plane",
        f"{found['memory_bytes'] / 2**20:.0f} MiB and what",
        " ".join(certificate["sentence"].split()[:4]),
        " ".join(found["grid"]["sentence"].split()[:3]),
        " ".join(found["grid"]["verdict"].split()[:3]),
        f"recompute factor {found['recompute_factor']:.2f}",
    ):
        assert part in text, part


def test_inspect_of_a_seamless_run(model: Path, image: Path, capsys: Capture) -> None:
    done = run_here(capsys, "inspect", model, image, "--tiling", "seamless", "--json")
    (found,) = json.loads(done.out)["images"]
    assert (found["tiling"]["method"], found["tiling"]["border"]) == ("seamless", [1, 1])
    assert found["grid"]["exact"] is True
