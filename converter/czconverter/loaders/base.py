"""What every source of a network becomes: something that can be run, given a size, and written as ONNX.

One class per framework implements it, in the modules beside this one; `loaders.open` chooses. Everything here is
channels-last, whatever the framework's own order is, and pre- and post-processing are not part of the network: they
are handed to `to_onnx`, and the reference for verification applies them itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto

Size = tuple[int | None, int | None]


class Network(Protocol):
    """A trained network with one input and one output.

    Raises
    ------
    ModelError
        From every method, where the network cannot do what is asked: one sentence with the reason and the way out.
    """

    @property
    def kind(self) -> str:
        """What it was read from, as a person would say it, e.g. "Keras 3 model"."""

    @property
    def framework(self) -> str:
        """Packages that run it, with versions, e.g. "keras 3.15.1, tensorflow 2.21.0"."""

    @property
    def channels(self) -> int | None:
        """Channels it takes; None where it does not say."""

    @property
    def size(self) -> Size:
        """(height, width) it insists on; None where open."""

    @property
    def counts(self) -> float | None:
        """Largest value it takes, where it takes whole numbers only; None for floats."""

    @property
    def needs_size(self) -> bool:
        """Whether it can be written only after `sized`."""

    @property
    def opset(self) -> int | None:
        """ONNX opset it is in already; None where an exporter chooses."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about how it was read, one sentence each."""

    def sized(self, height: int, width: int, channels: int) -> Network:
        """The same network for pictures of exactly this size, in pixels, and number of channels."""

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run it in its own framework: (batch, y, x, channel) in and out, without any pre- or post-processing."""

    def to_onnx(self, opset: int, *, before: Sequence[Any] = (), after: Sequence[Any] = ()) -> ModelProto:
        """The network as ONNX, channels-last, input "input" and output "output", with steps before and after.

        Parameters
        ----------
        opset : int
            Of the default domain.
        before, after : sequence of Step or Keras layer
            In the order in which they are applied. Keras layers only where the network is TensorFlow's.

        Returns
        -------
        ModelProto
            float32 (batch, y, x, channel) both ways; symbolic dims are named; all weights inside; checked by onnx.
        """

    def to_saved_model(self, folder: Path, *, before: Sequence[Any] = (), after: Sequence[Any] = ()) -> None:
        """Write it as a TensorFlow SavedModel into an empty folder; ModelError where it is not TensorFlow's."""
