"""The kernels in C++: the default where the package was installed with a compiler.

The loops are in cpp_ext/, built by `pip install .`. Importing this module fails with ImportError where they are
not; `czengine.kernels.load` turns that into words. Nothing here needs Numba: importing and loading that takes
longer than many a job (docs/decisions/0006-native-kernels-first.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine._native import argmax as argmax_in_cpp
from czengine._native import copy as copy_in_cpp
from czengine._native import count as count_in_cpp
from czengine._native import gather as gather_in_cpp
from czengine._native import is_uniform as is_uniform_in_cpp
from czengine._native import threshold as threshold_in_cpp
from czengine.kernels.plain import copy_channels, is_copy, is_odd_float, known_float, require_fit


class NativeKernels:
    """`czengine.kernels.base.Kernels` in C++, which checks shapes and types itself."""

    def gather(
        self,
        source: NDArray[Any],
        channels: NDArray[np.int64],
        divisor: float,
        constant: float,
        out: NDArray[Any],
    ) -> None:
        """Fill a part of a network's input; see `Kernels.gather`."""
        if is_odd_float(source.dtype):
            require_fit(source, channels, out)
            if is_copy(source, divisor, out):
                copy_channels(source, channels, constant, out)
                return
            source = source.astype(np.float64)
        gather_in_cpp(source, channels, divisor, constant, out)

    def argmax(
        self, scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]
    ) -> None:
        """Paste the best class of each pixel; see `Kernels.argmax`."""
        argmax_in_cpp(known_float(scores), labels, min_confidence, out)

    def threshold(self, scores: NDArray[Any], limit: float, out: NDArray[np.uint8]) -> None:
        """Paste each class on its own; see `Kernels.threshold`."""
        threshold_in_cpp(known_float(scores), limit, out)

    def copy(self, scores: NDArray[Any], out: NDArray[Any]) -> None:
        """Paste the scores; see `Kernels.copy`."""
        copy_in_cpp(known_float(scores), out)

    def count(self, labels: NDArray[Any], counts: NDArray[np.int64]) -> None:
        """Add up label values; see `Kernels.count`."""
        count_in_cpp(labels, counts)

    def is_uniform(self, pixels: NDArray[Any]) -> bool:
        """Whether each channel has one value; see `Kernels.is_uniform`."""
        return is_uniform_in_cpp(known_float(pixels) if pixels.itemsize > 8 else pixels)
