"""Takes Transposes away at both ends, where the gather and stitch kernels can deliver the other layout.

Between such a Transpose and the end may be arithmetic on single values, with constants: it is done in the other
layout, to the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from czengine.graph.fuse.draft import Draft, attribute, operator, reads, rename_inputs
from czengine.graph.fuse.turns import TO_FIRST, TO_LAST, turns

if TYPE_CHECKING:
    from onnx import NodeProto, ValueInfoProto

_SINGLE = (
    "Abs Cast Ceil Clip Elu Erf Exp Floor HardSigmoid Identity LeakyRelu Log Neg Reciprocal Relu Round Sigmoid Sign"
    " Softplus Softsign Sqrt Tanh"
)
_PAIRED = "Add Div Max Min Mul Pow Sub"
_ALONG = ("Softmax", "LogSoftmax")
_PER_AXIS = 13  # from this opset on softmax is along one axis, whichever it is


def channels_first_input(draft: Draft) -> bool:
    """Let the input be what Transposes to channels-first make of it; False where something else needs it as it is."""
    known = {name: turn for name, turn in turns(draft).items() if turn.perm == TO_FIRST}
    through = {turn.between: name for name, turn in known.items() if turn.between}
    inside, leaves, region = {draft.source.name}, {}, []
    for node in draft.graph.node:
        if inside.isdisjoint(reads(node)):
            continue
        name = through.get(node.output[0], node.output[0])
        turn = known.get(name)
        if turn is not None and (turn.between is None or len(draft.users(turn.between)) == 1):
            leaves[name] = turn.source
        elif _is_arithmetic(draft, node, inside):
            inside.add(name)
            region.append(node)
        else:
            return False
    if not leaves or draft.result.name in inside | leaves.keys():
        return False
    for node in region:
        _turn(draft, node)
    for name, source in leaves.items():
        draft.replace(name, source)
    _turn_dims(draft.source)
    draft.prune()
    return True


def channels_first_output(draft: Draft) -> bool:
    """Let the output be what it was before Transposes to channels-last; False where it was something else."""
    known = {name: turn for name, turn in turns(draft).items() if turn.perm == TO_LAST}
    name = draft.result.name
    last = draft.maker(name)
    if last is None or draft.users(name):
        return False
    if name in known:
        done = draft.bypass(last, known[name].source)
    else:
        done = _before_arithmetic(draft, {turned: turn.source for turned, turn in known.items()})
    if done:
        _turn_dims(draft.result)
        draft.prune()
    return done


def _before_arithmetic(draft: Draft, turned: dict[str, str]) -> bool:
    """Let the arithmetic that the output ends with be done before all of the Transposes it begins with."""
    region: dict[str, NodeProto] = {}
    waiting = [draft.result.name]
    while waiting:
        name = waiting.pop()
        node = draft.maker(name)
        inputs = [n for n in node.input if n and not draft.is_constant(n)] if node is not None else []
        if node is None or not _is_arithmetic(draft, node, set(inputs)):
            return False
        region[name] = node
        waiting += [n for n in inputs if n not in turned and n not in region]
    if any(user.output[0] not in region for name in region for user in draft.users(name)):
        return False
    for node in region.values():
        rename_inputs(node, turned)
        _turn(draft, node)
    return True


def _is_arithmetic(draft: Draft, node: NodeProto, images: set[str]) -> bool:
    """Whether a node works on single values, or along one axis, of these images and of constants."""
    kind, single = operator(node), operator(node) in _SINGLE.split()
    along = kind in _ALONG and draft.opset >= _PER_AXIS
    if not (single or along or kind in _PAIRED.split()) or len(node.output) != 1:
        return False
    if images.isdisjoint(node.input[:1] if single or along else node.input):
        return False
    constants = [draft.constant(name) for name in node.input if name and name not in images]
    return all(
        value is not None and (value.size == 1 or (not single and value.ndim <= 4)) for value in constants
    )


def _turn(draft: Draft, node: NodeProto) -> None:
    """Let a node do in channels-first what it does in channels-last."""
    from onnx import helper

    for index, name in enumerate(node.input):
        value = draft.constant(name) if name else None
        if value is not None and value.size > 1:
            wide = value.reshape((1,) * (4 - value.ndim) + value.shape)
            node.input[index] = draft.weight(wide.transpose(TO_FIRST), f"{name}_channels_first")
    if operator(node) in _ALONG:
        axis = TO_FIRST.index(attribute(node, "axis", -1) % 4)
        del node.attribute[:]
        node.attribute.append(helper.make_attribute("axis", axis))


def _turn_dims(value: ValueInfoProto) -> None:
    """Dims of channels-last become those of channels-first."""
    dims = value.type.tensor_type.shape.dim
    before = [type(dim).FromString(dim.SerializeToString()) for dim in dims]
    for dim, axis in zip(dims, TO_FIRST, strict=True):
        dim.CopyFrom(before[axis])
