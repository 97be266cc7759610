"""Files that Keras saved: which Keras loads them, what is refused before it does, and what is wrong with the rest."""

from __future__ import annotations

import base64
import json
import marshal
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from czconverter.frameworks import quiet
from czconverter.loaders.keras_files import load_keras_file
from czconverter.loaders.keras_safety import suspects
from czengine.errors import ArchiveError, ModelError
from tests.support.frameworks import need
from tests.support.keras_models import PACKAGES, nested, picture, run_onnx, unet

SUFFIXES = ("keras", "h5")
TRUST = r"; give --trust if you know who made the file$"


@pytest.fixture(scope="module", params=PACKAGES)
def k(request: pytest.FixtureRequest) -> Any:
    need("h5py")
    return need(request.param)


def save(model: Any, path: Path) -> Path:
    with quiet():
        model.save(path)
    return path


def edited(path: Path, change: Callable[[Any], Any]) -> Path:
    """The `.keras` file with another config, as somebody with bad intentions would write it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = json.dumps(change(json.loads(members["config.json"]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_same_as_the_model_that_was_saved(k: Any, suffix: str, tmp_path: Path) -> None:
    model = nested(k)
    with quiet():
        model.compile("adam", lambda truth, scores: scores - truth)  # neither loaded nor of any danger
    network = load_keras_file(save(model, tmp_path / f"m.{suffix}"), trust=False)
    assert network.kind == {"keras": "Keras 3 file", "tf_keras": "Keras 2 file"}[k.__name__]
    assert network.framework.startswith({"keras": "keras 3.", "tf_keras": "tf-keras 2."}[k.__name__])
    assert (network.channels, network.size) == (1, (16, 16))
    np.testing.assert_allclose(network.run(picture()), np.asarray(model(picture())), atol=1e-6)
    np.testing.assert_allclose(run_onnx(network.to_onnx(17), picture()), network.run(picture()), atol=1e-5)
    np.testing.assert_allclose(network.sized(32, 32, 1).run(picture(32, 32)).shape, (2, 32, 32, 2))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_content_counts_and_not_the_name(k: Any, suffix: str, tmp_path: Path) -> None:
    model = unet(k)
    path = save(model, tmp_path / f"m.{suffix}").rename(tmp_path / "network")
    np.testing.assert_allclose(
        load_keras_file(path, trust=False).run(picture()), np.asarray(model(picture())), atol=1e-6
    )


def test_file_loaded_twice_gives_the_same_bytes(k: Any, tmp_path: Path) -> None:
    path = save(unet(k), tmp_path / "m.keras")
    first, second = (
        load_keras_file(path, trust=False).to_onnx(17).SerializeToString(deterministic=True) for _ in range(2)
    )
    assert first == second


def test_operators_of_tensorflow_in_keras_2(tmp_path: Path) -> None:
    tf, k = need("tensorflow"), need("tf_keras")
    pixels = k.layers.Input((16, 16, 1))
    x = tf.nn.relu(k.layers.Conv2D(2, 3, padding="same")(pixels)) * 2.0 + 1
    x = tf.transpose(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])[:, 1:-1, 1:-1], [0, 2, 1, 3])
    model = k.Model(pixels, x)
    for suffix in SUFFIXES:
        network = load_keras_file(save(model, tmp_path / f"m.{suffix}"), trust=False)
        np.testing.assert_allclose(network.run(picture()), np.asarray(model(picture())), atol=1e-6)


def test_operators_in_keras_3(tmp_path: Path) -> None:
    k = need("keras")
    pixels = k.layers.Input((16, 16, 1))
    model = k.Model(pixels, k.ops.relu(k.layers.Conv2D(2, 3, padding="same")(pixels)) * 2.0 + 1)
    network = load_keras_file(save(model, tmp_path / "m.keras"), trust=False)
    np.testing.assert_allclose(network.run(picture()), np.asarray(model(picture())), atol=1e-6)


def test_modules_as_keras_2_itself_names_them(tmp_path: Path) -> None:
    """Keras 2 was called keras when most of its files were written, and kept its classes elsewhere."""
    model = unet(need("tf_keras"))
    path = save(model, tmp_path / "m.keras")
    edited(path, lambda config: config | {"module": "keras.src.engine.functional"})
    np.testing.assert_allclose(
        load_keras_file(path, trust=False).run(picture()), np.asarray(model(picture())), atol=1e-6
    )


# -------------------------------------------------------------------------------------------------- code


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_lambda_is_not_run_without_trust(k: Any, suffix: str, tmp_path: Path) -> None:
    layers = k.layers
    inner = k.Sequential(
        [layers.Input((8, 8, 4)), layers.Lambda(lambda x: x * 3, output_shape=(8, 8, 4), name="evil")]
    )
    model = unet(k, middle=inner)
    path = save(model, tmp_path / f"m.{suffix}")
    message = r"^.+ can run code when it is loaded: 'evil' is Python code \(Lambda\)" + TRUST
    with pytest.raises(ModelError, match=message):
        load_keras_file(path, trust=False)
    trusted = load_keras_file(path, trust=True)
    np.testing.assert_allclose(trusted.run(picture()), np.asarray(model(picture())), atol=1e-6)


def test_lambda_in_hdf5_leaves_no_trace(tmp_path: Path) -> None:
    """Keras 2 runs the code of an HDF5 file as soon as it loads it."""
    k, h5py = need("tf_keras"), need("h5py")
    trace = tmp_path / "trace"
    path = save(unet(k, middle=k.layers.Lambda(lambda x: x, name="evil")), tmp_path / "m.h5")
    code = compile(f"open({str(trace)!r}, 'w').close()", "evil", "exec")
    with h5py.File(path, "a") as file:
        config = file.attrs["model_config"]
        layer = next(x for x in json.loads(config)["config"]["layers"] if x["class_name"] == "Lambda")
        harmless = json.dumps(layer["config"]["function"][0])
        evil = json.dumps(base64.b64encode(marshal.dumps(code)).decode())
        assert harmless in config
        file.attrs["model_config"] = config.replace(harmless, evil)
    with pytest.raises(ModelError, match="'evil' is Python code"):
        load_keras_file(path, trust=False)
    assert not trace.exists()


def test_classes_of_others(k: Any, tmp_path: Path) -> None:
    class Halved(k.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs / 2

    for suffix in SUFFIXES:
        path = save(unet(k, middle=Halved(name="half")), tmp_path / f"m.{suffix}")
        with pytest.raises(
            ModelError, match=rf"'half' is of a class that is not Keras' own \(Halved\){TRUST}"
        ):
            load_keras_file(path, trust=False)
        message = r" cannot be loaded by \w+: .+; if it needs classes of yours, load it in Python and give the model to"
        with pytest.raises(ModelError, match=message):
            load_keras_file(path, trust=True)


HOSTILE = [
    ({"module": "os", "class_name": "function", "config": "system"}, "function"),
    ({"module": "subprocess", "class_name": "Popen", "config": {}}, "Popen"),
    ({"module": "keras.utils", "class_name": "function", "config": "get_file"}, "function"),
    ({"module": "keras.utils", "class_name": "get_file", "config": {}}, "get_file"),
    ({"module": "keras.nowhere", "class_name": "Dense", "config": {}}, "Dense"),
    ({"module": "keras.layers", "class_name": "TFSMLayer", "config": {"name": "x"}}, "TFSMLayer"),
    ({"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}}, "TorchModuleWrapper"),
    ({"module": "builtins", "class_name": "exec", "config": {}}, "exec"),
    ({"module": None, "class_name": "mine>Dense", "config": {}}, "mine>Dense"),
    ({"class_name": "__lambda__", "config": {"value": ["", None, None]}}, "Lambda"),
    ({"module": ["keras"], "class_name": "Dense", "config": {}}, "Dense"),
    ({"module": "keras.layers", "class_name": ["Dense"], "config": {}}, "class without a name"),
    ({"class_name": "TFOpLambda", "config": {"name": "x", "function": "io.write_file"}}, "io.write_file"),
    ({"class_name": "TFOpLambda", "config": {"name": "x", "function": "py_function"}}, "py_function"),
    ({"class_name": "TFOpLambda", "config": {"name": "x", "function": "compat.v1.py_func"}}, "py_func"),
]


@pytest.mark.parametrize(("entry", "shown"), HOSTILE)
@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: [[x]], lambda x: {"class_name": "Conv2D", "config": {"a": x}}]
)
@pytest.mark.parametrize("package", PACKAGES)
def test_hostile_configs(package: str, wrap: Callable[[Any], Any], entry: Any, shown: str) -> None:
    need(package)
    found = list(suspects({"class_name": "Sequential", "config": {"layers": [wrap(entry)]}}, package))
    assert len(found) == 1
    assert shown in found[0][1]


@pytest.mark.parametrize("package", PACKAGES)
def test_hostile_file(package: str, tmp_path: Path) -> None:
    path = save(unet(need(package)), tmp_path / "m.keras")

    def change(config: Any) -> Any:
        config["config"]["layers"][1]["config"]["activation"] = {
            "module": "os", "class_name": "function", "config": "mkdir", "registered_name": "mkdir",
        }  # fmt: skip
        return config

    with pytest.raises(
        ModelError, match=r": '.*conv2d.*' runs code from outside of Keras \(function\)" + TRUST
    ):
        load_keras_file(edited(path, change), trust=False)


def test_however_deep_it_is_hidden() -> None:
    need("keras")
    config: Any = {"class_name": "Lambda", "config": {"name": "evil"}}
    for _ in range(10_000):
        config = [config]
    assert list(suspects(config, "keras")) == [("evil", "is Python code (Lambda)")]


# --------------------------------------------------------------------------------------------- bad files


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"m\.keras does not exist or is no file; check the path of the model$"
    ):
        load_keras_file(tmp_path / "m.keras", trust=False)


@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps({"weights": [1]}), b"\x89HDF"])
def test_no_keras_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(content)
    with pytest.raises(
        ModelError, match=r"m\.h5 is no Keras file: neither a \.keras nor an HDF5 file; save the model"
    ):
        load_keras_file(tmp_path / "m.h5", trust=True)


def test_cut_short(k: Any, tmp_path: Path) -> None:
    path = save(unet(k), tmp_path / "m.keras")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        ArchiveError, match=r"m\.keras is a damaged zip, probably cut short; copy or download it again$"
    ):
        load_keras_file(path, trust=False)
    path = save(unet(k), tmp_path / "m.h5")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(
        ModelError, match=r"m\.h5 is a damaged HDF5 file, probably cut short; copy or save it again$"
    ):
        load_keras_file(path, trust=False)


def test_damaged_weights(k: Any, tmp_path: Path) -> None:
    path = save(unet(k), tmp_path / "m.keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content[:500] if name.endswith(".h5") else content)
    with pytest.raises(ModelError, match=r"m\.keras holds damaged weights; copy or save it again$"):
        load_keras_file(path, trust=False)
    with pytest.raises(
        ModelError, match=r"m\.keras cannot be loaded by \w+: .+; if it needs classes of yours, load it"
    ):
        load_keras_file(path, trust=True)


def test_weights_only(k: Any, tmp_path: Path) -> None:
    for name in ("m.weights.h5", "old.h5")[: 1 if k.__name__ == "keras" else 2]:
        with quiet():
            unet(k).save_weights(tmp_path / name)
        with pytest.raises(
            ModelError, match=r"\.h5 holds weights only; save the whole model with model\.save$"
        ):
            load_keras_file(tmp_path / name, trust=False)


def test_hdf5_of_somebody_else(tmp_path: Path) -> None:
    with need("h5py").File(tmp_path / "data.h5", "w") as file:
        file["picture"] = np.zeros(3)
    with pytest.raises(
        ModelError, match=r"data\.h5 holds no Keras model; save the whole model with model\.save$"
    ):
        load_keras_file(tmp_path / "data.h5", trust=False)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.txt": "hello"}, r"is a zip, but no Keras file: it has no metadata\.json and config\.json$"),
        ({"metadata.json": "{", "config.json": "{}"}, r"has a damaged description of its model; save it again$"),
        ({"metadata.json": "{}", "config.json": "{}"}, r"does not say which Keras saved it; save it again with model"),
        ({"metadata.json": '{"keras_version": "x"}', "config.json": "{}"}, r"does not say which Keras saved it"),
        ({"metadata.json": '{"keras_version": 3}', "config.json": "{}"}, r"does not say which Keras saved it"),
        ({"metadata.json": '{"keras_version": "%s"}' % ("3" * 5000), "config.json": "{}"}, r"does not say which Keras"),
        ({"metadata.json": '{"keras_version": "\u0663.1"}', "config.json": "{}"}, r"does not say which Keras saved it"),
        ({"metadata.json": '{"keras_version": "3.1"}', "config.json": "[]"}, r"does not say which Keras saved it"),
        ({"metadata.json": '{"keras_version": "3.1"}', "config.json": "[" * 10**5}, r"has a damaged description"),
    ],
)  # fmt: skip
def test_zips_of_somebody_else(members: dict[str, str], message: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ModelError, match=message):
        load_keras_file(tmp_path / "m.keras", trust=False)


def test_hdf5_without_version_is_of_keras_2(tmp_path: Path) -> None:
    path = save(unet(need("tf_keras")), tmp_path / "m.h5")
    with need("h5py").File(path, "a") as file:
        del file.attrs["keras_version"]
    assert load_keras_file(path, trust=False).kind == "Keras 2 file"


@pytest.mark.parametrize("version", [b"\xff\xfe", b"2" * 5000, 3.5, [2, 15], np.bytes_(b""), "two"])
def test_hdf5_with_a_version_that_is_none(version: Any, tmp_path: Path) -> None:
    with need("h5py").File(tmp_path / "m.h5", "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["model_config"] = "{}"
    with pytest.raises(
        ModelError, match=r"m\.h5 does not say which Keras saved it; save it again with model\.save$"
    ):
        load_keras_file(tmp_path / "m.h5", trust=False)


def test_hdf5_with_attributes_that_cannot_be_read(tmp_path: Path) -> None:
    h5py = need("h5py")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "{}"
        space = h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5a.create(file.id, b"keras_version", h5py.h5t.NATIVE_B64, space)
    message = r"m\.h5 (is a damaged HDF5 file, probably cut short|does not say which Keras saved it); .+$"
    with pytest.raises(ModelError, match=message):
        load_keras_file(tmp_path / "m.h5", trust=False)


@pytest.mark.parametrize("config", [np.array([1, 2]), b"\xff", 1.5, "[" * 10**4])
def test_hdf5_with_a_damaged_description(config: Any, tmp_path: Path) -> None:
    with need("h5py").File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = config
    with pytest.raises(ModelError, match=r"m\.h5 has a damaged description of its model; save it again$"):
        load_keras_file(tmp_path / "m.h5", trust=False)


def test_slices_in_keras_3(tmp_path: Path) -> None:
    k = need("keras")
    pixels = k.layers.Input((16, 16, 1))
    x = k.ops.pad(k.layers.Conv2D(2, 3, padding="same")(pixels), [[0, 0], [1, 1], [1, 1], [0, 0]])
    model = k.Model(pixels, k.ops.transpose(x[:, 1:-1, 1:-1], [0, 1, 2, 3]))
    network = load_keras_file(save(model, tmp_path / "m.keras"), trust=False)
    np.testing.assert_allclose(network.run(picture()), np.asarray(model(picture())), atol=1e-6)
