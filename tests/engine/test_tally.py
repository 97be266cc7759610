"""Counting while blocks go by gives what counting at the end would, in whatever order they come."""

from __future__ import annotations

import math
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.kernels.reference import ReferenceKernels
from czengine.spec import ModelClass
from czengine.tally import LabelTally, ScoreTally, Tally
from tests.support.specs import make_spec

CLASSES = make_spec(outputs=3).classes
CUTS = st.tuples(st.integers(1, 9), st.integers(1, 9))
ODD = (np.nan, np.inf, -np.inf, 0.0, 1e30, -1e-30, 3.0)


def label_tally(channels: int = 1, dtype: Any = np.uint8) -> LabelTally:
    return LabelTally(ReferenceKernels(), channels=channels, dtype=np.dtype(dtype))


def cut(result: NDArray[Any], step: tuple[int, int]) -> list[NDArray[Any]]:
    """A result (channel, y, x) in blocks."""
    height, width = result.shape[1:]
    return [
        result[:, y : y + step[0], x : x + step[1]]
        for y in range(0, height, step[0])
        for x in range(0, width, step[1])
    ]


def added(tally: Tally, blocks: list[NDArray[Any]], threads: int) -> None:
    """Add the blocks, some from every thread."""
    crew = [
        threading.Thread(target=lambda part: [tally.add(block) for block in part], args=(blocks[i::threads],))
        for i in range(threads)
    ]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()


# ------------------------------------------------------------------------------------------ labels


@given(seed=st.integers(0, 999), size=CUTS, step=CUTS, dtype=st.sampled_from([np.uint8, np.uint16]))
def test_label_counts_equal_numpy_unique(
    seed: int, size: tuple[int, int], step: tuple[int, int], dtype: Any
) -> None:
    values = np.array([0, 1, 2, np.iinfo(dtype).max], dtype)
    plane = np.random.default_rng(seed).choice(values, (1, *size))
    classes = tuple(ModelClass(name=f"{v}", label=int(v), color=(0, 0, 0)) for v in values[1:])
    tally = label_tally(dtype=dtype)
    for block in cut(plane, step):
        tally.add(block)
    counts = {c.label: c.pixels for c in tally.counts(classes, None) if c.pixels}
    labels, numbers = np.unique(plane, return_counts=True)
    assert counts == dict(zip(labels.tolist(), numbers.tolist(), strict=True))


def test_every_class_is_listed_and_nothing_only_where_it_occurs() -> None:
    tally = label_tally()
    tally.add(np.array([[[1, 1, 2, 2]]], np.uint8))
    assert [(c.name, c.pixels, c.share, c.area) for c in tally.counts(CLASSES, None)] == [
        ("class 1", 2, 0.5, None),
        ("class 2", 2, 0.5, None),
        ("class 3", 0, 0.0, None),
    ]
    tally.add(np.array([[[0, 0, 0, 0]]], np.uint8))
    first, second, *_ = tally.counts(CLASSES, 0.25)
    assert (first.name, first.label, first.pixels, first.share, first.area) == ("nothing", 0, 4, 0.5, 1.0)
    assert (second.label, second.pixels, second.area) == (1, 2, 0.5)


def test_multi_label_classes_count_their_own_channel() -> None:
    tally = label_tally(channels=3)
    tally.add(np.array([[[1, 1, 0, 0]], [[1, 0, 0, 0]], [[0, 0, 0, 0]]], np.uint8))
    counts = tally.counts(CLASSES, 2.0)
    assert [(c.label, c.pixels, c.share, c.area) for c in counts] == [
        (1, 2, 0.5, 4.0),
        (2, 1, 0.25, 2.0),
        (3, 0, 0.0, 0.0),
    ]


def test_a_block_of_one_value_counts_like_any_other() -> None:
    """Such blocks have the memory of one pixel."""
    block = np.broadcast_to(np.array([2], np.uint8)[:, None, None], (1, 50, 40))
    tally = label_tally()
    tally.add(block)
    assert [c.pixels for c in tally.counts(CLASSES, None)] == [0, 2000, 0]


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_scores_of_one_value_have_the_same_mean_to_the_last_bit(value: float) -> None:
    one = np.array([value], np.float32)[:, None, None]
    found = []
    for block in (np.broadcast_to(one, (1, 300, 500)), np.full((1, 300, 500), one)):
        tally = ScoreTally(channels=1)
        tally.add(block)
        found += tally.ranges(("a",))
    assert found[0] == found[1]
    assert found[0].mean == value


# ------------------------------------------------------------------------------------------ scores


@given(seed=st.integers(0, 999), size=CUTS, step=CUTS, odd=st.floats(0, 1))
def test_score_ranges_are_those_of_the_finite_values(
    seed: int, size: tuple[int, int], step: tuple[int, int], odd: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(2, *size)).astype(np.float32)
    scores = np.where(rng.random(scores.shape) < odd, rng.choice(ODD, scores.shape), scores).astype(
        np.float32
    )
    tally = ScoreTally(channels=2)
    for block in cut(scores, step):
        tally.add(block)
    for name, channel, found in zip("ab", scores, tally.ranges(("a", "b")), strict=True):
        finite = channel[np.isfinite(channel)].astype(np.float64)
        assert found.name == name
        if not finite.size:
            assert (found.minimum, found.mean, found.maximum) == (None, None, None)
            continue
        assert found.mean is not None
        assert (found.minimum, found.maximum) == (finite.min(), finite.max())
        assert math.isclose(
            found.mean, math.fsum(finite) / finite.size, rel_tol=1e-12, abs_tol=1e-15 * abs(finite).max()
        )


@given(seed=st.integers(0, 999), size=CUTS, step=CUTS, threads=st.integers(1, 4), data=st.data())
def test_neither_order_nor_threads_change_a_bit(
    seed: int, size: tuple[int, int], step: tuple[int, int], threads: int, data: st.DataObject
) -> None:
    """Values of very different size, whose sum depends on the order if it is simply added up."""
    rng = np.random.default_rng(seed)
    scores = (rng.normal(size=(2, *size)) * 10.0 ** rng.integers(-12, 12, (2, *size))).astype(np.float32)
    labels = rng.integers(0, 4, (1, *size)).astype(np.uint8)
    results = []
    for order in (list, lambda blocks: data.draw(st.permutations(blocks))):
        score_tally, own_labels = ScoreTally(channels=2), label_tally()
        added(score_tally, order(cut(scores, step)), threads)
        added(own_labels, order(cut(labels, step)), threads)
        results.append((score_tally.ranges(("a", "b")), own_labels.counts(CLASSES, 0.1)))
    assert results[0] == results[1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_channel_without_a_finite_value_has_no_range(value: float) -> None:
    tally = ScoreTally(channels=2)
    tally.add(np.stack([np.full((3, 3), value, np.float32), np.ones((3, 3), np.float32)]))
    nothing, ones = tally.ranges(("a", "b"))
    assert (nothing.minimum, nothing.mean, nothing.maximum) == (None, None, None)
    assert (ones.minimum, ones.mean, ones.maximum) == (1.0, 1.0, 1.0)


def test_the_largest_values_do_not_overflow() -> None:
    largest = float(np.finfo(np.float32).max)
    tally = ScoreTally(channels=1)
    tally.add(np.full((1, 100, 100), largest, np.float32))
    assert tally.ranges(("a",))[0].mean == largest


def test_counting_scores_takes_little_memory_beside_the_block() -> None:
    tally, block = ScoreTally(channels=1), np.ones((1, 64, 2**18), np.float32)
    tracemalloc.start()
    tally.add(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < block.size  # a quarter of its bytes
