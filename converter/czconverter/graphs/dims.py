"""Sizes of a network's ends: readable names where they are open, other heights and widths where the graph allows.

The nodes stay as they are: only what the graph says about its shapes changes, and a trial run proves that it is so.
What the layout is must be known; it is not guessed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czconverter.graphs.names import copy_of, nested
from czconverter.graphs.running import OnnxRunner
from czengine.errors import ModelError
from czengine.spec import Layout

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, ValueInfoProto

Size = tuple[int | None, int | None]

_AXES: dict[Layout, tuple[int, int, int]] = {"NHWC": (1, 2, 3), "NCHW": (2, 3, 1)}  # of y, x, channel
_TOLERANCE = 1e-5  # relative to the output's range: onnxruntime may sum in another order for a known shape


def name_dims(model: ModelProto) -> ModelProto:
    """The channels-last network with its open dims named; fixed ones stay.

    Returns
    -------
    ModelProto
        Input ("batch", "height", "width", "channels"), output ("batch", "height", "width", "classes").
    """
    named = copy_of(model)
    for value, last in ((named.graph.input[0], "channels"), (named.graph.output[0], "classes")):
        for dim, name in zip(_dims(value), ("batch", "height", "width", last), strict=True):
            if dim.dim_value <= 0:
                dim.dim_param = name
    return named


def set_size(
    model: ModelProto,
    height: int,
    width: int,
    *,
    channels: int | None = None,
    layout: Layout = "NHWC",
    output_layout: Layout = "NHWC",
) -> ModelProto:
    """The network for pictures of exactly `height` × `width` pixels, proven by running it.

    Parameters
    ----------
    channels : int or None
        Fixes the channels as well, where they are open.
    layout, output_layout : {"NHWC", "NCHW"}
        Axis order of input and output.

    Raises
    ------
    ModelError
        Where sizes are built into the graph, or the output would have another height or width than the input.
    MissingExtra
        Where onnxruntime, which runs the trial, is not installed.
    """
    size, before = (height, width), _size(model.graph.input[0], layout)
    try:
        sized, shape = _tried(model, size, channels, (layout, output_layout))
        if any(old not in (None, new) for old, new in zip(before, size, strict=True)):
            _check_freed(model, (before[0] or height, before[1] or width), layout)
    except ModelError as error:
        raise _refusal(before, size, error) from error
    for dim, length in list(zip(_dims(sized.graph.output[0]), shape, strict=True))[1:]:
        dim.dim_value = length
    return sized


def _tried(
    model: ModelProto, size: tuple[int, int], channels: int | None, layouts: tuple[Layout, Layout]
) -> tuple[ModelProto, tuple[int, ...]]:
    """The network of this size, and the shape of what it gives."""
    sized = _relabelled(model, size, channels, layouts[0])
    shape = OnnxRunner(sized).run(_picture(sized, size, layouts[0])).shape
    if len(shape) != 4 or tuple(shape[axis] for axis in _AXES[layouts[1]][:2]) != size:
        raise ModelError(f"for {size[0]} × {size[1]} pixels it gives scores of shape {shape}")
    return sized, shape


def _relabelled(model: ModelProto, size: tuple[int, int], channels: int | None, layout: Layout) -> ModelProto:
    """With these sizes at the input, and what follows from them everywhere else."""
    import onnx

    copy = copy_of(model)
    _forget_shapes(copy.graph)
    y, x, channel = _AXES[layout]
    dims = _dims(copy.graph.input[0])
    dims[y].dim_value, dims[x].dim_value = size
    if channels is not None and dims[channel].dim_value <= 0:
        dims[channel].dim_value = channels
    for dim in _dims(copy.graph.output[0])[1:]:
        dim.Clear()
    try:
        return onnx.shape_inference.infer_shapes(copy, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise ModelError(" ".join(str(error).split())[:300]) from error


def _check_freed(model: ModelProto, size: tuple[int, int], layout: Layout) -> None:
    """At its own size, the network with open sizes has to do what the network with fixed sizes does."""
    freed = copy_of(model)
    _forget_shapes(freed.graph)
    for axis, name in zip(_AXES[layout], ("height", "width"), strict=False):
        _dims(freed.graph.input[0])[axis].dim_param = name
    freed.graph.output[0].type.tensor_type.ClearField("shape")
    picture = _picture(model, size, layout)
    expected, got = OnnxRunner(model).run(picture), OnnxRunner(freed).run(picture)
    allowed = _TOLERANCE * max(float(np.ptp(expected)), 1e-30)
    if expected.shape != got.shape or float(np.abs(expected - got).max()) > allowed:
        raise ModelError(f"with open sizes it gives other values at {size[0]} × {size[1]} pixels")


def _picture(model: ModelProto, size: tuple[int, int], layout: Layout) -> NDArray[np.float64]:
    """Noise for a trial, in counts for integer inputs."""
    from onnx import TensorProto

    value = model.graph.input[0]
    shape = [dim.dim_value if dim.dim_value > 0 else 1 for dim in _dims(value)]
    for axis, length in zip(_AXES[layout], size, strict=False):
        shape[axis] = length
    counts = value.type.tensor_type.elem_type in (TensorProto.UINT8, TensorProto.UINT16)
    return np.random.default_rng(0).random(shape) * (255 if counts else 1)


def _size(value: ValueInfoProto, layout: Layout) -> Size:
    y, x, _ = _AXES[layout]
    dims = _dims(value)
    return dims[y].dim_value or None, dims[x].dim_value or None


def _forget_shapes(graph: GraphProto) -> None:
    """Shapes between the nodes, in subgraphs too: they are those of another size."""
    for inner in nested(graph):
        del inner.value_info[:]
        for value in inner.output if inner is not graph else ():
            value.type.tensor_type.ClearField("shape")


def _dims(value: ValueInfoProto) -> Any:
    return value.type.tensor_type.shape.dim


def _refusal(before: Size, size: tuple[int, int], reason: ModelError) -> ModelError:
    if None in before:
        return ModelError(
            f"the network does not take {size[0]} × {size[1]} pixels: {reason}; choose a multiple of what it"
            " downsamples by, such as 32"
        )
    return ModelError(
        f"the network is not spatially invariant: {reason}; keep its {before[0]} × {before[1]} pixels, or export it"
        f" for {size[0]} × {size[1]}"
    )
