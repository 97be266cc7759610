"""Lets a network choose the best class by itself: one label value per pixel comes out instead of scores.

The first of equal scores wins, and a pixel with a score that is not a number gets 0, as in the stitch kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from czengine.graph.fuse.draft import Draft
from czengine.spec import Layout

if TYPE_CHECKING:
    import numpy as np

_OLDEST = 9  # opset that brought IsNaN and Where
_AXES_AS_INPUT = 18  # opset, of ReduceMax


def choose(draft: Draft, labels: tuple[int, ...], layout: Layout) -> bool:
    """Let the output be labels (batch, y, x); False where the number of classes is not that of the labels.

    Parameters
    ----------
    draft : Draft
        Gives scores.
    labels : tuple of int
        Label value per class.
    layout : {"NHWC", "NCHW"}
        Axis order of the scores, as they are in `draft`.
    """
    import numpy as np
    from onnx import helper

    axis = 3 if layout == "NHWC" else 1
    fitting = draft.signature.outputs == len(labels) and 0 <= min(labels) <= max(labels) <= _most(np.uint16)
    if draft.opset < _OLDEST or not fitting:
        return False
    name, scores = draft.result.name, draft.fresh("scores")
    draft.rename(name, scores)
    best = _values(draft, scores, labels, axis)
    unknown = _not_numbers(draft, scores, axis)
    dtype = np.dtype(np.uint8 if max(labels) <= _most(np.uint8) else np.uint16)
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    chosen = _add(draft, "Where", [unknown, draft.weight(np.int32(0), "nothing"), best])
    draft.graph.node.append(helper.make_node("Cast", [chosen], [name], name=draft.fresh("labels"), to=kind))
    draft.result.type.tensor_type.elem_type = kind
    del draft.result.type.tensor_type.shape.dim[axis]
    return True


def _values(draft: Draft, scores: str, labels: tuple[int, ...], axis: int) -> str:
    """Label of the best class, int32. Labels that count up are added to, which is faster than looking them up."""
    import numpy as np
    from onnx import TensorProto

    best = _add(draft, "ArgMax", [scores], axis=axis, keepdims=0)
    if labels != tuple(range(labels[0], labels[0] + len(labels))):
        return _add(draft, "Gather", [draft.weight(np.array(labels, np.int32), "label_values"), best])
    best = _add(draft, "Cast", [best], to=TensorProto.INT32)
    return _add(draft, "Add", [best, draft.weight(np.int32(labels[0]), "first_label")])


def _not_numbers(draft: Draft, scores: str, axis: int) -> str:
    """Where any score is not a number. Neither maximum nor comparisons tell that on every runtime."""
    import numpy as np
    from onnx import TensorProto

    each = _add(draft, "Cast", [_add(draft, "IsNaN", [scores])], to=TensorProto.FLOAT)
    if draft.opset >= _AXES_AS_INPUT:
        axes = draft.weight(np.array([axis], np.int64), "classes")
        found = _add(draft, "ReduceMax", [each, axes], keepdims=0)
    else:
        found = _add(draft, "ReduceMax", [each], axes=[axis], keepdims=0)
    return _add(draft, "Cast", [found], to=TensorProto.BOOL)


def _add(draft: Draft, operator: str, inputs: list[str], **settings: Any) -> str:
    """Output of a new last node."""
    node = draft.node(operator, inputs, f"labels_{operator}", **settings)
    draft.graph.node.append(node)
    return str(node.output[0])


def _most(dtype: type[np.integer[Any]]) -> int:
    import numpy as np

    return int(np.iinfo(dtype).max)
