"""A network for tiles of another size: numbers that stand for the old size are found in the graph and changed.

Shapes prove the result, nothing is run. Weights stay as they are, and so does what the network is at its own size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from czengine.errors import CzEngineError, ModelError, PlanError
from czengine.graph.edits import bare, copy_of, graphs_of
from czengine.graph.lengths import Part
from czengine.graph.reach import analyze
from czengine.graph.resizing import Sides, Stuck, axes_of, walk
from czengine.graph.signature import Signature, read_signature

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

Size = tuple[int, int]

_OPEN_BATCH = (11, 13, 17, 19)  # stand for an open one, and are hardly another length
_OPEN_SIDE = 256  # as even as networks of eight poolings need
_GRIDS = tuple(2**i for i in range(1, 9))  # that tile sizes may have to be multiples of


def retile(model: ModelProto, size: Size | None, *, batch: int | None = None) -> ModelProto:
    """A copy of a network that takes tiles of another size.

    Parameters
    ----------
    model : ModelProto
        One image in, one image out of the same size, in any layout.
    size : (height, width) or None
        Of the tiles; None leaves both open.
    batch : int or None
        Tiles that a call takes; None leaves it as it is.

    Raises
    ------
    ModelError
        Where a node fixes the size or the batch, or is not understood.
    PlanError
        Where the network does not take tiles of this size, but of sizes nearby.
    """
    signature = read_signature(model)
    try:
        return _retiled(model, signature, size, batch)
    except Stuck as stuck:
        raise _refusal(model, signature, size, batch, stuck) from stuck


def _retiled(model: ModelProto, signature: Signature, size: Size | None, batch: int | None) -> ModelProto:
    fixed = (signature.fixed_batch, *signature.size)
    wanted = (batch or signature.fixed_batch, *(size or (None, None)))
    if wanted == fixed:  # there is nothing to do, whatever the nodes are
        return copy_of(model)
    copy = bare(model)
    if any(old and old != new for old, new in zip(fixed, wanted, strict=True)):
        _walk(copy.graph, signature, _sides(fixed, wanted))
        _drop_unused(copy.graph)
    _declare(copy.graph, signature, wanted)
    for sides in dict.fromkeys(_proofs(fixed, wanted)):
        _walk(copy.graph, signature, sides)
    return copy


def _sides(fixed: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> Sides:
    """From what the graph insists on to what is wanted; where that is open, to something else."""
    batch, *sides = (Part(old or new, new) if new else None for old, new in zip(fixed, wanted, strict=True))
    height, width = (old or _OPEN_SIDE for old in fixed[1:])
    far = 5 if 3 * height != 5 * width else 7
    return (
        batch or Part(*_OPEN_BATCH[:2], open=True),
        sides[0] or Part(height, 3 * height, open=True),
        sides[1] or Part(width, far * width, open=True),
    )


def _proofs(fixed: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> Iterator[Sides]:
    """Sizes at which the result has to be sound: the wanted one, or two that had no part in making it."""
    for turn, factors in enumerate(((2, 7), (6, 2))):
        lengths = [
            wanted[0] or _OPEN_BATCH[2 + turn],
            *(
                new or factor * (old or _OPEN_SIDE)
                for new, old, factor in zip(wanted[1:], fixed[1:], factors, strict=True)
            ),
        ]
        batch, height, width = (Part(length, length) for length in lengths)
        yield batch, height, width


def _walk(graph: GraphProto, signature: Signature, sides: Sides) -> None:
    """Change the graph for the new size, and see that it gives what it takes.

    Raises
    ------
    Stuck
        If that cannot be, or cannot be told.
    """
    given = walk(graph, signature, sides).shapes().get(signature.output_name, ())
    places = (0, *axes_of(signature.output_layout))
    if len(given) != 4 or [given[place] for place in places] != [side.new for side in sides]:
        raise Stuck(graph.node[-1], "comes out in another size")


def _declare(graph: GraphProto, signature: Signature, wanted: tuple[int | None, ...]) -> None:
    """Write the new size at both ends."""
    batch, *size = wanted
    ends = {signature.input_name: signature.layout, signature.output_name: signature.output_layout}
    for value in [*graph.input, *graph.output]:
        if value.name not in ends:
            continue
        dims = value.type.tensor_type.shape.dim
        if batch:
            dims[0].dim_value = batch
        for place, length, name in zip(axes_of(ends[value.name]), size, ("height", "width"), strict=True):
            if length:
                dims[place].dim_value = length
            else:
                dims[place].dim_param = name


def _drop_unused(graph: GraphProto) -> None:
    """Leave out constants that nothing reads any more."""
    graphs = list(graphs_of(graph))
    used = {name for each in graphs for node in each.node for name in node.input}
    used |= {value.name for each in graphs for value in each.output}
    for each in graphs:
        unused = {tensor.name for tensor in each.initializer} - used
        for values in (each.initializer, each.input):  # early versions list constants as inputs too
            for index in reversed(range(len(values))):
                if values[index].name in unused:
                    del values[index]


def _refusal(
    model: ModelProto, signature: Signature, size: Size | None, batch: int | None, stuck: Stuck
) -> CzEngineError:
    if batch and signature.fixed_batch not in (None, batch) and _works(model, signature, size, None):
        return ModelError(
            f"the network takes batches of {signature.fixed_batch} only: {stuck.label} fixes that; keep it"
        )
    nearby = (
        [] if size is None else [f"{height} × {width}" for height, width in _nearby(model, signature, size)]
    )
    asked = "any size" if size is None else f"{size[0]} × {size[1]} pixels"
    if nearby:
        return PlanError(
            f"the network does not take tiles of {asked}: {stuck}; sizes nearby that work: {' and '.join(nearby)}"
        )
    if None in signature.size:
        return ModelError(f"the network does not take tiles of {asked}: {stuck}")
    own = f"{signature.size[0]} × {signature.size[1]}"
    return ModelError(f"the network takes tiles of {own} pixels only, not of {asked}: {stuck}")


def _nearby(model: ModelProto, signature: Signature, size: Size) -> list[Size]:
    """The sizes below and above that are multiples of what they have to be."""
    stride = analyze(model).stride
    for grid in [stride] if stride else [(step, step) for step in _GRIDS]:
        cuts = [
            (length // step * step, -(-length // step) * step)
            for length, step in zip(size, grid, strict=True)
        ]
        found = dict.fromkeys(zip(*cuts, strict=True))
        tried = [other for other in found if min(other) > 0 and other not in (size, signature.size)]
        if tried and all(_works(model, signature, other, None) for other in tried):
            return tried
    return []


def _works(model: ModelProto, signature: Signature, size: Size | None, batch: int | None) -> bool:
    try:
        _retiled(model, signature, size, batch)
    except Stuck:
        return False
    return True
