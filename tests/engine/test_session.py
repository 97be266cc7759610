"""Sessions behind our words, on onnxruntime's own code and on OpenVINO: shapes, labels, memory, errors."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.errors import DeviceError, MissingExtra, ModelError
from czengine.session.base import Network
from czengine.session.devices import CPU, Device, available_cores
from czengine.session.onnx import OnnxSession
from czengine.spec import Layout
from tests.support.frameworks import need_package
from tests.support.networks import labels_network, scores_network

LAYOUTS = ("NHWC", "NCHW")


@pytest.fixture(params=["cpu", "openvino"])
def device(request: pytest.FixtureRequest) -> Device:
    """Every device that every machine can have."""
    if request.param == "openvino":
        need_package("onnxruntime_ep_openvino")
    return Device(provider=request.param)


def opened(network: Network, **changes: Any) -> OnnxSession:
    how: dict[str, Any] = {"tile": (32, 32), "batch": 1, "threads": 1, "device": CPU}
    return OnnxSession(network, **{**how, **changes})


def pixels(session: OnnxSession, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    if session.network.dtype.kind == "f":
        return random.random(session.input_shape, np.float32)
    return random.integers(0, np.iinfo(session.network.dtype).max, session.input_shape, session.network.dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_session_runs_its_fixed_shape(device: Device, layout: Layout, batch: int) -> None:
    network = scores_network(layout=layout, channels=2, outputs=3)
    session = opened(network, batch=batch, device=device)
    assert session.network is network
    assert session.input_shape == ((batch, 32, 32, 2) if layout == "NHWC" else (batch, 2, 32, 32))
    scores = session.run(pixels(session))
    assert scores.dtype == np.float32
    assert scores.shape == ((batch, 32, 32, 3) if layout == "NHWC" else (batch, 3, 32, 32))
    np.testing.assert_allclose(scores.sum(-1 if layout == "NHWC" else 1), 1, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("dtype", "labels"), [("uint8", "uint8"), ("uint16", "uint8"), ("uint16", "uint16")])
def test_raw_pixels_in_and_labels_out(device: Device, layout: Layout, dtype: str, labels: str) -> None:
    session = opened(
        labels_network(layout=layout, dtype=dtype, labels=labels), tile=(24, 40), batch=2, device=device
    )
    batch = pixels(session)
    found = session.run(batch)
    assert (found.shape, found.dtype) == ((2, 24, 40), np.dtype(labels))
    np.testing.assert_array_equal(found, batch.argmax(-1 if layout == "NHWC" else 1) + 1)


@given(height=st.integers(1, 40), width=st.integers(1, 40), batch=st.integers(1, 3))
def test_open_sizes_take_the_size_that_is_wanted(height: int, width: int, batch: int) -> None:
    session = opened(labels_network(), tile=(height, width), batch=batch)
    tiles = pixels(session)
    np.testing.assert_array_equal(session.run(tiles), tiles.argmax(-1) + 1)


@pytest.mark.parametrize(("height", "width"), [("h", "w"), (None, None), (None, 48)])
def test_sizes_may_be_open_by_name_or_without(device: Device, height: Any, width: Any) -> None:
    session = opened(scores_network(tile=(height, width), kernel=3), tile=(32, 48), device=device)
    fixed = opened(scores_network(tile=(32, 48), kernel=3), tile=(32, 48), device=device)
    assert session._session.get_inputs()[0].shape == [1, 32, 48, 1]  # or OpenVINO would be slow
    np.testing.assert_array_equal(session.run(pixels(session)), fixed.run(pixels(fixed)))


def test_a_network_that_insists_on_a_batch_size(device: Device) -> None:
    session = opened(scores_network(batch=2), batch=2, device=device)
    assert session.run(pixels(session)).shape == (2, 32, 32, 2)


def test_weights_that_old_files_list_among_the_inputs() -> None:
    import onnx

    model = onnx.load_from_string(scores_network(ir_version=3).model)
    weights = [
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in model.graph.initializer
    ]
    first = model.graph.input[0]
    del model.graph.input[:]
    model.graph.input.extend([*weights, first])
    session = opened(replace(scores_network(), model=model.SerializeToString()))
    assert session.run(pixels(session)).shape == (1, 32, 32, 2)


def test_a_pixels_scores_do_not_depend_on_the_batch() -> None:
    network = scores_network(kernel=3)
    one, four = opened(network), opened(network, batch=4, threads=2)
    tiles = pixels(four)
    np.testing.assert_array_equal(
        np.concatenate([one.run(tiles[i : i + 1]) for i in range(4)]), four.run(tiles)
    )


def test_what_a_call_returns_is_the_callers_own(device: Device) -> None:
    session = opened(scores_network(kernel=3), device=device)
    kept = [session.run(pixels(session, seed)) for seed in range(6)]
    copies = [scores.copy() for scores in kept]
    again = [session.run(pixels(session, seed)) for seed in range(6)]
    for scores in again:
        scores[:] = -1
    del session, again
    np.testing.assert_array_equal(kept, copies)


def test_the_batch_is_free_again_after_the_call(device: Device) -> None:
    session = opened(scores_network(), device=device)
    batch = pixels(session)
    scores = session.run(batch)
    before = scores.copy()
    batch[:] = 0
    np.testing.assert_array_equal(scores, before)


THREADS = """
import os, sys
import numpy as np
from czengine.session.devices import resolve
from czengine.session.onnx import OnnxSession
from tests.support.networks import scores_network
(device,) = resolve(sys.argv[1])
network = scores_network(tile=(256, 256), outputs=8, kernel=5)
session = OnnxSession(network, tile=(256, 256), batch=1, threads=int(sys.argv[2]), device=device)
for _ in range(3):  # OpenVINO starts its threads when there is work
    session.run(np.zeros(session.input_shape, np.float32))
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux shows them")
@pytest.mark.skipif(available_cores() < 2, reason="needs two cores")
def test_threads_are_as_many_as_a_call_may_use(device: Device) -> None:
    def count(threads: int) -> int:
        command = [sys.executable, "-c", THREADS, device.provider, str(threads)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert count(2) == count(1) + 1


def test_the_device_says_how_many_threads_it_has(device: Device) -> None:
    name = {"cpu": "CPU", "openvino": "OpenVINO on CPU"}[device.provider]
    assert opened(scores_network(), threads=1, device=device).device == f"{name}, 1 thread"
    assert opened(scores_network(), threads=2, device=device).device == f"{name}, 2 threads"


def test_a_network_onnxruntime_refuses() -> None:
    network = scores_network()
    with pytest.raises(ModelError, match=r"onnxruntime refuses the network: .*Cxnv"):
        opened(replace(network, model=network.model.replace(b"Conv", b"Cxnv")))


def test_bytes_that_are_no_network() -> None:
    with pytest.raises(ModelError, match="the network is neither an ONNX model nor a zipped SavedModel"):
        opened(replace(scores_network(), model=b"not a network"))


def test_a_network_with_a_name_that_is_no_text(capfd: pytest.CaptureFixture[str]) -> None:
    network = scores_network()
    with pytest.raises(ModelError, match="onnxruntime refuses the network: a name in it is not text"):
        opened(replace(network, model=network.model.replace(b"Conv", b"Con\xff")))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("changes", "own", "wanted"),
    [
        ({"tile": (16, 32)}, r"\? × 32 × 32 × 1", "1 × 16 × 32 × 1"),
        ({"batch": 3}, "2 × 32 × 32 × 1", "3 × 32 × 32 × 1"),
    ],
)
def test_an_input_the_network_cannot_take(changes: dict[str, Any], own: str, wanted: str) -> None:
    network = scores_network(**({"batch": 2} if "batch" in changes else {}))
    with pytest.raises(
        ModelError, match=rf"takes an input of {own}, not of {wanted}; keep its own tile size and batch"
    ):
        opened(network, **changes)


def test_a_batch_of_another_shape(device: Device) -> None:
    session = opened(scores_network(), device=device)
    with pytest.raises(DeviceError, match=r"onnxruntime failed on a batch of shape \(1, 16, 16, 1\)"):
        session.run(np.zeros((1, 16, 16, 1), np.float32))


def test_a_network_that_gives_another_size(device: Device) -> None:
    session = opened(replace(scores_network(), model=shrunk()), device=device)
    with pytest.raises(
        ModelError, match=r"scores of shape \(1, 30, 30, 2\) for a batch of 1 tiles, 32×32 pixels each"
    ):
        session.run(pixels(session))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_network_that_gives_another_number_of_scores(layout: Layout) -> None:
    """A graph may leave the number of its channels open; then the archive is believed until it runs."""
    session = opened(replace(scores_network(layout=layout), outputs=3))
    with pytest.raises(ModelError, match="it has to give 3 outputs for every pixel of every tile"):
        session.run(pixels(session))


def test_a_network_that_gives_scores_instead_of_labels() -> None:
    session = opened(replace(scores_network(), gives="labels"))
    with pytest.raises(
        ModelError, match=r"labels of shape \(1, 32, 32, 2\) .* give one label for every pixel"
    ):
        session.run(pixels(session))


def test_without_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"onnxruntime is not installed; .* pip install 'czengine\[cpu\]'"):
        opened(scores_network())


def shrunk() -> bytes:
    """A convolution without padding, over any size."""
    import onnx

    model = onnx.load_from_string(scores_network(tile=("h", "w"), kernel=3).model)
    (convolution,) = (node for node in model.graph.node if node.op_type == "Conv")
    del convolution.attribute[:]
    model.graph.output[0].ClearField("type")
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return bytes(model.SerializeToString())
