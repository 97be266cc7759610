"""Every operator that slides, with odd settings and sizes, alone and in chains, against changing single columns.

Whatever is seen to be read must be in the span that is claimed, and where nothing can hide, nothing else may be.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from czengine.graph.lines import Line
from czengine.graph.tensors import Tensor
from czengine.graph.walk import Walk

HEIGHT = 5
Node = tuple[str, list[NDArray[Any] | str], dict[str, Any]]


def chain(nodes: list[Node], *, opset: int = 19) -> ModelProto:
    """A network of one channel, channels-first; every node reads the one before and its own constants."""
    made, weights, last = [], [], "x"
    for i, (operator, inputs, attributes) in enumerate(nodes):
        names = [last]
        for values in inputs:
            if isinstance(values, str):
                names.append(values)
            else:
                names.append(f"w{len(weights)}")
                weights.append(numpy_helper.from_array(values, names[-1]))
        last = f"t{i}"
        made.append(helper.make_node(operator, names, [last], **attributes))
    made.append(helper.make_node("Identity", [last], ["y"]))
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 1, None, None]) for n in "xy"]
    graph = helper.make_graph(made, "chain", ports[:1], ports[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def claimed(model: ModelProto, width: int) -> Tensor | None:
    """What the walk finds of the output for pictures of that width; None where it is lost."""
    line = Line(source=2), None, Line(source=0), Line(source=1)
    shape = helper.make_tensor_type_proto(TensorProto.FLOAT, [2, 1, HEIGHT, width])
    known = {"x": Tensor(type=shape, lines=line, varies=True)}
    walk = Walk(pixels=(HEIGHT, width, 2), opset=model.opset_import[0].version)
    walk.follow(model.graph, known)
    return None if walk.unknown else known["y"]


def seen(model: ModelProto, width: int) -> NDArray[np.bool_]:
    """Which columns of the input (second axis) the columns of the output (first axis) read."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    plain = np.random.default_rng(0).uniform(0.5, 1, (1, 1, HEIGHT, width)).astype(np.float32)
    changed = np.repeat(plain, 2 * width, axis=0)
    for column in range(width):
        changed[2 * column, ..., column] = 100
        changed[2 * column + 1, ..., column] = -100
    differ = session.run(None, {"x": changed})[0] != session.run(None, {"x": plain})[0]
    columns = differ.any(axis=(1, 2)).reshape(width, 2, -1).any(axis=1)
    return np.asarray(columns.T)


def compare(model: ModelProto, width: int, *, tight: bool) -> bool:
    """Check all columns of the output that read nothing from beyond the edges; False where the walk is lost."""
    tensor = claimed(model, width)
    if tensor is None:
        return False
    assert tensor.lines is not None
    line, reads = tensor.lines[3], seen(model, width)
    assert line is not None
    assert tensor.shape[3] == len(reads)
    for element, row in enumerate(reads):
        first, last = line.span(element)
        if first >= 0 and last < width:
            found = np.flatnonzero(row)
            if tight:
                assert (found.min(), found.max()) == (first, last)
            else:
                assert len(found) == 0 or first <= found.min() <= found.max() <= last
    return True


def weights(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(0.5, 1, shape).astype(np.float32)


PADDING = st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
SMALL = st.integers(1, 4)


@st.composite
def windows(draw: st.DrawFn, operators: tuple[str, ...]) -> Node:
    operator, auto = draw(st.sampled_from(operators)), draw(PADDING)
    kernel, stride, dilation = draw(SMALL), draw(SMALL), draw(st.integers(1, 3))
    attributes: dict[str, Any] = {"strides": [1, stride]}
    if auto == "NOTSET":
        most = kernel - 1
        attributes["pads"] = [0, draw(st.integers(0, most)), 0, draw(st.integers(0, most))]
    else:
        attributes["auto_pad"] = auto
    if auto in ("NOTSET", "VALID"):
        attributes["dilations"] = [1, dilation]
    if operator == "Conv":
        return operator, [weights(1, 1, 1, kernel)], attributes
    attributes["kernel_shape"] = [1, kernel]
    if auto == "NOTSET":
        attributes["ceil_mode"] = draw(st.integers(0, 1))
    return operator, [], attributes


@st.composite
def transposed(draw: st.DrawFn) -> Node:
    kernel, stride, dilation = draw(SMALL), draw(SMALL), draw(st.integers(1, 2))
    trim = (kernel - 1) * dilation // 2
    attributes = {
        "strides": [1, stride],
        "dilations": [1, dilation],
        "pads": [0, draw(st.integers(0, trim)), 0, draw(st.integers(0, trim))],
        "output_padding": [0, draw(st.integers(0, max(0, stride - 1)))],
    }
    return "ConvTranspose", [weights(1, 1, 1, kernel)], attributes


@st.composite
def resized(draw: st.DrawFn) -> Node:
    scale = draw(st.sampled_from([0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0]))
    mode = draw(st.sampled_from(["nearest", "linear", "cubic"]))
    attributes = {
        "mode": mode,
        "coordinate_transformation_mode": draw(
            st.sampled_from(
                [
                    "half_pixel",
                    "pytorch_half_pixel",
                    "asymmetric",
                    "align_corners",
                    "half_pixel_symmetric",
                    *(["tf_half_pixel_for_nn"] if mode == "nearest" else []),
                ]
            )
        ),
    }
    if mode == "nearest":
        roundings = ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]
        attributes["nearest_mode"] = draw(st.sampled_from(roundings))
    return "Resize", ["", np.array([1, 1, 1, scale], np.float32)], attributes


@st.composite
def cut(draw: st.DrawFn) -> Node:
    start, end, pace = draw(st.integers(-4, 4)), draw(st.integers(-3, 0)), draw(st.integers(1, 3))
    values = [np.array([n], np.int64) for n in (start, end or 2**40, 3, pace)]
    return "Slice", values, {}


@st.composite
def padded(draw: st.DrawFn) -> Node:
    before, after = draw(st.integers(-3, 3)), draw(st.integers(-3, 3))
    mode = draw(st.sampled_from(["constant", "edge", "reflect", "wrap"]))
    return "Pad", [np.array([0, 0, 0, before, 0, 0, 0, after], np.int64)], {"mode": mode}


SLIDING = windows(("Conv", "MaxPool", "AveragePool", "LpPool"))
ANY = st.one_of(SLIDING, transposed(), resized(), cut(), padded())
WIDTHS = st.integers(12, 31)


@given(node=windows(("Conv", "AveragePool", "LpPool")), width=WIDTHS)
@settings(max_examples=80, deadline=None)
def test_windows_read_what_is_claimed_and_nothing_else(node: Node, width: int) -> None:
    """Only where runtimes disagree nothing is claimed: windows of nothing but padding, gaps that are as wide."""
    _, inputs, attributes = node
    kernel = attributes.get("kernel_shape", [0, 0])[1] or np.shape(inputs[0])[3]
    gaps = "SAME" in attributes.get("auto_pad", "") and attributes["strides"][1] > kernel
    assert compare(chain([node]), width, tight=True) or gaps or attributes.get("ceil_mode")


@given(node=transposed(), width=WIDTHS)
@settings(max_examples=60, deadline=None)
def test_painting_reads_nothing_else(node: Node, width: int) -> None:
    assert compare(chain([node]), width, tight=False)


@given(node=resized(), width=WIDTHS)
@settings(max_examples=120, deadline=None)
def test_resizing_reads_nothing_else(node: Node, width: int) -> None:
    compare(chain([node]), width, tight=False)


@given(nodes=st.lists(ANY, min_size=2, max_size=4), width=st.integers(24, 40))
@settings(max_examples=150, deadline=None)
def test_chains_read_nothing_else(nodes: list[Node], width: int) -> None:
    model = chain(nodes)
    try:
        compare(model, width, tight=False)
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime"):
            return  # nothing is left of the picture
        raise
