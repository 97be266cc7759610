"""The wire format of protobuf: fields of a message by number, without knowing what the message is.

It is stricter than protobuf itself: groups, and numbers that do not fit, are damage. So nothing that protobuf would
read stays unseen here, which `saved_model_ops` relies on.
"""

from __future__ import annotations

from collections.abc import Iterator

Value = int | bytes
DAMAGED = (IndexError, ValueError, TypeError)  # what all functions here raise for bytes that are no message

_MAP_KEY, _MAP_VALUE = 1, 2


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Field numbers and values of a message, in its order: varints as int, everything else as bytes."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        if key >> 32:
            raise ValueError("the number of a field is too large; some readers would cut it off")
        value: Value
        if key & 7 == 0:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if key & 7 == 2:
            size, position = _varint(message, position)
        else:
            size = {1: 8, 5: 4}.get(key & 7, -1)
        if size < 0 or position + size > len(message):
            raise ValueError("a field of unknown kind, or longer than its message")
        yield key >> 3, message[position : position + size]
        position += size


def messages(message: bytes, *path: int) -> Iterator[bytes]:
    """All messages, or texts, that field numbers lead to, one inside the other."""
    for number, value in fields(message):
        if number == path[0]:
            found = as_bytes(value)
            yield from messages(found, *path[1:]) if path[1:] else (found,)


def entries(message: bytes, field: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a map."""
    for entry in messages(message, field):
        values = dict(fields(entry))
        yield as_bytes(values.get(_MAP_KEY, b"")), as_bytes(values.get(_MAP_VALUE, b""))


def as_bytes(value: Value) -> bytes:
    """The value, where it is no number."""
    if isinstance(value, int):
        raise TypeError("a number where a message should be")
    return value


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = message[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
    raise ValueError("a number of more than ten bytes")
