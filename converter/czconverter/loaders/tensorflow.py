"""A network of TensorFlow, whatever it came from: a function from one tensor to another, and what is known about it.

`keras` and `saved_model` make it. It runs, traces and exports the function, and sees to it that whatever the function
does, it is one picture of the same height and width that comes out, or an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czconverter import frameworks
from czconverter.loaders.base import Size
from czconverter.loaders.exports import as_onnx, write_saved_model
from czconverter.loaders.freeze import Dims, Frozen, freeze, trace
from czconverter.reasons import reason
from czconverter.steps.tensors import apply
from czengine.errors import CzEngineError, ModelError

if TYPE_CHECKING:
    from onnx import ModelProto

_TRIAL_BATCH = 3  # no size, and no number of channels: pictures that get mixed up do not go unnoticed


@dataclass(frozen=True, kw_only=True)
class TensorFlowNetwork:
    """A TensorFlow function as a `Network`.

    Attributes
    ----------
    call : callable
        Inference: one float32 tensor (batch, y, x, channel) to a tensor, or a nest of a single one.
    kind, framework, channels, size, notes
        See `Network`.
    bound : str or None
        Why it cannot take other sizes than `size`, and the way out; None where it may.
    single : bool
        Whether it takes one picture per call and no more.
    """

    call: Callable[[Any], Any]
    kind: str
    framework: str
    channels: int | None = None
    size: Size = (None, None)
    notes: tuple[str, ...] = ()
    bound: str | None = None
    single: bool = False

    @property
    def counts(self) -> None:
        """See `Network`: it takes floats."""

    @property
    def needs_size(self) -> bool:
        """Only where it does not say how many channels it takes."""
        return self.channels is None

    @property
    def opset(self) -> None:
        """See `Network`: tf2onnx chooses."""

    def sized(self, height: int, width: int, channels: int) -> TensorFlowNetwork:
        """See `Network`; weights are shared, and a trial proves that the other size works."""
        if self.channels not in (None, channels):
            raise ModelError(f"the network takes {self.channels} channels, not {channels}")
        wanted = (height, width)
        if wanted == self.size and self.channels == channels:
            return self
        moved = any(old not in (None, new) for old, new in zip(self.size, wanted, strict=True))
        network = replace(self, size=wanted, channels=channels)
        try:
            if moved and self.bound:
                raise ModelError(self.bound)
            network._try_out()
        except ModelError as error:
            raise _refusal(self.size if moved else None, wanted, error) from error
        return network

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Network`."""
        tf = frameworks.load("tensorflow")
        self._check_picture(batch.shape)
        parts = np.split(batch, len(batch)) if self.single else [batch]
        with frameworks.quiet():
            return np.concatenate([self._scores(tf.constant(part, tf.float32)).numpy() for part in parts])

    def to_onnx(self, opset: int, *, before: Sequence[Any] = (), after: Sequence[Any] = ()) -> ModelProto:
        """See `Network`."""
        return as_onnx(self._frozen(before, after), opset)

    def to_saved_model(self, folder: Path, *, before: Sequence[Any] = (), after: Sequence[Any] = ()) -> None:
        """See `Network`; everything is a constant in it, so it has no variables."""
        write_saved_model(self._frozen(before, after), folder)

    def _frozen(self, before: Sequence[Any], after: Sequence[Any]) -> Frozen:
        def whole(picture: Any) -> Any:
            for step in before:
                picture = apply(step, picture)
            picture = self._scores(picture)
            for step in after:
                picture = apply(step, picture)
            return _one_picture(picture)

        return freeze(whole, self._dims(1 if self.single else None))

    def _dims(self, batch: int | None) -> Dims:
        if self.channels is None:
            raise ModelError("the network does not say how many channels it takes; give --channels")
        return batch, *self.size, self.channels

    def _try_out(self) -> None:
        """Whether pictures of this size go through one by one and come out in the same size."""
        dims = self._dims(1 if self.single else _TRIAL_BATCH)
        shape = trace(self._scores, dims).outputs[0].shape
        if shape[0] not in (None, dims[0]):
            raise ModelError(f"of {dims[0]} pictures it makes {shape[0]}")
        if None in tuple(shape[1:3]):
            self.run(np.zeros((1, *dims[1:]), np.float32))  # type: ignore[arg-type]

    def _scores(self, picture: Any) -> Any:
        """What the function makes of a tensor, if it is what can be used: float32, (batch, y, x, channel)."""
        try:
            scores = self.call(picture)
        except CzEngineError:
            raise
        except Exception as error:  # the model's own code, which raises anything
            raise ModelError(_failure(tuple(picture.shape), error)) from error
        scores = _one_picture(scores)
        _check_size(tuple(picture.shape), tuple(scores.shape))
        return scores

    def _check_picture(self, shape: tuple[int, ...]) -> None:
        wanted = (*self.size, self.channels)
        if len(shape) != 4 or any(a not in (None, b) for a, b in zip(wanted, shape[1:], strict=True)):
            raise ModelError(
                f"the network takes pictures of {' × '.join(str(size or 'any') for size in wanted)} (height, width,"
                f" channels), not {' × '.join(map(str, shape[1:]))}"
            )


def _one_picture(result: Any) -> Any:
    """The only tensor of what came out, as float32."""
    tf = frameworks.load("tensorflow")
    tensors = tf.nest.flatten(result)
    if len(tensors) != 1:
        raise ModelError(f"the network has {len(tensors)} outputs; exactly one is supported")
    (tensor,) = tensors
    if tensor.shape.rank not in (None, 4):
        raise ModelError(
            f"the network's output has {tensor.shape.rank} axes; a picture for every picture is needed: batch, height,"
            " width, channels"
        )
    return tf.cast(tf.ensure_shape(tensor, (None,) * 4) if tensor.shape.rank is None else tensor, tf.float32)


def _check_size(before: tuple[int | None, ...], after: tuple[int | None, ...]) -> None:
    if any(None not in pair and len(set(pair)) > 1 for pair in zip(before[1:3], after[1:3], strict=True)):
        raise ModelError(
            f"the network makes {_pixels(after)} of {_pixels(before)} pixels; height and width must stay the same"
        )


def _failure(shape: tuple[int | None, ...], error: Exception) -> str:
    text = f"the network fails on pictures of {_pixels(shape)} pixels: {reason(error)}"
    if None in shape[1:3]:
        return f"{text}; some layers need to know the size: give one with --spatial-dims HEIGHT WIDTH"
    return text


def _pixels(shape: Sequence[int | None]) -> str:
    return f"{shape[1] or 'any'} × {shape[2] or 'any'}"


def _refusal(before: Size | None, wanted: tuple[int, int], error: ModelError) -> ModelError:
    if before is None:
        return ModelError(f"{error}; choose a multiple of what the network downsamples by, such as 32")
    return ModelError(
        f"the network is not spatially invariant: {error}; keep its {before[0] or 'any'} × {before[1] or 'any'} pixels,"
        f" or make it for {wanted[0]} × {wanted[1]}"
    )
