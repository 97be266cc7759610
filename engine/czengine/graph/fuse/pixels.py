"""Lets a network take pixels as an image stores them: cast and division are its first two nodes.

Only types whose every value float32 holds, and divisors that it holds, so that the quotient is the one that the gather
kernel computes: that of a division in float64, rounded once.
"""

from __future__ import annotations

from czengine.graph.fuse.draft import Draft

TYPES = ("uint8", "int8", "uint16", "int16", "float16", "float32")


def take_pixels(draft: Draft, dtype: str, divisor: float) -> bool:
    """Let pixels of a type go in, and be divided; False where that would change values, or is not needed."""
    import numpy as np
    from onnx import NodeProto, TensorProto, helper

    exact = 0 < divisor <= float(np.finfo(np.float32).max) and float(np.float32(divisor)) == divisor
    if dtype not in TYPES or not exact or (dtype == "float32" and divisor == 1):
        return False
    name, nodes = draft.source.name, list[NodeProto]()
    if dtype != "float32":
        nodes.append(draft.node("Cast", [name], f"{name}_float", to=TensorProto.FLOAT))
    if divisor != 1:
        before = nodes[-1].output[0] if nodes else name
        nodes.append(
            draft.node("Div", [before, draft.weight(np.float32(divisor), "divisor")], f"{name}_scaled")
        )
    draft.replace(name, nodes[-1].output[0])
    for index, node in enumerate(nodes):
        draft.graph.node.insert(index, node)
    draft.source.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return True
