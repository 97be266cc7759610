"""From an archive's model and a person's word for the device to a session, and what is said where it cannot be."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from czengine.errors import DeviceError, ModelError, OptionError
from czengine.session.base import Network, Session
from czengine.session.open import network_of, on_first, open_session
from czengine.spec import Runtime
from tests.support.archives import onnx_network
from tests.support.frameworks import need_package
from tests.support.networks import scores_network, unpooling_network
from tests.support.specs import make_spec

NOT_ALL = "OpenVINO on CPU cannot run this network: it does not know all of its operators"


@pytest.fixture
def openvino() -> None:
    need_package("onnxruntime_ep_openvino")


def opened(network: Network, device: str, tile: int = 32) -> tuple[Session, tuple[str, ...]]:
    """On the first device that takes it, and what is said about those that do not."""
    return on_first(
        device, lambda one: open_session(network, tile=(tile, tile), batch=1, threads=1, device=one)
    )


def unpooling(device: str) -> tuple[Session, tuple[str, ...]]:
    return opened(unpooling_network(), device, tile=8)


def test_a_models_network_is_what_the_archive_says() -> None:
    spec = replace(make_spec(channels=2, outputs=3), layout="NCHW", output_layout="NHWC")
    network = network_of(spec, b"the model")
    assert (network.model, network.layout, network.output_layout) == (b"the model", "NCHW", "NHWC")
    assert (network.channels, network.outputs, network.gives) == (2, 3, "scores")
    assert network.dtype == np.float32


def test_a_models_network_runs() -> None:
    network = network_of(make_spec(), onnx_network())
    session, _ = opened(network, "cpu")
    assert session.run(np.zeros(session.input_shape, np.float32)).shape == (1, 32, 32, 2)


def test_saved_models_are_told_apart_before_anything_is_loaded() -> None:
    spec = replace(make_spec(), runtime=Runtime.SAVEDMODEL)
    with pytest.raises(ModelError, match=r"'test' holds a TensorFlow SavedModel, .* czengine convert MODEL"):
        network_of(spec, b"")


@pytest.mark.usefixtures("openvino")
def test_openvino_goes_first_where_it_is_installed() -> None:
    session, notes = opened(scores_network(), "auto")
    assert (session.device, notes) == ("OpenVINO on CPU, 1 thread", ())


def test_without_openvino_the_cpu_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime_ep_openvino", None)
    session, notes = opened(scores_network(), "auto")
    assert (session.device, notes) == ("CPU, 1 thread", ())


@pytest.mark.usefixtures("openvino")
def test_what_openvino_cannot_run_the_cpu_runs_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    session, notes = unpooling("auto")
    assert (session.device, notes) == ("CPU, 1 thread", (f"{NOT_ALL}; the CPU runs it",))
    tile = np.random.default_rng(0).random((1, 1, 8, 8), np.float32)
    best = tile.reshape(4, 2, 4, 2).max((1, 3)).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(session.run(tile)[0, 0], np.where(tile[0, 0] == best, tile[0, 0], 0))
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("openvino")
def test_openvino_asked_for_by_name_is_taken_or_refused(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DeviceError, match=f"^{re.escape(NOT_ALL)}; try --device cpu$"):
        unpooling("openvino")
    assert unpooling("cpu")[1] == ()
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("openvino")
def test_a_network_nothing_can_run_is_the_networks_fault() -> None:
    network = scores_network()
    network = replace(network, model=network.model.replace(b"Conv", b"Cxnv"))
    with pytest.raises(ModelError, match=r"^onnxruntime refuses the network: .*Cxnv"):
        opened(network, "auto")
    with pytest.raises(DeviceError, match=r"^OpenVINO on CPU cannot run this network: .*Cxnv"):
        opened(network, "openvino")


def test_a_device_nobody_knows() -> None:
    with pytest.raises(OptionError, match="device is 'gpu'; choose one of auto, cpu, openvino"):
        opened(scores_network(), "gpu")
