"""The scan of a SavedModel's operators, on messages made by hand: what runs, what only saves, and what hides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.errors import ModelError
from czengine.graph.saved_model_ops import forbidden_operators


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _varint(number >> 7)


def field(number: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def node(name: str, operator: str, *inputs: str, calls: str = "", listed: bool = False) -> bytes:
    message = field(1, name) + field(2, operator) + b"".join(field(3, before) for before in inputs)
    if calls:
        called = field(1, calls)
        value = field(1, field(9, called)) if listed else field(10, called)
        message += field(5, field(1, "f") + field(2, value))
    return message


def function(name: str, *nodes: bytes) -> bytes:
    return field(1, field(1, name)) + b"".join(field(3, message) for message in nodes)


def graph(*nodes: bytes, functions: tuple[bytes, ...] = ()) -> bytes:
    library = b"".join(field(1, message) for message in functions)
    return field(2, b"".join(field(1, message) for message in nodes) + field(2, library))


def saver(save: str = "", restore: str = "") -> bytes:
    return field(3, field(1, "filename:0") + field(2, save) + field(3, restore))


def signature(*outputs: str) -> bytes:
    infos = b"".join(field(2, field(1, name) + field(2, field(1, name))) for name in outputs)
    return field(5, field(1, "serving_default") + field(2, infos))


def scan(*parts: bytes) -> tuple[str, ...]:
    return forbidden_operators(field(2, b"".join(parts)))


SAVER = (
    node("filename", "Const"),
    node("save/SaveV2", "SaveV2", "filename"),
    node("save/done", "Identity", "^save/SaveV2"),
)


def test_what_computes_is_let_pass() -> None:
    assert (
        scan(
            graph(node("a", "Placeholder"), node("b", "Conv2D", "a"), node("c", "Softmax", "b")),
            signature("c:0"),
        )
        == ()
    )


def test_everything_else_is_named_once_and_sorted() -> None:
    nodes = [node("a", "WriteFile"), node("b", "PyFunc"), node("c", "WriteFile"), node("d", "Relu")]
    assert scan(graph(*nodes)) == ("PyFunc", "WriteFile")


def test_nodes_that_nothing_needs_count_too() -> None:
    assert scan(graph(node("a", "ReadFile"), node("b", "Const")), signature("b:0")) == ("ReadFile",)


def test_functions_are_looked_into() -> None:
    inner, outer = (
        function("inner", node("x", "ReadFile")),
        function("outer", node("y", "If", calls="inner", listed=True)),
    )
    caller = node("z", "PartitionedCall", calls="outer")
    assert scan(graph(caller, functions=(inner, outer))) == ("ReadFile",)
    assert scan(graph(node("z", "outer"), functions=(inner, outer))) == ("ReadFile",)
    assert scan(graph(functions=(inner,))) == ("ReadFile",)


def test_functions_that_are_missing_are_no_excuse() -> None:
    assert scan(graph(node("z", "PartitionedCall", calls="nowhere"))) == ("nowhere",)
    assert scan(graph(node("z", "nowhere"))) == ("nowhere",)


def test_functions_cannot_take_the_name_of_an_operator() -> None:
    harmless = function("WriteFile", node("x", "Const"))
    assert scan(graph(node("z", "WriteFile"), functions=(harmless,))) == ("WriteFile",)


def test_all_graphs_count() -> None:
    assert forbidden_operators(
        field(2, graph(node("a", "Const"))) + field(2, graph(node("b", "PyFunc")))
    ) == ("PyFunc",)


# ------------------------------------------------------------------------------------------------ checkpoints


def test_saving_may_save() -> None:
    assert scan(graph(*SAVER, node("y", "Const")), saver("save/done:0"), signature("y:0")) == ()
    assert scan(graph(*SAVER, node("y", "Const")), signature("y:0")) == ()  # a second saver of TensorFlow 1


def test_the_result_may_not_save() -> None:
    assert scan(graph(*SAVER), saver("save/done:0"), signature("save/done:0")) == ("SaveV2",)
    assert scan(graph(*SAVER, node("y", "Const", "^save/done")), saver("save/done:0"), signature("y:0")) == (
        "SaveV2",
    )


def test_restoring_may_read_but_not_write() -> None:
    read = node("restore", "RestoreV2", "filename")
    assert scan(graph(*SAVER, read), saver("save/done:0", "restore")) == ()
    assert scan(graph(*SAVER, read), saver("save/done:0", "save/done")) == ("SaveV2",)
    assert scan(graph(*SAVER, read), saver("save/done:0", "restore"), signature("restore:0")) == (
        "RestoreV2",
    )


def test_what_runs_at_the_start_may_not_save() -> None:
    collection = field(4, field(1, "saved_model_main_op") + field(2, field(1, field(1, "save/done"))))
    assert scan(graph(*SAVER), saver("save/done:0"), collection) == ("SaveV2",)


def test_what_reads_variables_may_not_save() -> None:
    """TensorFlow 1 runs it by its name, whatever it is."""
    reader = node("v/Read/ReadVariableOp", "Identity", "^save/SaveV2")
    assert scan(graph(*SAVER, reader), saver("save/done:0")) == ("SaveV2",)


def test_functions_of_the_saver() -> None:
    save = function("traced_save", node("a", "SaveV2"))
    caller = node("call", "StatefulPartitionedCall", calls="traced_save")
    assert scan(graph(caller, functions=(save,)), saver("call:0")) == ()
    assert scan(graph(caller, functions=(save,)), saver("", "call")) == ("SaveV2",)
    assert scan(graph(caller, functions=(save,)), saver("call:0"), signature("call:0")) == ("SaveV2",)
    assert scan(graph(functions=(save,))) == ("SaveV2",)
    second = function("served", node("b", "PartitionedCall", calls="traced_save"))
    assert scan(graph(caller, functions=(save, second)), saver("call:0")) == ("SaveV2",)


def test_functions_that_an_object_names_run() -> None:
    save = function("traced_save", node("a", "SaveV2"))
    caller = node("call", "StatefulPartitionedCall", calls="traced_save")
    objects = field(7, field(1, field(9, "traced_save")))
    assert scan(graph(caller, functions=(save,)), saver("call:0"), objects) == ("SaveV2",)


# ------------------------------------------------------------------------------------------------ damage, tricks


def test_parts_of_a_message_are_put_together() -> None:
    """As protobuf does it: the same graph twice is one graph of both."""
    assert scan(graph(node("a", "Const")), graph(node("b", "PyFunc"))) == ("PyFunc",)


def test_an_operator_named_twice_counts_twice() -> None:
    assert scan(graph(field(1, "a") + field(2, "PyFunc") + field(2, "Const"))) == ("PyFunc",)
    assert scan(graph(field(1, "a") + field(2, "Const") + field(2, "PyFunc"))) == ("PyFunc",)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 20,
        b"\x12\x05ab",  # longer than the message
        b"\x0b\x0c",  # a group
        b"\x10\x01",  # a number where a graph should be
        _varint((2**30 + 2) << 3 | 2) + b"\x00",  # a field number that some readers cut off
        field(2, graph(b"\x0a\x02\xff\xfe")),  # a name that is no text
    ],
)
def test_damage_is_one_sentence(content: bytes) -> None:
    with pytest.raises(
        ModelError, match=r"^the network's saved_model\.pb is damaged; export the model again$"
    ):
        forbidden_operators(content)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    said = "damaged"
    try:
        forbidden_operators(content)
    except ModelError as error:
        said = str(error)
    assert "damaged" in said
