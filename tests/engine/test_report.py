"""Counting while rows go by gives what counting at the end would."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import DTypeLike

from czengine.report import ClassCount, ImageReport, class_totals
from czengine.tally import LabelTally, ScoreTally
from tests.support.specs import make_spec

CLASSES = make_spec(outputs=3).classes


def make_report(classes: tuple[ClassCount, ...], pixels: int) -> ImageReport:
    return ImageReport(
        image="a",
        results=(Path("a"),),
        planes=1,
        tiles=1,
        pixels=pixels,
        seconds=1.0,
        classes=classes,
        scores=(),
        notes=(),
    )


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 7))
def test_label_counts_equal_numpy_unique(values: list[int], step: int) -> None:
    tally = LabelTally(channels=1, dtype=np.dtype(np.uint8))
    plane = np.array(values, np.uint8).reshape(1, -1, 1)
    for y in range(0, plane.shape[1], step):
        tally.add(plane[:, y : y + step])
    counts = {c.label: c.pixels for c in tally.counts(CLASSES, None) if c.pixels}
    labels, numbers = np.unique(plane, return_counts=True)
    assert counts == dict(zip(labels.tolist(), numbers.tolist(), strict=True))


@pytest.mark.parametrize(("tally", "dtype"), [(LabelTally, np.uint8), (ScoreTally, np.float32)])
def test_counting_takes_little_memory_beside_the_rows(tally: Any, dtype: DTypeLike) -> None:
    counter = tally(channels=1) if tally is ScoreTally else tally(channels=1, dtype=np.dtype(dtype))
    rows = np.ones((1, 64, 2**18), dtype)
    tracemalloc.start()
    counter.add(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rows.size


def test_every_class_is_listed_and_nothing_only_where_it_occurs() -> None:
    tally = LabelTally(channels=1, dtype=np.dtype(np.uint8))
    tally.add(np.array([[[1, 1, 2, 2]]], np.uint8))
    assert [(c.name, c.share) for c in tally.counts(CLASSES, None)] == [
        ("class 1", 0.5),
        ("class 2", 0.5),
        ("class 3", 0.0),
    ]
    tally.add(np.array([[[0, 0, 0, 0]]], np.uint8))
    first = tally.counts(CLASSES, 0.25)[0]
    assert (first.name, first.label, first.pixels, first.area) == ("nothing", 0, 4, 1.0)


def test_multi_label_classes_count_their_own_channel() -> None:
    tally = LabelTally(channels=3, dtype=np.dtype(np.uint8))
    tally.add(np.array([[[1, 1, 0, 0]], [[1, 0, 0, 0]], [[0, 0, 0, 0]]], np.uint8))
    assert [c.pixels for c in tally.counts(CLASSES, None)] == [2, 1, 0]


def test_score_ranges_leave_out_what_is_not_a_number() -> None:
    tally = ScoreTally(channels=2)
    tally.add(np.array([[[1.0, 3.0]], [[np.nan, np.inf]]], np.float32))
    tally.add(np.array([[[-4.0, 0.0]], [[np.nan, np.nan]]], np.float32))
    first, second = tally.ranges(("a", "b"))
    assert (first.minimum, first.mean, first.maximum) == (-4.0, 0.0, 3.0)
    assert (second.minimum, second.mean, second.maximum) == (None, None, None)


@pytest.mark.parametrize(("second_area", "total_area"), [(6.0, 8.0), (None, None)])
def test_totals_add_up_images(second_area: float | None, total_area: float | None) -> None:
    one = ClassCount(name="a", label=1, color=(0, 0, 0), pixels=2, share=1.0, area=2.0)
    two = ClassCount(name="a", label=1, color=(0, 0, 0), pixels=6, share=0.5, area=second_area)
    (total,) = class_totals([make_report((one,), 4), make_report((two,), 12)])
    assert (total.pixels, total.share, total.area) == (8, 0.5, total_area)
