"""SavedModels of every origin: which function is called, what it computes, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from czconverter.frameworks import quiet
from czconverter.loaders.saved_model import load_saved_model, load_saved_model_zip
from czengine.archive import read_archive
from czengine.errors import ArchiveError, ModelError
from tests.support.archives import saved_model
from tests.support.frameworks import need
from tests.support.keras_models import agree, input_dims, normalised, picture, run_onnx, unet
from tests.support.shared import shared_path

REFERENCES = ("legacy300_gray16_savedmodel_tf215", "legacy310_gray16_savedmodel")


@pytest.fixture(scope="module")
def tf() -> Any:
    need("tf2onnx")
    return need("tensorflow")


@pytest.fixture
def module(tf: Any) -> Any:
    """A module with a variable and a captured constant, to hang functions on."""
    module = tf.Module()
    module.weights = tf.Variable([2.0, 3.0])
    module.captured = tf.constant([0.5])
    return module


def double(tf: Any, module: Any, *dims: int | None, dtype: str = "float32") -> Any:
    @tf.function(input_signature=[tf.TensorSpec(dims or (None, None, None, 1), dtype, name="image")])
    def function(image: Any) -> Any:
        return tf.cast(image, tf.float32) * module.weights + module.captured

    return function


def save(tf: Any, module: Any, folder: Path, signatures: Any = None) -> Path:
    with quiet():
        tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def expected(batch: Any) -> Any:
    return batch * np.array([2.0, 3.0], np.float32) + 0.5


@pytest.mark.parametrize("name", REFERENCES)
def test_reference_archives(tf: Any, name: str, tmp_path: Path) -> None:
    archive = read_archive(shared_path(f"reference/{name}.czmodel"))
    arrays = np.load(shared_path(f"reference/{name}.npz"))
    network = load_saved_model_zip(archive.network, tmp_path)
    np.testing.assert_allclose(network.run(arrays["x"]), arrays["y"], atol=1e-5)
    model = network.to_onnx(12)
    np.testing.assert_allclose(run_onnx(model, arrays["x"]), arrays["y"], atol=1e-5)
    assert network.size == arrays["x"].shape[1:3]


def test_keras_2(tf: Any, tmp_path: Path) -> None:
    model = unet(need("tf_keras"), None, None)
    with quiet():
        model.save(tmp_path, save_format="tf")
    assert (tmp_path / "keras_metadata.pb").is_file()
    network = load_saved_model(tmp_path)
    assert (network.kind, network.channels, network.size) == ("SavedModel", 1, (None, None))
    np.testing.assert_allclose(network.run(picture()), np.asarray(model(picture())), atol=1e-6)
    assert input_dims(agree(network, picture(16, 8))) == ["batch", "height", "width", 1]


def test_keras_3_export_with_captured_constants(tf: Any, tmp_path: Path) -> None:
    model = normalised(need("keras"))
    with quiet():
        model.export(tmp_path, verbose=False)
    network = load_saved_model(tmp_path)
    np.testing.assert_allclose(network.run(picture()), np.asarray(model(picture())), atol=1e-6)
    assert len(agree(network, picture()).graph.input) == 1


def test_module_with_a_signature(tf: Any, module: Any, tmp_path: Path) -> None:
    folder = save(tf, module, tmp_path, {"other": double(tf, module)})
    np.testing.assert_allclose(load_saved_model(folder).run(picture()), expected(picture()))
    agree(load_saved_model(folder), picture())


def test_module_without_signatures_but_with_one_function(tf: Any, module: Any, tmp_path: Path) -> None:
    module.infer = tf.function(lambda image: image * module.weights + module.captured)
    module.infer.get_concrete_function(tf.TensorSpec((None, 8, 8, 1)))
    network = load_saved_model(save(tf, module, tmp_path))
    np.testing.assert_allclose(network.run(picture(8, 8)), expected(picture(8, 8)))
    assert (network.size, network.channels) == ((8, 8), 1)
    agree(network, picture(8, 8))


@pytest.mark.parametrize("resources", [True, False])
def test_tensorflow_1(tf: Any, tmp_path: Path, *, resources: bool) -> None:
    v1 = tf.compat.v1
    with quiet(), tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        image = v1.placeholder(tf.float32, (None, None, None, 1), name="image")
        weights = v1.get_variable("weights", initializer=[2.0, 3.0], use_resource=resources)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(
            session, str(tmp_path / "m"), {"image": image}, {"scores": image * weights + 0.5}
        )
    network = load_saved_model(tmp_path / "m")
    np.testing.assert_allclose(network.run(picture()), expected(picture()))
    agree(network, picture())


def test_double_precision(tf: Any, module: Any, tmp_path: Path) -> None:
    network = load_saved_model(save(tf, module, tmp_path, double(tf, module, None, 8, 8, 1, dtype="float64")))
    np.testing.assert_allclose(network.run(picture(8, 8)), expected(picture(8, 8)))
    agree(network, picture(8, 8))


def test_fixed_batch(tf: Any, module: Any, tmp_path: Path) -> None:
    network = load_saved_model(save(tf, module, tmp_path, double(tf, module, 1, 8, 8, 1)))
    np.testing.assert_allclose(network.run(picture(8, 8, batch=3)), expected(picture(8, 8, batch=3)))
    assert input_dims(network.to_onnx(17)) == [1, 8, 8, 1]


def test_weights_outlive_the_folder(tf: Any, module: Any, tmp_path: Path) -> None:
    import shutil

    network = load_saved_model(save(tf, module, tmp_path / "m", double(tf, module)))
    shutil.rmtree(tmp_path / "m")
    np.testing.assert_allclose(network.run(picture()), expected(picture()))


def test_saved_model_of_ours(tf: Any, module: Any, tmp_path: Path) -> None:
    network = load_saved_model(save(tf, module, tmp_path / "a", double(tf, module)))
    network.to_saved_model(tmp_path / "b")
    again = load_saved_model(tmp_path / "b")
    np.testing.assert_allclose(again.run(picture()), expected(picture()))
    agree(again, picture())


# --------------------------------------------------------------------------------------------------- sizes


def test_open_size(tf: Any, module: Any, tmp_path: Path) -> None:
    network = load_saved_model(save(tf, module, tmp_path, double(tf, module))).sized(8, 24, 1)
    assert network.size == (8, 24)
    assert input_dims(agree(network, picture(8, 24))) == ["batch", 8, 24, 1]


def test_open_size_that_does_not_work(tf: Any, tmp_path: Path) -> None:
    with quiet():
        unet(need("tf_keras"), None, None).save(tmp_path, save_format="tf")
    with pytest.raises(
        ModelError, match=r"^the network fails on pictures of 15 × 16 pixels: .+; choose a multiple"
    ):
        load_saved_model(tmp_path).sized(15, 16, 1)


def test_fixed_size_cannot_change(tf: Any, module: Any, tmp_path: Path) -> None:
    network = load_saved_model(save(tf, module, tmp_path, double(tf, module, None, 8, 8, 1)))
    assert network.sized(8, 8, 1) is network
    message = (
        r"^the network is not spatially invariant: a SavedModel keeps the size it was saved with \(convert the Keras"
        r" model it was made from instead\); keep its 8 × 8 pixels, or make it for 16 × 16$"
    )
    with pytest.raises(ModelError, match=message):
        network.sized(16, 16, 1)


# ------------------------------------------------------------------------------------------------ refusals


def test_several_inputs(tf: Any, module: Any, tmp_path: Path) -> None:
    spec = tf.TensorSpec((None, 8, 8, 1))
    function = tf.function(lambda red, green: {"sum": red + green}).get_concrete_function(
        red=spec, green=spec
    )
    message = r"m: the network has 2 inputs \('green', 'red'\); exactly one is supported$"
    with pytest.raises(ModelError, match=message):
        load_saved_model(save(tf, module, tmp_path / "m", function))


def test_several_outputs(tf: Any, module: Any, tmp_path: Path) -> None:
    function = tf.function(lambda image: {"a": image, "b": image + 1})
    concrete = function.get_concrete_function(image=tf.TensorSpec((None, 8, 8, 1)))
    with pytest.raises(
        ModelError, match=r": the network has 2 outputs \('a', 'b'\); exactly one is supported$"
    ):
        load_saved_model(save(tf, module, tmp_path, concrete))


def test_several_signatures(tf: Any, module: Any, tmp_path: Path) -> None:
    functions = {name: double(tf, module) for name in ("second", "first")}
    message = (
        r"SavedModel has 2 functions \('first', 'second'\) and none is called 'serving_default'; save it with"
    )
    with pytest.raises(ModelError, match=message):
        load_saved_model(save(tf, module, tmp_path, functions))


def test_no_function_at_all(tf: Any, module: Any, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"SavedModel has 0 functions and none is called 'serving_default'; save it"
    ):
        load_saved_model(save(tf, module, tmp_path))


def test_input_of_another_type(tf: Any, module: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r": the network's input 'image' is uint8; only float is supported$"):
        load_saved_model(save(tf, module, tmp_path, double(tf, module, None, 8, 8, 1, dtype="uint8")))


def test_input_that_is_no_picture(tf: Any, module: Any, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r": the network's input 'image' has 2 axes; a picture is needed: batch,"
    ):
        load_saved_model(save(tf, module, tmp_path, double(tf, module, None, 1)))


def test_no_saved_model(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r" is no SavedModel: it has no saved_model\.pb; name the folder that has one$"
    ):
        load_saved_model(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, b"\x08\x01"])
def test_damaged(tf: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "saved_model.pb").write_bytes(content)
    message = (
        r"(cannot be loaded as a SavedModel: .+; save it|: the network's saved_model\.pb is damaged; export the model)"
        r" again$"
    )
    with pytest.raises(ModelError, match=message) as caught:
        load_saved_model(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match=r"cannot be loaded as a SavedModel: .+; save it again$") as caught:
        load_saved_model(tmp_path, trust=True)
    assert "\n" not in str(caught.value)


def test_missing_variables(tf: Any, module: Any, tmp_path: Path) -> None:
    folder = save(tf, module, tmp_path, double(tf, module))
    for path in (folder / "variables").iterdir():
        path.unlink()
    with pytest.raises(ModelError, match=r"cannot be loaded as a SavedModel: .+; save it again$"):
        load_saved_model(folder)


def test_zip_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"^the zipped SavedModel is not a zip"):
        load_saved_model_zip(b"nothing", tmp_path)


def test_zip_that_points_outside(tmp_path: Path) -> None:
    data = saved_model(members={"saved_model.pb": b"", "../outside": b"x"})
    with pytest.raises(
        ArchiveError, match=r"^the zipped SavedModel has a member called '\.\./outside', which points"
    ):
        load_saved_model_zip(data, tmp_path / "folder")
    assert not (tmp_path / "outside").exists()


def test_zip_without_a_saved_model(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"^the zipped SavedModel is none: it has no saved_model\.pb; export the"
    ):
        load_saved_model_zip(saved_model(members={"a": b""}), tmp_path)


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("A", "a/b"), ("Variables/x", "variables/X")])
def test_zip_with_names_in_each_others_way(names: tuple[str, str], tmp_path: Path) -> None:
    data = saved_model(members={"saved_model.pb": b"", **dict.fromkeys(names, b"")})
    message = r"^the zipped SavedModel holds a file called '.+', where another has to be; refused as unsafe$"
    with pytest.raises(ArchiveError, match=message):
        load_saved_model_zip(data, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("name", ["x" * 300, "ä" * 200, "ab:c", "line\nbreak"])
def test_zip_with_names_that_are_none(name: str, tmp_path: Path) -> None:
    data = saved_model(members={"saved_model.pb": b"", name: b""})
    message = r" SavedModel holds a file called '[^']{1,82}', which is no plain file name; refused as unsafe$"
    with pytest.raises(ArchiveError, match=message):
        load_saved_model_zip(data, tmp_path)


def test_zip_with_a_path_that_no_disk_takes(tmp_path: Path) -> None:
    data = saved_model(members={"saved_model.pb": b"", "/".join(["x" * 200] * 40): b""})
    with pytest.raises(
        ArchiveError, match=r"^the zipped SavedModel cannot be unpacked \(.+\); export the model again$"
    ):
        load_saved_model_zip(data, tmp_path)


@pytest.mark.parametrize("batch", [2, 3])
def test_several_pictures_at_a_time(tf: Any, module: Any, tmp_path: Path, batch: int) -> None:
    message = (
        rf": the network takes {batch} pictures at a time, no more and no less; export it again with a batch size of 1"
        r" or an open one$"
    )
    with pytest.raises(ModelError, match=message):
        load_saved_model(save(tf, module, tmp_path, double(tf, module, batch, 8, 8, 1)))
