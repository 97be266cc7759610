"""A model becomes a session: once for jobs that are alike, on the first device that takes it, rewritten or as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from czengine import InputOptions, ModelError, OutputOptions, RunOptions, TilingOptions, api
from czengine.compiling import Compiler
from czengine.errors import DeviceError
from czengine.graph.signature import parse_onnx
from czengine.job import Job
from czengine.model import Model
from tests.support.archives import czann_archive, onnx_network, saved_model
from tests.support.frameworks import need_package
from tests.support.images import pattern, write_array
from tests.support.networks import unpooling_network

CPU = RunOptions(device="cpu", threads=1)
UNPOOLED = {"InputShape": [8, 8, 1], "OutputShape": [8, 8, 1], "MinOverlap": [0, 0]}
OPEN = onnx_network(None, None, kernel=3)


def model_of(folder: Path, network: bytes = OPEN, **fields: Any) -> Model:
    return api.open_model(czann_archive(folder / "model.czann", network=network, **fields))


def job_of(
    model: Model, folder: Path, *, dtype: str = "u2", run: RunOptions = CPU, name: str = "", **options: Any
) -> Job:
    path = folder / f"{name or dtype}.zarr"
    if not path.exists():
        write_array(path, pattern((70, 61), dtype), dimension_names=("y", "x"))
    (job,) = api.plan(model, path, run=run, **options)
    return job


# ------------------------------------------------------------------------------------------ once


def test_jobs_that_are_alike_share_a_session(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    compiler = Compiler(model, CPU)
    first = compiler.compiled(job_of(model, tmp_path))
    again = compiler.compiled(job_of(model, tmp_path, name="another"))
    assert again is first
    assert Compiler(model, CPU).compiled(job_of(model, tmp_path)) is not first


@pytest.mark.parametrize(
    "other",
    [
        {"dtype": "u1"},
        {"dtype": "f4"},
        {"tiling": TilingOptions(tile=(48, 40))},
        {"run": RunOptions(device="cpu", threads=1, batch=3)},
        {"output": OutputOptions(scores=True)},
        {"output": OutputOptions(min_confidence=0.6)},
        {"inputs": InputOptions(scale_inputs=False)},
    ],
    ids=str,
)
def test_jobs_that_differ_in_what_is_compiled_in_do_not(tmp_path: Path, other: dict[str, Any]) -> None:
    model = model_of(tmp_path)
    compiler = Compiler(model, CPU)
    plain, changed = (compiler.compiled(job_of(model, tmp_path, **more)) for more in ({}, other))
    assert changed.session is not plain.session
    assert compiler.compiled(job_of(model, tmp_path, **other)) is changed
    assert compiler.compiled(job_of(model, tmp_path)) is plain


def test_the_session_has_the_jobs_tile_and_batch(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    job = job_of(
        model,
        tmp_path,
        tiling=TilingOptions(tile=(48, 40)),
        run=RunOptions(device="cpu", batch=3),
    )
    session = Compiler(model, CPU).compiled(job).session
    assert sorted(session.input_shape) == [1, 3, 40, 48]
    scores = session.run(np.zeros(session.input_shape, session.network.dtype))
    assert scores.shape[0] == 3


def test_a_network_of_fixed_batch_keeps_it(tmp_path: Path) -> None:
    model = model_of(tmp_path, onnx_network(batch=2))
    asked = RunOptions(device="cpu", batch=5)
    job = job_of(model, tmp_path, run=asked)
    assert Compiler(model, asked).compiled(job).session.input_shape[0] == 2
    assert any("batch is 5, but the network only takes 2" in note for note in job.notes)


# ------------------------------------------------------------------------------------------ rewritten, or not


def test_without_compiling_the_network_is_the_archives_to_the_byte(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    run = RunOptions(device="cpu", threads=1, compile=False)
    compiled = Compiler(model, run).compiled(job_of(model, tmp_path))
    network = compiled.session.network
    assert network.model == model.network
    assert (compiled.changes, network.layout, network.gives) == ((), "NHWC", "scores")
    assert network.dtype == np.float32
    assert compiled.divisor == 65535


def test_compiling_drops_what_labels_do_not_need(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    compiled = Compiler(model, CPU).compiled(job_of(model, tmp_path))
    assert "softmax dropped" in compiled.changes
    operators = {node.op_type for node in parse_onnx(compiled.session.network.model).graph.node}
    assert "Conv" in operators
    assert not operators & {"Exp", "ReduceSum", "Softmax"}


def test_scores_keep_the_softmax(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    for output in (OutputOptions(scores=True), OutputOptions(min_confidence=0.5)):
        compiled = Compiler(model, CPU).compiled(job_of(model, tmp_path, output=output))
        assert "softmax dropped" not in compiled.changes
        assert compiled.confidence == output.min_confidence


def test_both_give_the_same_labels(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    found = []
    for compile_it in (True, False):
        run = RunOptions(device="cpu", threads=1, compile=compile_it)
        session = Compiler(model, run).compiled(job_of(model, tmp_path)).session
        tile = np.random.default_rng(0).random((1, 32, 32, 1), np.float32)
        scores = session.run(tile if session.network.layout == "NHWC" else tile.reshape(1, 1, 32, 32))
        found.append(scores.argmax(-1 if session.network.output_layout == "NHWC" else 1))
    np.testing.assert_array_equal(*found)


# ------------------------------------------------------------------------------------------ devices


def regression(folder: Path) -> Model:
    network = unpooling_network().model
    return model_of(folder, network, Type="Regression", Classes=..., **UNPOOLED)


@pytest.mark.parametrize("compile_it", [True, False])
def test_what_openvino_refuses_the_cpu_runs_and_says_so(tmp_path: Path, compile_it: bool) -> None:
    need_package("onnxruntime_ep_openvino")
    model = regression(tmp_path)
    run = RunOptions(device="auto", threads=1, compile=compile_it)
    compiled = Compiler(model, run).compiled(job_of(model, tmp_path))
    assert compiled.session.device == "CPU, 1 thread"
    (note,) = compiled.notes
    assert "OpenVINO" in note
    assert note.endswith("; the CPU runs it")


def test_what_openvino_refuses_is_an_error_where_it_was_asked_for(tmp_path: Path) -> None:
    need_package("onnxruntime_ep_openvino")
    model = regression(tmp_path)
    with pytest.raises(DeviceError, match=r"OpenVINO.*try --device cpu$"):
        Compiler(model, RunOptions(device="openvino")).compiled(job_of(model, tmp_path))


def test_what_openvino_takes_needs_no_note(tmp_path: Path) -> None:
    need_package("onnxruntime_ep_openvino")
    model = model_of(tmp_path)
    compiled = Compiler(model, RunOptions(device="auto", threads=1)).compiled(job_of(model, tmp_path))
    assert (compiled.session.device, compiled.notes) == ("OpenVINO on CPU, 1 thread", ())


def test_a_note_reaches_the_report(tmp_path: Path) -> None:
    need_package("onnxruntime_ep_openvino")
    model = regression(tmp_path)
    job = job_of(model, tmp_path)
    (report,) = api.run_jobs(model, [job], run=RunOptions(device="auto", threads=1))
    assert report.notes[-1].endswith("; the CPU runs it")


def test_a_saved_model_is_refused_with_the_way_out(tmp_path: Path) -> None:
    model = model_of(tmp_path, saved_model())
    job = job_of(model, tmp_path)
    with pytest.raises(ModelError, match=r"holds a TensorFlow SavedModel.*czengine convert MODEL NEW_MODEL"):
        Compiler(model, CPU).compiled(job)
