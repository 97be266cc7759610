"""Shapes out of `saved_model.pb` without TensorFlow. The messages here are assembled byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.errors import ModelError
from czengine.graph.saved_model import read_signature

FLOAT, INT64 = 1, 9
Dims = list[int] | None


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value % 2**64)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])


def tensor(name: str, dims: Dims, dtype: int = FLOAT) -> bytes:
    shape = number(3, 1) if dims is None else b"".join(message(2, number(1, dim)) for dim in dims)
    return message(1, name.encode()) + number(2, dtype) + message(3, shape)


def saved(inputs: list[bytes], outputs: list[bytes], *, name: str = "serving_default") -> bytes:
    def entry(field: int, key: str, content: bytes) -> bytes:
        return message(field, message(1, key.encode()) + message(2, content))

    signature = b"".join(
        entry(field, f"key{i}", info)
        for field, infos in ((1, inputs), (2, outputs))
        for i, info in enumerate(infos)
    )
    other = entry(5, "__saved_model_init_op", entry(2, "op", message(1, b"NoOp")))
    unread = message(2, b"graph_def") + varint(9 << 3 | 1) + bytes(8) + varint(10 << 3 | 5) + bytes(4)
    return number(1, 1) + message(2, unread + other + entry(5, name, signature))


def test_signature() -> None:
    found = read_signature(
        saved([tensor("input:0", [-1, 128, 96, 3])], [tensor("Identity:0", [-1, 128, 96, 4])])
    )
    assert found is not None
    assert (found.input_name, found.output_name) == ("input:0", "Identity:0")
    assert (found.layout, found.output_layout, found.size) == ("NHWC", "NHWC", (128, 96))
    assert (found.channels, found.outputs, found.fixed_batch) == (3, 4, None)
    assert (found.opset, found.ir_version) == (None, None)


def test_open_sizes_and_fixed_batch() -> None:
    found = read_signature(saved([tensor("i", [2, -1, -1, 1])], [tensor("o", [2, -1, -1, 2])]))
    assert found is not None
    assert (found.size, found.fixed_batch) == ((None, None), 2)


@pytest.mark.parametrize(
    "graph",
    [
        b"",
        number(1, 1),
        saved([tensor("i", [1, 8, 8, 1])], [tensor("o", [1, 8, 8, 1])], name="other"),
        saved([tensor("i", None)], [tensor("o", [1, 8, 8, 1])]),
        saved([tensor("i", [1, 8, 8, 1])], [message(1, b"o") + number(2, FLOAT)]),
    ],
)
def test_nothing_said(graph: bytes) -> None:
    assert read_signature(graph) is None


def test_more_than_one_input() -> None:
    image = tensor("i", [1, 8, 8, 1])
    with pytest.raises(ModelError, match=r"^the network has 2 inputs \(i, i\); exactly one is supported$"):
        read_signature(saved([image, image], [tensor("o", [1, 8, 8, 1])]))


def test_input_of_another_type() -> None:
    with pytest.raises(ModelError, match=r"^the network's input 'i' is TensorFlow type 9; only float"):
        read_signature(saved([tensor("i", [1, 8, 8, 1], INT64)], [tensor("o", [1, 8, 8, 1])]))


@pytest.mark.parametrize(
    "graph",
    [
        b"\xff" * 20,
        b"\x80",
        message(2, b"x" * 9)[:-1],
        b"\x13",
        message(2, number(5, 1)),
        b"garbage!",
        b"\x0b\x00",
    ],
)
def test_damaged(graph: bytes) -> None:
    with pytest.raises(
        ModelError, match=r"^the network's saved_model.pb is damaged; export the model again$"
    ):
        read_signature(graph)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_an_error_of_ours_or_a_signature(noise: bytes, position: int) -> None:
    good = saved([tensor("i", [1, 8, 8, 1])], [tensor("o", [1, 8, 8, 1])])
    assert attempt(good[:position] + noise + good[position + len(noise) :])


def attempt(graph: bytes) -> str:
    """What came of it; any error but ours is a bug and goes on."""
    try:
        return repr(read_signature(graph))
    except ModelError as error:
        return str(error)
