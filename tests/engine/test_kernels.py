"""Every fast kernel does exactly, bit for bit, what the slow obvious one does: gather and stitch."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from czengine.kernels.base import OPAQUE
from czengine.kernels.reference import ReferenceKernels
from tests.support.kernels import (
    Layout,
    assert_same_bits,
    every_kernel,
    fast_kernels,
    heights,
    kernels,
    layouts,
    pixels,
    widths,
)

seeds = st.integers(0, 2**32 - 1)
thread_counts = st.integers(1, 5)
pixel_types = st.sampled_from(["bool", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "g"])
score_types = st.sampled_from(["f2", "f4", "f8"])
divisors = st.sampled_from([1.0, 255.0, 65535.0, 0.1, -3.0, 1 / 3, 1e-40, 2.0**-149, 1e30])
NHWC = Layout(order=(0, 1, 2), steps=(1, 1, 1))
NCHW = Layout(order=(2, 0, 1), steps=(1, 1, 1))
layouts_of_networks = pytest.mark.parametrize("layout", [NHWC, NCHW], ids=["NHWC", "NCHW"])


def scores_of(rng: np.random.Generator, shape: tuple[int, int, int], dtype: str) -> NDArray[Any]:
    """(y, x, class) scores in which ties, infinities and NaN are common."""
    tile = rng.choice([0.0, 0.25, 0.5, 0.75, 1.0], size=shape)
    odd = rng.random(shape)
    tile[odd < 0.1] = rng.choice([np.nan, np.inf, -np.inf, -0.0])
    return tile.astype(dtype)


# ------------------------------------------------------------------------------------------- gather


@fast_kernels
@given(
    seeds,
    pixel_types,
    st.booleans(),
    st.tuples(st.integers(1, 5), heights, widths),
    st.integers(0, 6),
    layouts(3, zero=True),
    layouts(3),
    divisors,
    thread_counts,
)
def test_gather_is_the_reference(
    name: str,
    seed: int,
    dtype: str,
    copies: bool,
    shape: tuple[int, int, int],
    count: int,
    source_layout: Layout,
    out_layout: Layout,
    divisor: float,
    threads: int,
) -> None:
    rng = np.random.default_rng(seed)
    source = source_layout.hold(pixels(rng, shape, dtype))
    channels = rng.integers(OPAQUE, shape[0], 2 * count)[::2]
    into = (*shape[1:], count)
    around, wanted = out_layout.place(into, source.dtype if copies else np.float32)
    got_around, got = out_layout.place(into, source.dtype if copies else np.float32)
    divisor = 1.0 if copies and dtype != "f4" else divisor

    ReferenceKernels().gather(source, channels, divisor, 1.0, wanted)
    kernels(name, threads).gather(source, channels, divisor, 1.0, got)

    assert_same_bits(got_around, around)  # what surrounds the place included


@fast_kernels
@given(seeds, st.integers(0, 2**32 - 1))
def test_float32_by_float32_is_as_in_float64(name: str, seed: int, bits: int) -> None:
    divisor = np.uint32(bits).view(np.float32)
    if not np.isfinite(divisor) or divisor == 0:
        divisor = np.float32(3)
    values = np.random.default_rng(seed).integers(0, 2**32, (1, 8, 64), np.uint32).view(np.float32)
    out = np.empty((8, 64, 1), np.float32)

    kernels(name).gather(values, np.array([0]), float(divisor), 0.0, out)

    with np.errstate(all="ignore"):
        wanted = (values[0].astype(np.float64) / np.float64(divisor)).astype(np.float32)
    assert_same_bits(out[:, :, 0], wanted)


@every_kernel
@pytest.mark.parametrize("divisor", [255.0, 65535.0, 4095.0, 0.1, 1 / 3, 16777217.0])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
def test_gather_divides_every_small_integer_in_float64(name: str, dtype: str, divisor: float) -> None:
    limits = np.iinfo(dtype)
    values = np.arange(limits.min, limits.max + 1).astype(dtype).reshape(1, -1, 256)
    out = np.empty((*values.shape[1:], 1), np.float32)

    kernels(name).gather(values, np.array([0]), divisor, 0.0, out)

    assert_same_bits(out[:, :, 0], (values[0].astype(np.float64) / divisor).astype(np.float32))


@every_kernel
@layouts_of_networks
def test_gather_scales_reorders_and_fills(name: str, layout: Layout) -> None:
    source = np.array([[[10]], [[20]], [[255]]], np.uint8)  # one pixel, three channels
    out = layout.place((1, 1, 4), np.float32)[1]

    kernels(name).gather(source, np.array([2, 1, 0, OPAQUE]), 255.0, 1.0, out)

    assert_array_equal(out.ravel(), np.array([1.0, 20 / 255, 10 / 255, 1.0], np.float32))


@every_kernel
@layouts_of_networks
@pytest.mark.parametrize("dtype", ["bool", "u1", "u2", "i2", "u4", "i8", "f2", "f4", "f8"])
def test_gather_copies_bits(name: str, layout: Layout, dtype: str) -> None:
    source = pixels(np.random.default_rng(2), (3, 6, 70), dtype)
    out = layout.place((6, 70, 4), source.dtype)[1]

    kernels(name).gather(source, np.array([2, 1, OPAQUE, 0]), 1.0, 1.0, out)

    bits = np.ascontiguousarray(out.transpose(2, 0, 1)).view(np.uint8)
    assert_array_equal(bits[[3, 1, 0]], source.view(np.uint8))
    assert np.all(out[:, :, 2] == 1)


@every_kernel
def test_gather_rounds_large_integers_twice(name: str) -> None:
    values = np.array([2**64 - 1, 2**53 + 1, 2**24 + 1], np.uint64)  # to float64, then to float32
    signed = np.array([-(2**63), 2**63 - 1, 2**62 + 2**38 + 1], np.int64)
    for source in (values, signed):
        out = np.empty((1, 3, 1), np.float32)
        kernels(name).gather(source.reshape(1, 1, 3), np.array([0]), 1.0, 0.0, out)
        assert_array_equal(out.ravel(), source.astype(np.float64).astype(np.float32))


@every_kernel
def test_gather_takes_any_byte_that_is_not_zero_as_true(name: str) -> None:
    mask = np.array([[[0, 1, 2, 255]]], np.uint8).view(bool)
    out = np.empty((1, 4, 1), np.float32)

    kernels(name).gather(mask, np.array([0]), 1.0, 0.0, out)

    assert out.ravel().tolist() == [0, 1, 1, 1]


@fast_kernels
@layouts_of_networks
@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("step", [1, -1, 2, 0])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_gather_of_lines_longer_than_a_block(
    name: str, layout: Layout, order: tuple[int, ...], step: int, count: int
) -> None:
    values = pixels(np.random.default_rng(count), (count, 2, 4500), "u2")
    source = Layout(order=order, steps=(1, 1, step)).hold(values)
    scaled, copied = (layout.place((2, 4500, count), dtype)[1] for dtype in (np.float32, np.uint16))

    kernels(name).gather(source, np.arange(count)[::-1], 255.0, 0.0, scaled)
    kernels(name).gather(source, np.arange(count)[::-1], 1.0, 0.0, copied)

    assert_array_equal(copied, source[::-1].transpose(1, 2, 0))
    assert_same_bits(np.ascontiguousarray(scaled), (copied.astype(np.float64) / 255.0).astype(np.float32))


@every_kernel
def test_a_picture_of_one_pixel_fills_a_tile(name: str) -> None:
    source = np.broadcast_to(
        np.array([[[7]], [[9]]], np.uint16), (2, 30, 40)
    )  # how a source says "all the same"
    out = np.empty((30, 40, 2), np.float32)

    kernels(name).gather(source, np.array([1, 0]), 1.0, 0.0, out)

    assert (out == [9, 7]).all()


@every_kernel
@pytest.mark.parametrize("shape", [(2, 0, 5), (2, 5, 0), (2, 0, 0)])
def test_gather_of_no_pixels_does_nothing(name: str, shape: tuple[int, int, int]) -> None:
    out = np.empty((*shape[1:], 2), np.float32)
    kernels(name, threads=3).gather(np.zeros(shape, np.uint8), np.array([0, OPAQUE]), 255.0, 0.0, out)


# ------------------------------------------------------------------------------------------- argmax


@fast_kernels
@given(
    seeds,
    score_types,
    st.tuples(heights, widths, st.integers(1, 13)),
    layouts(3, zero=True),
    layouts(2),
    st.sampled_from(["u1", "u2"]),
    st.sampled_from([-np.inf, 0.0, 0.3, 0.5, 1.0, np.inf, np.nan, 1e300, -1e300]),
    thread_counts,
)
def test_argmax_is_the_reference(
    name: str,
    seed: int,
    dtype: str,
    shape: tuple[int, int, int],
    layout: Layout,
    out_layout: Layout,
    label_type: str,
    min_confidence: float,
    threads: int,
) -> None:
    rng = np.random.default_rng(seed)
    scores = layout.hold(scores_of(rng, shape, dtype))
    labels = rng.permutation(np.arange(1, 2 * shape[2] + 1, dtype=label_type))[::2]
    around, wanted = out_layout.place(shape[:2], label_type)
    got_around, got = out_layout.place(shape[:2], label_type)

    ReferenceKernels().argmax(scores, labels, min_confidence, wanted)
    kernels(name, threads).argmax(scores, labels, min_confidence, got)

    assert_array_equal(got_around, around)


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
@layouts_of_networks
@pytest.mark.parametrize("classes", range(1, 14))
def test_argmax_finds_each_class_anywhere(name: str, layout: Layout, classes: int) -> None:
    winner = np.arange(5 * 530).reshape(5, 530) % classes
    scores = layout.hold((np.arange(classes) == winner[:, :, np.newaxis]).astype(np.float32))
    out = np.empty(winner.shape, np.uint16)

    kernels(name).argmax(scores, np.arange(300, 300 + classes, dtype=np.uint16), 0.5, out)

    assert_array_equal(out, winner + 300)


@fast_kernels
@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("step", [1, -1, 2, 0])
@pytest.mark.parametrize("classes", [1, 2, 3, 4, 5, 9])
def test_scores_of_lines_longer_than_a_block(
    name: str, order: tuple[int, ...], step: int, classes: int
) -> None:
    values = np.random.default_rng(classes).random((2, 1100, classes), np.float32)
    scores = Layout(order=order, steps=(1, step, 1)).hold(values)
    labels, out_steps = np.arange(classes, dtype=np.uint8), (1, step or 3)
    out = Layout(order=(0, 1), steps=out_steps).place((2, 1100), np.uint8)[1]
    planes = Layout(order=(0, 1, 2), steps=(1, *out_steps))
    binary, floats = (planes.place((classes, 2, 1100), dtype)[1] for dtype in (np.uint8, np.float32))

    kernels(name).argmax(scores, labels, 0.0, out)
    kernels(name).threshold(scores, 0.5, binary)
    kernels(name).copy(scores, floats)

    assert_array_equal(out, scores.argmax(axis=2))
    assert_array_equal(binary, scores.transpose(2, 0, 1) >= 0.5)
    assert_array_equal(floats, scores.transpose(2, 0, 1))


@every_kernel
@layouts_of_networks
@pytest.mark.parametrize("classes", [1, 2, 3, 4, 5, 9])
def test_one_score_that_is_no_number_is_enough(name: str, layout: Layout, classes: int) -> None:
    scores = np.ones((classes, 20, classes), np.float32)
    for k in range(classes):
        scores[k, k::3, k] = np.nan
    wanted = np.where(np.isnan(scores).any(axis=2), 0, 1)
    out = np.empty(wanted.shape, np.uint8)

    kernels(name).argmax(layout.hold(scores), np.arange(1, classes + 1, dtype=np.uint8), -np.inf, out)

    assert_array_equal(out, wanted)


@every_kernel
@pytest.mark.parametrize(("score", "kept"), [(0.1, True), (0.7, False)])
def test_float32_scores_are_compared_as_the_numbers_they_are(name: str, score: float, kept: bool) -> None:
    scores = np.full((1, 1, 1), score, np.float32)  # 0.1 is a little more in float32, 0.7 a little less
    labels, planes = np.array([1], np.uint8), np.zeros((1, 1, 1), np.uint8)
    out = np.full((1, 1), 99, np.uint8)

    kernels(name).argmax(scores, labels, score, out)
    kernels(name).threshold(scores, score, planes)

    assert out.item() == planes.item() == int(kept)


@fast_kernels
@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(width=32, allow_nan=False))
def test_any_limit_compares_as_float64(name: str, limit: float, score: float) -> None:
    with np.errstate(over="ignore"):
        near = np.array([limit, np.nextafter(limit, np.inf), np.nextafter(limit, -np.inf), score])
        scores = near.astype(np.float32).reshape(1, 4, 1)
        scores = np.concatenate([scores, np.nextafter(scores, np.float32(np.inf))], axis=1)
    labels, out, planes = np.array([1], np.uint8), np.empty((1, 8), np.uint8), np.empty((1, 1, 8), np.uint8)

    kernels(name).argmax(scores, labels, limit, out)
    kernels(name).threshold(scores, limit, planes)

    wide = scores[0, :, 0].astype(np.float64)
    assert_array_equal(out[0], ~(np.isnan(wide) | (wide < limit)))
    assert_array_equal(planes[0, 0], wide >= limit)


# ------------------------------------------------------------------------------- threshold and copy


@fast_kernels
@given(
    seeds,
    score_types,
    st.tuples(heights, widths, st.integers(0, 9)),
    layouts(3, zero=True),
    layouts(3),
    st.sampled_from([-np.inf, 0.5, 0.3, np.nan, 1e300]),
    thread_counts,
)
def test_threshold_and_copy_are_the_reference(
    name: str,
    seed: int,
    dtype: str,
    shape: tuple[int, int, int],
    layout: Layout,
    out_layout: Layout,
    limit: float,
    threads: int,
) -> None:
    scores = layout.hold(scores_of(np.random.default_rng(seed), shape, dtype))
    into = (shape[2], *shape[:2])
    binary, floats = ([out_layout.place(into, dtype) for _ in range(2)] for dtype in (np.uint8, np.float32))

    for index, each in enumerate((ReferenceKernels(), kernels(name, threads))):
        each.threshold(scores, limit, binary[index][1])
        each.copy(scores, floats[index][1])

    assert_array_equal(binary[1][0], binary[0][0])
    assert_same_bits(floats[1][0], floats[0][0])


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
