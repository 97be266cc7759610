"""Networks as sessions take them, built in code: scores or labels, either layout, float or raw pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from czengine.session.base import Network
from czengine.spec import Layout
from tests.support.archives import Dim, onnx_network


def scores_network(
    *,
    layout: Layout = "NHWC",
    channels: int = 1,
    outputs: int = 2,
    tile: tuple[Dim, Dim] = (32, 32),
    **more: Any,
) -> Network:
    """A convolution and a softmax; `more` goes to `onnx_network`."""
    return Network(
        model=onnx_network(*tile, channels, outputs, layout=layout, **more),
        layout=layout,
        output_layout=layout,
        channels=channels,
        outputs=outputs,
        dtype=np.dtype(np.float32),
        gives="scores",
    )


def labels_network(
    *, layout: Layout = "NHWC", dtype: str = "uint8", labels: str = "uint8", channels: int = 3
) -> Network:
    """Label = number of the brightest channel, from 1; the sizes of its input are open."""
    from onnx import TensorProto, helper, numpy_helper

    types = {name: getattr(TensorProto, name.upper()) for name in ("uint8", "uint16")}
    axis = 3 if layout == "NHWC" else 1
    dims = [None, None, None, channels] if layout == "NHWC" else [None, channels, None, None]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ArgMax", ["float"], ["best"], axis=axis, keepdims=0),
        helper.make_node("Add", ["best", "one"], ["counted"]),
        helper.make_node("Cast", ["counted"], ["labels"], to=types[labels]),
    ]
    return _network(
        nodes,
        helper.make_tensor_value_info("pixels", types[dtype], dims),
        helper.make_tensor_value_info("labels", types[labels], [None, None, None]),
        [numpy_helper.from_array(np.asarray(1, np.int64), "one")],
        layout=layout,
        channels=channels,
        outputs=channels,
        dtype=np.dtype(dtype),
        gives="labels",
    )


def unpooling_network(size: int = 8) -> Network:
    """Keeps the brightest pixel of every four. OpenVINO has no MaxUnpool; onnxruntime itself has."""
    from onnx import TensorProto, helper

    halves = {"kernel_shape": [2, 2], "strides": [2, 2]}
    shape = [1, 1, size, size]
    return _network(
        [
            helper.make_node("MaxPool", ["x"], ["small", "where"], **halves),
            helper.make_node("MaxUnpool", ["small", "where"], ["y"], **halves),
        ],
        helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, shape),
        [],
        layout="NCHW",
        channels=1,
        outputs=1,
        dtype=np.dtype(np.float32),
        gives="scores",
    )


def _network(nodes: Any, source: Any, result: Any, constants: Any, *, layout: Layout, **more: Any) -> Network:
    from onnx import helper

    graph = helper.make_graph(nodes, "network", [source], [result], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return Network(model=bytes(model.SerializeToString()), layout=layout, output_layout=layout, **more)
