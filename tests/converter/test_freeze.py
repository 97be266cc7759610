"""TensorFlow functions as frozen graphs, and what is written from them: the same function, the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from czconverter.loaders.exports import write_saved_model
from czconverter.loaders.freeze import freeze, number_functions, trace
from czconverter.loaders.tensorflow import TensorFlowNetwork
from czengine.errors import ModelError
from czengine.graph.saved_model import read_signature
from tests.support.frameworks import need
from tests.support.keras_models import PACKAGES, Array, nested, normalised, picture, run_onnx, unet

OPEN = (None, None, None, 1)


@pytest.fixture(scope="module")
def tf() -> Any:
    need("tf2onnx")
    return need("tensorflow")


def network_of(function: Any, **fields: Any) -> TensorFlowNetwork:
    return TensorFlowNetwork(call=function, kind="function", framework="tensorflow", **fields)


def looping(tf: Any) -> Any:
    """Variables, captured constants, a loop and a branch, each of which becomes functions in a graph."""
    weights, captured = tf.Variable([2.0]), tf.constant([0.5])

    def function(x: Any) -> Any:
        x = tf.map_fn(lambda single: single * weights + captured, x)
        return tf.cond(tf.reduce_mean(x) > 0, lambda: x + 1, lambda: x - captured)

    return function


def test_everything_is_inside(tf: Any) -> None:
    frozen = freeze(looping(tf), OPEN)
    operators = {node.op for node in frozen.graph.node}
    assert not {"VarHandleOp", "ReadVariableOp"} & operators
    assert sum(node.op == "Placeholder" for node in frozen.graph.node) == 1
    assert (frozen.input, frozen.input_dims, frozen.output_dims) == ("input:0", OPEN, OPEN)


def test_functions_are_numbered_in_order_of_use(tf: Any) -> None:
    names = [function.signature.name for function in freeze(looping(tf), OPEN).graph.library.function]
    assert names == [f"function_{i}" for i in range(4)]


def test_numbering_twice_changes_nothing(tf: Any) -> None:
    graph = freeze(looping(tf), OPEN).graph
    before = graph.SerializeToString(deterministic=True)
    number_functions(graph)
    assert graph.SerializeToString(deterministic=True) == before


def test_functions_without_use_are_dropped(tf: Any) -> None:
    graph = freeze(looping(tf), OPEN).graph
    graph.library.function.add().signature.name = "left_over"
    number_functions(graph)
    assert "left_over" not in {function.signature.name for function in graph.library.function}


def test_the_same_function_gives_the_same_bytes(tf: Any) -> None:
    function = looping(tf)
    first, second = (freeze(function, OPEN) for _ in range(2))
    assert first.graph.SerializeToString(deterministic=True) == second.graph.SerializeToString(
        deterministic=True
    )


def test_loops_and_branches_run_as_onnx(tf: Any) -> None:
    network = network_of(looping(tf), channels=1)
    np.testing.assert_allclose(
        run_onnx(network.to_onnx(17), picture(8, 8)), network.run(picture(8, 8)), atol=1e-5
    )


@pytest.mark.parametrize("name", ["float16", "float64"])
def test_output_is_float32(tf: Any, name: str) -> None:
    network = network_of(lambda x: tf.cast(x, name) * 2, channels=1, size=(8, 8))
    assert network.run(picture(8, 8)).dtype == np.float32
    assert run_onnx(network.to_onnx(17), picture(8, 8)).dtype == np.float32


def test_single_pictures(tf: Any) -> None:
    network = network_of(
        lambda x: tf.ensure_shape(x, (1, None, None, 1)) + 1, channels=1, size=(8, 8), single=True
    )
    batch = picture(8, 8, batch=5)
    np.testing.assert_allclose(network.run(batch), batch + 1)
    assert network.to_onnx(17).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_rank_that_nobody_knows(tf: Any) -> None:
    def function(x: Any) -> Any:
        return tf.reshape(x, tf.concat([tf.shape(x)[:2], tf.shape(x)[2:]], 0)[: tf.size(x) * 0 + 4])

    network = network_of(function, channels=1).sized(8, 8, 1)
    np.testing.assert_allclose(run_onnx(network.to_onnx(17), picture(8, 8)), picture(8, 8))


def test_errors_of_tracing_are_one_sentence(tf: Any) -> None:
    def broken(x: Any) -> Any:
        raise ValueError("first line\nsecond line")

    with pytest.raises(ModelError, match=r"^TensorFlow cannot make a graph of the network: first line$"):
        trace(broken, OPEN)


# ---------------------------------------------------------------------------------------------- SavedModel


@pytest.fixture(scope="module", params=PACKAGES)
def network(request: pytest.FixtureRequest) -> TensorFlowNetwork:
    from czconverter.loaders.keras import from_keras

    return from_keras(normalised(need(request.param)))


def test_saved_model(tf: Any, network: TensorFlowNetwork, tmp_path: Path) -> None:
    network.to_saved_model(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["saved_model.pb"]
    signature = read_signature((tmp_path / "saved_model.pb").read_bytes())
    assert signature is not None
    assert (signature.input_name, signature.size, signature.channels) == ("input:0", (16, 16), 1)
    assert (signature.outputs, signature.fixed_batch) == (2, None)
    np.testing.assert_allclose(served(tf, tmp_path, picture()), network.run(picture()), atol=1e-6)


def served(tf: Any, folder: Path, batch: Array) -> Array:
    function = tf.saved_model.load(str(folder)).signatures["serving_default"]
    return np.asarray(function(input=tf.constant(batch))["output"])


def test_saved_model_has_no_functions_and_variables(network: TensorFlowNetwork, tmp_path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    network.to_saved_model(tmp_path)
    (graph,) = saved_model_pb2.SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes()).meta_graphs
    assert not graph.graph_def.library.function
    assert "VarHandleOp" not in {node.op for node in graph.graph_def.node}


def test_saved_model_with_steps(tf: Any, network: TensorFlowNetwork, tmp_path: Path) -> None:
    from czconverter.steps import Scale

    network.to_saved_model(tmp_path, before=[Scale(0.5)], after=[Scale(2.0)])
    expected = network.run(picture() / 2) * 2
    np.testing.assert_allclose(served(tf, tmp_path, picture()), expected, atol=1e-6)


@pytest.mark.parametrize("package", PACKAGES)
def test_saved_model_of_the_same_model_has_the_same_bytes(package: str, tmp_path: Path) -> None:
    from czconverter.loaders.keras import from_keras

    model = from_keras(nested(need(package)))
    for name in ("first", "second"):
        model.to_saved_model(tmp_path / name)
    first, second = ((tmp_path / name / "saved_model.pb").read_bytes() for name in ("first", "second"))
    assert first == second


def test_saved_model_with_loops_has_the_same_bytes(tf: Any, tmp_path: Path) -> None:
    model = network_of(looping(tf), channels=1)
    for name in ("first", "second"):
        model.to_saved_model(tmp_path / name)
    first, second = ((tmp_path / name / "saved_model.pb").read_bytes() for name in ("first", "second"))
    assert first == second
    np.testing.assert_allclose(
        served(tf, tmp_path / "first", picture(8, 8)), model.run(picture(8, 8)), atol=1e-6
    )


def test_saved_model_of_an_open_size(tf: Any, tmp_path: Path) -> None:
    from czconverter.loaders.keras import from_keras

    model = from_keras(unet(need("tf_keras"), None, None))
    model.to_saved_model(tmp_path)
    np.testing.assert_allclose(served(tf, tmp_path, picture(16, 8)), model.run(picture(16, 8)), atol=1e-6)


def test_saved_model_in_a_folder_that_has_something(tf: Any, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    with pytest.raises(ModelError, match=r"^the network cannot be written as a SavedModel: Export directory"):
        write_saved_model(freeze(lambda x: x + 1, OPEN), tmp_path)
