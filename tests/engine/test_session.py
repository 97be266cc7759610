"""ONNX Runtime behind our words: shapes, fixed batches, and errors that say what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from czengine.errors import DeviceError, ModelError
from czengine.session.onnx import OnnxSession
from czengine.session.open import open_session
from czengine.spec import Layout, Runtime
from tests.support.archives import onnx_network
from tests.support.specs import make_spec


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_session_runs_its_fixed_shape(layout: Layout, batch: int) -> None:
    spec = replace(make_spec(channels=2, outputs=3), layout=layout, output_layout=layout)
    network = onnx_network(32, 32, 2, 3, layout=layout)
    session = OnnxSession(spec, network, tile=(32, 32), batch=batch, threads=1)
    assert session.input_shape == ((batch, 32, 32, 2) if layout == "NHWC" else (batch, 2, 32, 32))
    scores = session.run(np.random.default_rng(0).random(session.input_shape, np.float32))
    assert scores.shape == ((batch, 32, 32, 3) if layout == "NHWC" else (batch, 3, 32, 32))
    np.testing.assert_allclose(scores.sum(-1 if layout == "NHWC" else 1), 1, atol=1e-5)


def test_a_network_that_insists_on_a_batch_size() -> None:
    session = OnnxSession(make_spec(), onnx_network(32, 32, batch=2), tile=(32, 32), batch=2, threads=1)
    assert session.run(np.zeros((2, 32, 32, 1), np.float32)).shape == (2, 32, 32, 2)


def test_a_pixels_scores_do_not_depend_on_the_batch() -> None:
    tiles = np.random.default_rng(0).random((4, 32, 32, 1), np.float32)
    network = onnx_network(32, 32, kernel=3)
    one = OnnxSession(make_spec(), network, tile=(32, 32), batch=1, threads=1)
    four = OnnxSession(make_spec(), network, tile=(32, 32), batch=4, threads=2)
    np.testing.assert_array_equal(
        np.concatenate([one.run(tiles[i : i + 1]) for i in range(4)]), four.run(tiles)
    )


def test_the_device_says_how_many_threads_it_has() -> None:
    session = open_session(make_spec(), onnx_network(), batch=1, threads=2)
    assert session.device == "CPU, 2 threads"


def test_a_network_onnxruntime_refuses() -> None:
    with pytest.raises(ModelError, match=r"onnxruntime refuses the network: .*Cxnv"):
        OnnxSession(
            make_spec(),
            onnx_network(32, 32, 1, 2).replace(b"Conv", b"Cxnv"),
            tile=(32, 32),
            batch=1,
            threads=1,
        )


def test_bytes_that_are_no_network() -> None:
    with pytest.raises(ModelError, match="onnxruntime refuses the network"):
        OnnxSession(make_spec(), b"not a network", tile=(32, 32), batch=1, threads=1)


def test_a_network_with_a_name_that_is_no_text(capfd: pytest.CaptureFixture[str]) -> None:
    damaged = onnx_network(32, 32).replace(b"Conv", b"Con\xff")
    with pytest.raises(ModelError, match="onnxruntime refuses the network: a name in it is not text"):
        OnnxSession(make_spec(), damaged, tile=(32, 32), batch=1, threads=1)
    assert capfd.readouterr().out == ""


def test_a_batch_the_network_cannot_take() -> None:
    session = OnnxSession(make_spec(), onnx_network(32, 32), tile=(16, 16), batch=1, threads=1)
    with pytest.raises(DeviceError, match=r"onnxruntime failed on a batch of shape \(1, 16, 16, 1\)"):
        session.run(np.zeros((1, 16, 16, 1), np.float32))


def test_a_network_that_gives_another_size() -> None:
    session = OnnxSession(make_spec(), shrunk(), tile=(32, 32), batch=1, threads=1)
    with pytest.raises(
        ModelError, match=r"scores of shape \(1, 30, 30, 2\) for a batch of 1 tiles, 32×32 pixels each"
    ):
        session.run(np.zeros((1, 32, 32, 1), np.float32))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_a_network_that_gives_another_number_of_scores(layout: Layout) -> None:
    """A graph may leave the number of its channels open; then the archive is believed until it runs."""
    spec = replace(make_spec(outputs=3), layout=layout, output_layout=layout)
    session = OnnxSession(spec, onnx_network(outputs=2, layout=layout), tile=(32, 32), batch=1, threads=1)
    with pytest.raises(ModelError, match="it has to give 3 outputs for every pixel of every tile"):
        session.run(np.zeros(session.input_shape, np.float32))


def shrunk() -> bytes:
    """A convolution without padding, over any size."""
    import onnx

    model = onnx.load_from_string(onnx_network("h", "w", kernel=3))
    (convolution,) = (node for node in model.graph.node if node.op_type == "Conv")
    del convolution.attribute[:]
    model.graph.output[0].ClearField("type")
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return bytes(model.SerializeToString())


def test_saved_models_are_told_apart_before_anything_is_loaded() -> None:
    spec = replace(make_spec(), runtime=Runtime.SAVEDMODEL)
    with pytest.raises(ModelError, match=r"'test' holds a TensorFlow SavedModel, .* czengine convert MODEL"):
        open_session(spec, b"", batch=1, threads=1)
