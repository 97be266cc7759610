"""A frozen TensorFlow graph as ONNX, and as a SavedModel. The same graph gives the same bytes.

What is traced and frozen is not decided here. Only this module knows tf2onnx and the writer of SavedModels.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from czconverter import frameworks
from czconverter.graphs.canonical import canonical
from czconverter.graphs.check import check_onnx
from czconverter.graphs.dims import name_dims
from czconverter.loaders.freeze import Dims, Frozen
from czconverter.loaders.repeatable import repeatable
from czconverter.reasons import reason
from czengine.errors import ModelError, OptionError

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

_COPIES = "TF2ONNX_CATCH_ERRORS"  # tf2onnx's own variable
SIGNATURE, INPUT, OUTPUT = "serving_default", "input", "output"


def as_onnx(frozen: Frozen, opset: int) -> ModelProto:
    """The graph as ONNX: input "input", output "output", named dims, in canonical order.

    Raises
    ------
    OptionError
        Where tf2onnx does not know the opset.
    ModelError
        Where the graph has operators that ONNX has not.
    """
    tf2onnx = frameworks.load("tf2onnx")
    last = max(tf2onnx.constants.OPSET_TO_IR_VERSION)
    if opset > last:
        raise OptionError(f"opset is {opset}; TensorFlow networks can be written up to opset {last}")
    with frameworks.quiet(), repeatable():
        model = _converted(frozen, opset)
    _set_dims(model.graph.input[0], frozen.input_dims)
    _set_dims(model.graph.output[0], frozen.output_dims)
    named = canonical(name_dims(model), input_name=INPUT, output_name=OUTPUT)
    check_onnx(named)
    return named


def _without_erfc(graph: Any) -> Any:
    """A copy with 1 - erf(x) for erfc(x), which ONNX has not; Keras writes its exact GELU with it."""
    copy = type(graph)()
    copy.CopyFrom(graph)
    for node in [node for node in copy.node if node.op == "Erfc"]:
        kind = node.attr["T"]
        erf = copy.node.add(name=f"{node.name}/erf", op="Erf", input=list(node.input))
        one = copy.node.add(name=f"{node.name}/one", op="Const")
        one.attr["dtype"].CopyFrom(kind)
        one.attr["value"].tensor.dtype = kind.type
        one.attr["value"].tensor.tensor_shape.SetInParent()
        one.attr["value"].tensor.float_val.append(1.0)
        erf.attr["T"].CopyFrom(kind)
        node.op = "Sub"
        node.input[:] = [one.name, erf.name]
    return copy


def _converted(frozen: Frozen, opset: int) -> ModelProto:
    """What tf2onnx makes of it: first without its copies before each optimisation, which double memory and time.

    With them it leaves out what fails, so that is the second try.
    """
    before = os.environ.get(_COPIES)
    os.environ[_COPIES] = "FALSE"
    try:
        return _once(frozen, opset)
    except ModelError:
        del os.environ[_COPIES]
        return _once(frozen, opset)
    finally:
        os.environ.pop(_COPIES, None)
        if before is not None:
            os.environ[_COPIES] = before


def _once(frozen: Frozen, opset: int) -> ModelProto:
    convert = frameworks.load("tf2onnx").convert.from_graph_def
    try:
        model: ModelProto = convert(
            _without_erfc(frozen.graph), input_names=[frozen.input], output_names=[frozen.output], opset=opset
        )[0]
    except Exception as error:  # tf2onnx has no errors of its own: any handler of an operator may fail
        raise ModelError(f"the network cannot be written as ONNX: {reason(error)}") from error
    return model


def write_saved_model(frozen: Frozen, folder: Path) -> None:
    """Write the graph as a SavedModel without variables and functions of its own into an empty folder.

    The signature is "serving_default", with the key "input", as in archives that czmodel 5.1 writes.

    Raises
    ------
    ModelError
        Where TensorFlow cannot write it.
    """
    tf = frameworks.load("tensorflow")
    v1 = tf.compat.v1
    try:
        with frameworks.quiet(), tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
            ends = tf.import_graph_def(frozen.graph, name="", return_elements=[frozen.input, frozen.output])
            signature = v1.saved_model.predict_signature_def({INPUT: ends[0]}, {OUTPUT: ends[1]})
            builder = v1.saved_model.Builder(str(folder))
            # without default attributes, so that older TensorFlows in readers know all that is left
            builder.add_meta_graph_and_variables(
                session,
                [v1.saved_model.tag_constants.SERVING],
                {SIGNATURE: signature},
                strip_default_attrs=True,
            )
            builder.save()
    except Exception as error:  # a folder that cannot be written, or a graph that one message cannot hold
        raise ModelError(f"the network cannot be written as a SavedModel: {reason(error)}") from error
    _tidy(folder)


def _tidy(folder: Path) -> None:
    """Write the graph again, with its maps in order, and without the empty folder for variables."""
    messages = frameworks.load("tensorflow.core.protobuf.saved_model_pb2")
    path = folder / "saved_model.pb"
    model = messages.SavedModel.FromString(path.read_bytes())
    path.write_bytes(model.SerializeToString(deterministic=True))
    variables = folder / "variables"
    if variables.is_dir() and not any(variables.iterdir()):
        variables.rmdir()


def _set_dims(value: ValueInfoProto, dims: Dims) -> None:
    """What the traced function said about its shape; tf2onnx may have lost it on the way."""
    shape = value.type.tensor_type.shape
    shape.ClearField("dim")
    for size in dims:
        dim = shape.dim.add()
        if size is not None:
            dim.dim_value = size
