"""Which image channels reach which network channel, and how: against tables and slow obvious NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from czengine.config import InputOptions
from czengine.errors import ImageError, OptionError
from czengine.geometry import Axes
from czengine.inputs import InputMap, plan_input
from czengine.kernels.base import OPAQUE
from czengine.sources.base import ImageInfo, Level
from czengine.spec import ModelSpec
from tests.support.specs import make_spec


def spec(channels: int, **changes: Any) -> ModelSpec:
    """A legacy model without pixel types that takes raw counts, with parts replaced."""
    return replace(make_spec(channels=channels), **changes)


def legacy(*items: str, channels: int, **changes: Any) -> ModelSpec:
    return spec(channels, pixel_types=tuple(tuple(item.split()) for item in items), **changes)


def image(
    channels: int, dtype: str = "uint8", *, color: bool = False, names: tuple[str, ...] = ()
) -> ImageInfo:
    shape, ones = (channels, 8, 9), (1.0,) * 3
    return ImageInfo(
        root=Path("i.zarr"),
        path="",
        axes=Axes(("c", "y", "x")),
        units=(None,) * 3,
        dtype=np.dtype(dtype),
        levels=(Level(path="0", shape=shape, scale=ones, translation=ones),),
        level=0,
        chunks=shape,
        shards=None,
        channel_names=names,
        is_color=color,
        ngff="0.5",
        zarr_format=3,
    )


def plan(model: ModelSpec, info: ImageInfo, **options: Any) -> InputMap:
    return plan_input(model, info, InputOptions(**options))


def network_channels(found: InputMap) -> list[int]:
    """Image channel of each network channel."""
    return [found.read[index] if index != OPAQUE else OPAQUE for index in found.channels]


@pytest.mark.parametrize(
    ("model", "channels", "expected"),
    [
        (legacy("Gray8", channels=1), 1, [0]),
        (legacy("Gray16", "Gray16", channels=2), 2, [0, 1]),
        (legacy("Bgr24", channels=3), 3, [2, 1, 0]),
        (legacy("Bgr48", channels=3), 3, [2, 1, 0]),
        (legacy("Bgr96Float", channels=3), 3, [2, 1, 0]),
        (legacy("Bgra32", channels=4), 4, [2, 1, 0, 3]),
        (legacy("Gray16", "Bgr24", channels=4), 4, [0, 3, 2, 1]),
        (legacy("Bgr24", "Gray16", "Bgra32", channels=8), 8, [2, 1, 0, 3, 6, 5, 4, 7]),
        (legacy("Gray8 Gray16", "Gray8", "Gray8", channels=3), 3, [0, 1, 2]),
        (legacy("Bgr24 Gray8", channels=3), 3, [2, 1, 0]),
        (legacy("Gray16", channels=3), 3, [0, 1, 2]),  # metadata disagree with the network
        (legacy("Bgr24", channels=5), 5, [0, 1, 2, 3, 4]),
    ],
)
def test_pixel_types_order_the_channels(model: ModelSpec, channels: int, expected: list[int]) -> None:
    assert network_channels(plan(model, image(channels))) == expected


@pytest.mark.parametrize(
    ("channels", "color", "expected"),
    [
        (3, True, [2, 1, 0]),
        (4, True, [2, 1, 0, 3]),
        (3, False, [0, 1, 2]),
        (4, False, [0, 1, 2, 3]),
        (2, False, [0, 1]),
    ],
)
def test_czann_wants_bgr_for_colour_only(channels: int, color: bool, expected: list[int]) -> None:
    model = spec(channels, format="czann", scale_inputs=True)
    assert network_channels(plan(model, image(channels, color=color))) == expected


@pytest.mark.parametrize(
    ("order", "channels", "expected"),
    [("rgb", 3, [0, 1, 2]), ("bgr", 3, [2, 1, 0]), ("rgb", 4, [0, 1, 2, 3]), ("bgr", 4, [2, 1, 0, 3])],
)
@pytest.mark.parametrize("items", [(), ("Bgr24",), ("Bgra32",)])
def test_the_colour_order_can_be_overridden(
    order: str, channels: int, expected: list[int], items: tuple[str, ...]
) -> None:
    model = legacy(*items, channels=channels)
    assert network_channels(plan(model, image(channels, color=True), color_order=order)) == expected


def test_a_colour_order_without_colours_is_refused() -> None:
    with pytest.raises(
        OptionError, match=r"color_order is 'bgr', but the network takes 1 channel; leave it out"
    ):
        plan(spec(1), image(1), color_order="bgr")


def test_channels_are_picked_by_index_and_name_in_the_order_given() -> None:
    info = image(4, names=("DAPI", "GFP", "488", "TL"))
    found = plan(spec(3), info, channels=("tl", 0, "GFP"))
    assert (found.read, found.channels) == ((3, 0, 1), (0, 1, 2))
    assert plan(spec(1), info, channels=(488,)).read == (2,)
    twice = plan(spec(2), info, channels=(1, 1))
    assert (twice.read, twice.channels) == ((1,), (0, 0))


def test_picked_channels_are_what_colour_order_works_on() -> None:
    found = plan(legacy("Bgr24", channels=3), image(4, color=True), channels=(0, 1, 2))
    assert network_channels(found) == [2, 1, 0]
    assert found.notes == ()


@pytest.mark.parametrize(
    ("names", "wanted", "message"),
    [
        (("DAPI", "GFP"), "TL", r"channel 'TL' is not there; i.zarr has the channels 0 \(DAPI\), 1 \(GFP\)"),
        (("DAPI", "GFP"), 2, "channel 2 is not there"),
        (("DAPI", "dapi"), "DAPI", "channel 'DAPI' is the name of several channels"),
        ((), -1, "channel -1 is not there; i.zarr has the channels 0 to 1, without names"),
    ],
)
def test_channels_that_are_not_there(names: tuple[str, ...], wanted: int | str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        plan(spec(1), image(2, names=names), channels=(wanted,))


@pytest.mark.parametrize("channels", [3, 4])
def test_a_colour_image_becomes_gray_where_the_model_says_so(channels: int) -> None:
    model = legacy("Gray8", channels=1, color_handling="ConvertToMonochrome")
    found = plan(model, image(channels, color=True))
    assert (found.read, found.channels, found.gray) == ((0, 1, 2), (0,), True)
    assert found.notes == ("the colour image is turned into one gray channel (ITU-R BT.601)",)
    one = plan(model, image(channels, color=True), channels=(1,))
    assert (one.read, one.channels, one.gray) == ((1,), (0,), False)


@pytest.mark.parametrize(
    ("model", "info", "message"),
    [
        (
            legacy("Gray8", channels=1, color_handling="SplitRgb"),
            image(3, color=True),
            r"the network takes 1 channel \(Gray8\), but i.zarr has 3 channels; choose 1 with --channel",
        ),
        (
            legacy("Gray8 Gray16", channels=1, color_handling="ConvertToMonochrome"),
            image(3, names=("DAPI", "GFP", "TL")),
            r"takes 1 channel \(Gray8/Gray16\), but i.zarr has 3 channels \(DAPI, GFP, TL\); choose 1 with",
        ),
        (legacy("Gray16", "Bgr24", channels=4), image(3, color=True), r"4 channels \(Gray16 \+ Bgr24\), but"),
        (spec(3), image(4), "takes 3 channels, but i.zarr has 4 channels; choose 3 with --channel"),
        (spec(4), image(3), "takes 4 channels, but i.zarr has 3 channels"),
        (spec(3), image(1), "takes 3 channels, but i.zarr has 1 channel;"),
    ],
)
def test_counts_that_do_not_fit_are_both_named(model: ModelSpec, info: ImageInfo, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        plan(model, info)


def test_too_few_picked_channels_are_told_apart_from_a_poor_image() -> None:
    with pytest.raises(
        ImageError, match=r"takes 3 channels, but 2 of the 5 channels of i.zarr were picked; choose 3"
    ):
        plan(spec(3), image(5), channels=(0, 1))


def test_an_alpha_nobody_wants_is_left_out() -> None:
    found = plan(legacy("Bgr24", channels=3), image(4, color=True))
    assert (found.read, found.channels) == ((2, 1, 0), (0, 1, 2))
    assert found.notes == ("the image's alpha channel is left out; the network takes 3 channels",)


@pytest.mark.parametrize(
    ("dtype", "scale", "constant"),
    [("uint8", False, 255.0), ("uint8", True, 1.0), ("uint16", False, 65535.0), ("float32", False, 1.0)],
)
@pytest.mark.parametrize("items", [(), ("Bgra32",)])
def test_a_missing_alpha_is_opaque(dtype: str, scale: bool, constant: float, items: tuple[str, ...]) -> None:
    found = plan(legacy(*items, channels=4), image(3, dtype, color=True), scale_inputs=scale)
    assert network_channels(found) == [2, 1, 0, OPAQUE]
    assert found.constant == constant
    assert "the image has no alpha channel; the network gets an opaque one" in found.notes


@pytest.mark.parametrize(
    ("dtype", "maximum"),
    [("uint8", 255), ("uint16", 65535), ("uint32", 2**32 - 1), ("int16", 32767), ("bool", 1), ("float32", 1)],
)
def test_scaling_divides_by_the_maximum_of_the_type(dtype: str, maximum: int) -> None:
    info = image(1, dtype)
    assert plan(spec(1, scale_inputs=True), info).divisor == maximum
    assert plan(spec(1, scale_inputs=False), info).divisor == 1.0
    assert plan(spec(1, scale_inputs=False), info, scale_inputs=True).divisor == maximum
    assert plan(spec(1, scale_inputs=True), info, scale_inputs=False).divisor == 1.0


@pytest.mark.parametrize(
    ("items", "dtype", "scale", "note"),
    [
        (
            "Gray8",
            "uint16",
            False,
            "the model was trained on Gray8, but the image is uint16; values are passed unscaled",
        ),
        ("Gray8", "float32", False, "the model was trained on Gray8, but the image is float32"),
        ("Gray8", "uint16", True, None),
        ("Gray8", "uint8", False, None),
        ("Gray8 Gray16", "uint16", False, None),
        ("Gray8 Gray16", "int16", False, "the model was trained on Gray8/Gray16, but the image is int16"),
        ("Gray16 Gray32Float", "uint8", False, None),
        ("Gray32Float", "uint8", False, None),
        (
            "Gray8",
            "float64",
            True,
            "float64 pixels are passed as they are; the model expects values from 0 to 1",
        ),
    ],
)
def test_a_depth_the_model_does_not_know_is_noted(
    items: str, dtype: str, scale: bool, note: str | None
) -> None:
    notes = plan(legacy(items, channels=1, scale_inputs=scale), image(1, dtype)).notes
    assert [n.startswith(note or "") for n in notes] == ([] if note is None else [True])


def bt601(red: Any, green: Any, blue: Any, dtype: np.dtype[Any]) -> Any:
    """One pixel at a time, in Python's exact integers where the type has them."""
    if dtype.kind == "f":
        return dtype.type((0.299 * float(red) + 0.587 * float(green)) + 0.114 * float(blue))
    return dtype.type((299 * int(red) + 587 * int(green) + 114 * int(blue) + 500) // 1000)


def gray_map() -> InputMap:
    return InputMap(read=(0, 1, 2), channels=(0,), gray=True, divisor=1.0, constant=1.0, notes=())


@given(
    pixels=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "bool"]).flatmap(
        lambda dtype: hnp.arrays(dtype, st.tuples(st.just(3), st.integers(1, 4), st.integers(1, 4)))
    )
)
def test_gray_of_integers_is_exact(pixels: NDArray[Any]) -> None:
    found = gray_map().prepare(pixels)
    wanted = [
        [bt601(*pixels[:, y, x], pixels.dtype) for x in range(pixels.shape[2])]
        for y in range(pixels.shape[1])
    ]
    np.testing.assert_array_equal(found, np.array([wanted], pixels.dtype))
    assert found.dtype == pixels.dtype


@given(value=st.integers(0, 65535))
def test_gray_of_gray_is_itself(value: int) -> None:
    assert gray_map().prepare(np.full((3, 1, 1), value, np.uint16)).item() == value


@pytest.mark.parametrize("dtype", ["f4", "f8", "u8", "i8"])
def test_gray_of_wide_types_is_close(dtype: str) -> None:
    pixels = (np.random.default_rng(1).random((3, 5, 6)) * 1000).astype(dtype)
    found = gray_map().prepare(pixels)
    wanted = 0.299 * pixels[0] + 0.587 * pixels[1] + 0.114 * pixels[2]
    tolerance = 1e-4 if pixels.dtype.kind == "f" else 0.5001
    np.testing.assert_allclose(found[0].astype(float), wanted, atol=tolerance)
    assert found.dtype == pixels.dtype


@given(
    items=st.lists(st.sampled_from(["Gray8", "Gray16", "Bgr24", "Bgra32", "Bgr48"]), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
@settings(max_examples=50)
def test_what_reaches_the_network_is_the_concatenation_of_the_items(items: list[str], seed: int) -> None:
    sizes = {"Gray": 1, "Bgra": 4, "Bgr2": 3, "Bgr4": 3}
    counts = [sizes[item[:4]] for item in items]
    pixels = np.random.default_rng(seed).integers(0, 256, (sum(counts), 3, 4), dtype=np.uint8)
    parts, first = [], 0
    for count in counts:
        part = pixels[first : first + count]
        parts.append(np.concatenate([part[2::-1], part[3:]]) if count > 1 else part)
        first += count
    found = plan(legacy(*items, channels=sum(counts)), image(sum(counts)))
    read = pixels[list(found.read)]
    prepared = found.prepare(read)
    assert prepared is read
    np.testing.assert_array_equal(prepared[list(found.channels)], np.concatenate(parts))


def test_colour_goes_in_as_bgr_where_the_pixel_types_make_no_sense() -> None:
    assert network_channels(plan(legacy("Gray16", channels=3), image(3, color=True))) == [2, 1, 0]
    assert network_channels(plan(legacy("Gray16", channels=3), image(3))) == [0, 1, 2]
