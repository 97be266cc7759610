"""Random small networks with all kinds of beginnings and ends: layouts, softmax forms, opsets 11 to 21."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

HEIGHT, WIDTH = 17, 20  # more than channels can be, so that layouts are never unclear
TO_FIRST, TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]

DROPPED = (
    "softmax",
    "softmax last",
    "log softmax",
    "exp",
    "exp last",
    "exp turned",
    "two",
    "two turned",
    "twice",
)
KEPT = ("none", "over pixels", "weighted", "rounded", "shared", "sigmoid", "added")


@dataclass
class Builder:
    """A graph as it grows, from "input"."""

    opset: int
    rng: np.random.Generator
    nodes: list[NodeProto] = field(default_factory=list)
    weights: list[TensorProto] = field(default_factory=list)

    def add(self, operator: str, *inputs: str | NDArray[Any], **settings: Any) -> str:
        names = [self.weight(item) if isinstance(item, np.ndarray) else item for item in inputs]
        self.nodes.append(helper.make_node(operator, names, [f"t{len(self.nodes)}"], **settings))
        return str(self.nodes[-1].output[0])

    def weight(self, values: NDArray[Any]) -> str:
        self.weights.append(numpy_helper.from_array(values, f"w{len(self.weights)}"))
        return str(self.weights[-1].name)

    def normal(self, *shape: int) -> NDArray[np.float32]:
        return self.rng.normal(size=shape).astype(np.float32)

    def along(self, operator: str, name: str, axis: int, since: int, **settings: Any) -> str:
        """An operator whose axes are an input since some opset."""
        if self.opset >= since:
            return self.add(operator, name, np.array([axis]), **settings)
        return self.add(operator, name, axes=[axis], **settings)

    def softmax(self, name: str, axis: int, *, largest: bool, turned: bool = False) -> str:
        """In pieces; `turned` to channels-last one by one, as tf2onnx does."""
        if largest:
            name = self.add("Sub", name, self.along("ReduceMax", name, axis, 18, keepdims=1))
        top = self.add("Exp", name)
        bottom = self.along("ReduceSum", top, axis, 13, keepdims=1)
        if turned:
            top = self.add("Transpose", top, perm=TO_LAST)
            bottom = self.add("Reshape", bottom, np.array([-1, HEIGHT, WIDTH, 1]))
        return self.add("Div", top, bottom)

    def model(self, last: str, dims: list[Any], result: list[Any]) -> ModelProto:
        for node in self.nodes:
            node.output[:] = ["output" if name == last else name for name in node.output]
            node.input[:] = ["output" if name == last else name for name in node.input]
        ports = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("input", dims), ("output", result))
        ]
        graph = helper.make_graph(self.nodes, "network", ports[:1], ports[1:], self.weights)
        opsets = [helper.make_opsetid("", self.opset)]
        version = max(7, helper.find_min_ir_version_for(opsets))
        return helper.make_model(graph, opset_imports=opsets, ir_version=version)


@st.composite
def networks(draw: st.DrawFn, *tails: str) -> ModelProto:
    """A network of two convolutions, with one of these tails."""
    builder = Builder(draw(st.integers(11, 21)), np.random.default_rng(draw(st.integers(0, 2**32 - 1))))
    channels, tail = draw(st.sampled_from([1, 1, 3])), draw(st.sampled_from(tails))
    classes = 2 if tail.startswith("two") else draw(st.integers(2, 4))
    first, result_first, fixed = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    batch = draw(st.sampled_from(["n", 2]))
    name = _begin(draw, builder, channels, first=first, fixed=fixed)
    name = builder.add("Conv", name, builder.normal(4, channels, 3, 3), pads=[1, 1, 1, 1])
    name = builder.add("Relu", name)
    scores = 1 if tail.startswith("two") else classes
    kernel = builder.normal(scores, 4, 1, 1) * draw(st.sampled_from([0.3, 1, 10]))
    name = builder.add("Conv", name, kernel.astype(np.float32), builder.normal(scores))
    name, last = _end(builder, name, tail, classes, open_size=not fixed)
    if last == result_first:
        name = builder.add("Transpose", name, perm=TO_FIRST if last else TO_LAST)
    for _ in range(draw(st.integers(0, 1))):
        name = builder.add("Identity", name)
    size = [HEIGHT, WIDTH] if fixed else ["h", "w"]
    dims = [batch, channels, *size] if first else [batch, *size, channels]
    return builder.model(name, dims, [batch, classes, *size] if result_first else [batch, *size, classes])


def _begin(draw: st.DrawFn, builder: Builder, channels: int, *, first: bool, fixed: bool) -> str:
    """Arithmetic, and a turn to channels-first where that is needed, in one of its forms."""
    name = "input"
    for operator in draw(
        st.lists(st.sampled_from(["Add", "Sub", "Mul", "Div", "Identity", "Abs"]), max_size=2)
    ):
        constant = builder.normal(
            *draw(st.sampled_from([(), (1,), (channels, 1, 1) if first else (channels,)]))
        )
        name = builder.add(
            operator, name, *([] if operator in ("Identity", "Abs") else [np.asarray(constant + 3)])
        )
    if first:
        return name
    form = draw(st.sampled_from(["Transpose", *(["Reshape"] * fixed + ["Unsqueeze"]) * (channels == 1)]))
    if form == "Reshape":
        return builder.add("Reshape", name, np.array([-1, 1, HEIGHT, WIDTH]))
    if form == "Unsqueeze":
        return builder.add("Reshape", builder.along("Unsqueeze", name, 0, 13), np.array([-1, 1, 0, 0]))
    return builder.add("Transpose", name, perm=TO_FIRST)


def _end(builder: Builder, name: str, tail: str, classes: int, *, open_size: bool) -> tuple[str, bool]:
    """What makes the output of channels-first scores; whether that is channels-last."""
    last = tail.endswith(("last", "turned")) or builder.opset < 13  # softmax is per axis only since then
    turned = tail == "exp turned" and not open_size
    axis = 3 if last and not turned else 1
    if last and not turned:
        name = builder.add("Transpose", name, perm=TO_LAST)
    if tail.startswith("two"):
        probability = builder.add("Sigmoid", name)
        rest = builder.add("Sub", np.ones((), np.float32), probability)
        return builder.add("Concat", probability, rest, axis=axis), last
    if tail.startswith("exp"):
        return builder.softmax(name, axis, largest=builder.rng.random() < 0.7, turned=turned), last
    return _odd_end(builder, name, tail, classes, axis), last


def _odd_end(builder: Builder, name: str, tail: str, classes: int, axis: int) -> str:
    if tail == "none":
        return name
    if tail == "sigmoid":
        return builder.add("Sigmoid", name)
    if tail == "over pixels":
        over = 2 if builder.opset >= 13 else 1
        return builder.add("Softmax", name, axis=over)
    operator = "LogSoftmax" if tail == "log softmax" else "Softmax"
    found = builder.add(operator, name, axis=axis)
    shape = (classes, 1, 1) if axis == 1 else (classes,)
    if tail == "twice":
        return builder.add("Softmax", found, axis=axis)
    if tail == "weighted":
        return builder.add("Mul", found, 0.5 + builder.rng.random(shape).astype(np.float32))
    if tail == "rounded":
        return builder.add("Round", builder.add("Mul", found, np.array(4, np.float32)))
    if tail == "shared":
        return builder.add("Add", found, builder.add("Mul", found, found))
    return builder.add("Add", found, name) if tail == "added" else found
