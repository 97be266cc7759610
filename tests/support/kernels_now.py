"""The kernels as `czengine.kernels.base` has them now, in plain NumPy.

To be replaced by `czengine.kernels.reference` as soon as that has the same: until then it is the one slow, obvious
implementation the tests of the stages run on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.kernels.base import OPAQUE
from czengine.kernels.reference import ReferenceKernels


class NowKernels(ReferenceKernels):
    """`argmax`, `threshold` and `copy` as they were; `gather`, `count` and `is_uniform` as they are to be."""

    def gather(  # type: ignore[override]
        self,
        source: NDArray[Any],
        channels: NDArray[np.int64],
        divisor: float,
        constant: float,
        out: NDArray[Any],
    ) -> None:
        """Fill a part of a network's input; see `Kernels.gather`."""
        if out.shape[:2] != source.shape[1:] or out.shape[2] != len(channels):
            raise ValueError(f"out has shape {out.shape} for a source of {source.shape}")
        for index, channel in enumerate(channels):
            if channel == OPAQUE:
                out[:, :, index] = constant
            elif out.dtype == source.dtype and divisor == 1.0:
                out[:, :, index] = source[channel]
            else:
                out[:, :, index] = (source[channel].astype(np.float64) / divisor).astype(np.float32)

    def count(self, labels: NDArray[Any], counts: NDArray[np.int64]) -> None:
        """Add up label values; see `Kernels.count`."""
        np.add.at(counts, labels.ravel(), 1)

    def is_uniform(self, pixels: NDArray[Any]) -> bool:
        """Whether all pixels equal the first, bit for bit; see `Kernels.is_uniform`."""
        return all(
            {value.tobytes() for value in channel.ravel()} == {channel[0, 0].tobytes()} for channel in pixels
        )
