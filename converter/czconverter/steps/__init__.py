"""Steps before and after a network that travel in the archive: what they are, not how they are computed.

A step is a small frozen value. `arrays` computes it with NumPy (the reference), `nodes` writes it as ONNX nodes,
`tensors` computes it with TensorFlow; all three must agree. Every step maps a float32 picture of axes (batch, y, x,
channel) to one of the same height and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from czengine.errors import OptionError

Numbers = float | Sequence[float]


@dataclass(frozen=True)
class TransposeChannels:
    """Put channels in another order: output channel i is input channel `order[i]`.

    Raises
    ------
    OptionError
        Where `order` is not a permutation of 0 .. n-1.
    """

    order: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", tuple(self.order))
        if not self.order or sorted(self.order) != list(range(len(self.order))):
            raise OptionError(
                f"the channel order is {list(self.order)}; it must name each channel 0 to n-1 once, e.g. 2,1,0"
            )


@dataclass(frozen=True)
class RgbToBgr(TransposeChannels):
    """Turn the order of three colour channels around; it is its own inverse."""

    order: tuple[int, ...] = (2, 1, 0)


@dataclass(frozen=True)
class RgbaToBgra(TransposeChannels):
    """Turn the order of three colour channels around; the fourth, alpha, stays last."""

    order: tuple[int, ...] = (2, 1, 0, 3)


@dataclass(frozen=True)
class Normalization:
    """(x - mean) / std, one number for all channels or one per channel, in the units of the pixels."""

    mean: Numbers
    std: Numbers

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", numbers("mean", self.mean))
        object.__setattr__(self, "std", numbers("std", self.std))
        if 0 in as_tuple(self.std):
            raise OptionError(f"std is {self.std}; it is divided by and must not be 0")
        _check_lengths("mean", self.mean, "std", self.std)


@dataclass(frozen=True)
class Shift:
    """x + shift, one number for all channels or one per channel."""

    shift: Numbers

    def __post_init__(self) -> None:
        object.__setattr__(self, "shift", numbers("shift", self.shift))


@dataclass(frozen=True)
class Scale:
    """x · scale, one number for all channels or one per channel."""

    scale: Numbers

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", numbers("scale", self.scale))


@dataclass(frozen=True)
class PerImageStandardization:
    """(x - m) / max(s, 1/√n): mean m and standard deviation s over all n values of each picture.

    What a network sees as a picture is one tile, so the result depends on where tiles lie. As
    `tf.image.per_image_standardization`.
    """


@dataclass(frozen=True)
class SigmoidToSoftmaxScores:
    """One score p per pixel becomes two, [p, 1 - p]: the first class is what the network looks for."""


@dataclass(frozen=True)
class Softmax:
    """Softmax over the channels, for networks that give logits."""


Step = (
    TransposeChannels
    | Normalization
    | Shift
    | Scale
    | PerImageStandardization
    | SigmoidToSoftmaxScores
    | Softmax
)


def as_tuple(value: Numbers) -> tuple[float, ...]:
    """One number as a tuple of one."""
    return (value,) if isinstance(value, int | float) else tuple(value)


def numbers(name: str, value: Numbers) -> float | tuple[float, ...]:
    """A finite number, or a tuple of them.

    Raises
    ------
    OptionError
        For anything else.
    """
    import math

    single = isinstance(value, int | float) or not hasattr(value, "__iter__")
    try:
        found = tuple(float(item) for item in ([value] if single else value))  # type: ignore[union-attr, arg-type]
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name} is {value!r}; give a number, or one per channel") from error
    if not found or not all(map(math.isfinite, found)):
        raise OptionError(
            f"{name} is {value!r}; give finite numbers, one for all channels or one per channel"
        )
    return found[0] if single else found


def _check_lengths(first: str, a: Numbers, second: str, b: Numbers) -> None:
    lengths = {len(as_tuple(a)), len(as_tuple(b))} - {1}
    if len(lengths) > 1:
        raise OptionError(
            f"{first} has {len(as_tuple(a))} numbers, {second} has {len(as_tuple(b))}; give as many"
        )
