"""ONNX models from files, bytes and memory: what they are found to be, and that what is written computes the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from czconverter.graphs.running import OnnxRunner
from czconverter.loaders.onnx import load_onnx
from czconverter.steps import RgbToBgr, SigmoidToSoftmaxScores
from czengine.errors import ModelError, OptionError
from czengine.graph.signature import read_signature
from tests.support.archives import onnx_network
from tests.support.frameworks import need
from tests.support.onnx_text import dims_of, network


def _pictures(batch: int, height: int = 32, width: int = 32, channels: int = 3) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).random((batch, height, width, channels), dtype=np.float32)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("opset", [12, 17])
@pytest.mark.parametrize("batch", [1, 3])
def test_what_is_written_computes_what_was_read(layout: str, opset: int, batch: int) -> None:
    need("onnxruntime")
    found = load_onnx(onnx_network(32, 32, 3, 4, kernel=3, layout=layout))
    written = found.to_onnx(opset)
    signature = read_signature(written)
    assert (signature.layout, signature.output_layout, signature.opset) == ("NHWC", "NHWC", opset)
    assert (signature.input_name, signature.output_name) == ("input", "output")
    assert dims_of(written.graph.output[0]) == ["batch", 32, 32, 4]
    picture = _pictures(batch)
    np.testing.assert_allclose(OnnxRunner(written).run(picture), found.run(picture), atol=1e-5)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("side", [32, None])
def test_another_size(layout: str, side: int | None) -> None:
    need("onnxruntime")
    found = load_onnx(onnx_network(side, side, 3, 2, kernel=3, layout=layout)).sized(24, 40, 3)
    assert found.size == (24, 40)
    picture = _pictures(2, 24, 40)
    written = found.to_onnx(12)
    assert dims_of(written.graph.input[0]) == ["batch", 24, 40, 3]
    np.testing.assert_allclose(OnnxRunner(written).run(picture), found.run(picture), atol=1e-5)


def test_what_it_says_about_itself() -> None:
    found = load_onnx(onnx_network(None, 48, 3, 2, opset=11, layout="NHWC"))
    assert (found.kind, found.channels, found.size, found.opset) == ("ONNX model", 3, (None, 48), 11)
    assert "onnx 1" in found.framework
    assert found.notes == ()


def test_channels_first_is_noted() -> None:
    found = load_onnx(onnx_network(layout="NCHW"))
    assert found.signature.layout == "NCHW"
    assert found.notes == (
        "the ONNX model is channels-first; it is packed channels-last, as all archives are",
    )


def test_layout_goes_before_the_shapes() -> None:
    need("onnxruntime")
    data = onnx_network(8, 8, 8, 2, layout="NCHW")
    assert load_onnx(data).signature.layout == "NHWC"
    found = load_onnx(data, layout="NCHW")
    assert (found.signature.layout, found.size) == ("NCHW", (8, 8))
    picture = _pictures(2, 8, 8, 8)
    np.testing.assert_allclose(OnnxRunner(found.to_onnx(12)).run(picture), found.run(picture), atol=1e-5)


def test_channels_are_believed_where_the_network_does_not_say() -> None:
    need("onnxruntime")
    found = load_onnx(network("output = Neg (input)", dims="N,H,W,C"), channels=3)
    assert found.channels == 3
    assert found.sized(16, 16, 3).signature.channels == 3


def test_other_channels_are_refused() -> None:
    with pytest.raises(OptionError, match="channels is 3, but the network takes 1"):
        load_onnx(onnx_network(), channels=3)
    with pytest.raises(ModelError, match="the network takes 1 channels, not 3"):
        load_onnx(onnx_network()).sized(32, 32, 3)


def test_other_types_run_as_they_are_and_are_written_with_float_ends() -> None:
    need("onnxruntime")
    body = "wide = Cast <to = 1> (input) output = Neg (wide)"
    found = load_onnx(network(body, dtype="uint8", opset=13))
    counts = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 2)).astype(np.float32)
    np.testing.assert_array_equal(found.run(counts), -counts)
    np.testing.assert_array_equal(OnnxRunner(found.to_onnx(13)).run(counts), -counts)
    assert (found.counts, load_onnx(onnx_network()).counts) == (255.0, None)


def test_a_batch_of_one_stays() -> None:
    need("onnxruntime")
    found = load_onnx(onnx_network(batch=1, channels=3))
    assert dims_of(found.to_onnx(12).graph.input[0])[0] == 1
    assert found.run(_pictures(3)).shape == (3, 32, 32, 2)


def test_a_larger_batch_is_refused() -> None:
    with pytest.raises(ModelError, match=r"takes 4 pictures at a time.* batch size of 1 or an open one"):
        load_onnx(onnx_network(batch=4))


def test_steps_are_put_around_it() -> None:
    need("onnxruntime")
    found = load_onnx(onnx_network(32, 32, 3, 1, layout="NCHW", softmax=False))
    written = found.to_onnx(12, before=[RgbToBgr()], after=[SigmoidToSoftmaxScores()])
    picture = _pictures(2)
    scores = found.run(picture[..., ::-1])
    expected = np.concatenate([scores, 1 - scores], axis=-1)
    np.testing.assert_allclose(OnnxRunner(written).run(picture), expected, atol=1e-5)


def test_keras_layers_are_refused() -> None:
    layer = type("Layer", (), {"__module__": "keras.layers"})()
    with pytest.raises(OptionError, match=r"Layer is a Keras layer; .* named steps such as rgb-to-bgr"):
        load_onnx(onnx_network()).to_onnx(12, before=[layer])


def test_there_is_no_saved_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="an ONNX model cannot become a SavedModel"):
        load_onnx(onnx_network()).to_saved_model(tmp_path)


def test_a_size_it_does_not_take() -> None:
    need("onnxruntime")
    with pytest.raises(ModelError, match=r"does not run on an input of shape \(1, 16, 16, 1\)"):
        load_onnx(onnx_network()).run(_pictures(1, 16, 16, 1))


def test_weights_that_are_inputs_too() -> None:
    need("onnxruntime")
    model = onnx.ModelProto.FromString(onnx_network(opset=9, ir_version=3, channels=3))
    for tensor in model.graph.initializer:
        kind = onnx.helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        model.graph.input.insert(0, onnx.helper.make_value_info(tensor.name, kind))
    found = load_onnx(model)
    picture = _pictures(1)
    assert [value.name for value in found.to_onnx(12).graph.input] == ["input"]
    np.testing.assert_allclose(OnnxRunner(found.to_onnx(12)).run(picture), found.run(picture), atol=1e-6)


# --- files


def _with_weights_beside(path: Path) -> Path:
    model = onnx.ModelProto.FromString(onnx_network(channels=3))
    onnx.save(
        model,
        str(path),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
        convert_attribute=True,
    )
    return path


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(onnx_network(channels=3))
    assert load_onnx(tmp_path / "a.onnx").channels == 3


def test_weights_beside_the_file_are_taken_in(tmp_path: Path) -> None:
    need("onnxruntime")
    found = load_onnx(_with_weights_beside(tmp_path / "a.onnx"))
    assert found.notes == ("weights were read from weights.bin beside the model",)
    picture = _pictures(2)
    expected = load_onnx(onnx_network(channels=3)).run(picture)
    (tmp_path / "weights.bin").unlink()
    np.testing.assert_allclose(found.run(picture), expected, atol=1e-6)
    np.testing.assert_allclose(OnnxRunner(found.to_onnx(12)).run(picture), expected, atol=1e-6)


def test_weights_that_are_missing(tmp_path: Path) -> None:
    path = _with_weights_beside(tmp_path / "a.onnx")
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelError, match=r"a.onnx: the weights beside it cannot be read: .*weights.bin"):
        load_onnx(path)


def test_weights_that_are_cut_short(tmp_path: Path) -> None:
    path = _with_weights_beside(tmp_path / "a.onnx")
    (tmp_path / "weights.bin").write_bytes(b"\0")
    with pytest.raises(ModelError, match="the weights beside it cannot be read"):
        load_onnx(path)


@pytest.mark.parametrize("place", ["../secret", "/etc/hostname", "inner/../../secret"])
def test_weights_outside_of_the_folder_are_refused(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 10_000)
    path = _with_weights_beside(folder / "a.onnx")
    model = onnx.load(str(path), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = place
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="the weights beside it cannot be read"):
        load_onnx(path)


def test_weights_elsewhere_are_refused_in_memory(tmp_path: Path) -> None:
    model = onnx.load(str(_with_weights_beside(tmp_path / "a.onnx")), load_external_data=False)
    with pytest.raises(ModelError, match=r"its weights lie in weights.bin; give the path of its file"):
        load_onnx(model)


@pytest.mark.parametrize("content", [b"", b"no network at all", onnx_network()[:200]])
def test_files_that_are_no_network(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"a\.onnx: .*export it again"):
        load_onnx(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"b\.onnx: it cannot be read \(No such file or directory\)"):
        load_onnx(tmp_path / "b.onnx")


def test_a_file_too_large_for_protobuf(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)  # sparse: takes no room
    with pytest.raises(ModelError, match="more than 2 GB"):
        load_onnx(path)


# --- networks that are no picture in, picture out


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (network("output = Relu (input)", dims="N,8"), "has 2 axes"),
        (network("output = Relu (input)", dims="N,8,8,8,1"), "3-D networks are not supported"),
        (
            network("output = Cast <to = 9> (input)", result_dtype="bool"),
            "'output' of the network is bool; pixels",
        ),
    ],
)
def test_other_networks_are_refused(model: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_onnx(model)


def test_several_inputs_are_named() -> None:
    model = network("output = Relu (input)")
    extra = onnx.helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, [1])
    model.graph.input.append(extra)
    with pytest.raises(ModelError, match=r"has 2 inputs \(input, other\); exactly one is supported"):
        load_onnx(model)


def test_a_sequence_is_no_picture() -> None:
    model = network("output = SequenceConstruct (input)")
    tensor = onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, [1, 8, 8, 1])
    kind = onnx.helper.make_sequence_type_proto(tensor)
    model.graph.output[0].CopyFrom(onnx.helper.make_value_info("output", kind))
    with pytest.raises(ModelError, match="'output' of the network is a sequence, not an image"):
        load_onnx(model)


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    need("onnxruntime")
    (tmp_path / "a.onnx").write_bytes(onnx_network(layout="NCHW"))
    code = (
        "import pathlib, sys\n"
        "from czconverter.loaders.onnx import load_onnx\n"
        "load_onnx(pathlib.Path(sys.argv[1])).sized(64, 64, 1).to_onnx(12)\n"
        "print(sorted({'tensorflow', 'keras', 'torch', 'tf2onnx'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
