"""The kernels in C++, as far as there are any: `argmax`. The others fall back to the compiled ones.

The loops are in cpp_ext/, built by `pip install .` where there is a compiler. Importing this module fails
with ImportError where there was none; `czengine.kernels.load` turns that into words.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine._native import argmax as argmax_in_cpp
from czengine.kernels.compiled import CompiledKernels


class NativeKernels(CompiledKernels):
    """`czengine.kernels.base.Kernels` with `argmax` in C++; gather, threshold and copy are `CompiledKernels`'."""

    def argmax(
        self, scores: NDArray[Any], labels: NDArray[Any], min_confidence: float, out: NDArray[Any]
    ) -> None:
        """Paste the best class of each pixel; see `Kernels.argmax`."""
        if scores.dtype not in (np.float32, np.float64):
            scores = scores.astype(np.float64)
        argmax_in_cpp(scores, np.ascontiguousarray(labels), float(min_confidence), out)
