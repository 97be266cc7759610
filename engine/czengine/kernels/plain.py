"""What the kernels share: checks, types that compilers lack, and the loops for which NumPy's own is good enough."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.kernels.base import OPAQUE


def require_shape(name: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Refuse an array of another shape, before NumPy broadcasts it or compiled code runs over its end."""
    if got != wanted:
        raise ValueError(f"{name} has shape {got}, {wanted} is needed")


def is_odd_float(dtype: np.dtype[Any]) -> bool:
    """Whether compilers lack the type: float16 and extended precision."""
    return dtype.kind == "f" and dtype.itemsize not in (4, 8)


def known_float(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself, or in float64 where compilers lack its type."""
    return array.astype(np.float64) if is_odd_float(array.dtype) else array


def require_fit(source: NDArray[Any], channels: NDArray[np.int64], out: NDArray[Any]) -> None:
    """Refuse a gather whose arrays don't go together: NumPy counts from the end, compiled code reads just anywhere."""
    require_shape("out", out.shape, (*source.shape[1:], channels.size))
    if channels.size and (channels.min() < OPAQUE or channels.max() >= len(source)):
        raise IndexError(
            f"channels run from {channels.min()} to {channels.max()} in an axis of {len(source)}"
        )


def is_copy(source: NDArray[Any], divisor: float, out: NDArray[Any]) -> bool:
    """Whether a gather takes values as they are, into anything but float32; refuses types that no gather joins.

    Raises
    ------
    TypeError
        For an `out` that is neither float32 nor of the type of `source`.
    ValueError
        For a copy with a divisor.
    """
    if out.dtype == np.float32:
        return False
    if out.dtype != source.dtype:
        raise TypeError(f"out is of {out.dtype}, float32 or the source's {source.dtype} is needed")
    if divisor != 1.0:
        raise ValueError(f"divisor is {divisor}, 1.0 is needed for a copy of {source.dtype}")
    return True


def copy_channels(
    source: NDArray[Any], channels: NDArray[np.int64], constant: float, out: NDArray[Any]
) -> None:
    """`Kernels.gather` of one type to the same."""
    if out.dtype.kind in "ui" and not np.iinfo(out.dtype).min <= constant <= np.iinfo(out.dtype).max:
        raise ValueError(f"constant is {constant}, which {out.dtype} does not hold")
    for index, channel in enumerate(channels):
        out[:, :, index] = constant if channel == OPAQUE else source[channel]
