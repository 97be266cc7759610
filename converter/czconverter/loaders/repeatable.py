"""Makes tf2onnx repeat itself: the same graph gives the same nodes, in any process and however often.

Only this module knows why it would not: its optimisers walk through sets of nodes, whose order is that of memory
addresses, and its names count everything that was converted before. With open sizes the results differ even in the
number of nodes, so that nothing done to them afterwards could make them equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

from czconverter import frameworks


@contextmanager
def repeatable() -> Iterator[None]:
    """While open, tf2onnx counts from 1, and its sets of nodes are in an order that follows from the nodes' names."""
    frameworks.load("tf2onnx.tfonnx")  # loaded on first use otherwise, which counts as well
    tf2onnx = frameworks.load("tf2onnx")
    node, utils = tf2onnx.graph.Node, tf2onnx.utils
    counted, utils.INTERNAL_NAME = utils.INTERNAL_NAME, 1
    node.__hash__ = _hash_of_name
    try:
        yield
    finally:
        del node.__hash__
        utils.INTERNAL_NAME = max(counted, utils.INTERNAL_NAME)


def _hash_of_name(node: Any) -> int:
    return crc32(node.name.encode())  # hash() of a text differs from process to process
