"""Operators that slide along the pixels: convolution, pooling, enlarging, cutting; what each element reads.

Where the definitions leave room, or where rounding to 32 bits could move a pixel, the node is not followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil, floor

from czengine.graph.lines import BATCH, WIDEST_WINDOW, NotFollowed
from czengine.graph.step import Step
from czengine.graph.tensors import Lines

Taps = Callable[[int], Sequence[int]]


def window(step: Step) -> Lines:
    """Conv and pooling: element j reads a window that starts at j times the stride, less the padding."""
    step.free_of_pixels(1)
    found = []
    for axis in range(2, len(step.lines)):
        kernel, stride, dilation = _kernel(step, axis), *_pace(step, axis)
        start = -_pad_before(step, axis, kernel, stride, dilation)
        if step.get("ceil_mode", 0) and (step.result[axis] - 1) * stride + start >= step.shape[axis]:
            raise NotFollowed  # a window of nothing but padding, which not every runtime makes
        taps = _window(stride, start, kernel, dilation)
        found.append(step.read(axis, taps, inputs=stride))
    return (step.lines[0], None, *found)


def transposed(step: Step) -> Lines:
    """ConvTranspose: element e is painted on a window that starts at e times the stride, less the padding."""
    step.free_of_pixels(1)
    found = []
    for axis in range(2, len(step.lines)):
        kernel, stride, dilation = _kernel(step, axis), *_pace(step, axis)
        taps = _painted(stride, _trim_before(step, axis, kernel, stride, dilation), kernel, dilation)
        found.append(step.read(axis, taps, outputs=stride))
    return (step.lines[0], None, *found)


def pad(step: Step) -> Lines:
    """Pad: element j reads element j less the padding; what is beyond the edges is the edge's affair.

    Unless it comes from the opposite edge, or is filled with a number made from the size of the tile.
    """
    count = len(step.lines)
    filled = step.inputs[2] if len(step.inputs) > 2 else None
    if step.get("mode", "constant") == "wrap" or (filled is not None and filled.measured):
        raise NotFollowed
    pads = step.setting("pads", 1) or step.get("paddings", None)
    axes = step.numbers(3) or range(count)
    if pads is None or len(pads) != 2 * len(axes):
        raise NotFollowed
    before = {axis % count: amount for axis, amount in zip(axes, pads, strict=False)}
    return tuple(step.read(axis, _shifted(-before.get(axis, 0))) for axis in range(count))


def cut(step: Step) -> Lines:
    """Slice: element j reads every so many elements from the start on."""
    count = len(step.lines)
    starts = step.setting("starts", 1)
    axes, paces = step.setting("axes", 3) or range(count), step.numbers(4)
    if starts is None:
        raise NotFollowed
    found = list(step.lines)
    for start, axis, pace in zip(starts, axes, paces or [1] * count, strict=False):
        axis, length = axis % count, step.shape[axis]
        start = min(max(start + length if start < 0 else start, 0), length)
        if pace < 1 and found[axis] is not None:
            raise NotFollowed
        found[axis] = step.read(axis, _window(pace, start, 1, 1), inputs=max(pace, 1))
    return tuple(found)


def from_depth(step: Step) -> Lines:
    """DepthToSpace: a block of elements for every one."""
    step.free_of_pixels(1)
    block = step.get("blocksize", 0)
    return (step.lines[0], None, *(step.read(axis, _blocks(block), outputs=block) for axis in (2, 3)))


def to_depth(step: Step) -> Lines:
    """SpaceToDepth: one element for every block."""
    step.free_of_pixels(1)
    block = step.get("blocksize", 0)
    taps = _window(block, 0, block, 1)
    return (step.lines[0], None, *(step.read(axis, taps, inputs=block) for axis in (2, 3)))


def resize(step: Step) -> Lines:
    """Resize and Upsample: element j reads around the place where it comes from."""
    import numpy as np

    if step.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise NotFollowed
    found = []
    for axis, scale in enumerate(_scales(step)):
        line = step.lines[axis]
        if line is None or (scale == 1 and (line.source == BATCH or _stays(step))):
            found.append(line)
            continue
        if Fraction(float(np.float32(float(scale)))) != scale or (scale < 1 and step.get("antialias", 0)):
            raise NotFollowed
        taps = _interpolated(_place(step, axis, scale), _reach(step, scale), scale)
        found.append(step.read(axis, taps, outputs=scale.numerator, inputs=scale.denominator))
    return tuple(found)


def _stays(step: Step) -> bool:
    """Whether elements of an axis that keeps its length are where they were."""
    early = step.node.op_type == "Upsample" or step.opset < 11
    mode = step.get("coordinate_transformation_mode", "half_pixel")
    return early or mode not in ("tf_crop_and_resize", "tf_half_pixel_for_nn")


def _kernel(step: Step, axis: int) -> int:
    shape = step.get("kernel_shape", None)
    kernel = int(step.tensor(1).shape[axis] if shape is None else shape[axis - 2])
    if not 0 < kernel <= WIDEST_WINDOW:
        raise NotFollowed
    return kernel


def _pace(step: Step, axis: int) -> tuple[int, int]:
    """Stride and dilation."""
    count = len(step.lines) - 2
    strides, dilations = (step.get(name, [1] * count) for name in ("strides", "dilations"))
    if min(*strides, *dilations) < 1:
        raise NotFollowed
    return strides[axis - 2], dilations[axis - 2]


def _pad_before(step: Step, axis: int, kernel: int, stride: int, dilation: int) -> int:
    mode = step.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID"):
        return int(step.get("pads", [0] * len(step.shape))[axis - 2]) if mode == "NOTSET" else 0
    length = step.shape[axis]
    total = (ceil(Fraction(length, stride)) - 1) * stride + (kernel - 1) * dilation + 1 - length
    if total < -1:  # some runtimes take it for nought, others cut the first elements off
        raise NotFollowed
    return max(0, total) // 2 if mode == "SAME_UPPER" else max(0, total + 1) // 2


def _trim_before(step: Step, axis: int, kernel: int, stride: int, dilation: int) -> int:
    """Elements of what is painted that are cut off at the start."""
    mode = step.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID") and step.get("output_shape", None) is None:
        return int(step.get("pads", [0] * len(step.shape))[axis - 2]) if mode == "NOTSET" else 0
    extra = step.get("output_padding", [0] * len(step.shape))[axis - 2]
    total = stride * (step.shape[axis] - 1) + extra + (kernel - 1) * dilation + 1 - step.result[axis]
    if total < 0 or total % 2:  # runtimes disagree on which end gets more
        raise NotFollowed
    return int(total // 2)


def _scales(step: Step) -> list[Fraction]:
    """Elements that every one becomes, for each axis."""
    count = len(step.lines)
    early = step.node.op_type == "Upsample" or step.opset < 11
    scales = step.setting("scales", 1 if early else 2)
    axes = [axis % count for axis in step.get("axes", range(count))]
    if scales is None:
        return [Fraction(after, before) for after, before in zip(step.result, step.shape, strict=True)]
    if len(scales) != len(axes) or not all(0 < scale < float("inf") for scale in scales):
        raise NotFollowed
    given = dict(zip(axes, scales, strict=True))
    return [Fraction(given.get(axis, 1)) for axis in range(count)]


def _place(step: Step, axis: int, scale: Fraction) -> Callable[[int], Fraction]:
    """Where an element comes from, in elements of the input."""
    early = step.node.op_type == "Upsample" or step.opset < 11
    mode = "asymmetric" if early else step.get("coordinate_transformation_mode", "half_pixel")
    half = Fraction(1, 2)
    if mode == "asymmetric":
        return lambda j: j / scale
    if mode == "tf_half_pixel_for_nn":
        return lambda j: (j + half) / scale
    whole = scale * step.shape[axis] == step.result[axis] > 1
    if mode == "half_pixel" or (mode in ("pytorch_half_pixel", "half_pixel_symmetric") and whole):
        return lambda j: (j + half) / scale - half
    raise NotFollowed


def _reach(step: Step, scale: Fraction) -> Callable[[Fraction], Sequence[int]]:
    """Elements around a place that are read."""
    mode = step.get("mode", "nearest")
    if mode == "linear":
        return lambda place: (floor(place), ceil(place))
    if mode == "cubic":
        return lambda place: range(floor(place) - 1, floor(place) + 3)
    early = step.node.op_type == "Upsample" or step.opset < 11
    rounding = "floor" if early and scale > 1 else step.get("nearest_mode", "round_prefer_floor")
    half = Fraction(1, 2)
    nearest: dict[str, Callable[[Fraction], int]] = {
        "floor": floor,
        "ceil": ceil,
        "round_prefer_floor": lambda place: ceil(place - half),
        "round_prefer_ceil": lambda place: floor(place + half),
    }
    if mode != "nearest" or rounding not in nearest or (early and scale < 1):
        raise NotFollowed
    return lambda place: (nearest[rounding](place),)


def _interpolated(
    place: Callable[[int], Fraction], reach: Callable[[Fraction], Sequence[int]], scale: Fraction
) -> Taps:
    if scale == 1:  # by half a pixel, as defined, or not at all: runtimes disagree
        return lambda j: (j, *reach(place(j)))
    return lambda j: reach(place(j))


def _window(stride: int, start: int, kernel: int, dilation: int) -> Taps:
    def taps(j: int) -> range:
        return range(first := j * stride + start, first + (kernel - 1) * dilation + 1, dilation)

    return taps


def _painted(stride: int, trimmed: int, kernel: int, dilation: int) -> Taps:
    def taps(j: int) -> Sequence[int]:
        offsets = (j + trimmed - tap * dilation for tap in range(kernel))
        found = [offset // stride for offset in offsets if offset % stride == 0]
        return found or [(j + trimmed) // stride]  # a gap, which moves with its neighbours

    return taps


def _blocks(block: int) -> Taps:
    return lambda j: (j // block,)


def _shifted(by: int) -> Taps:
    return lambda j: (j + by,)
