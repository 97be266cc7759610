"""A network drawn layer by layer, straight as ONNX, with random weights; `zoo` has the networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


@dataclass
class Network:
    """A network as it grows: `last` is the newest tensor, `width` the number of its channels."""

    random: np.random.Generator
    signed: bool = False
    opset: int = 17
    nodes: list[NodeProto] = field(default_factory=list)
    weights: list[TensorProto] = field(default_factory=list)
    last: str = "input"
    width: int = 1

    def add(self, operator: str, *inputs: str | NDArray[Any], name: str = "", **settings: Any) -> str:
        """A node that reads the newest tensor and then `inputs`."""
        return self.node(operator, self.last, *inputs, name=name, **settings)

    def node(self, operator: str, *inputs: str | NDArray[Any], name: str = "", **settings: Any) -> str:
        """A node that reads `inputs` only."""
        names = [self.weight(i) if isinstance(i, np.ndarray) else i for i in inputs]
        self.last = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [self.last], name=name, **settings))
        return self.last

    def weight(self, values: NDArray[Any]) -> str:
        self.weights.append(numpy_helper.from_array(values, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def drawn(self, *shape: int) -> NDArray[np.float32]:
        """Weights that keep the size of what they are applied to."""
        low = -1 if self.signed else 0.2
        scale = np.sqrt(3 / np.prod(shape[1:])) if self.signed else 1.6 / np.prod(shape[1:])
        return (self.random.uniform(low, 1, shape) * scale).astype(np.float32)

    def conv(self, width: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1, group: int = 1) -> str:
        """As torch pads it; of stride and width."""
        weights = self.drawn(width, self.width // group, kernel, kernel)
        self.width = width
        return self.add(
            "Conv",
            weights,
            self.drawn(width, 1)[:, 0],
            pads=[(kernel - 1) * dilation // 2] * 4,
            strides=[stride] * 2,
            dilations=[dilation] * 2,
            group=group,
        )

    def same(self, width: int, kernel: int = 3, *, stride: int = 1, group: int = 1) -> str:
        """A convolution as TensorFlow pads it."""
        weights = self.drawn(width, self.width // group, kernel, kernel)
        self.width = width
        return self.add("Conv", weights, auto_pad="SAME_UPPER", strides=[stride] * 2, group=group)

    def relu(self) -> str:
        return self.add("Relu")

    def norm(self) -> str:
        """Batch normalisation, trained."""
        ones = np.ones(self.width, np.float32)
        return self.add("BatchNormalization", ones, 0.1 * ones, 0.1 * ones, ones)

    def swish(self) -> str:
        before = self.last
        return self.node("Mul", before, self.add("Sigmoid"))

    def join(self, beside: str, width: int) -> str:
        """With the channels of another tensor."""
        self.width += width
        return self.add("Concat", beside, axis=1)

    def turned(self) -> str:
        """Channels last."""
        return self.add("Transpose", perm=[0, 2, 3, 1])

    def back(self) -> str:
        """Channels first again."""
        return self.add("Transpose", perm=[0, 3, 1, 2])

    def numbers(self, *values: int) -> NDArray[np.int64]:
        return np.array(values, np.int64)

    def model(self, dims: Sequence[Any] = ("n", 1, "h", "w")) -> ModelProto:
        self.node("Identity", self.last)
        self.nodes[-1].output[0] = "output"
        result = (dims[0], self.width, *dims[2:])
        source = helper.make_tensor_value_info("input", FLOAT, dims)
        output = helper.make_tensor_value_info("output", FLOAT, result)
        graph = helper.make_graph(self.nodes, "network", [source], [output], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)
