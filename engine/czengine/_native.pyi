"""The kernels in C++. `czengine.kernels.native` is the way in."""

from typing import Annotated, overload

import numpy
from numpy.typing import NDArray


@overload
def argmax(scores: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu', writable=False)], labels: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], min_confidence: float, out: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), device='cpu')]) -> None: ...

@overload
def argmax(scores: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu', writable=False)], labels: Annotated[NDArray[numpy.uint16], dict(shape=(None,), order='C', device='cpu', writable=False)], min_confidence: float, out: Annotated[NDArray[numpy.uint16], dict(shape=(None, None), device='cpu')]) -> None: ...

@overload
def argmax(scores: Annotated[NDArray[numpy.float64], dict(shape=(None, None, None), device='cpu', writable=False)], labels: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], min_confidence: float, out: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), device='cpu')]) -> None: ...

@overload
def argmax(scores: Annotated[NDArray[numpy.float64], dict(shape=(None, None, None), device='cpu', writable=False)], labels: Annotated[NDArray[numpy.uint16], dict(shape=(None,), order='C', device='cpu', writable=False)], min_confidence: float, out: Annotated[NDArray[numpy.uint16], dict(shape=(None, None), device='cpu')]) -> None:
    """
    Paste the best class of each pixel: ``out[y, x] = labels[argmax(scores[y, x, :])]``.

    As `czengine.kernels.base.Kernels.argmax`, for these types only and without conversions.
    """
