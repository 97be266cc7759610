"""Every fast kernel does exactly, bit for bit, what the slow obvious one does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from czengine.kernels.base import OPAQUE
from czengine.kernels.reference import ReferenceKernels
from tests.support.kernels import every_kernel, fast_kernels, kernels, pixels

seeds = st.integers(0, 2**32 - 1)
thread_counts = st.integers(1, 5)
sizes = st.integers(1, 9)
pixel_types = st.sampled_from(["bool", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "g"])
score_types = st.sampled_from(["f2", "f4", "f8"])
layouts = st.sampled_from(["NHWC", "NCHW"])


def scores_of(rng: np.random.Generator, shape: tuple[int, int, int], dtype: str, layout: str) -> NDArray[Any]:
    """(y, x, class) scores in which ties, infinities and NaN are common, cut out of a larger tile."""
    height, width, classes = shape
    tile = rng.choice([0.0, 0.25, 0.5, 0.75, 1.0], size=(height + 3, width + 2, classes))
    odd = rng.random(tile.shape)
    tile[odd < 0.1] = rng.choice([np.nan, np.inf, -np.inf])
    typed = tile.astype(dtype)
    if layout == "NCHW":
        typed = np.ascontiguousarray(typed.transpose(2, 0, 1)).transpose(1, 2, 0)
    return typed[1 : height + 1, 2 : width + 2]


def tile_like(height: int, width: int, channels: int, layout: str) -> NDArray[np.float32]:
    """One (y, x, channel) slot of a network's input, filled with rubbish."""
    shape = (height, width, channels) if layout == "NHWC" else (channels, height, width)
    slot = np.full((2, *shape), 77, np.float32)[1]
    return slot if layout == "NHWC" else slot.transpose(1, 2, 0)


def assert_same_bits(got: NDArray[Any], wanted: NDArray[Any]) -> None:
    """Equal values, NaN where NaN, and zeros of the same sign."""
    assert_array_equal(got, wanted, strict=True)
    numbers = ~np.isnan(wanted)
    assert_array_equal(np.signbit(got[numbers]), np.signbit(wanted[numbers]))


# ------------------------------------------------------------------------------------------- gather


def strided(source: NDArray[Any]) -> NDArray[Any]:
    """The same pixels as a read-only view of a larger array, columns backwards."""
    larger = np.repeat(np.repeat(source, 2, axis=1), 2, axis=2)[:, ::2, ::-2]
    larger.flags.writeable = False
    return larger


@st.composite
def indices(draw: Any, size: int) -> NDArray[np.int64]:
    """Of an axis of `size`: in any order, or as tiles have them, a run with its ends reflected."""
    if draw(st.booleans()):
        return np.array(draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=9)), np.int64)
    return np.pad(np.arange(size), draw(st.tuples(sizes, sizes)), mode="reflect")


@fast_kernels
@given(
    seeds,
    pixel_types,
    layouts,
    st.tuples(sizes, sizes, st.integers(1, 40)),
    st.sampled_from([1.0, 255.0, 65535.0]),
    st.data(),
)
def test_gather_is_the_reference(
    name: str, seed: int, dtype: str, layout: str, shape: tuple[int, int, int], divisor: float, data: Any
) -> None:
    rng = np.random.default_rng(seed)
    source = pixels(rng, shape, dtype)
    if data.draw(st.booleans(), label="strided"):
        source = strided(source)
    channels = rng.integers(OPAQUE, shape[0], data.draw(st.integers(1, 4), label="channels"))
    rows, columns = (data.draw(indices(size), label="indices") for size in shape[1:])
    wanted, got = (tile_like(rows.size, columns.size, channels.size, layout) for _ in range(2))

    ReferenceKernels().gather(source, channels, rows, columns, divisor, 0.5, wanted)
    threads = data.draw(thread_counts, label="threads")
    kernels(name, threads).gather(source, channels, rows, columns, divisor, 0.5, got)

    assert_same_bits(got, wanted)


@every_kernel
@given(seeds, sizes, sizes, st.integers(0, 7), layouts)
def test_repeated_indices_are_reflect_padding(
    name: str, seed: int, height: int, width: int, pad: int, layout: str
) -> None:
    source = pixels(np.random.default_rng(seed), (2, height, width), "u2")
    rows, columns = (np.pad(np.arange(size), pad, mode="reflect") for size in (height, width))
    out = tile_like(rows.size, columns.size, 2, layout)

    kernels(name).gather(source, np.arange(2), rows, columns, 1.0, 0.0, out)

    padded = np.pad(source, [(0, 0), (pad, pad), (pad, pad)], mode="reflect")
    assert_array_equal(out, padded.transpose(1, 2, 0).astype(np.float32))


@every_kernel
def test_gather_scales_reorders_and_fills(name: str) -> None:
    source = np.array([[[10]], [[20]], [[255]]], np.uint8)  # one pixel, three channels
    out = tile_like(1, 1, 4, "NCHW")

    kernels(name).gather(source, np.array([2, 1, 0, OPAQUE]), np.array([0]), np.array([0]), 255.0, 1.0, out)

    assert_array_equal(out.ravel(), np.array([1.0, 20 / 255, 10 / 255, 1.0], np.float32))


@every_kernel
def test_gather_divides_in_float64(name: str) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256)
    out = tile_like(256, 256, 1, "NHWC")

    kernels(name).gather(values, np.array([0]), np.arange(256), np.arange(256), 65535.0, 0.0, out)

    assert_array_equal(out[:, :, 0], (values[0].astype(np.float64) / 65535.0).astype(np.float32))


@every_kernel
def test_gather_rounds_large_integers_twice(name: str) -> None:
    values = np.array([2**64 - 1, 2**53 + 1, 2**24 + 1], np.uint64)  # to float64, then to float32
    signed = np.array([-(2**63), 2**63 - 1, 2**62 + 2**38 + 1], np.int64)
    for source in (values, signed):
        out = tile_like(1, 3, 1, "NHWC")
        kernels(name).gather(
            source.reshape(1, 1, 3), np.array([0]), np.array([0]), np.arange(3), 1.0, 0.0, out
        )
        assert_array_equal(out.ravel(), source.astype(np.float64).astype(np.float32))


@every_kernel
def test_gather_takes_any_byte_that_is_not_zero_as_true(name: str) -> None:
    mask = np.array([[[0, 1, 2, 255]]], np.uint8).view(bool)
    out = tile_like(1, 4, 1, "NCHW")

    kernels(name).gather(mask, np.array([0]), np.array([0]), np.arange(4), 1.0, 0.0, out)

    assert out.ravel().tolist() == [0, 1, 1, 1]


@every_kernel
def test_gather_takes_any_slice_of_indices(name: str) -> None:
    source, out = pixels(np.random.default_rng(4), (3, 8, 8), "u2"), tile_like(4, 8, 2, "NHWC")

    kernels(name).gather(source, np.arange(3)[::-2], np.arange(8)[::2], np.arange(8)[::-1], 1.0, 0.0, out)

    assert_array_equal(out, source[::-2, ::2, ::-1].transpose(1, 2, 0).astype(np.float32))


@every_kernel
@pytest.mark.parametrize("dtype", ["u4", "i2", "f4"])
def test_gather_leaves_values_that_need_no_scaling(name: str, dtype: str) -> None:
    source = pixels(np.random.default_rng(3), (1, 20, 20), dtype)
    out = tile_like(20, 20, 1, "NHWC")

    kernels(name).gather(source, np.array([0]), np.arange(20), np.arange(20), 1.0, 0.0, out)

    assert_array_equal(out[:, :, 0], source[0].astype(np.float32))


# ------------------------------------------------------------------------------------------- argmax


@fast_kernels
@given(
    seeds,
    score_types,
    layouts,
    st.tuples(sizes, sizes, st.integers(1, 6)),
    st.sampled_from(["u1", "u2"]),
    st.sampled_from([-np.inf, 0.0, 0.3, 0.5, 1.0, np.inf]),
    thread_counts,
    st.booleans(),
)
def test_argmax_is_the_reference(
    name: str,
    seed: int,
    dtype: str,
    layout: str,
    shape: tuple[int, int, int],
    label_type: str,
    min_confidence: float,
    threads: int,
    strided: bool,
) -> None:
    rng = np.random.default_rng(seed)
    scores = scores_of(rng, shape, dtype, layout)
    labels = rng.permutation(np.arange(1, 2 * shape[2] + 1, dtype=label_type))[:: 2 if strided else 1]
    labels = labels[: shape[2]]
    band = np.full((2, shape[0] + 2, 2 * shape[1] + 2), 99, label_type)
    step = 2 if strided else 1
    wanted, got = (plane[1:-1, 1 : 1 + step * shape[1] : step] for plane in band)

    ReferenceKernels().argmax(scores, labels, min_confidence, wanted)
    kernels(name, threads).argmax(scores, labels, min_confidence, got)

    assert_array_equal(band[1], band[0])  # the band around the place of the tile included


@every_kernel
@pytest.mark.parametrize(
    ("pixel", "min_confidence", "label"),
    [
        ([0.1, 0.7, 0.2], -np.inf, 20),
        ([0.4, 0.2, 0.4], -np.inf, 10),  # the first of equals
        ([0.0, -0.0, 0.0], -np.inf, 10),
        ([-np.inf, -np.inf, -np.inf], -np.inf, 10),
        ([0.1, 0.2, np.inf], 0.5, 30),
        ([0.25, 0.5, 0.25], 0.5, 20),  # not below
        ([0.25, 0.49, 0.26], 0.5, 0),
        ([np.nan, 0.9, 0.1], -np.inf, 0),
        ([0.9, np.nan, 0.1], -np.inf, 0),
        ([0.9, 0.1, np.nan], -np.inf, 0),
        ([0.1, 0.1, 0.1], 0.1, 10),  # see the next test for what 0.1 is in float32
    ],
)
def test_argmax_by_hand(name: str, pixel: list[float], min_confidence: float, label: int) -> None:
    scores = np.array(pixel, np.float64).reshape(1, 1, 3)
    out = np.full((1, 1), 99, np.uint8)

    kernels(name).argmax(scores, np.array([10, 20, 30], np.uint8), min_confidence, out)

    assert out.item() == label


@every_kernel
@pytest.mark.parametrize(("score", "kept"), [(0.1, True), (0.7, False)])
def test_float32_scores_are_compared_as_the_numbers_they_are(name: str, score: float, kept: bool) -> None:
    scores = np.full((1, 1, 1), score, np.float32)  # 0.1 is a little more in float32, 0.7 a little less
    labels, planes = np.array([1], np.uint8), np.zeros((1, 1, 1), np.uint8)
    out = np.full((1, 1), 99, np.uint8)

    kernels(name).argmax(scores, labels, score, out)
    kernels(name).threshold(scores, score, planes)

    assert out.item() == planes.item() == int(kept)


# ------------------------------------------------------------------------------- threshold and copy


@fast_kernels
@given(seeds, score_types, layouts, st.tuples(sizes, sizes, st.integers(1, 6)), thread_counts)
def test_threshold_and_copy_are_the_reference(
    name: str, seed: int, dtype: str, layout: str, shape: tuple[int, int, int], threads: int
) -> None:
    scores = scores_of(np.random.default_rng(seed), shape, dtype, layout)
    height, width, classes = shape
    binary = np.full((2, classes, height + 2, width + 2), 99, np.uint8)
    floats = np.full((2, classes, height + 2, width + 2), 99, np.float32)

    for index, each in enumerate((ReferenceKernels(), kernels(name, threads))):
        each.threshold(scores, 0.5, binary[index, :, 1:-1, 1:-1])
        each.copy(scores, floats[index, :, 1:-1, 1:-1])

    assert_array_equal(binary[1], binary[0])
    assert_same_bits(floats[1], floats[0])


@every_kernel
def test_threshold_keeps_what_reaches_the_limit(name: str) -> None:
    scores = np.array([[[0.5, 0.4], [np.nan, np.inf]]])  # one row, two pixels, two classes
    out = np.full((2, 1, 2), 99, np.uint8)

    kernels(name).threshold(scores, 0.5, out)

    assert out.tolist() == [[[1, 0]], [[0, 1]]]


@every_kernel
def test_copy_rounds_to_float32(name: str) -> None:
    scores = np.array([[[0.1, 1e300]]])
    out = np.zeros((2, 1, 1), np.float32)

    kernels(name).copy(scores, out)

    assert_array_equal(out.ravel(), np.array([0.1, np.inf], np.float32))
