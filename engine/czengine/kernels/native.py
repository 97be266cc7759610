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
from czengine._native import gather as gather_in_cpp
from czengine.kernels.plain import PlainKernels, known_float


class NativeKernels(PlainKernels):
    """`czengine.kernels.base.Kernels` in C++, and in NumPy where that is as fast."""

    def gather(
        self,
        source: NDArray[Any],
        channels: NDArray[np.int64],
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        divisor: float,
        constant: float,
        out: NDArray[np.float32],
    ) -> None:
        """Cut one tile; see `Kernels.gather`."""
        gather_in_cpp(
            known_float(source),
            np.ascontiguousarray(channels),
            np.ascontiguousarray(rows),
            np.ascontiguousarray(columns),
            float(divisor),
            float(constant),
            out,
        )

    def argmax(
        self, scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]
    ) -> None:
        """Paste the best class of each pixel; see `Kernels.argmax`."""
        argmax_in_cpp(known_float(scores), np.ascontiguousarray(labels), float(min_confidence), out)
