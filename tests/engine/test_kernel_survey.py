"""Counting labels and looking whether all pixels are the same: the fast kernels against the obvious one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from czengine.kernels.reference import ReferenceKernels
from tests.support.kernels import (
    Layout,
    every_kernel,
    fast_kernels,
    heights,
    kernels,
    layouts,
    pixels,
    widths,
)

seeds = st.integers(0, 2**32 - 1)
label_types = st.sampled_from(["u1", "u2"])
thread_counts = st.integers(1, 5)
every_type = pytest.mark.parametrize("dtype", ["bool", "u1", "i2", "u4", "i8", "f2", "f4", "f8", "g"])


def runs(rng: np.random.Generator, shape: tuple[int, int], dtype: str) -> NDArray[Any]:
    """Labels as segmentations have them: short and long stretches of the same, all values of the type possible."""
    size = shape[0] * shape[1]
    lengths = rng.choice([1, 2, 7, 31, 32, 33, 100], size=size)
    labels = rng.integers(0, np.iinfo(dtype).max, size, dtype, endpoint=True)
    return np.repeat(labels, lengths)[:size].reshape(shape)


# -------------------------------------------------------------------------------------------- count


@fast_kernels
@given(seeds, label_types, st.tuples(heights, widths), layouts(2, zero=True), thread_counts)
def test_count_is_the_reference(
    name: str, seed: int, dtype: str, shape: tuple[int, int], layout: Layout, threads: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = layout.hold(runs(rng, shape, dtype))
    wanted = rng.integers(0, 9, np.iinfo(dtype).max + 1)  # counts go on from what they are
    got = wanted.copy()

    ReferenceKernels().count(labels, wanted)
    kernels(name, threads).count(labels, got)

    assert_array_equal(got, wanted)


@every_kernel
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_count_by_hand(name: str, dtype: str) -> None:
    top = np.iinfo(dtype).max
    counts = np.zeros(top + 1, np.int64)
    counts[3] = 10

    kernels(name).count(np.array([[0, 3, 3], [top, 0, 3]], dtype), counts)

    assert {int(value): int(counts[value]) for value in np.flatnonzero(counts)} == {0: 2, 3: 13, top: 1}


@every_kernel
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_every_pixel_is_counted_once_whatever_the_threads(name: str, dtype: str, threads: int) -> None:
    labels = runs(np.random.default_rng(7), (97, 131), dtype)
    counts = np.zeros(np.iinfo(dtype).max + 1, np.int64)

    kernels(name, threads).count(labels, counts)

    assert_array_equal(counts, np.bincount(labels.ravel(), minlength=counts.size))


@every_kernel
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("period", [1, 2, 3, 4, 8, 16, 32, 64])
def test_patterns_are_no_runs(name: str, dtype: str, period: int) -> None:
    labels = np.resize(np.arange(period), (3, 192)).astype(dtype)
    counts = np.zeros(np.iinfo(dtype).max + 1, np.int64)

    kernels(name).count(labels, counts)

    assert counts[:period].tolist() == [576 // period] * period
    assert counts[period:].sum() == 0


# --------------------------------------------------------------------------------------- is_uniform


@fast_kernels
@given(
    seeds,
    st.sampled_from(["bool", "u1", "u2", "u4", "u8", "i1", "i8", "f2", "f4", "f8", "g"]),
    st.tuples(st.integers(0, 3), heights, widths),
    layouts(3, zero=True),
    st.booleans(),
)
def test_is_uniform_is_the_reference(
    name: str, seed: int, dtype: str, shape: tuple[int, int, int], layout: Layout, differs: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = np.broadcast_to(pixels(rng, (shape[0], 1, 1), dtype), shape).copy()
    if differs and values.size:
        values.flat[rng.integers(values.size)] = pixels(rng, (1,), dtype)[0]
    held = layout.hold(values)

    assert kernels(name).is_uniform(held) is ReferenceKernels().is_uniform(held)


@every_kernel
@every_type
@pytest.mark.parametrize("width", [1, 31, 64, 257, 600])
def test_one_different_pixel_is_seen_wherever_it_is(name: str, dtype: str, width: int) -> None:
    one = kernels(name)
    source = np.zeros((2, 2, width), dtype)
    assert one.is_uniform(source)
    for place in {0, 1, width - 1, width, 2 * width - 1, 2 * width, 3 * width + width // 2, 4 * width - 1}:
        source.flat[place] = 1
        assert not one.is_uniform(source)
        source.flat[place] = 0


@every_kernel
@every_type
def test_each_channel_has_a_value_of_its_own(name: str, dtype: str) -> None:
    channels = np.arange(2).astype(dtype)[:, np.newaxis, np.newaxis]
    assert kernels(name).is_uniform(np.repeat(np.repeat(channels, 5, axis=1), 70, axis=2))
    assert not kernels(name).is_uniform(np.ascontiguousarray(channels.transpose(1, 2, 0)))


@every_kernel
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_bits_are_compared_not_numbers(name: str, dtype: str) -> None:
    one = kernels(name)
    assert one.is_uniform(np.full((1, 3, 40), np.nan, dtype))
    assert not one.is_uniform(np.array([[[0.0, -0.0]]], dtype))


@every_kernel
@pytest.mark.parametrize("shape", [(0, 4, 4), (2, 0, 4), (2, 4, 0), (0, 0, 0)])
def test_no_pixels_are_all_the_same(name: str, shape: tuple[int, int, int]) -> None:
    assert kernels(name).is_uniform(np.zeros(shape, np.uint8))


def test_an_axis_without_steps_is_looked_at_once() -> None:
    pixel = np.array([[[7]], [[9]]], np.uint16)
    huge = np.broadcast_to(pixel, (2, 1 << 30, 1 << 20))  # would take days
    assert kernels("native").is_uniform(huge)
    assert not kernels("native").is_uniform(np.broadcast_to(pixel.transpose(1, 0, 2), (2, 2, 1 << 40)))
