"""Gather: every fast kernel does exactly, bit for bit, what the slow obvious one does."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

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
divisors = st.sampled_from([1.0, 255.0, 65535.0, 0.1, -3.0, 1 / 3, 1e-40, 2.0**-149, 1e30])
NHWC = Layout(order=(0, 1, 2), steps=(1, 1, 1))
NCHW = Layout(order=(2, 0, 1), steps=(1, 1, 1))
layouts_of_networks = pytest.mark.parametrize("layout", [NHWC, NCHW], ids=["NHWC", "NCHW"])


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
