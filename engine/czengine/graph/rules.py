"""What every operator does with pixels: for each axis of its output, which of them an element reads.

How far an operator looks is taken from its definition, never from weights: a weight of nought counts. An operator
that is not listed, or is used in a way not foreseen here, is not followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod

from czengine.graph import windows
from czengine.graph.lines import BATCH, Line, NotFollowed, merged
from czengine.graph.step import Step
from czengine.graph.tensors import Lines, Shape, Tensor

ALIGNED = (
    "Abs Acos Add And Asin Atan Cast Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater"
    " GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mish"
    " Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt"
    " Sub Sum Tan Tanh ThresholdedRelu Where Xor"
)
REDUCTIONS = (
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum"
    " ReduceSumSquare"
)
_RESHAPED = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
_SIZED = (
    *_RESHAPED,
    "Expand",
    "Pad",
    "Resize",
    "Slice",
    "Split",
    "Tile",
    "Upsample",
)  # may depend on tile size


def outcome(step: Step) -> Lines:
    """Axes of every output of a node.

    Raises
    ------
    NotFollowed
        If nobody can tell.
    """
    node = step.node
    rule = _rules().get(node.op_type)
    measured = any(tensor is not None and tensor.measured for tensor in step.inputs)
    if rule is None or (measured and node.op_type not in _SIZED and not _picks(step)):
        raise NotFollowed
    if node.op_type != "Split" and any(node.output[1:]):
        raise NotFollowed
    return rule(step)


def _picks(step: Step) -> bool:
    """Whether a node takes one picture out of a batch, or the only element of an axis, by a number that is known."""
    if step.node.op_type != "Gather" or step.tensor(1).value is None:
        return False
    return picked(step) is not None or step.shape[step.get("axis", 0) % len(step.lines)] == 1


def picked(step: Step) -> int | None:
    """Number of the one picture that a node picks out of a batch; None for all other nodes."""
    if step.node.op_type != "Gather" or len(step.inputs) < 2 or step.tensor(1).shape:
        return None
    axis = step.get("axis", 0) % len(step.lines)
    line, numbers = step.lines[axis], step.numbers(1)
    if line is None or line.source != BATCH or not numbers:
        return None
    first, last = line.span(int(numbers[0]) % step.shape[axis])
    return first if first == last else None


def _rules() -> Mapping[str, Callable[[Step], Lines]]:
    return {
        **dict.fromkeys(ALIGNED.split(), _aligned),
        **dict.fromkeys(REDUCTIONS.split(), _reduced),
        **dict.fromkeys(_RESHAPED, _reshaped),
        **dict.fromkeys(("Conv", "MaxPool", "AveragePool", "LpPool"), windows.window),
        **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax", "LayerNormalization"), _along),
        **dict.fromkeys(("ArgMax", "ArgMin"), _argument),
        **dict.fromkeys(("Resize", "Upsample"), windows.resize),
        "BatchNormalization": _normalised,
        "Concat": _concatenated,
        "ConvTranspose": windows.transposed,
        "DepthToSpace": windows.from_depth,
        "Dropout": _dropout,
        "Expand": lambda step: _broadcast([step.tensor(0)], step.result),
        "Gather": _gathered,
        "LRN": _normalised,
        "MatMul": _product,
        "Pad": windows.pad,
        "Slice": windows.cut,
        "SpaceToDepth": windows.to_depth,
        "Split": _split,
        "Tile": _tiled,
        "Transpose": _turned,
    }


def _aligned(step: Step) -> Lines:
    """Every element reads the same element of all inputs."""
    return _broadcast([tensor for tensor in step.inputs if tensor is not None], step.result)


def _broadcast(tensors: Sequence[Tensor], result: Shape) -> Lines:
    """Axes are aligned at the last one; a constant that differs from pixel to pixel is no part of a local network."""
    found: list[Line | None] = []
    for axis in range(-len(result), 0):
        there = [
            (_lines(tensor)[axis], tensor.shape[axis]) for tensor in tensors if len(tensor.shape) >= -axis
        ]
        lines = [line for line, _ in there if line is not None]
        if lines and any(length != (1 if line is None else result[axis]) for line, length in there):
            raise NotFollowed
        found.append(merged(lines) if lines else None)
    return tuple(found)


def _lines(tensor: Tensor) -> Lines:
    if tensor.varies and tensor.lines is None:
        raise NotFollowed
    return tensor.lines or (None,) * len(tensor.shape)


def _reduced(step: Step) -> Lines:
    rank = len(step.lines)
    axes = step.setting("axes", 1)
    if axes is None and not step.get("noop_with_empty_axes", 0):
        axes = list(range(rank))
    return _without(step, [axis % rank for axis in axes or ()])


def _argument(step: Step) -> Lines:
    return _without(step, [step.get("axis", 0) % len(step.lines)])


def _without(step: Step, axes: Iterable[int]) -> Lines:
    """Lines once `axes`, which must not run over pixels, have length 1 or are gone."""
    gone = set(axes)
    step.free_of_pixels(*gone)
    return tuple(line for i, line in enumerate(step.lines) if i not in gone or step.get("keepdims", 1))


def _along(step: Step) -> Lines:
    """Along an axis, or all from that axis on."""
    rank = len(step.lines)
    layers = step.node.op_type == "LayerNormalization"
    flat = step.opset < 13 and not layers
    axis = step.get("axis", 1 if flat else -1) % rank
    if layers and any(tensor and len(tensor.shape) > rank - axis for tensor in step.inputs[1:]):
        raise NotFollowed  # weights that differ from pixel to pixel
    step.free_of_pixels(*range(axis, rank if flat or layers else axis + 1))
    return step.lines


def _normalised(step: Step) -> Lines:
    """Each channel by itself, or by its neighbouring channels; channels-first by definition."""
    one_each = all(tensor is None or len(tensor.shape) == 1 for tensor in step.inputs[1:])
    if step.get("training_mode", 0) or not one_each:
        raise NotFollowed
    step.free_of_pixels(1)
    return step.lines


def _dropout(step: Step) -> Lines:
    if any(step.numbers(2) or ()):  # it is training
        raise NotFollowed
    return step.lines


def _concatenated(step: Step) -> Lines:
    """Side by side along an axis without pixels; a constant beside an image would differ from pixel to pixel."""
    joined = step.get("axis", 1) % len(step.result)
    columns = list(zip(*(_lines(tensor) for tensor in step.inputs if tensor is not None), strict=True))
    found = []
    for axis, column in enumerate(columns):
        lines = [line for line in column if line is not None]
        if lines and (axis == joined or len(lines) < len(column)):
            raise NotFollowed
        found.append(merged(lines) if lines else None)
    return tuple(found)


def _gathered(step: Step) -> Lines:
    axis = step.get("axis", 0) % len(step.lines)
    if picked(step) is None:
        step.free_of_pixels(axis)
    return (*step.lines[:axis], *(None,) * len(step.tensor(1).shape), *step.lines[axis + 1 :])


def _split(step: Step) -> Lines:
    step.free_of_pixels(step.get("axis", 0) % len(step.lines))
    return step.lines


def _tiled(step: Step) -> Lines:
    if any(line and step.shape[axis] != step.result[axis] for axis, line in enumerate(step.lines)):
        raise NotFollowed
    return step.lines


def _turned(step: Step) -> Lines:
    lines = step.lines
    return tuple(lines[axis] for axis in step.get("perm", range(len(lines))[::-1]))


def _product(step: Step) -> Lines:
    """Times a constant matrix: the last axis is mixed, the others stay."""
    step.free_of_pixels(-1)
    if len(step.tensor(1).shape) != 2:
        raise NotFollowed
    return (*step.lines[:-1], None)


def _reshaped(step: Step) -> Lines:
    """Axes in the order of memory are joined and cut; one of pixels must come first in its group."""
    before = [(length, line) for length, line in zip(step.shape, step.lines, strict=True) if length != 1]
    after = [length for length in step.result if length != 1]
    if not prod(step.shape) == prod(step.result) > 0:
        raise NotFollowed
    step.free_of_pixels(*(axis for axis, length in enumerate(step.shape) if length == 1))
    found: list[Line | None] = []
    for group, lengths in _groups(before, after):
        if any(line for _, line in group[1:]):
            raise NotFollowed
        length, line = group[0]
        found += [line and _rescaled(line, length, lengths[0]), *(None,) * (len(lengths) - 1)]
    lines = iter(found)
    return tuple(None if length == 1 else next(lines) for length in step.result)


def _groups(
    before: list[tuple[int, Line | None]], after: list[int]
) -> Iterable[tuple[list[tuple[int, Line | None]], list[int]]]:
    """Smallest runs of neighbouring axes, of the input and the output, that hold the same elements."""
    before, after = before[::-1], after[::-1]
    while before:
        group, lengths = [before.pop()], [after.pop()]
        while (old := prod(length for length, _ in group)) != (new := prod(lengths)):
            if old < new:
                group.append(before.pop())
            else:
                lengths.append(after.pop())
        yield group, lengths


def _rescaled(line: Line, old: int, new: int) -> Line:
    """An axis cut into `new` pieces of equal size, or with every element cut into as many."""
    if new % old == 0:
        factor = new // old
        return line.read(lambda j: (j // factor,), outputs=factor)
    if old % new:
        raise NotFollowed
    factor = old // new
    return line.read(lambda j: range(j * factor, (j + 1) * factor), inputs=factor)
