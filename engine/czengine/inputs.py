"""What goes into the network: which image channels, in which order, on which scale. `InputMap` says it.

Joins the model's channels (their number comes from the network, colour order and depth from its pixel types)
to the image's. Decides only; cutting and scaling pixels is the work of the kernels.

    image channels --(--channel)--> picked --(gray, BGR, alpha)--> network channels --(divisor)--> float32
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czengine.config import InputOptions
from czengine.errors import ImageError, OptionError
from czengine.kernels.base import OPAQUE
from czengine.sources.base import ImageInfo
from czengine.spec import ModelSpec

_COLOR = (3, 4)  # channels of a colour picture, without and with alpha
_DTYPES = {  # dtypes of the pixel types that are integers, and thereby have a depth
    "Gray8": "uint8",
    "Gray16": "uint16",
    "Bgr24": "uint8",
    "Bgr48": "uint16",
    "Bgra32": "uint8",
}
_BT601 = (299, 587, 114)  # thousandths of red, green and blue in luma


@dataclass(frozen=True, kw_only=True)
class InputMap:
    """How the pixels of one image become the input of one network.

    Attributes
    ----------
    read : tuple of int
        Image channels to read, each once, in this order.
    channels : tuple of int
        For each network channel its index in the prepared pixels; `kernels.base.OPAQUE` for an alpha
        the image does not have.
    gray : bool
        The channels read are red, green, blue and `prepare` makes one of them.
    divisor : float
        Pixels are divided by it; 1.0 passes them as they are.
    constant : float
        Value of `OPAQUE` channels, after scaling.
    notes : tuple of str
        What a user should know, one sentence each.
    """

    read: tuple[int, ...]
    channels: tuple[int, ...]
    gray: bool
    divisor: float
    constant: float
    notes: tuple[str, ...]

    def prepare(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Turn the channels read into those that `channels` indexes.

        Parameters
        ----------
        pixels : ndarray
            (len(read), y, x), as a source reads it.

        Returns
        -------
        ndarray
            (channel, y, x) of the same dtype: `pixels` itself, or for `gray` one channel of ITU-R BT.601 luma
            (0.299 R + 0.587 G + 0.114 B), which integer types round to nearest, halves up.
        """
        return _luma(pixels)[np.newaxis] if self.gray else pixels


def plan_input(spec: ModelSpec, info: ImageInfo, options: InputOptions) -> InputMap:
    """Decide how an image is fed to a model.

    Raises
    ------
    OptionError
        For a channel the image does not have, or a colour order for a network without colours.
    ImageError
        Where the image's channels do not fit the network's.
    """
    picked = _picked(info, options)
    order, gray, notes = _match(spec, info, options, picked)
    wanted = [picked[index] if index != OPAQUE else OPAQUE for index in order]
    read = tuple(dict.fromkeys(picked[:3] if gray else [c for c in wanted if c != OPAQUE]))
    divisor, scale_notes = _divisor(spec, info, options)
    return InputMap(
        read=read,
        channels=(0,) if gray else tuple(read.index(c) if c != OPAQUE else OPAQUE for c in wanted),
        gray=gray,
        divisor=divisor,
        constant=_maximum(info.dtype) / divisor,
        notes=(*notes, *scale_notes),
    )


def _match(
    spec: ModelSpec, info: ImageInfo, options: InputOptions, picked: tuple[int, ...]
) -> tuple[tuple[int, ...], bool, tuple[str, ...]]:
    """For each network channel its place among the picked ones, whether to mix gray first, and notes."""
    wanted, given = spec.channels, len(picked)
    color = info.is_color and given in _COLOR
    if options.color_order != "auto" and wanted not in _COLOR:
        raise OptionError(
            f"color_order is {options.color_order!r}, but the network takes {_count(wanted)}; leave it out"
        )
    if wanted == given:
        return _color_order(spec, options, is_color=color), False, ()
    if wanted == 1 and color and spec.color_handling == "ConvertToMonochrome":
        return (0,), True, ("the colour image is turned into one gray channel (ITU-R BT.601)",)
    if (wanted, given) == (3, 4) and color:
        note = "the image's alpha channel is left out; the network takes 3 channels"
        return _color_order(spec, options, is_color=True), False, (note,)
    if (wanted, given) == (4, 3) and color and _wants_alpha(spec):
        note = "the image has no alpha channel; the network gets an opaque one"
        return (*_color_order(spec, options, is_color=True)[:3], OPAQUE), False, (note,)
    raise _mismatch(spec, info, given)


def _color_order(spec: ModelSpec, options: InputOptions, *, is_color: bool) -> tuple[int, ...]:
    """For each network channel its place in an image that stores red before blue."""
    count = spec.channels
    if options.color_order != "auto":
        return _reversed_rgb(0, count) if options.color_order == "bgr" else tuple(range(count))
    items = [_item_channels(item[0]) for item in spec.pixel_types]
    if sum(items) != count:  # czann says nothing, and metadata can be wrong; ZEISS feeds colour as BGR(A)
        return _reversed_rgb(0, count) if is_color and count in _COLOR else tuple(range(count))
    order: list[int] = []
    for item in items:
        first = len(order)
        order += _reversed_rgb(first, item) if item in _COLOR else range(first, first + item)
    return tuple(order)


def _item_channels(pixel_type: str) -> int:
    """Channels of a pixel type; all that have three or four are blue, green, red (and alpha)."""
    return 4 if pixel_type.startswith("Bgra") else 3 if pixel_type.startswith("Bgr") else 1


def _reversed_rgb(first: int, count: int) -> tuple[int, ...]:
    """Indices of `count` channels from `first` on, red and blue swapped, an alpha left last."""
    return (first + 2, first + 1, first, *range(first + 3, first + count))


def _wants_alpha(spec: ModelSpec) -> bool:
    """Whether the fourth of four network channels can be an alpha."""
    return not spec.pixel_types or [_item_channels(item[0]) for item in spec.pixel_types] == [4]


def _mismatch(spec: ModelSpec, info: ImageInfo, given: int) -> ImageError:
    kinds = _bracketed(" + ".join("/".join(item) for item in spec.pixel_types))
    offer = f"{info.name} has {_count(given)}{_bracketed(', '.join(info.channel_names))}"
    if given != info.channels:
        offer = f"{given} of the {info.channels} channels of {info.name} were picked"
    return ImageError(
        f"the network takes {_count(spec.channels)}{kinds}, but {offer}; choose {spec.channels} with --channel"
    )


def _picked(info: ImageInfo, options: InputOptions) -> tuple[int, ...]:
    if not options.channels:
        return tuple(range(info.channels))
    return tuple(_channel(info, wanted) for wanted in options.channels)


def _channel(info: ImageInfo, wanted: int | str) -> int:
    """Index of a channel given by index or name; a number that is no index may be a name, e.g. 488."""
    if isinstance(wanted, int) and 0 <= wanted < info.channels:
        return wanted
    same = [i for i, name in enumerate(info.channel_names) if name.casefold() == str(wanted).casefold()]
    if len(same) == 1:
        return same[0]
    names = ", ".join(f"{i} ({name})" for i, name in enumerate(info.channel_names))
    known = names or f"0 to {info.channels - 1}, without names"
    trouble = "is the name of several channels" if same else "is not there"
    raise OptionError(f"channel {wanted!r} {trouble}; {info.name} has the channels {known}")


def _divisor(spec: ModelSpec, info: ImageInfo, options: InputOptions) -> tuple[float, tuple[str, ...]]:
    scale = spec.scale_inputs if options.scale_inputs is None else options.scale_inputs
    if scale and info.dtype.kind == "f":
        return 1.0, (f"{info.dtype} pixels are passed as they are; the model expects values from 0 to 1",)
    if scale:
        return _maximum(info.dtype), ()
    depths = [item for item in spec.pixel_types if all(name in _DTYPES for name in item)]
    odd = [item for item in depths if info.dtype.name not in [_DTYPES[name] for name in item]]
    if not odd:
        return 1.0, ()
    kind = "/".join(odd[0])
    return 1.0, (
        f"the model was trained on {kind}, but the image is {info.dtype}; values are passed unscaled",
    )


def _maximum(dtype: np.dtype[Any]) -> float:
    """Full intensity: the largest integer of the type, 1 for floats and bool."""
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def _luma(pixels: NDArray[Any]) -> NDArray[Any]:
    """(3, y, x) to (y, x). Up to 32 bits in integer arithmetic: equal channels give exactly themselves."""
    dtype: np.dtype[Any] = pixels.dtype
    exact = dtype.kind in "biu" and dtype.itemsize <= 4
    work: type[np.generic] = (np.int32 if dtype.itemsize <= 2 else np.int64) if exact else np.float64
    total: NDArray[Any] = pixels[0].astype(work)
    total *= _BT601[0]
    for weight, channel in zip(_BT601[1:], pixels[1:3], strict=True):
        total += channel.astype(work) * weight
    if exact:
        total += 500
        total //= 1000
    elif dtype.kind in "iu":
        total = np.floor(total / 1000.0 + 0.5)
    else:
        total /= 1000.0
    return total.astype(dtype)


def _bracketed(text: str) -> str:
    return f" ({text})" if text else ""


def _count(channels: int) -> str:
    return "1 channel" if channels == 1 else f"{channels} channels"
