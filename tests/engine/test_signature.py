"""One image in, one image out: names, layouts, sizes and channels from the graph alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from czengine.errors import ModelError
from czengine.graph.signature import Port, Signature, match_ports, parse_onnx, read_signature
from tests.support.archives import onnx_network


def signature(**network: Any) -> Signature:
    return read_signature(parse_onnx(onnx_network(**network)))


def ports(*dims: int | None, name: str = "x", dtype: str = "float") -> list[Port]:
    return [Port(name=name, dtype=dtype, dims=dims)]


def layouts(
    source: tuple[int | None, ...], result: tuple[int | None, ...], channels: int | None = None
) -> str:
    found = match_ports(ports(*source), ports(*result), channels=channels)
    return f"{found.layout} {found.output_layout}"


def error(model: ModelProto | bytes) -> str:
    with pytest.raises(ModelError) as caught:
        read_signature(parse_onnx(model if isinstance(model, bytes) else model.SerializeToString()))
    return str(caught.value)


def edited(edit: Callable[[ModelProto], object], **network: Any) -> ModelProto:
    model = onnx.load_model_from_string(onnx_network(**network))
    edit(model)
    return model


def test_every_field() -> None:
    assert signature(height=64, width=32, channels=3, outputs=5, opset=18, ir_version=8) == Signature(
        input_name="input",
        output_name="output",
        layout="NHWC",
        output_layout="NHWC",
        size=(64, 32),
        channels=3,
        outputs=5,
        fixed_batch=None,
        opset=18,
        ir_version=8,
    )


@pytest.mark.parametrize(("batch", "fixed"), [("N", None), (None, None), (1, 1), (4, 4)])
def test_batch(batch: Any, fixed: int | None) -> None:
    assert signature(batch=batch).fixed_batch == fixed


def test_open_sizes() -> None:
    assert signature(height="h", width=None).size == (None, None)
    assert signature(height=64, width="w").size == (64, None)


def test_channels_first() -> None:
    found = signature(height=64, width=48, channels=3, layout="NCHW")
    assert (found.layout, found.output_layout, found.size) == ("NCHW", "NCHW", (64, 48))
    assert (found.channels, found.outputs) == (3, 2)


def test_dims_of_zero_are_open() -> None:
    model = edited(lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 0))
    assert read_signature(model).fixed_batch is None


# -------------------------------------------------------------------------------------------------- layouts


@pytest.mark.parametrize(
    ("source", "result", "channels", "expected"),
    [
        ((None, 128, 128, 1), (None, 128, 128, 2), 1, "NHWC NHWC"),
        ((None, 1, 128, 128), (None, 2, 128, 128), 1, "NCHW NCHW"),
        ((None, None, None, 1), (None, None, None, 2), 1, "NHWC NHWC"),
        ((None, 1, None, None), (None, 2, None, None), 1, "NCHW NCHW"),
        ((None, None, None, None), (None, None, None, None), None, "NHWC NHWC"),
        ((1, 512, 512, 1), (1, 512, 512, 1), 5, "NHWC NHWC"),  # a real archive that declares 5
        ((None, 128, 128, 1), (None, 2, 128, 128), 1, "NHWC NCHW"),
        ((None, 1, 128, 128), (None, 128, 128, 2), 1, "NCHW NHWC"),
        ((None, 64, 64, 64), (None, 64, 64, 64), 64, "NHWC NHWC"),
        ((None, 40, 128, 128), (None, 2, 128, 128), 40, "NCHW NCHW"),
        ((None, 128, 128, 40), (None, 128, 128, 2), 40, "NHWC NHWC"),
        ((None, 8, 8, 3), (None, 8, 8, 2), 3, "NHWC NHWC"),
        ((None, 3, 8, 8), (None, 2, 8, 8), 3, "NCHW NCHW"),
        ((None, 128, 128, 1), (None, 128, 128, None), 1, "NHWC NHWC"),
        ((None, 128, 128, 1), (None, None, None, 2), 1, "NHWC NHWC"),
        ((None, None, None, 1), (None, 2, None, None), 1, "NHWC NCHW"),
        ((None, 256, 128, 1), (None, 256, 128, 256), 1, "NHWC NHWC"),
    ],
)
def test_layouts(source: Any, result: Any, channels: int | None, expected: str) -> None:
    assert layouts(source, result, channels) == expected


def test_size_may_come_from_the_output() -> None:
    assert match_ports(ports(1, None, None, 1), ports(1, 64, 32, 2), channels=1).size == (64, 32)


@pytest.mark.parametrize(
    "result", [(None, 64, 64, 2), (None, 4, 1, 1), (None, 128, 64, 2), (None, 2, 64, 64)]
)
def test_another_size_comes_out(result: tuple[int | None, ...]) -> None:
    shape = " × ".join(str(dim or "?") for dim in result)
    with pytest.raises(ModelError) as caught:
        layouts((None, 128, 128, 1), result)
    assert str(caught.value) == (
        f"the network gives {shape} for an input of 128 × 128 pixels; height and width must stay the same"
    )


# ------------------------------------------------------------------------------------------- inputs and outputs


def test_initializers_among_the_inputs_are_none() -> None:
    """Before IR version 4 every weight was listed as an input, sometimes as the first."""

    def list_weights(model: ModelProto) -> None:
        image = model.graph.input.pop()
        weights = [
            helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in model.graph.initializer
        ]
        model.graph.input.extend([*weights, image])

    assert read_signature(edited(list_weights, ir_version=3)).input_name == "input"


def test_two_inputs() -> None:
    second = helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1])
    message = error(edited(lambda m: m.graph.input.append(second)))
    assert message == "the network has 2 inputs (input, mask); exactly one is supported"


def test_two_outputs() -> None:
    second = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1])
    message = error(edited(lambda m: m.graph.output.append(second)))
    assert message == "the network has 2 outputs (output, scores); exactly one is supported"


def test_no_output() -> None:
    message = error(edited(lambda m: m.graph.output.pop()))
    assert message == "the network has 0 outputs (none); exactly one is supported"


@pytest.mark.parametrize(("dtype", "name"), [(TensorProto.UINT8, "uint8"), (TensorProto.FLOAT16, "float16")])
def test_input_of_another_type(dtype: int, name: str) -> None:
    message = error(edited(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", dtype)))
    assert message == f"the network's input 'input' is {name}; only float (32 bit) is supported"


def test_output_of_another_type() -> None:
    message = error(
        edited(lambda m: setattr(m.graph.output[0].type.tensor_type, "elem_type", TensorProto.INT64))
    )
    assert message == "the network's output 'output' is int64; only float (32 bit) is supported"


def test_three_dimensional() -> None:
    value = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 16, 64, 64, 1])
    message = error(edited(lambda m: m.graph.input[0].CopyFrom(value)))
    assert message == "the network's input 'input' has 5 axes: 3-D networks are not supported yet"


def test_classifier() -> None:
    value = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 10])
    message = error(edited(lambda m: m.graph.output[0].CopyFrom(value)))
    assert message == (
        "the network's output 'output' has 2 axes; a picture for every picture is needed: batch, height, width,"
        " channels"
    )


def test_no_shape() -> None:
    message = error(edited(lambda m: m.graph.output[0].type.tensor_type.ClearField("shape")))
    assert message == "'output' of the network has no shape; export it again with shapes"


def test_sequence() -> None:
    value = helper.make_tensor_sequence_value_info("output", TensorProto.FLOAT, [1])
    message = error(edited(lambda m: m.graph.output[0].CopyFrom(value)))
    assert message == "'output' of the network is a sequence, not an image"


# -------------------------------------------------------------------------------------- not ONNX, not all there


@pytest.mark.parametrize(
    "data", [b"hello", b"\x89HDF\r\n\x1a\n" + bytes(64), b"\x80\x02}q\x00.", onnx_network()[:-9]]
)
def test_not_onnx(data: bytes) -> None:
    assert error(data) == "the network is neither an ONNX model nor a zipped SavedModel; export it again"


@pytest.mark.parametrize(
    "data", [b"\x08\x07", ModelProto(ir_version=7, producer_name="x").SerializeToString()]
)
def test_empty_onnx(data: bytes) -> None:
    assert error(data) == "the network is no ONNX model: it has no nodes or no operator set; export it again"


def outside(name: str = "far") -> TensorProto:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), name)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="model.onnx.data")
    return tensor


def constant(**attribute: Any) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["unused"], **attribute)


def subgraph() -> onnx.GraphProto:
    return helper.make_graph([constant(value=outside())], "inner", [], [])


def sparse() -> onnx.SparseTensorProto:
    index = numpy_helper.from_array(np.zeros(3, np.int64), "index")
    return helper.make_sparse_tensor(outside(), index, [3])


def function(node: onnx.NodeProto) -> onnx.FunctionProto:
    return helper.make_function("own", "F", [], ["unused"], [node], [helper.make_opsetid("", 18)])


@pytest.mark.parametrize(
    "hide",
    [
        lambda m: m.graph.initializer.append(outside()),
        lambda m: m.graph.sparse_initializer.append(sparse()),
        lambda m: m.graph.node.append(constant(value=outside())),
        lambda m: m.graph.node.append(constant(sparse_value=sparse())),
        lambda m: m.graph.node.append(helper.make_node("Own", [], [], many=[outside()], domain="own")),
        lambda m: m.graph.node.append(helper.make_node("If", ["c"], ["u"], then_branch=subgraph())),
        lambda m: m.graph.node.append(helper.make_node("Own", [], [], many=[subgraph()], domain="own")),
        lambda m: m.functions.append(function(constant(value=outside()))),
        lambda m: m.training_info.append(onnx.TrainingInfoProto(algorithm=subgraph())),
    ],
    ids=[
        "initializer",
        "sparse",
        "value",
        "sparse_value",
        "tensors",
        "graph",
        "graphs",
        "function",
        "training",
    ],
)
def test_weights_outside_are_found_wherever_they_hide(hide: Callable[[ModelProto], object]) -> None:
    assert error(edited(hide)) == (
        "the weights are not in the archive: tensor 'far' points to a file outside of it. czmodel 6.0 to 6.1.3 with"
        " torch 2.9 or newer loses them like this; export again with czmodel 6.2 or with czengine"
    )


@pytest.mark.parametrize("field", ["data_location", "external_data"])
def test_half_a_pointer_is_one(field: str) -> None:
    tensor = outside()
    tensor.ClearField(field)
    assert "tensor 'far' points to a file outside" in error(
        edited(lambda m: m.graph.initializer.append(tensor))
    )
