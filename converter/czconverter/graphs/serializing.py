"""A model as bytes, and the one sentence about models of more than the 2 GB that protobuf can put into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from czengine.errors import ModelError

if TYPE_CHECKING:
    from onnx import ModelProto

LARGEST = 2**31 - 1  # bytes protobuf can hold in one message


def serialized(model: ModelProto) -> bytes:
    """The model as the bytes of a file.

    Raises
    ------
    ModelError
        Where they would be more than 2 GB.
    """
    try:
        return bytes(model.SerializeToString())
    except MemoryError:
        raise
    except Exception as error:  # EncodeError or ValueError, by the way protobuf was built
        raise too_large() from error


def too_large() -> ModelError:
    """What to raise where a model has more than `LARGEST` bytes."""
    return ModelError(
        "the network has more than 2 GB, which an ONNX file in an archive cannot hold; make it smaller"
    )
