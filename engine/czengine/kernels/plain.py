"""The part of the kernels for which NumPy's own loop is as fast as any: threshold and copy.

What the fast kernels share. `compiled` and `native` add gather and argmax, where NumPy is several times slower.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class PlainKernels:
    """`threshold` and `copy` of `czengine.kernels.base.Kernels` in NumPy."""

    def threshold(self, scores: NDArray[Any], limit: float, out: NDArray[np.uint8]) -> None:
        """Paste each class on its own; see `Kernels.threshold`."""
        by_class = scores.transpose(2, 0, 1)
        require_shape("out", out.shape, by_class.shape)
        np.greater_equal(by_class, np.float64(limit), out=out, casting="unsafe")

    def copy(self, scores: NDArray[Any], out: NDArray[Any]) -> None:
        """Paste the scores; see `Kernels.copy`."""
        by_channel = scores.transpose(2, 0, 1)
        require_shape("out", out.shape, by_channel.shape)
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            np.copyto(out, by_channel, casting="unsafe")


def require_shape(name: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Refuse an array of another shape, before NumPy broadcasts it or compiled code runs over its end."""
    if got != wanted:
        raise ValueError(f"{name} has shape {got}, {wanted} is needed")


def known_float(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself, or in float64 where compilers lack its type (float16, extended precision)."""
    known = array.dtype.kind != "f" or array.dtype.itemsize in (4, 8)
    return array if known else array.astype(np.float64)
