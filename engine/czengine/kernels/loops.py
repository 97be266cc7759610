"""The inner loops of `compiled`, for Numba. Only loops: shapes, types and indices are checked there.

LLVM makes vectors of a loop only where it knows the step from one element to the next, so lines are first brought
into, or known to lie, one value after the other. The public functions are Python until `compiled` compiles them for
the types of a call. Importing this module imports Numba.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from czengine.kernels.base import OPAQUE

_Function = TypeVar("_Function", bound=Callable[..., Any])

_CHUNK = 512  # pixels compared between two looks at whether to go on


def jit(function: _Function, signature: Any = None) -> _Function:
    """Compile a function, now for the types of `signature` or else for those it meets."""

    def compiled(*, cache: bool) -> _Function:
        decorate = numba.njit(signature, cache=cache, nogil=True, error_model="numpy")
        return cast(_Function, decorate(function))

    try:
        return compiled(cache=True)
    except RuntimeError:  # no folder to keep the machine code in: compile in every process
        return compiled(cache=False)


def _claim(_: Any, array: Any) -> Any:
    """Tell Numba what it can't know of a view: that its elements lie one after the other."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        context.nrt.incref(builder, signature.return_type, arguments[0])
        return arguments[0]

    return array.copy(layout="C")(array), generate


_packed: Any = intrinsic(_claim)


@jit
def _is_packed(line: NDArray[Any]) -> bool:
    return line.strides[0] == line.itemsize


@jit
def _is_woven(row: NDArray[Any]) -> bool:
    """Whether the channels of a pixel, and the pixels of a row, lie one after the other."""
    return row.strides[1] == row.itemsize and row.strides[0] == row.itemsize * row.shape[1]


# ------------------------------------------------------------------------------------------- gather


def gather(
    source: NDArray[Any], channels: NDArray[np.int64], divisor: Any, constant: Any, out: NDArray[Any]
) -> None:
    """Fill a part of a network's input; divided as what the divisor is, rounded to float32."""
    planes = np.empty((channels.size, source.shape[2]), out.dtype)
    for y in range(source.shape[1]):
        row = out[y]
        woven = row.shape[1] in (2, 3, 4) and _is_woven(row)
        for c in range(channels.size):
            line = row[:, c]
            to = _packed(line) if _is_packed(line) else planes[c]
            if channels[c] == OPAQUE:
                to[:] = constant
            else:
                _convert(source[channels[c], y], divisor, to)
            if not (woven or _is_packed(line)):
                line[:] = to
        if woven:
            _weave(planes, _packed(row))


@jit
def _convert(line: NDArray[Any], divisor: Any, to: NDArray[Any]) -> None:
    if _is_packed(line):
        _divide(_packed(line), divisor, to)
    else:
        _divide(line.copy(), divisor, to)


@jit
def _divide(line: NDArray[Any], divisor: Any, to: NDArray[np.float32]) -> None:
    for x in range(to.size):
        to[x] = np.float32(type(divisor)(line[x]) / divisor)


@jit
def _weave(planes: NDArray[Any], row: NDArray[Any]) -> None:
    """Planes become a row of pixels. The steps are spelled out for LLVM."""
    to = row.reshape(-1)
    if len(planes) == 2:
        for x in range(len(row)):
            to[2 * x] = planes[0, x]
            to[2 * x + 1] = planes[1, x]
    elif len(planes) == 3:
        for x in range(len(row)):
            to[3 * x] = planes[0, x]
            to[3 * x + 1] = planes[1, x]
            to[3 * x + 2] = planes[2, x]
    else:
        for x in range(len(row)):
            to[4 * x] = planes[0, x]
            to[4 * x + 1] = planes[1, x]
            to[4 * x + 2] = planes[2, x]
            to[4 * x + 3] = planes[3, x]


# ------------------------------------------------------------------------------------------- argmax


def argmax(scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]) -> None:
    """Paste the best class of each pixel."""
    planes = np.empty((labels.size, scores.shape[1]), scores.dtype)
    best = np.empty(scores.shape[1], scores.dtype)
    label = np.empty(best.size, np.int32)
    odd = np.empty(best.size, np.bool_)
    for y in range(len(scores)):
        row = scores[y]
        woven = _is_woven(row)
        if woven:
            _unweave(_packed(row), planes)
        best[:] = -np.inf
        label[:] = labels[0]
        odd[:] = False
        for k in range(labels.size):
            line = _packed(row[:, k]) if _is_packed(row[:, k]) else planes[k]
            if not (woven or _is_packed(row[:, k])):
                planes[k, :] = row[:, k]
            _compare(line, labels[k], best, label, odd)
        for x in range(best.size):
            out[y, x] = 0 if odd[x] or best[x] < min_confidence else label[x]


@jit
def _compare(
    line: NDArray[Any], value: Any, best: NDArray[Any], label: NDArray[np.int32], odd: NDArray[np.bool_]
) -> None:
    for x in range(best.size):
        score = line[x]
        better = score > best[x]
        odd[x] |= score != score
        label[x] = value if better else label[x]
        best[x] = score if better else best[x]


@jit
def _unweave(row: NDArray[Any], planes: NDArray[Any]) -> None:
    """A row of pixels becomes planes; the mirror of `_weave`."""
    line = row.reshape(-1)
    if len(planes) == 2:
        for x in range(len(row)):
            planes[0, x] = line[2 * x]
            planes[1, x] = line[2 * x + 1]
    elif len(planes) == 3:
        for x in range(len(row)):
            planes[0, x] = line[3 * x]
            planes[1, x] = line[3 * x + 1]
            planes[2, x] = line[3 * x + 2]
    else:
        for x in range(len(row)):
            for k in range(len(planes)):
                planes[k, x] = row[x, k]


# ------------------------------------------------------------------------------------------- survey


def count(labels: NDArray[Any], tables: NDArray[np.int64]) -> None:
    """Add up label values, in 2^n tables in turn: adding twice to one number takes longer than to two."""
    last = len(tables) - 1
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            tables[x & last, labels[y, x]] += 1


def is_uniform(pixels: NDArray[Any]) -> bool:
    """Whether each channel of integers has one value."""
    for channel in pixels:
        for row in channel:
            if not _holds_only(row, channel[0, 0]):
                return False
    return True


@jit
def _holds_only(row: NDArray[Any], value: Any) -> bool:
    for start in range(0, row.size, _CHUNK):
        chunk = row[start : start + _CHUNK]
        if _differences(_packed(chunk) if _is_packed(row) else chunk.copy(), value):
            return False
    return True


@jit
def _differences(line: NDArray[Any], value: Any) -> Any:
    bits = value ^ value
    for x in range(line.size):
        bits |= line[x] ^ value
    return bits
