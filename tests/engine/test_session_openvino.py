"""OpenVINO itself: exact on real networks, registered once, silent, and gone without a trace when the process ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from czengine.errors import DeviceError
from czengine.model import read_model
from czengine.session import openvino
from czengine.session.devices import resolve
from czengine.session.open import network_of, on_first, open_session
from tests.support.frameworks import need_package
from tests.support.shared import LOOPING, reference_names, shared_path

FOLDER = "reference"
MODEL = "data/pgc/PGC_20X_nucleus_detector.czseg"
IMAGE = "data/pgc/PGC_20X_v05.ome.zarr"

LOOP = """[ONNXRuntimeError] : 11 : EP_FAIL : Check 'false' failed at src/frontends/report.cpp:151:
FrontEnd API failed with OpConversionFailure:
Model wasn't fully converted. Failed operations detailed log:
-- Loop-11 with a message:
Check '(inputs.size() >= 2)' failed at src/frontends/onnx/frontend/src/op/loop.cpp:310:
While validating ONNX node '<Node(Loop): model/while_loop:0>':

Summary:
-- Conversion is failed for: Loop-11
"""
STRING = """[ONNXRuntimeError] : 11 : EP_FAIL : Exception from src/inference/src/cpp/core.cpp:117:
Exception from src/inference/src/dev/plugin.cpp:54:
Check 'newNode' failed at src/plugins/intel_cpu/src/node.cpp:1626:
Unsupported operation of type: Convert name: s
Details:
"""
INVALID = "[ONNXRuntimeError] : 10 : INVALID_GRAPH : This is an invalid model. No Op registered for Cxnv"


@pytest.fixture(autouse=True)
def _installed() -> None:
    need_package("onnxruntime_ep_openvino")


def run_apart(script: str, *first: Path, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """A script in a process of its own, where warnings are errors; `first` are folders to import from."""
    path = os.pathsep.join([*map(str, first), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, "-W", "error", "-X", "faulthandler", *flags, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.mark.parametrize("name", reference_names(but=LOOPING))
def test_it_gives_what_the_cpu_gives(name: str) -> None:
    model = read_model(shared_path(f"{FOLDER}/{name}"))
    network = network_of(model.spec, model.network)
    exact, ours = (
        open_session(network, tile=model.spec.tile, batch=1, threads=1, device=resolve(device)[0])
        for device in ("cpu", "openvino")
    )
    tiles = np.random.default_rng(0).random(exact.input_shape, np.float32)
    expected, found = exact.run(tiles), ours.run(tiles)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    assert_same_labels(found, expected, sure=1e-5)


def test_it_gives_what_a_large_network_gives_on_a_real_image() -> None:
    """Onnxruntime's default code averages less exactly (2e-3 here, against sums in double); OpenVINO's does not."""
    import onnxruntime

    model = read_model(shared_path(MODEL))
    height, width = model.spec.tile
    plane = zarr.open_array(str(shared_path(IMAGE) / "0"), mode="r")[0, 0, 0, :height, :width]
    tile = (np.asarray(plane) / 65535).astype(np.float32)[np.newaxis, ..., np.newaxis]
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    exact = onnxruntime.InferenceSession(model.network, options, providers=["CPUExecutionProvider"])
    (expected,) = exact.run(None, {exact.get_inputs()[0].name: tile})
    network = network_of(model.spec, model.network)
    session = open_session(network, tile=model.spec.tile, batch=1, threads=2, device=resolve("openvino")[0])
    found = session.run(tile)
    np.testing.assert_allclose(found, expected, atol=5e-4, rtol=0)
    assert_same_labels(found, expected, sure=5e-4)


def assert_same_labels(found: np.ndarray, expected: np.ndarray, *, sure: float) -> None:
    """Channels last; where the two best scores are closer than `sure`, either label is right."""
    if expected.shape[-1] == 1:
        return
    best = np.sort(expected, axis=-1)
    clear = best[..., -1] - best[..., -2] > sure
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(found.argmax(-1)[clear], expected.argmax(-1)[clear])


def test_a_real_network_with_a_loop_runs_either_way(capfd: pytest.CaptureFixture[str]) -> None:
    """Whether OpenVINO can convert the loop is its affair; that nothing is printed and the result stays is ours."""
    model = read_model(shared_path(f"reference/{LOOPING}"))
    network = network_of(model.spec, model.network)
    (chosen, notes), (plain, _) = (
        on_first(device, lambda one: open_session(network, tile=(64, 64), batch=1, threads=1, device=one))
        for device in ("auto", "cpu")
    )
    tile = np.random.default_rng(0).random(plain.input_shape, np.float32)
    np.testing.assert_allclose(chosen.run(tile), plain.run(tile), atol=1e-5, rtol=0)
    assert ("OpenVINO" in chosen.device) == (notes == ())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (LOOP, "it cannot convert Loop-11"),
        (STRING, "Unsupported operation of type: Convert name: s"),
        (INVALID, "This is an invalid model. No Op registered for Cxnv"),
        ("something else", "something else"),
        ("Check 'a' failed at b.cpp:1", "Check 'a' failed at b.cpp:1"),
    ],
)
def test_a_message_of_many_lines_becomes_one_reason(message: str, reason: str) -> None:
    assert openvino.reason(RuntimeError(message)) == reason


def test_it_is_told_to_be_exact_and_how_many_threads() -> None:
    on_cpu = json.loads(openvino.settings("CPU", 3)["load_config"])
    assert on_cpu["CPU"]["INFERENCE_PRECISION_HINT"] == "f32"
    assert on_cpu["CPU"]["INFERENCE_NUM_THREADS"] == "3"
    second_gpu = json.loads(openvino.settings("GPU.1", 3)["load_config"])
    assert second_gpu["GPU"]["INFERENCE_PRECISION_HINT"] == "f32"
    assert "INFERENCE_NUM_THREADS" not in second_gpu["GPU"]


def test_an_onnxruntime_without_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    openvino._devices.cache_clear()
    monkeypatch.delattr(onnxruntime, "get_ep_devices")  # as before version 1.23
    with pytest.raises(DeviceError, match=r"takes no plugins.* pip install --upgrade 'czengine\[openvino\]'"):
        openvino.find("CPU")


def stand_in(folder: Path, library: str, *, before: str = "") -> None:
    """A package of the plugin's name whose library is another; `before` runs when it is asked for."""
    package = folder / "onnxruntime_ep_openvino"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import time\n"
        "def get_ep_name(): return 'OpenVINOExecutionProvider'\n"
        f"def get_library_path():\n    {before or 'pass'}\n    return {library!r}\n"
    )


def test_it_is_registered_once_however_many_ask(tmp_path: Path) -> None:
    import onnxruntime_ep_openvino as plugin

    stand_in(tmp_path, plugin.get_library_path(), before="time.sleep(0.2)")  # all the others come meanwhile
    done = run_apart(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "import onnxruntime\n"
        "from czengine.session import openvino\n"
        "with ThreadPoolExecutor(8) as pool: found = {*pool.map(lambda _: id(openvino.find('CPU')), range(8))}\n"
        "names = [d.ep_name for d in onnxruntime.get_ep_devices()]\n"
        "print(len(found), names.count('OpenVINOExecutionProvider'))\n",
        tmp_path,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("1 1\n", "", 0)


def test_a_program_that_has_registered_it_already() -> None:
    done = run_apart(
        "import onnxruntime, onnxruntime_ep_openvino as plugin\n"
        "from czengine.session import openvino\n"
        "onnxruntime.register_execution_provider_library('theirs', plugin.get_library_path())\n"
        "openvino.find('CPU')\n"
        "print([d.ep_name for d in onnxruntime.get_ep_devices()].count('OpenVINOExecutionProvider'))\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)


def test_importing_the_engine_loads_nothing_of_it() -> None:
    done = run_apart(
        "import sys, czengine, czengine.session.open\n"
        "print([name for name in sys.modules if name.startswith('onnxruntime')])\n"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


SESSION = (
    "import numpy as np\n"
    "from czengine.session.open import on_first, open_session\n"
    "from tests.support.networks import scores_network\n"
    "network = scores_network()\n"
    "session, notes = on_first('{device}', lambda one: open_session(\n"
    "    network, tile=(32, 32), batch=1, threads=2, device=one))\n"
    "tile = np.zeros(session.input_shape, np.float32)\n"
)


def test_a_plugin_that_cannot_be_loaded(tmp_path: Path) -> None:
    library = tmp_path / "plugin.so"
    library.write_bytes(b"not a library")
    stand_in(tmp_path, str(library))
    auto = run_apart(SESSION.format(device="auto") + "print(session.device, *notes)\n", tmp_path)
    assert auto.stdout.startswith("CPU, 2 threads OpenVINO cannot be loaded (")
    assert auto.stdout.endswith("pip install --force-reinstall 'czengine[openvino]'; the CPU runs it\n")
    named = run_apart(SESSION.format(device="openvino"), tmp_path)
    assert "czengine.errors.DeviceError: OpenVINO cannot be loaded (" in named.stderr


@pytest.mark.parametrize("device", ["cpu", "openvino"])
def test_a_process_ends_cleanly(device: str) -> None:
    done = run_apart(SESSION.format(device=device) + "print(session.run(tile).shape)\n", flags=("-X", "dev"))
    assert (done.stdout, done.stderr, done.returncode) == ("(1, 32, 32, 2)\n", "", 0)


@pytest.mark.skipif(os.name == "nt", reason="signals as Unix has them")
@pytest.mark.parametrize("device", ["cpu", "openvino"])
def test_ctrl_c_is_heard_between_two_calls(device: str) -> None:
    script = SESSION.format(device=device) + (
        "import sys\n"
        "try:\n"
        "    print('ready', flush=True)\n"
        "    while True: session.run(tile)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    command = [sys.executable, "-W", "error", "-X", "faulthandler", "-c", script]
    path = os.pathsep.join(filter(None, sys.path))
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "")
    assert process.returncode == 130
