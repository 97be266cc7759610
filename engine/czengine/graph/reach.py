"""How far a network looks, and on which grid it may be moved: the certificate's side of the graph.

Every axis of pixels is followed through the graph exactly, phase by phase, with nothing rounded. It is a proof: what
is not understood is named, and then nothing else is said. Positions that padding reaches do not count. Whether tiles
keep to what is found here is for the plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from czengine.graph.functions import inlined
from czengine.graph.lines import BATCH, Line
from czengine.graph.locality import whole_tile_layers
from czengine.graph.signature import Signature, read_signature
from czengine.graph.tensors import Tensor
from czengine.graph.walk import Walk, label
from czengine.spec import Layout

if TYPE_CHECKING:
    from onnx import ModelProto

_OPEN_SIZES = ((256, 384), (640, 512))  # height, width that stand for open ones; both must agree
_OPEN_BATCHES = (2, 3)


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far a network looks; None throughout where some node could not be followed.

    Attributes
    ----------
    before, after : (y, x) or None
        Pixels that an output pixel looks at most towards the first, and towards the last, row and column.
    stride : (y, x) or None
        The stride grid: a picture moved by a multiple of it moves the output equally. Of a network that pads by
        the size of its input, this holds for sizes that are multiples of it too.
    unknown : tuple of str
        Nodes that look at the whole tile, then those that are not understood: name and operator, e.g.
        "gap (GlobalMaxPool)".
    """

    before: tuple[int, int] | None = None
    after: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    unknown: tuple[str, ...] = ()

    @property
    def radius(self) -> tuple[int, int] | None:
        """The larger of both sides, (y, x): with a border of as many pixels no tile's edge is seen."""
        if self.before is None or self.after is None:
            return None
        return max(self.before[0], self.after[0]), max(self.before[1], self.after[1])


def analyze(model: ModelProto, *, tile: tuple[int, int] | None = None, layout: Layout | None = None) -> Reach:
    """How far a network looks.

    Parameters
    ----------
    model : ModelProto
        One image in, one image out of the same size, in any layout.
    tile : (height, width), optional
        The size that tiles are going to have, which the network may leave open. Without, what is found holds for
        every size that is a multiple of the stride grid.
    layout : {"NHWC", "NCHW"}, optional
        Where it is known better than the sizes of the input tell it.

    Raises
    ------
    ModelError
        Where the network is not one image in, one image out, or its functions cannot be put in place.
    """
    signature = read_signature(model, layout=layout)
    model = inlined(model)
    whole = whole_tile_layers(model, layout=layout)
    sizes = _OPEN_SIZES if tile is None else (tile, tile)
    found = [
        _analyze(model, signature, (batch, *size)) for batch, size in zip(_OPEN_BATCHES, sizes, strict=True)
    ]
    unknown = tuple(dict.fromkeys([*whole, *(name for reach in found for name in reach.unknown)]))
    if not unknown and found[0] != found[1]:  # it has numbers inside that are meant for one size
        unknown = (_last(model, signature),)
    return Reach(unknown=unknown) if unknown else found[0]


def _analyze(model: ModelProto, signature: Signature, size: tuple[int, int, int]) -> Reach:
    """For tiles of a given size, where the graph leaves that open."""
    from onnx import TensorProto, helper

    batch = signature.fixed_batch or size[0]
    height, width = (fixed or side for fixed, side in zip(signature.size, size[1:], strict=True))
    last = signature.layout == "NHWC"
    pictures = Line(source=BATCH) if batch > 1 else None
    lines = (pictures, Line(source=0), Line(source=1))
    image = Tensor(
        type=helper.make_tensor_type_proto(
            TensorProto.FLOAT,
            [batch, height, width, signature.channels]
            if last
            else [batch, signature.channels, height, width],
        ),
        lines=(*lines, None) if last else (pictures, None, *lines[1:]),
        varies=True,
    )
    walk = Walk(pixels=(height, width, batch), opset=signature.opset or 1)
    walk.follow(model.graph, known := {signature.input_name: image})
    if walk.unknown:
        return Reach(unknown=tuple(walk.unknown))
    reach = _result(known.get(signature.output_name, Tensor()), signature, walk.pixels)
    return reach or Reach(unknown=(_last(model, signature),))


def _result(tensor: Tensor, signature: Signature, pixels: tuple[int, int, int]) -> Reach | None:
    """Of the network's output; None where it is no picture of the same size for every picture."""
    axes = (1, 2, 0) if signature.output_layout == "NHWC" else (2, 3, 0)
    if tensor.lines is None or len(tensor.lines) != 4 or tuple(tensor.shape[axis] for axis in axes) != pixels:
        return None
    y, x, batch = (tensor.lines[axis] for axis in axes)
    if y is None or x is None or (y.source, x.source) != (0, 1):
        return None
    if any(len(line.spans) != line.period for line in (y, x)):
        return None
    if pixels[2] > 1 and batch != Line(source=BATCH):  # pictures of a batch know of each other
        return None
    return _reach(y, x)


def _reach(y: Line, x: Line) -> Reach:
    before, after = [], []
    for line in (y, x):
        before.append(max(0, *(element - line.span(element)[0] for element in range(line.period))))
        after.append(max(0, *(line.span(element)[1] - element for element in range(line.period))))
    return Reach(before=(before[0], before[1]), after=(after[0], after[1]), stride=(y.period, x.period))


def _last(model: ModelProto, signature: Signature) -> str:
    """Label of the node that gives the output."""
    made = {name: node for node in model.graph.node for name in node.output}
    node = made.get(signature.output_name)
    return signature.output_name if node is None else label(node)
