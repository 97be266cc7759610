"""Random small networks that pass pixels on in many ways, and what is seen when one pixel of their input changes.

Every weight is positive, so nothing that is read can cancel out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

OPSET = 17


@dataclass
class Drawing:
    """A network of one channel, channels-first, of any size, as it grows; `last` is the newest tensor."""

    dice: random.Random
    nodes: list[NodeProto] = field(default_factory=list)
    weights: list[TensorProto] = field(default_factory=list)
    last: str = "input"

    def add(self, operator: str, *inputs: str | NDArray[Any], **settings: Any) -> str:
        """A node that reads the newest tensor and then `inputs`."""
        names = [self.last, *(self.weight(i) if isinstance(i, np.ndarray) else i for i in inputs)]
        self.last = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [self.last], **settings))
        return self.last

    def weight(self, values: NDArray[Any]) -> str:
        self.weights.append(numpy_helper.from_array(values, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def positive(self, *shape: int) -> NDArray[np.float32]:
        values = [self.dice.uniform(0.5, 1.5) for _ in range(int(np.prod(shape)))]
        return np.array(values, np.float32).reshape(shape)

    def model(self, dims: tuple[Any, ...] = ("n", 1, "h", "w")) -> ModelProto:
        self.nodes[-1].output[0] = "output"
        ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name in ("input", "output")]
        graph = helper.make_graph(self.nodes, "network", ports[:1], ports[1:], self.weights)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def draw_network(seed: int, *, odd: bool = False) -> ModelProto:
    """A U-Net of up to three levels; `odd` ones also crop, shift and have weights of any sign."""
    drawing = Drawing(random.Random(seed))
    _level(drawing, drawing.dice.randint(0, 3), odd=odd)
    _convolve(drawing)
    return drawing.model()


def _level(drawing: Drawing, depth: int, *, odd: bool) -> None:
    for _ in range(drawing.dice.randint(0, 2)):
        _convolve(drawing)
    if odd and drawing.dice.random() < 0.5:
        _crop(drawing)
    if depth:
        beside = drawing.last
        drawing.dice.choice([_pool, _stride, _to_depth])(drawing)
        _level(drawing, depth - 1, odd=odd)
        ups = [_transposed, _nearest, _linear, _from_depth, _repeat, *([_cubic, _shifted] * odd)]
        drawing.dice.choice(ups)(drawing)
        if drawing.dice.random() < 0.8:
            drawing.add("Add", beside)
    for _ in range(drawing.dice.randint(0, 1)):
        _convolve(drawing)


def _convolve(drawing: Drawing) -> None:
    height, width = drawing.dice.choice([1, 2, 3]), drawing.dice.choice([1, 3, 5])
    dilation = drawing.dice.choice([1, 1, 2])
    kernel = drawing.positive(1, 1, height, width)
    total = [(size - 1) * dilation for size in (height, width)]
    before = [size // 2 for size in total]
    after = [size - half for size, half in zip(total, before, strict=True)]
    how = drawing.dice.choice(["pads", "SAME_UPPER", "SAME_LOWER", "Pad"])
    settings: dict[str, Any] = {"dilations": [dilation] * 2}
    if how == "Pad":
        pads = np.array([0, 0, *before, 0, 0, *after], np.int64)
        drawing.add("Pad", pads, mode=drawing.dice.choice(["constant", "reflect", "edge"]))
        how = "VALID"
    if how == "pads":
        drawing.add("Conv", kernel, pads=[*before, *after], **settings)
    elif how == "VALID" or dilation == 1:
        drawing.add("Conv", kernel, auto_pad=how, **settings)
    else:
        drawing.add("Conv", kernel, pads=[*after, *before], **settings)
    if drawing.dice.random() < 0.5:
        drawing.add("Relu")


def _crop(drawing: Drawing) -> None:
    """Rows and columns are lost at the edges, and made up again."""
    cuts = [drawing.dice.randint(0, 2) for _ in range(4)]
    starts, ends = np.array(cuts[:2], np.int64), -np.array(cuts[2:], np.int64)
    ends[ends == 0] = np.iinfo(np.int64).max
    drawing.add("Slice", starts, ends, np.array([2, 3], np.int64))
    dice = drawing.dice.randint(0, 1)
    cuts = cuts if dice else [*cuts[2:], *cuts[:2]]
    drawing.add("Pad", np.array([0, 0, *cuts[:2], 0, 0, *cuts[2:]], np.int64))


def _pool(drawing: Drawing) -> None:
    operator = drawing.dice.choice(["MaxPool", "AveragePool"])
    kernel = drawing.dice.choice([2, 3])
    drawing.add(operator, kernel_shape=[kernel] * 2, strides=[2, 2], auto_pad="SAME_UPPER")


def _stride(drawing: Drawing) -> None:
    mode = drawing.dice.choice(["SAME_UPPER", "SAME_LOWER"])
    drawing.add("Conv", drawing.positive(1, 1, 3, 3), strides=[2, 2], auto_pad=mode)


def _to_depth(drawing: Drawing) -> None:
    drawing.add("SpaceToDepth", blocksize=2)
    drawing.add("Conv", drawing.positive(1, 4, 1, 1))


def _transposed(drawing: Drawing) -> None:
    kernel, pads, extra = drawing.dice.choice([(2, 0, 0), (4, 1, 0), (3, 1, 1), (5, 2, 1)])
    drawing.add(
        "ConvTranspose",
        drawing.positive(1, 1, kernel, kernel),
        strides=[2, 2],
        pads=[pads] * 4,
        output_padding=[extra] * 2,
    )


def _resize(drawing: Drawing, **settings: Any) -> None:
    scales = np.array([1, 1, 2, 2], np.float32)
    drawing.add("Resize", "", scales, **settings)


def _nearest(drawing: Drawing) -> None:
    place, rounding = drawing.dice.choice(
        [
            ("asymmetric", "floor"),
            ("tf_half_pixel_for_nn", "floor"),
            ("half_pixel", "round_prefer_floor"),
            ("half_pixel", "round_prefer_ceil"),
        ]
    )
    _resize(drawing, coordinate_transformation_mode=place, nearest_mode=rounding)


def _shifted(drawing: Drawing) -> None:
    """Half of a pixel's neighbours are taken for itself: at the edges, padding then replaces what was inside."""
    place = drawing.dice.choice(["asymmetric", "half_pixel", "tf_half_pixel_for_nn"])
    rounding = drawing.dice.choice(["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
    _resize(drawing, coordinate_transformation_mode=place, nearest_mode=rounding)


def _linear(drawing: Drawing) -> None:
    place = drawing.dice.choice(["asymmetric", "half_pixel", "pytorch_half_pixel"])
    _resize(drawing, mode="linear", coordinate_transformation_mode=place)


def _cubic(drawing: Drawing) -> None:
    _resize(drawing, mode="cubic", coordinate_transformation_mode="half_pixel")


def _from_depth(drawing: Drawing) -> None:
    drawing.add("Conv", drawing.positive(4, 1, 1, 1))
    drawing.add("DepthToSpace", blocksize=2, mode=drawing.dice.choice(["DCR", "CRD"]))


def _repeat(drawing: Drawing) -> None:
    """As tf2onnx writes an up-sampling that repeats pixels; sizes are computed while the network runs."""
    shape = drawing.last
    drawing.nodes.append(helper.make_node("Shape", [shape], [f"{shape}_shape"]))
    two = drawing.weight(np.array([1, 1, 2, 2], np.int64))
    drawing.nodes.append(helper.make_node("Mul", [f"{shape}_shape", two], [f"{shape}_twice"]))
    drawing.add("Unsqueeze", np.array([3, 5], np.int64))
    drawing.add("Tile", np.array([1, 1, 1, 2, 1, 2], np.int64))
    drawing.add("Reshape", f"{shape}_twice")


def run(model: ModelProto, pictures: NDArray[Any]) -> NDArray[Any]:
    """Output for pictures (n, 1, y, x) as float32."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input": pictures.astype(np.float32)})[0])


def looks(model: ModelProto, *, side: int, phases: int, dark: bool = True) -> tuple[list[int], list[int]]:
    """How far outputs look before and after themselves (y, x), seen by lighting single pixels.

    `phases` neighbouring pixels on the diagonal in the middle of `side` × `side` are lit, one at a time,
    on a dark picture or a random one.
    """
    generator = np.random.default_rng(0)
    plain = np.zeros((1, 1, side, side)) if dark else generator.uniform(0.5, 1.5, (1, 1, side, side))
    middle = side // 2
    lit = np.repeat(plain, phases, axis=0)
    for phase in range(phases):
        lit[phase, 0, middle + phase, middle + phase] += 100
    changed = run(model, lit) != run(model, plain)
    before, after = [0, 0], [0, 0]
    for phase in range(phases):
        for axis, places in enumerate(np.nonzero(changed[phase, 0])):
            offsets = places - (middle + phase)
            before[axis] = max(before[axis], int(offsets.max(initial=0)))
            after[axis] = max(after[axis], int(-offsets.min(initial=0)))
    return before, after
