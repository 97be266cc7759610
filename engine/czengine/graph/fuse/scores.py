"""Drops what the network does to its scores last, where labels come out the same without it.

Labels are the same wherever the two best scores differ by more than 1e-6, and thresholds wherever a score is that
far from them. A softmax may go where only the best class counts, a sigmoid where only a threshold does. What is no
number before is none after either; but where a network overflows, softmax makes no number of infinity, and without it
the infinite class is the best one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from czengine.graph.fuse.draft import Draft, attribute, operator
from czengine.graph.fuse.turns import Turn, origin, path, turns

if TYPE_CHECKING:
    from onnx import NodeProto

_SURE = 1e-6  # a threshold nearer to 0 or 1 is where float32 has too few sigmoids left
_PER_AXIS = 13  # from this opset on softmax is along its axis; before, over all from its axis on


@dataclass(frozen=True, kw_only=True)
class _Tail:
    """The last node that does more than turn axes.

    Attributes
    ----------
    node : NodeProto
        The node.
    axis : int
        Of the classes, among its own.
    known : dict
        All turned tensors.
    """

    node: NodeProto
    axis: int
    known: dict[str, Turn]


def drop_softmax(draft: Draft) -> bool:
    """Let the output be what its softmax over the classes is made of, whatever it is written as."""
    changed = False
    while (tail := _tail(draft)) is not None and any(
        drop(draft, tail) for drop in (_softmax, _two_classes, _division)
    ):
        draft.prune()
        changed = True
    return changed


def drop_sigmoid(draft: Draft, threshold: float) -> float | None:
    """Let the output be what its sigmoid is made of.

    Returns
    -------
    float or None
        What to compare it with from now on; None where nothing was changed.
    """
    tail = _tail(draft)
    if tail is None or operator(tail.node) != "Sigmoid" or not _SURE <= threshold <= 1 - _SURE:
        return None
    if not draft.bypass(tail.node, tail.node.input[0]):
        return None
    return math.log(threshold) - math.log1p(-threshold)


def _tail(draft: Draft) -> _Tail | None:
    """None where something else uses what the output is turned from."""
    known = turns(draft)
    names = path(draft.result.name, known)
    node, perm = draft.maker(names[-1]), origin(names[0], known).perm
    alone = all(len(draft.users(name)) == (name != names[0]) for name in names)
    if node is None or not alone or len(node.output) != 1:
        return None
    axis = perm[3 if draft.signature.output_layout == "NHWC" else 1]
    return _Tail(node=node, axis=axis, known=known)


def _softmax(draft: Draft, tail: _Tail) -> bool:
    if operator(tail.node) not in ("Softmax", "LogSoftmax"):
        return False
    per_axis = draft.opset >= _PER_AXIS
    axis = attribute(tail.node, "axis", -1 if per_axis else 1) % 4
    return axis == tail.axis and (per_axis or axis == 3) and draft.bypass(tail.node, tail.node.input[0])


def _two_classes(draft: Draft, tail: _Tail) -> bool:
    """(p, 1 - p) of p = sigmoid(x) becomes (x, -x)."""
    node, known = tail.node, tail.known
    if operator(node) != "Concat" or len(node.input) != 2 or attribute(node, "axis", 1) % 4 != tail.axis:
        return False
    for one, other in (tuple(node.input), tuple(node.input)[::-1]):
        first, second = origin(one, known), origin(other, known)
        rest = draft.maker(second.source)
        if rest is None or operator(rest) != "Sub" or not _is_one(draft, rest.input[0]):
            continue
        beneath = _then(second, origin(rest.input[1], known))
        sigmoid = draft.maker(first.source)
        tensors = {*path(one, known), *path(other, known), *path(rest.input[1], known)}
        used = (user for name in tensors for user in draft.users(name))
        alone = all(user.output[0] in tensors or user == node for user in used)
        if sigmoid is not None and operator(sigmoid) == "Sigmoid" and beneath == first and alone:
            rest.op_type, rest.input[:] = "Neg", [rest.input[1]]
            return draft.bypass(sigmoid, sigmoid.input[0])
    return False


def _division(draft: Draft, tail: _Tail) -> bool:
    """exp(x - max(x)) / sum(exp(x - max(x))) becomes x; also without max(x), and with turns in between."""
    node, known = tail.node, tail.known
    if operator(node) != "Div":
        return False
    top = origin(node.input[0], known)
    if operator(draft.maker(top.source)) != "Exp" or not _over_classes(draft, tail, "ReduceSum", top):
        return False
    if not draft.bypass(node, node.input[0]):
        return False
    draft.prune()
    rest = _tail(draft)
    if rest is None or operator(rest.node) != "Exp" or not draft.bypass(rest.node, rest.node.input[0]):
        return True
    rest = _tail(draft)
    if rest is not None and operator(rest.node) == "Sub":
        first = origin(rest.node.input[0], rest.known)
        if _over_classes(draft, rest, "ReduceMax", first):
            draft.bypass(rest.node, rest.node.input[0])
    return True


def _over_classes(draft: Draft, tail: _Tail, reduction: str, scores: Turn) -> bool:
    """Whether the second input of the last node is one number per pixel: a reduction of these scores."""
    side = origin(tail.node.input[1], tail.known)
    node = draft.maker(side.source)
    if node is None or operator(node) != reduction or not attribute(node, "keepdims", 1):
        return False
    axes = draft.setting(node, "axes", 1) or []
    beneath = _then(side, origin(node.input[0], tail.known))
    return [axis % 4 for axis in axes] == [side.perm[tail.axis]] and beneath == scores


def _then(outer: Turn, inner: Turn) -> Turn:
    """Both turns, the inner one done first."""
    return Turn(source=inner.source, perm=tuple(inner.perm[axis] for axis in outer.perm))


def _is_one(draft: Draft, name: str) -> bool:
    value = draft.constant(name)
    return value is not None and value.size == 1 and float(value.item()) == 1.0
