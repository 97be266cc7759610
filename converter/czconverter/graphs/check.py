"""Whether a network is standard ONNX, in one sentence; and how many weights it has.

Whether it is one image in, one image out is for the engine's `graph.signature`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING

from czconverter.graphs.names import nested
from czconverter.graphs.serializing import serialized
from czconverter.reasons import reason
from czengine.errors import ModelError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_DEFAULT = ("", "ai.onnx")


def check_onnx(model: ModelProto) -> None:
    """Nothing, for a network that any runtime of its opset can run.

    Raises
    ------
    ModelError
        Where operators are not ONNX's (all are named), the onnx checker finds a mistake, or it has more than 2 GB.
    """
    import onnx

    _check_operators(model)
    data = serialized(model)
    try:
        onnx.checker.check_model(data, full_check=True)
    except (
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        ValueError,
        TypeError,
    ) as error:
        raise ModelError(f"the network is no valid ONNX model: {reason(error)}; export it again") from error


def parameters(model: ModelProto) -> int:
    """Number of weights: elements of all constant tensors, but for single numbers, and for indices and shapes."""
    return sum(
        prod(tensor.dims)
        for tensor in _constants(model)
        if tensor.dims and tensor.data_type in _weight_types()
    )


def _check_operators(model: ModelProto) -> None:
    import onnx

    own = {(function.domain, function.name) for function in model.functions}
    opsets = {_domain(opset.domain): opset.version for opset in model.opset_import}
    unknown = Counter(
        (_domain(node.domain), node.op_type)
        for node in _nodes(model)
        if (node.domain, node.op_type) not in own
        and not onnx.defs.has(node.op_type, opsets.get(_domain(node.domain), 0), _domain(node.domain))
    )
    custom = [f"{domain}.{op}" for domain, op in unknown if domain]
    missing = [op for domain, op in unknown if not domain]
    if custom:
        raise ModelError(
            f"the network uses operators that are no part of ONNX: {', '.join(sorted(custom))};"
            " export it without optimisations for one runtime"
        )
    if missing:
        raise ModelError(_missing(sorted(missing), opsets.get("", 0)))


def _missing(operators: list[str], opset: int) -> str:
    """Operators of later opsets need a higher one; others are TensorFlow's, which tf2onnx leaves as they are."""
    later = {op: since for op in operators if (since := _first_opset(op)) is not None}
    if len(later) == len(operators):
        return (
            f"the network uses operators that opset {opset} has not: {', '.join(operators)};"
            f" choose opset {max(later.values())} or higher"
        )
    return (
        f"ONNX has no such operators: {', '.join(operators)}; replace the layers they come from, or keep a TensorFlow"
        " network as it is with --runtime savedmodel"
    )


def _first_opset(operator: str) -> int | None:
    import onnx

    versions = [
        schema.since_version
        for schema in onnx.defs.get_all_schemas_with_history()
        if schema.name == operator and not schema.domain and not schema.deprecated
    ]
    return min(versions, default=None)


def _domain(name: str) -> str:
    return "" if name in _DEFAULT else name


def _nodes(model: ModelProto) -> Iterator[NodeProto]:
    for graph in nested(model.graph):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def _constants(model: ModelProto) -> Iterator[TensorProto]:
    for graph in nested(model.graph):
        yield from graph.initializer
        yield from (sparse.values for sparse in graph.sparse_initializer)
    for node in _nodes(model):
        if node.op_type == "Constant":
            yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def _weight_types() -> frozenset[int]:
    from onnx import TensorProto

    return frozenset(
        {
            TensorProto.FLOAT,
            TensorProto.FLOAT16,
            TensorProto.BFLOAT16,
            TensorProto.DOUBLE,
            TensorProto.INT8,
            TensorProto.UINT8,
        }
    )
