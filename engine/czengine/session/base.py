"""What a network is to a runtime (`Network`), and what it can do once it is compiled on a device (`Session`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from czengine.spec import Layout

Gives = Literal["scores", "labels"]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network as it goes into a runtime: as the archive has it, or rewritten by `graph.fuse` or `graph.retile`.

    Attributes
    ----------
    model : bytes
        The ONNX model.
    layout, output_layout : {"NHWC", "NCHW"}
        Axis order of input and output. Labels have no channel axis: (batch, y, x).
    channels, outputs : int
        Channels in and out; `outputs` counts classes also where the network gives labels.
    dtype : numpy.dtype
        Of the input: float32, or the image's own where raw pixels go in.
    gives : {"scores", "labels"}
        Scores per output, float32; or label values, uint8 or uint16, one per pixel.
    """

    model: bytes = field(repr=False)
    layout: Layout
    output_layout: Layout
    channels: int
    outputs: int
    dtype: np.dtype[Any]
    gives: Gives


class Session(Protocol):
    """One network on one device, compiled once for a fixed input shape."""

    @property
    def network(self) -> Network:
        """What was compiled."""

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """(batch, height, width, channel) or (batch, channel, height, width), see `Network.layout`."""

    @property
    def device(self) -> str:
        """The device as a person would name it, e.g. "CPU, 2 threads" or "OpenVINO on CPU, 2 threads"."""

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """Infer one batch.

        Parameters
        ----------
        batch : ndarray
            Of `input_shape` and `network.dtype`, C-contiguous. It is free again when this returns.

        Returns
        -------
        ndarray
            Scores: 4-D, in `network.output_layout`; or labels: (batch, y, x). Of the input's height and width, and
            the caller's own: no later call changes it.

        Raises
        ------
        DeviceError
            Where the runtime fails.
        ModelError
            Where the scores are not one value per output for every pixel of every tile.
        """
