"""The serving signature of a TensorFlow SavedModel, read from `saved_model.pb` without TensorFlow.

It only walks the few fields that lead to the shapes of input and output, so that an archive can be
inspected, and its tile known, on a machine that cannot run it. Whether its operators are safe is for
`saved_model_ops` to judge.
"""

from __future__ import annotations

from collections.abc import Iterator

from czengine.errors import ModelError
from czengine.graph.protobuf import DAMAGED, as_bytes, entries, fields, messages
from czengine.graph.signature import Port, Signature, match_ports

# field numbers of TensorFlow's saved_model.proto, meta_graph.proto and tensor_shape.proto
_META_GRAPHS = 2
_SIGNATURES = 5
_INPUTS, _OUTPUTS = 1, 2
_TENSOR_NAME, _TENSOR_DTYPE, _TENSOR_SHAPE = 1, 2, 3
_SHAPE_DIM, _UNKNOWN_RANK = 2, 3
_DIM_SIZE = 1

_SERVING = b"serving_default"
_FLOAT = 1  # DT_FLOAT


def read_signature(graph: bytes, *, channels: int | None = None) -> Signature | None:
    """Signature named "serving_default"; None where there is none, or one that leaves its ranks open.

    Raises
    ------
    ModelError
        If the bytes are no SavedModel, or its signature is not one float image in, one of the same size out.
    """
    try:
        found = next(_serving(graph), None)
        ports = None if found is None else [_ports(found, field) for field in (_INPUTS, _OUTPUTS)]
    except DAMAGED as error:
        raise ModelError("the network's saved_model.pb is damaged; export the model again") from error
    if ports is None or any(None in group for group in ports):
        return None
    inputs, outputs = ([port for port in group if port is not None] for group in ports)
    return match_ports(inputs, outputs, channels=channels)


def _serving(graph: bytes) -> Iterator[bytes]:
    for meta_graph in messages(graph, _META_GRAPHS):
        for name, signature in entries(meta_graph, _SIGNATURES):
            if name == _SERVING:
                yield signature


def _ports(signature: bytes, field: int) -> list[Port | None]:
    return [_port(info) for _, info in entries(signature, field)]


def _port(info: bytes) -> Port | None:
    values = dict(fields(info))
    shape = as_bytes(values.get(_TENSOR_SHAPE, b""))
    if _TENSOR_SHAPE not in values or any(
        number == _UNKNOWN_RANK and value for number, value in fields(shape)
    ):
        return None
    sizes = [dict(fields(dim)).get(_DIM_SIZE, 0) for dim in messages(shape, _SHAPE_DIM)]
    dims = tuple(size if isinstance(size, int) and 0 < size < 2**63 else None for size in sizes)  # -1: open
    dtype = values.get(_TENSOR_DTYPE)
    name = as_bytes(values.get(_TENSOR_NAME, b"")).decode()
    return Port(name=name, dtype="float" if dtype == _FLOAT else f"TensorFlow type {dtype!r}", dims=dims)
