"""The kernels in C++. `czengine.kernels.native` is the way in."""

from typing import Annotated, overload

import numpy
from numpy.typing import NDArray


@overload
def gather(source: Annotated[NDArray[numpy.uint8], dict(shape=(None, None, None), device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], divisor: float, constant: float, out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu')]) -> None: ...

@overload
def gather(source: Annotated[NDArray[numpy.uint16], dict(shape=(None, None, None), device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], divisor: float, constant: float, out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu')]) -> None: ...

@overload
def gather(source: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], divisor: float, constant: float, out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu')]) -> None: ...

@overload
def gather(source: Annotated[NDArray[numpy.bool_], dict(shape=(None, None, None), device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], divisor: float, constant: float, out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu')]) -> None: ...

@overload
def gather(source: Annotated[NDArray[numpy.uint32], dict(shape=(None, None, None), device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], divisor: float, constant: float, out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu')]) -> None: ...

@overload
def gather(source: Annotated[NDArray[numpy.uint64], dict(shape=(None, None, None), device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], divisor: float, constant: float, out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu')]) -> None: ...

@overload
def gather(source: Annotated[NDArray[numpy.int8], dict(shape=(None, None, None), device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], divisor: float, constant: float, out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu')]) -> None: ...

@overload
def gather(source: Annotated[NDArray[numpy.int16], dict(shape=(None, None, None), device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], divisor: float, constant: float, out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu')]) -> None: ...

@overload
def gather(source: Annotated[NDArray[numpy.int32], dict(shape=(None, None, None), device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], divisor: float, constant: float, out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu')]) -> None: ...

@overload
def gather(source: Annotated[NDArray[numpy.int64], dict(shape=(None, None, None), device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], divisor: float, constant: float, out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu')]) -> None: ...

@overload
def gather(source: Annotated[NDArray[numpy.float64], dict(shape=(None, None, None), device='cpu', writable=False)], channels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], rows: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], divisor: float, constant: float, out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), device='cpu')]) -> None:
    """
    Cut one tile: ``out[y, x, c] = float32(source[channels[c], rows[y], columns[x]] / divisor)``.

    As `czengine.kernels.base.Kernels.gather`, for these types only and without conversions.
    """

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
