"""SavedModels that do more than compute: each writes a file when it is loaded or run, and none is written."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from czconverter.frameworks import quiet
from czconverter.loaders.saved_model import load_saved_model, load_saved_model_zip
from czengine.errors import ModelError
from czengine.graph import saved_model_ops
from czengine.graph.saved_model_ops import forbidden_operators
from tests.support.frameworks import need
from tests.support.keras_models import PACKAGES, picture, unet

N, T, SLICES = [""], ["float32"], {"shape_and_slices": [""]}
REFUSED = r" may do more than compute when it is loaded or run: it holds the operators {}; give --trust if you know who"


@pytest.fixture(scope="module")
def tf() -> Any:
    return need("tensorflow")


def save(tf: Any, function: Callable[[Any], Any], folder: Path) -> Path:
    """A SavedModel whose signature does this to a picture."""
    module = tf.Module()
    module.weights = tf.Variable([2.0])
    spec = tf.TensorSpec((None, 8, 8, 1), name="image")
    module.call = tf.function(lambda image: function(image) * module.weights, input_signature=[spec])
    with quiet():
        tf.saved_model.save(module, str(folder), signatures=module.call)
    return folder


def zipped(folder: Path) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for path in folder.rglob("*"):
            if path.is_file():
                file.write(path, path.relative_to(folder).as_posix())
    return target.getvalue()


def changed(tf: Any, folder: Path, edit: Callable[[Any], None]) -> Path:
    """The SavedModel with its first graph edited by hand."""
    path = folder / "saved_model.pb"
    model = need("tensorflow.core.protobuf.saved_model_pb2").SavedModel.FromString(path.read_bytes())
    edit(model.meta_graphs[0])
    path.write_bytes(model.SerializeToString())
    return folder


def refuses(folder: Path, *names: str) -> None:
    with pytest.raises(ModelError, match=REFUSED.format(", ".join(names))):
        load_saved_model(folder)


def test_a_signature_that_writes(tf: Any, tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    def evil(image: Any) -> Any:
        tf.io.write_file(str(trace), "mine")
        return image

    folder = save(tf, evil, tmp_path / "m")
    refuses(folder, "WriteFile")
    with pytest.raises(ModelError, match=r"^the zipped SavedModel" + REFUSED.format("WriteFile")):
        load_saved_model_zip(zipped(folder), tmp_path / "unpacked")
    assert not trace.exists()
    load_saved_model(folder, trust=True).run(picture(8, 8, 1))
    assert trace.read_text() == "mine"  # the attack is one


def test_the_message_names_five_operators(tf: Any, tmp_path: Path) -> None:
    def evil(image: Any) -> Any:
        x = tf.io.read_file("nothing")
        tf.print(x)
        tf.io.write_file(x, tf.strings.lower(tf.strings.upper(tf.strings.strip(tf.io.encode_base64(x)))))
        return image

    folder = save(tf, evil, tmp_path)
    refuses(folder, "EncodeBase64", "PrintV2", "ReadFile", "StringLower", "StringStrip and others")


@pytest.mark.parametrize(
    ("evil", "name"),
    [
        (lambda tf, x, path: tf.print("mine", output_stream=f"file://{path}"), "PrintV2"),
        (lambda tf, x, path: tf.io.read_file(path), "ReadFile"),
        (lambda tf, x, path: tf.io.matching_files(path), "MatchingFiles"),
        (lambda tf, x, path: tf.py_function(lambda: None, [], []), "EagerPyFunc"),
        (lambda tf, x, path: tf.numpy_function(lambda: 1.0, [], tf.float32), "PyFunc"),
        (lambda tf, x, path: tf.raw_ops.ImmutableConst(dtype=1, shape=[1], memory_region_name=path), "ImmutableConst"),
        (lambda tf, x, path: tf.raw_ops.SaveV2(prefix=path, tensor_names=N, shape_and_slices=N, tensors=[x]), "SaveV2"),
        (lambda tf, _, path: tf.raw_ops.RestoreV2(prefix=path, tensor_names=N, dtypes=T, **SLICES), "RestoreV2"),
        (lambda tf, x, path: tf.raw_ops.DebugIdentity(input=x, debug_urls=[f"file://{path}"]), "DebugIdentity"),
    ],
)  # fmt: skip
def test_operators_that_reach_out(tf: Any, tmp_path: Path, evil: Callable[..., Any], name: str) -> None:
    def function(image: Any) -> Any:
        evil(tf, image, str(tmp_path / "trace"))
        return image

    folder = save(tf, function, tmp_path / "m")
    assert name in forbidden_operators((folder / "saved_model.pb").read_bytes())
    with pytest.raises(ModelError, match="may do more than compute"):
        load_saved_model(folder)
    assert list(tmp_path.iterdir()) == [folder]


def test_hidden_in_a_branch_of_a_loop(tf: Any, tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    def body(i: Any, x: Any) -> Any:
        def evil() -> Any:
            with tf.control_dependencies([tf.io.write_file(str(trace), "mine")]):
                return x + 1

        return i + 1, tf.cond(tf.reduce_sum(x) > 1e9, evil, lambda: x)

    def function(image: Any) -> Any:
        return tf.while_loop(lambda i, x: i < 3, body, (0, image))[1]

    refuses(save(tf, function, tmp_path / "m"), "WriteFile")
    assert not trace.exists()


def test_the_savers_own_functions_must_not_be_called(tf: Any, tmp_path: Path) -> None:
    """Saving writes files wherever it is told to; it is in every SavedModel, but nothing else may lead to it."""

    def saver(graph: Any) -> str:
        functions = graph.graph_def.library.function
        return next(f.signature.name for f in functions if any(n.op == "SaveV2" for n in f.node_def))

    def from_a_function(graph: Any) -> None:
        caller = next(f for f in graph.graph_def.library.function if f.signature.name != saver(graph))
        node = caller.node_def.add(name="evil", op="StatefulPartitionedCall")
        node.attr["f"].func.name = saver(graph)

    def from_an_object(graph: Any) -> None:
        node = next(n for n in graph.object_graph_def.nodes if n.HasField("function"))
        node.function.concrete_functions[0] = saver(graph)

    def from_a_signature(graph: Any) -> None:
        tensor = next(iter(graph.signature_def["serving_default"].outputs.values()))
        tensor.name = graph.saver_def.save_tensor_name

    def while_restoring(graph: Any) -> None:
        graph.saver_def.restore_op_name = graph.saver_def.save_tensor_name

    for i, edit in enumerate((from_a_function, from_an_object, from_a_signature, while_restoring)):
        folder = save(tf, lambda image: image, tmp_path / str(i))
        assert load_saved_model(folder) is not None
        changed(tf, folder, edit)
        assert "SaveV2" in forbidden_operators((folder / "saved_model.pb").read_bytes()), edit.__name__


# ------------------------------------------------------------------------------------------------ TensorFlow 1


def save_v1(tf: Any, folder: Path, *, evil: Callable[[Any], Any] | None = None, savers: int = 0) -> Path:
    """A SavedModel of TensorFlow 1 that runs what `evil` makes as soon as it is loaded."""
    v1 = tf.compat.v1
    with quiet(), tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        image = v1.placeholder(tf.float32, (None, None, None, 1), name="image")
        weights = v1.get_variable("weights", initializer=[2.0, 3.0], use_resource=True)
        for _ in range(savers):
            v1.train.Saver()
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def({"image": image}, {"scores": image * weights})
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature},
            main_op=evil(graph) if evil else None,
            assets_collection=None,
        )
        builder.save()
    return folder


def test_tensorflow_1_with_several_savers(tf: Any, tmp_path: Path) -> None:
    assert load_saved_model(save_v1(tf, tmp_path / "m", savers=2)).channels == 1


def test_what_tensorflow_1_runs_at_the_start(tf: Any, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    folder = save_v1(tf, tmp_path / "m", evil=lambda graph: tf.io.write_file(str(trace), "mine"))
    refuses(folder, "WriteFile")
    assert not trace.exists()
    with contextlib.suppress(ModelError):
        load_saved_model(folder, trust=True)
    assert trace.read_text() == "mine"


def test_an_asset_that_is_read_at_the_start(tf: Any, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("one\ntwo\n")

    def table(graph: Any) -> Any:
        source = tf.lookup.TextFileInitializer(str(words), tf.string, 0, tf.int64, 1)
        return tf.compat.v1.lookup.StaticHashTable(source, 1).initializer

    refuses(save_v1(tf, tmp_path / "m", evil=table), "HashTableV2", "InitializeTableFromTextFileV2")


def test_what_reads_the_variables_of_tensorflow_1(tf: Any, tmp_path: Path) -> None:
    """The node that reads a variable is found by its name, and run whatever it does."""
    trace = tmp_path / "trace"

    def edit(graph: Any) -> None:
        nodes = {node.name: node for node in graph.graph_def.node}
        writer = next(node for node in nodes.values() if node.op == "SaveV2")
        read = nodes["weights/Read/ReadVariableOp"]
        place = graph.graph_def.node.add(name="place", op="Const")
        place.attr["dtype"].type = 7
        place.attr["value"].tensor.dtype = 7
        place.attr["value"].tensor.tensor_shape.SetInParent()
        place.attr["value"].tensor.string_val.append(str(trace).encode())
        evil = graph.graph_def.node.add(
            name="evil", op="SaveV2", input=["place", *writer.input[1:3], "values"]
        )
        evil.attr["dtypes"].list.type.append(1)
        values = graph.graph_def.node.add(name="values", op="ReadVariableOp", input=["weights"])
        values.attr["dtype"].type = 1
        read.input.append("^evil")

    folder = changed(tf, save_v1(tf, tmp_path / "m"), edit)
    refuses(folder, "SaveV2")
    assert not list(tmp_path.glob("trace*"))
    load_saved_model(folder, trust=True)
    assert list(tmp_path.glob("trace*"))  # the attack is one


# ------------------------------------------------------------------------------------------------ what is let pass


def test_operators_that_are_let_pass_are_operators(tf: Any) -> None:
    registered = need("tensorflow.python.framework.op_def_registry")
    names = saved_model_ops._COMPUTING | saved_model_ops._SAVING | saved_model_ops._RESTORING
    assert [name for name in sorted(names) if registered.get(name) is None] == []


def test_training_leaves_nothing_behind_that_is_refused(tf: Any, tmp_path: Path) -> None:
    k = need("tf_keras")
    model = unet(k)
    with quiet():
        model.compile("adam", "mse", metrics=["mae"])
        model.fit(picture(batch=2), picture(channels=2, batch=2), epochs=1, verbose=0)
        model.save(tmp_path / "m", save_format="tf")
    assert load_saved_model(tmp_path / "m").channels == 1


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(
    "name",
    ["Conv2DTranspose", "DepthwiseConv2D", "SeparableConv2D", "GroupNormalization", "LayerNormalization", "PReLU",
     "SpatialDropout2D", "GaussianNoise", "RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast", "Resizing",
     "MultiHeadAttention", "UnitNormalization", "ConvLSTM"],
)  # fmt: skip
def test_layers_of_keras(tf: Any, package: str, name: str, tmp_path: Path) -> None:
    k = need(package)
    arguments: dict[str, tuple[Any, ...]] = {
        "Conv2DTranspose": (2, 3), "DepthwiseConv2D": (3,), "SeparableConv2D": (2, 3), "GroupNormalization": (2,),
        "SpatialDropout2D": (0.5,), "GaussianNoise": (0.5,), "RandomRotation": (0.5,), "RandomZoom": (0.5,),
        "RandomContrast": (0.5,), "Resizing": (8, 8), "MultiHeadAttention": (1, 2),
    }  # fmt: skip
    pixels = x = k.layers.Input((8, 8, 2))
    if name == "ConvLSTM":
        x = k.layers.ConvLSTM2D(2, 3, padding="same")(k.layers.Reshape((1, 8, 8, 2))(x))
    elif name == "MultiHeadAttention":
        x = k.layers.MultiHeadAttention(1, 2)(x, x)
    else:
        x = getattr(k.layers, name)(*arguments.get(name, ()))(x)
    model = k.Model(pixels, x)
    with quiet():
        model.save(tmp_path, save_format="tf") if package == "tf_keras" else model.export(
            tmp_path, verbose=False
        )
    assert forbidden_operators((tmp_path / "saved_model.pb").read_bytes()) == ()
