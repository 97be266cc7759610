"""What a compiled model on one device can do, whatever runtime is behind it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from czengine.spec import Layout


class Session(Protocol):
    """One network on one device, compiled once for a fixed input shape."""

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """(batch, height, width, channel) or (batch, channel, height, width), see `input_layout`."""

    @property
    def input_layout(self) -> Layout:
        """Axis order of the input."""

    @property
    def output_layout(self) -> Layout:
        """Axis order of the output."""

    @property
    def device(self) -> str:
        """The device as a person would name it."""

    def run(self, batch: NDArray[np.float32]) -> NDArray[Any]:
        """Infer one batch.

        Parameters
        ----------
        batch : ndarray of float32
            Of `input_shape`, C-contiguous.

        Returns
        -------
        ndarray
            Scores, 4-D, in `output_layout`, of the input's height and width.

        Raises
        ------
        DeviceError
            Where the runtime fails.
        ModelError
            Where the scores are not one value per output for every pixel of every tile.
        """
