"""Argmax, threshold and copy: every fast kernel does exactly, bit for bit, what the slow obvious one does."""

from __future__ import annotations

from itertools import permutations
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
    assert_same_bits,
    every_kernel,
    fast_kernels,
    heights,
    kernels,
    layouts,
    widths,
)

seeds = st.integers(0, 2**32 - 1)
thread_counts = st.integers(1, 5)
score_types = st.sampled_from(["f2", "f4", "f8"])
NHWC = Layout(order=(0, 1, 2), steps=(1, 1, 1))
NCHW = Layout(order=(2, 0, 1), steps=(1, 1, 1))
layouts_of_networks = pytest.mark.parametrize("layout", [NHWC, NCHW], ids=["NHWC", "NCHW"])


def scores_of(rng: np.random.Generator, shape: tuple[int, int, int], dtype: str) -> NDArray[Any]:
    """(y, x, class) scores in which ties, infinities and NaN are common."""
    tile = rng.choice([0.0, 0.25, 0.5, 0.75, 1.0], size=shape)
    odd = rng.random(shape)
    tile[odd < 0.1] = rng.choice([np.nan, np.inf, -np.inf, -0.0])
    return tile.astype(dtype)


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
