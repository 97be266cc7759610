"""
The kernels in C++, without conversions. `czengine.kernels.native` is the way in.
"""

from typing import Any

import numpy
import numpy.typing


def gather(source: numpy.typing.NDArray[Any], channels: numpy.typing.NDArray[numpy.int64], divisor: float, constant: float, out: numpy.typing.NDArray[Any]) -> None:
    """As `czengine.kernels.base.Kernels.gather`."""

def argmax(scores: numpy.typing.NDArray[Any], labels: numpy.typing.NDArray[Any], min_confidence: float, out: numpy.typing.NDArray[Any]) -> None:
    """As `czengine.kernels.base.Kernels.argmax`."""

def threshold(scores: numpy.typing.NDArray[Any], limit: float, out: numpy.typing.NDArray[Any]) -> None:
    """As `czengine.kernels.base.Kernels.threshold`."""

def copy(scores: numpy.typing.NDArray[Any], out: numpy.typing.NDArray[Any]) -> None:
    """As `czengine.kernels.base.Kernels.copy`."""

def count(labels: numpy.typing.NDArray[Any], counts: numpy.typing.NDArray[Any]) -> None:
    """As `czengine.kernels.base.Kernels.count`."""

def is_uniform(pixels: numpy.typing.NDArray[Any]) -> bool:
    """As `czengine.kernels.base.Kernels.is_uniform`."""
