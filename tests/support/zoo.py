"""Networks as people build them, small: what is local in them, and what looks at the whole tile.

Weights are random, made from a seed and a network's name, positive or of any sign. Positive ones let nothing that is
read cancel out. All are channels-first, of one channel, for pictures of any number and size that fits.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

from tests.support.network import FLOAT, Network

Build = Callable[[Network], Any]


def build(name: str, *, signed: bool = False, dims: Sequence[Any] = ("n", 1, "h", "w")) -> ModelProto:
    """A network of LOCAL or GLOBAL by its name, with random weights."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    network = Network(random, signed=signed)
    (LOCAL | GLOBAL)[name](network)
    return network.model(dims)


def _unet(network: Network, depth: int, up: Build, *, pool: str = "MaxPool") -> None:
    beside = []
    for level in range(depth):
        network.conv(2 + level)
        network.relu()
        beside.append((network.last, network.width))
        network.add(pool, kernel_shape=[2, 2], strides=[2, 2])
    network.conv(3)
    network.relu()
    for tensor, width in reversed(beside):
        up(network)
        network.join(tensor, width)
        network.conv(width)
        network.relu()
    network.conv(2, 1)
    network.add("Softmax", axis=1)


def _transposed(network: Network) -> None:
    network.add("ConvTranspose", network.drawn(network.width, network.width, 2, 2), strides=[2, 2])


def _transposed_wide(network: Network) -> None:
    weights = network.drawn(network.width, network.width, 4, 4)
    network.add("ConvTranspose", weights, strides=[2, 2], pads=[1, 1, 1, 1])


def _nearest(network: Network) -> None:
    scales = np.array([1, 1, 2, 2], np.float32)
    settings = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    network.add("Resize", "", scales, mode="nearest", **settings)


def _linear_of_shapes(network: Network) -> None:
    """To twice the height and width, which the network measures itself, as exporters write it."""
    tensor = network.last
    shape = network.add("Shape")
    first = network.node("Slice", shape, network.numbers(0), network.numbers(2))
    sides = network.node("Slice", shape, network.numbers(2), network.numbers(4))
    twice = network.node("Mul", sides, network.numbers(2))
    sizes = network.node("Concat", first, twice, axis=0)
    network.node("Resize", tensor, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel")


def _from_depth(network: Network) -> None:
    width = network.width
    network.conv(4 * width, 1)
    network.add("DepthToSpace", blocksize=2, mode="CRD")
    network.width = width


def _dilated(network: Network) -> None:
    for dilation in (1, 2, 4, 8, 1):
        network.conv(3, dilation=dilation)
        network.relu()
    network.conv(2, 1)


def _separable(network: Network) -> None:
    network.conv(4)
    for _ in range(3):
        network.conv(network.width, group=network.width)
        network.conv(4, 1)
        network.norm()
        network.add("Clip", np.array(0, np.float32), np.array(6, np.float32))
    network.conv(1, 1)


def _residual(network: Network, width: int, stride: int) -> None:
    start, before = network.last, network.width
    network.conv(width, stride=stride)
    network.norm()
    network.relu()
    path = network.conv(width)
    network.last, network.width = start, before
    if stride > 1 or width != before:
        network.conv(width, 1, stride=stride)
    network.add("Add", path)
    network.relu()


def _resnet(network: Network) -> None:
    """Stem of stride 2 and pooling of stride 2 that overlaps; two stages; skips to a decoder."""
    network.conv(3, 7, stride=2)
    network.relu()
    beside = network.last
    network.add("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    _residual(network, 3, 1)
    _residual(network, 4, 2)
    _nearest(network)
    _nearest(network)
    network.join(beside, 3)
    network.conv(3)
    network.relu()
    _nearest(network)
    network.conv(2)


def _inverted(network: Network, width: int, stride: int, *, squeeze: bool = False) -> None:
    """A block of EfficientNet."""
    start, before = network.last, network.width
    network.same(2 * before, 1)
    network.swish()
    network.same(2 * before, stride=stride, group=2 * before)
    network.norm()
    network.swish()
    if squeeze:
        _squeeze(network)
    network.same(width, 1)
    if stride == 1 and width == before:
        network.add("Add", start)


def _squeeze(network: Network) -> None:
    tensor, width = network.last, network.width
    network.add("ReduceMean", name=f"here, {tensor}", axes=[2, 3])
    network.same(1, 1)
    network.swish()
    network.same(width, 1)
    network.node("Mul", tensor, network.add("Sigmoid"))


def _efficient(network: Network, *, squeeze: bool = False) -> None:
    network.same(2, stride=2)
    network.swish()
    _inverted(network, 2, 1, squeeze=squeeze)
    _inverted(network, 3, 2, squeeze=squeeze)
    _from_depth(network)
    _from_depth(network)
    network.conv(2)


def _plain(network: Network) -> None:
    for kernel in (5, 3, 3):
        network.conv(3, kernel)
        network.relu()
    network.conv(2, 1)
    network.add("Softmax", axis=1)


def _channels_last(network: Network) -> None:
    """As ConvNeXt: everything between convolutions is done on the last axis."""
    network.conv(4)
    for _ in range(2):
        start = network.last
        network.conv(4, 7, group=4)
        network.turned()
        network.add("LayerNormalization", np.ones(4, np.float32), axis=-1)
        network.add("MatMul", network.drawn(8, 4).T.copy())
        network.add("Erf")
        network.add("MatMul", network.drawn(4, 8).T.copy())
        network.back()
        network.add("Add", start)
    network.conv(1, 1)


def _pyramid(network: Network) -> None:
    """Coarser and coarser views, side by side; up again by repeating pixels, as tf2onnx writes it."""
    start = network.conv(2)
    for kernel in (2, 4):
        network.last, network.width = start, 2
        network.add("AveragePool", kernel_shape=[kernel] * 2, strides=[kernel] * 2)
        pooled = network.conv(2, 1)
        shape = network.node("Mul", network.node("Shape", pooled), network.numbers(1, 1, kernel, kernel))
        network.node("Unsqueeze", pooled, network.numbers(3, 5))
        network.add("Tile", network.numbers(1, 1, 1, kernel, 1, kernel))
        repeated = network.add("Reshape", shape)
        network.node("Concat", start, repeated, axis=1)
        network.width = 4
        start = network.conv(2)


def _padded_by_hand(network: Network) -> None:
    """Mirrored edges, a crop, unequal sides."""
    network.add("Pad", network.numbers(0, 0, 3, 3, 0, 0, 3, 3), mode="reflect")
    weights = network.drawn(2, 1, 7, 7)
    network.width = 2
    network.add("Conv", weights, auto_pad="VALID")
    network.add("Conv", network.drawn(2, 2, 3, 1), pads=[0, 0, 2, 0])
    network.add("Pad", network.numbers(0, 0, 2, 0, 0, 0, -2, 0), mode="edge")
    network.conv(1)


def loop(
    network: Network, body: Sequence[NodeProto], *, handed: str = "one", rank: int = 3, scan: str = "made"
) -> None:
    """A round for every picture of the batch: `body` makes "made" of "picture", and hands on what `handed` names."""
    source = network.last
    count = network.node("Gather", network.node("Shape", source), np.array(0, np.int64))
    state = np.zeros((1, 1, 1), np.float32)
    open_dims = [None] * rank
    infos = helper.make_tensor_value_info
    picked = helper.make_node("Gather", [source, "number"], ["picture"], axis=0)
    kept = [
        helper.make_node("Identity", ["going"], ["again"]),
        helper.make_node("Identity", ["state"], ["one"]),
        helper.make_node("Identity", [handed], ["next"]),
        helper.make_node("Identity", [scan], ["scanned"]),
    ]
    graph: GraphProto = helper.make_graph(
        [picked, *body, *kept],
        "round",
        [
            infos("number", TensorProto.INT64, []),
            infos("going", TensorProto.BOOL, []),
            infos("state", FLOAT, open_dims),
        ],
        [
            infos("again", TensorProto.BOOL, []),
            infos("next", FLOAT, open_dims),
            infos("scanned", FLOAT, open_dims),
        ],
    )
    names = [count, network.weight(np.array(True)), network.weight(state)]  # noqa: FBT003
    network.nodes.append(helper.make_node("Loop", names, ["ended", "mapped"], name="rounds", body=graph))
    network.last = "mapped"


def _mapped(network: Network) -> None:
    """As map_fn of Keras: something is done to every picture of the batch by itself."""
    network.conv(2)
    scale = network.weight(np.array(0.5, np.float32))
    loop(network, [helper.make_node("Mul", ["picture", scale], ["made"])])
    network.conv(2)


LOCAL: dict[str, Build] = {
    "unet 2, transposed": lambda n: _unet(n, 2, _transposed),
    "unet 3, wide transposed": lambda n: _unet(n, 3, _transposed_wide, pool="AveragePool"),
    "unet 3, nearest": lambda n: _unet(n, 3, _nearest),
    "unet 4, nearest": lambda n: _unet(n, 4, _nearest),
    "unet 2, linear to sizes of shapes": lambda n: _unet(n, 2, _linear_of_shapes),
    "unet 2, depth to space": lambda n: _unet(n, 2, _from_depth),
    "dilated": _dilated,
    "separable": _separable,
    "resnet": _resnet,
    "efficient": _efficient,
    "plain": _plain,
    "channels last": _channels_last,
    "pyramid": _pyramid,
    "padded by hand": _padded_by_hand,
    "mapped over the batch": _mapped,
}


def _pooled(network: Network) -> None:
    start = network.conv(2)
    network.node("Mul", start, network.node("GlobalAveragePool", start, name="here"))


def _instance(network: Network) -> None:
    network.conv(2)
    ones = np.ones(2, np.float32)
    network.add("InstanceNormalization", ones, ones, name="here")


def _groups(network: Network) -> None:
    """Group normalisation as torch writes it."""
    start = network.conv(4)
    shape = network.node("Shape", start)
    network.last = start
    network.add("Reshape", network.numbers(0, 2, -1))
    ones = np.ones(2, np.float32)
    network.add("InstanceNormalization", ones, ones, name="here")
    network.add("Reshape", shape)


def _over_space(network: Network) -> None:
    """Layer normalisation over height and width, spelled out."""
    start = network.conv(2)
    low = network.node("Sub", start, network.node("ReduceMean", start, name="here", axes=[1, 2, 3]))
    square = network.node("Mul", low, low)
    deviation = network.node("Sqrt", network.node("ReduceMean", square, axes=[1, 2, 3]))
    network.node("Div", low, deviation)


def _attention(network: Network) -> None:
    """Every pixel is a token that looks at all others."""
    start = network.conv(4)
    shape = network.node("Shape", start)
    network.last = start
    tokens = network.add("Reshape", network.numbers(0, 4, -1))
    network.add("Transpose", perm=[0, 2, 1])
    network.add("MatMul", tokens)
    weights = network.add("Softmax", axis=-1, name="here")
    network.node("MatMul", tokens, weights)
    network.add("Reshape", shape)


def _einsum(network: Network) -> None:
    start = network.conv(2)
    network.node("Einsum", start, start, name="here", equation="nchw,nchv->nchv")


def _aligned(network: Network) -> None:
    start = network.conv(2)
    network.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    scales = np.array([1, 1, 2, 2], np.float32)
    network.add(
        "Resize", "", scales, name="here", mode="linear", coordinate_transformation_mode="align_corners"
    )
    network.add("Add", start)


def _summing(network: Network) -> None:
    """A loop that hands on a sum of all pictures so far."""
    network.conv(2)
    body = [
        helper.make_node("ReduceSum", ["picture"], ["sum"], keepdims=1),
        helper.make_node("Add", ["state", "sum"], ["more"]),
        helper.make_node("Add", ["picture", "state"], ["made"]),
    ]
    loop(network, body, handed="more")


def _cumulative(network: Network) -> None:
    network.conv(1)
    network.add("CumSum", np.array(2, np.int64), name="here")


def _flipped(network: Network) -> None:
    start = network.conv(2)
    last, first = network.numbers(-1), network.numbers(np.iinfo(np.int64).min + 1)
    network.add("Slice", last, first, network.numbers(3), network.numbers(-1), name="here")
    network.add("Add", start)


def _whole_batch(network: Network) -> None:
    """Pictures of a batch know of each other: a result depends on which tiles are run together."""
    start = network.conv(1)
    network.node("Sub", start, network.node("ReduceMean", start, name="here", axes=[0]))


GLOBAL: dict[str, Build] = {
    "squeeze and excitation": lambda n: _efficient(n, squeeze=True),
    "global pooling": _pooled,
    "instance normalisation": _instance,
    "group normalisation": _groups,
    "layer normalisation over space": _over_space,
    "attention": _attention,
    "einsum": _einsum,
    "aligned corners": _aligned,
    "a loop that sums up": _summing,
    "cumulative sum": _cumulative,
    "flipped": _flipped,
    "the whole batch": _whole_batch,
}
