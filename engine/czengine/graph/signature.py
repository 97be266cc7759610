"""What goes into a network and what comes out: one float image each way, told from the graph alone.

Pure functions on `onnx.ModelProto`. Only this module knows how channels-last and channels-first are told apart,
and how weights kept outside the file are found. What the metadata say about the same things is not judged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from czengine.errors import ModelError
from czengine.spec import Layout

if TYPE_CHECKING:
    from onnx import ModelProto

Dims = tuple[int | None, ...]

_MOST_CHANNELS = 16  # a last axis longer than this behind a shorter second axis is a row of pixels
_DEFAULT_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Input and output of a network; None where the graph leaves a size open.

    Attributes
    ----------
    input_name, output_name : str
        Names in the graph.
    layout, output_layout : {"NHWC", "NCHW"}
        Axis order of input and output.
    size : (height, width)
        Pixels the graph insists on.
    channels, outputs : int or None
        Channels in and out.
    fixed_batch : int or None
        Batch size the graph insists on.
    opset, ir_version : int or None
        Of ONNX; None for a SavedModel.
    """

    input_name: str
    output_name: str
    layout: Layout
    output_layout: Layout
    size: tuple[int | None, int | None]
    channels: int | None
    outputs: int | None
    fixed_batch: int | None
    opset: int | None = None
    ir_version: int | None = None


@dataclass(frozen=True, kw_only=True)
class Port:
    """An input or output: its name, its element type's name, and its dims (None: open)."""

    name: str
    dtype: str
    dims: Dims


def parse_onnx(data: bytes) -> ModelProto:
    """The network as a ModelProto with every weight inside.

    Raises
    ------
    ModelError
        If the bytes are no ONNX model, or weights lie outside of them.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model: ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ModelError(
            "the network is neither an ONNX model nor a zipped SavedModel; export it again"
        ) from error
    if not model.graph.node or not model.opset_import:
        raise ModelError("the network is no ONNX model: it has no nodes or no operator set; export it again")
    outside = next(_external_tensors(model), None)
    if outside is not None:
        raise ModelError(
            f"the weights are not in the archive: tensor {outside!r} points to a file outside of it. czmodel 6.0 to"
            " 6.1.3 with torch 2.9 or newer loses them like this; export again with czmodel 6.2 or with czengine"
        )
    return model


def read_signature(
    model: ModelProto, *, channels: int | None = None, layout: Layout | None = None
) -> Signature:
    """Signature of an ONNX model; `channels`, as declared by the metadata, settles an unclear layout.

    `layout`, where a person says it, goes before what the input's sizes say.

    Raises
    ------
    ModelError
        If the network is not one float image in, one float image of the same size out.
    """
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    constants.update(sparse.values.name for sparse in graph.sparse_initializer)
    inputs = [_port(value) for value in graph.input if value.name not in constants]
    outputs = [_port(value) for value in graph.output]
    opset = next((o.version for o in model.opset_import if o.domain in _DEFAULT_DOMAINS), None)
    return match_ports(
        inputs, outputs, channels=channels, layout=layout, opset=opset, ir_version=model.ir_version
    )


def match_ports(
    inputs: list[Port],
    outputs: list[Port],
    *,
    channels: int | None,
    layout: Layout | None = None,
    opset: int | None = None,
    ir_version: int | None = None,
) -> Signature:
    """Signature from the ports of any kind of graph.

    Raises
    ------
    ModelError
        If they are not one float image in, one float image of the same size out.
    """
    source, result = _only(inputs, "input"), _only(outputs, "output")
    layout = layout or _input_layout(source.dims, channels)
    size = _spatial(source.dims, layout)
    output_layout = _output_layout(result.dims, size, layout)
    out_size = _spatial(result.dims, output_layout)
    return Signature(
        input_name=source.name,
        output_name=result.name,
        layout=layout,
        output_layout=output_layout,
        size=(size[0] or out_size[0], size[1] or out_size[1]),
        channels=_depth(source.dims, layout),
        outputs=_depth(result.dims, output_layout),
        fixed_batch=source.dims[0],
        opset=opset,
        ir_version=ir_version,
    )


def _external_tensors(message: Any) -> Iterator[str]:
    """Names of tensors stored outside, wherever a tensor can be: graphs, subgraphs, attributes, functions."""
    from google.protobuf.message import Message
    from onnx import TensorProto

    if isinstance(message, TensorProto):
        if message.data_location == TensorProto.EXTERNAL or message.external_data:
            yield message.name
        return
    for _, value in message.ListFields():
        children = [value] if isinstance(value, Message) else value
        if isinstance(children, bytes | str | int | float) or (
            children and not isinstance(children[0], Message)
        ):
            continue
        for child in children:
            yield from _external_tensors(child)


def _port(value: Any) -> Port:
    from onnx import TensorProto

    kind = value.type.WhichOneof("value")
    if kind not in (None, "tensor_type"):
        raise ModelError(f"{value.name!r} of the network is a {kind.removesuffix('_type')}, not an image")
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        raise ModelError(f"{value.name!r} of the network has no shape; export it again with shapes")
    names = {number: name.lower() for name, number in TensorProto.DataType.items()}
    dims = tuple(dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim)
    return Port(name=value.name, dtype=names.get(tensor.elem_type, str(tensor.elem_type)), dims=dims)


def _only(ports: list[Port], what: str) -> Port:
    if len(ports) != 1:
        names = ", ".join(port.name for port in ports[:5]) or "none"
        raise ModelError(f"the network has {len(ports)} {what}s ({names}); exactly one is supported")
    port = ports[0]
    if port.dtype != "float":
        raise ModelError(
            f"the network's {what} {port.name!r} is {port.dtype}; only float (32 bit) is supported"
        )
    if len(port.dims) == 5:
        raise ModelError(f"the network's {what} {port.name!r} has 5 axes: 3-D networks are not supported yet")
    if len(port.dims) != 4:
        raise ModelError(
            f"the network's {what} {port.name!r} has {len(port.dims)} axes; a picture for every picture is needed:"
            " batch, height, width, channels"
        )
    return port


def _input_layout(dims: Dims, channels: int | None) -> Layout:
    """Channels-last, as all ZEISS tools write, unless the sizes say otherwise."""
    second, last = dims[1], dims[3]
    if second is None:
        return "NHWC"
    if last is None:
        return "NCHW"
    if (second <= _MOST_CHANNELS) != (last <= _MOST_CHANNELS):
        return "NCHW" if second <= _MOST_CHANNELS else "NHWC"
    return "NCHW" if second == channels != last else "NHWC"


def _output_layout(dims: Dims, size: tuple[int | None, int | None], layout: Layout) -> Layout:
    """The layout whose height and width are the input's: the better match, the input's layout where both match."""
    other: Layout = "NHWC" if layout == "NCHW" else "NCHW"
    fitting = [option for option in (layout, other) if _fits(_spatial(dims, option), size)]
    if not fitting:
        shape = " × ".join(str(dim or "?") for dim in dims)
        raise ModelError(
            f"the network gives {shape} for an input of {size[0] or '?'} × {size[1] or '?'} pixels; height and width"
            " must stay the same"
        )
    return max(
        fitting, key=lambda option: sum(a == b for a, b in zip(_spatial(dims, option), size, strict=True))
    )


def _fits(size: tuple[int | None, int | None], wanted: tuple[int | None, int | None]) -> bool:
    return all(a is None or b is None or a == b for a, b in zip(size, wanted, strict=True))


def _spatial(dims: Dims, layout: Layout) -> tuple[int | None, int | None]:
    return (dims[1], dims[2]) if layout == "NHWC" else (dims[2], dims[3])


def _depth(dims: Dims, layout: Layout) -> int | None:
    return dims[3] if layout == "NHWC" else dims[1]
