"""Keras files that try to run code, write or read files while they are loaded: each leaves a trace when it does."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from czconverter.frameworks import quiet
from czconverter.loaders.keras_files import load_keras_file
from czconverter.loaders.keras_functions import _HARMLESS, is_harmless
from czconverter.loaders.keras_safety import suspects
from czengine.errors import ModelError
from tests.support.frameworks import need
from tests.support.keras_models import PACKAGES, unet

Entry = dict[str, Any]
TRUST = r"; give --trust if you know who made the file$"


@pytest.fixture(scope="module", params=PACKAGES)
def k(request: pytest.FixtureRequest) -> Any:
    need("h5py")
    return need(request.param)


def save(model: Any, path: Path) -> Path:
    with quiet():
        model.save(path)
    return path


def with_layer(path: Path, layer: Entry) -> Path:
    """An HDF5 file of Keras 2 with one more layer in its config."""
    with need("h5py").File(save(unet(need("tf_keras")), path), "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"].append(layer)
        file.attrs["model_config"] = json.dumps(config)
    return path


def call(function: str, *constants: Any, kind: str = "TFOpLambda", **named: Any) -> Entry:
    """A layer that calls a function of TensorFlow with constants: Keras does so while it loads the file."""
    nodes = [["_CONSTANT_VALUE", -1, constants[0], named]]
    config = {"name": "evil", "trainable": True, "dtype": "float32", "function": function}
    return {"class_name": kind, "name": "evil", "config": config, "inbound_nodes": nodes}


@pytest.mark.parametrize("function", ["compat.v1.write_file", "io.write_file", "compat.v1.io.write_file"])
@pytest.mark.parametrize("kind", ["TFOpLambda", "SlicingOpLambda"])
def test_a_function_that_writes_is_not_called(function: str, kind: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = with_layer(tmp_path / "m.h5", call(function, str(trace), kind=kind, contents="mine"))
    with pytest.raises(
        ModelError,
        match=rf"m\.h5 can run code when it is loaded: 'evil' calls tf\.{function}, which .+{TRUST}",
    ):
        load_keras_file(path, trust=False)
    assert not trace.exists()


def test_such_attacks_work_where_they_are_trusted(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = with_layer(tmp_path / "m.h5", call("compat.v1.write_file", str(trace), contents="mine"))
    with contextlib.suppress(ModelError):
        load_keras_file(path, trust=True)
    assert trace.read_text() == "mine"


def test_print_writes_files(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = with_layer(tmp_path / "m.h5", call("print", "mine", output_stream=f"file://{trace}"))
    with pytest.raises(ModelError, match=r"'evil' calls tf\.print, which is not known to be harmless"):
        load_keras_file(path, trust=False)
    assert not trace.exists()


OUTWARD = """
    write_file read_file matching_files io.read_file io.gfile.GFile compat.v1.gfile.Open print compat.v1.Print py_func
    compat.v1.py_func py_function numpy_function load_library load_op_library compat.v1.load_file_system_library
    debugging.enable_dump_debug_info debugging.assert_equal debugging.Assert profiler.experimental.start
    profiler.experimental.server.start test.main test.create_local_cluster compat.v1.test.get_temp_dir data.Dataset
    data.experimental.save saved_model.load saved_model.save raw_ops.WriteFile summary.create_file_writer
    train.Checkpoint compat.v1.train.Saver keras.utils.get_file keras.models.load_model keras.backend.print_tensor
    keras.backend.function keras.layers.Lambda distribute.Server experimental.dlpack.from_dlpack autograph.to_graph
    map_fn while_loop cond case foldl scan vectorized_map function custom_gradient recompute_grad Variable Session
    import_graph_def nn.fixed_unigram_candidate_sampler random.fixed_unigram_candidate_sampler image.decode_image
    config.list_logical_devices sysconfig.get_lib resource_loader.load_resource lookup.TextFileInitializer
    strings.format compat.v1.app.run rpc_server_start __internal__.distribute.multi_process_runner.run
    __internal__.saved_model.parse_saved_model __internal__.decorator.make_decorator __operators__.nothing math nn
    math.nothing math.abs.x compat.v3.abs
"""


@pytest.mark.parametrize("function", [*OUTWARD.split(), "abs\n"])
@pytest.mark.parametrize("kind", ["TFOpLambda", "SlicingOpLambda"])
def test_functions_that_reach_out(function: str, kind: str) -> None:
    need("tf_keras")
    ((name, why),) = suspects(call(function, "x", kind=kind), "tf_keras")
    assert (name, why) == ("evil", f"calls tf.{function}, which is not known to be harmless")


@pytest.mark.parametrize("function", [None, 3, ["nn.relu"], {}, ""])
def test_functions_without_a_name(function: Any) -> None:
    need("tf_keras")
    assert len(list(suspects(call(function, "x"), "tf_keras"))) == 1
    assert len(list(suspects({"class_name": "TFOpLambda", "config": "nn.relu"}, "tf_keras"))) == 1


def test_harmless_functions_are_functions_of_tensorflow() -> None:
    """None of them is a class, and each is known by that name, now or in TensorFlow 1."""
    need("tf_keras")
    find = need("tensorflow.python.util.tf_export").get_symbol_from_name
    for name in sorted(_HARMLESS):
        found = [symbol for prefix in ("", "compat.v1.") if (symbol := find(prefix + name)) is not None]
        assert found, name
        assert not any(isinstance(symbol, type) for symbol in found), name
        assert is_harmless(name)
        assert is_harmless(f"compat.v1.{name}")


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("TensorFlowOpLayer", {"name": "evil", "node_def": 'name: "x" op: "WriteFile"', "constants": {}}),
        ("ClassMethod", {"name": "evil", "cls_symbol": "io.gfile.GFile", "method_name": "write"}),
        ("InstanceMethod", {"name": "evil", "attr_name": "__class__"}),
        ("InstanceProperty", {"name": "evil", "attr_name": "__class__"}),
    ],
)
@pytest.mark.parametrize("module", [None, "keras.src.engine.base_layer", "keras.src.layers.core.tf_op_layer"])
def test_layers_that_call_what_they_are_told(kind: str, config: Entry, module: str | None) -> None:
    need("tf_keras")
    entry = {"class_name": kind, "module": module, "config": config}
    ((name, why),) = suspects({"class_name": "Functional", "config": {"layers": [entry]}}, "tf_keras")
    assert (name, why) == ("evil", f"runs code from outside of Keras ({kind})")


def test_dangerous_classes_under_another_name(monkeypatch: pytest.MonkeyPatch, k: Any) -> None:
    monkeypatch.setattr(k.layers, "Innocent", k.layers.Lambda, raising=False)
    monkeypatch.setattr(k.layers, "Child", type("Child", (k.layers.Lambda,), {}), raising=False)
    for kind in ("Innocent", "Child"):
        entry = {"class_name": kind, "module": "keras.layers", "config": {"name": "evil"}}
        assert len(list(suspects(entry, k.__name__))) == 1


@pytest.mark.parametrize(
    "entry",
    [
        {"class_name": "CSVLogger", "module": "keras.callbacks", "config": {"filename": "x"}},
        {"class_name": "FileEditor", "module": "keras.src.saving.file_editor", "config": {}},
        {"class_name": "ExportArchive", "module": "keras.export", "config": {}},
        {"class_name": "Model", "module": "os", "config": {}},
    ],
)
def test_classes_of_keras_that_are_no_layers(entry: Entry, k: Any) -> None:
    ((_, why),) = suspects(entry, k.__name__)
    assert why == f"is of a class that is not Keras' own ({entry['class_name']})"


@pytest.mark.parametrize("kind", ["StringLookup", "IntegerLookup", "TextVectorization"])
def test_a_vocabulary_is_not_read_from_this_computer(kind: str, k: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("1\n2\n")
    config = {"name": "evil", "vocabulary": str(secret)}
    entry = {"class_name": kind, "module": "keras.layers", "config": config}
    ((_, why),) = suspects(entry, k.__name__)
    assert why == f"reads a file of this computer ({str(secret)!r})"
    inside = entry | {"config": config | {"vocabulary": ["1", "2"]}}
    assert list(suspects(inside, k.__name__)) == []


def test_operations_that_call_functions(tmp_path: Path) -> None:
    """Keras 3 has operations such as Map; the function they call has to be in the config, too."""
    need("keras")
    function = {"class_name": "function", "module": "builtins", "config": "eval", "registered_name": "eval"}
    entry = {
        "class_name": "Map",
        "module": "keras.src.ops.core",
        "config": {"name": "evil", "function": function},
    }
    ((name, why),) = suspects(entry, "keras")
    assert (name, why) == ("evil", "runs code from outside of Keras (function)")


def test_a_saved_model_as_a_layer(tmp_path: Path) -> None:
    k = need("keras")
    tf, trace = need("tensorflow"), tmp_path / "trace"

    class Evil(tf.Module):  # type: ignore[misc, name-defined]
        @tf.function(input_signature=[tf.TensorSpec((None, 16, 16, 2))])
        def __call__(self, x: Any) -> Any:
            tf.io.write_file(str(trace), "mine")
            return x

    with quiet():
        tf.saved_model.save(Evil(), str(tmp_path / "sm"), signatures=Evil().__call__)
        layer = k.layers.TFSMLayer(str(tmp_path / "sm"), call_endpoint="serving_default", name="evil")
    pixels = k.layers.Input((16, 16, 2))
    path = save(k.Model(pixels, k.layers.Conv2D(2, 1)(pixels)), tmp_path / "m.keras")
    change_config(path, lambda config: config["config"]["layers"].append(
        {"class_name": "TFSMLayer", "module": "keras.layers", "config": layer.get_config(), "name": "evil"}
    ))  # fmt: skip
    with pytest.raises(ModelError, match=rf"'evil' runs code from outside of Keras \(TFSMLayer\){TRUST}"):
        load_keras_file(path, trust=False)
    assert not trace.exists()


def change_config(path: Path, edit: Callable[[Any], None]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    edit(config)
    rewrite(path, members | {"config.json": json.dumps(config).encode()})


def rewrite(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


# ------------------------------------------------------------------------------------------- weights elsewhere


def _link(file: Any, other: Path) -> str:
    file["elsewhere"] = need("h5py").ExternalLink(str(other), "/secret")
    return "/elsewhere"


def _deep_link(file: Any, other: Path) -> str:
    group = file.create_group("a/b/c")
    group["back"] = file["a"]  # in circles
    group["elsewhere"] = need("h5py").ExternalLink(str(other), "/secret")
    return "/a/b/c/elsewhere"


def _storage(file: Any, other: Path) -> str:
    file.create_dataset("numbers", (4,), "u1", external=[(str(other), 0, 4)])
    return "/numbers"


def _virtual(file: Any, other: Path) -> str:
    h5py = need("h5py")
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource(str(other), "secret", (4,))
    file.create_virtual_dataset("numbers", layout)
    return "/numbers"


@pytest.mark.parametrize("place", [_link, _deep_link, _storage, _virtual])
@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_weights_of_other_files(
    place: Callable[[Any, Path], str], suffix: str, k: Any, tmp_path: Path
) -> None:
    h5py, other = need("h5py"), tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.arange(4, dtype="u1")
    path = save(unet(k), tmp_path / f"m.{suffix}")
    if suffix == "h5":
        with h5py.File(path, "r+") as file:
            name = place(file, other)
    else:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        (tmp_path / "w.h5").write_bytes(members["model.weights.h5"])
        with h5py.File(tmp_path / "w.h5", "r+") as file:
            name = place(file, other)
        rewrite(path, members | {"model.weights.h5": (tmp_path / "w.h5").read_bytes()})
    message = rf"reads further files when it is loaded: its weights '{name}' lie outside of it{TRUST}"
    with pytest.raises(ModelError, match=message):
        load_keras_file(path, trust=False)
    assert load_keras_file(path, trust=True).channels == 1


def test_links_inside_a_file_are_let_pass(k: Any, tmp_path: Path) -> None:
    path = save(unet(k), tmp_path / "m.h5")
    with need("h5py").File(path, "r+") as file:
        file["again"] = need("h5py").SoftLink("/model_weights")
        file["nowhere"] = need("h5py").SoftLink("/nothing")
        file["root"] = file["/"]
    assert load_keras_file(path, trust=False).channels == 1
