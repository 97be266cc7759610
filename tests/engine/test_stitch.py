"""Scores become result pixels at the right place, and rows come out in whole blocks, once, in order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.geometry import Border, Region
from czengine.kernels.reference import ReferenceKernels
from czengine.plan import Tile, plan_plane
from czengine.spec import ModelClass, Task
from czengine.stitch import Band, Stitcher
from tests.support.specs import make_spec

TILE = Tile(Region(0, 0, 2, 3), Border(1, 0, 0, 2))


@st.composite
def planes(draw: st.DrawFn) -> tuple[int, int, tuple[int, int], tuple[int, int], int]:
    """Height, width, tile, border and block height."""
    tile = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    border = tuple(draw(st.integers(0, (size - 1) // 2)) for size in tile)
    return draw(st.integers(1, 60)), draw(st.integers(1, 60)), tile, border, draw(st.integers(1, 20))  # type: ignore[return-value]


@given(case=planes(), channels=st.integers(1, 3))
def test_a_band_hands_on_every_row_once_in_whole_blocks(
    case: tuple[int, int, tuple[int, int], tuple[int, int], int], channels: int
) -> None:
    height, width, tile, border, block = case
    truth = np.random.default_rng(0).integers(0, 255, (channels, height, width), np.uint8)
    plan = plan_plane(height, width, tile=tile, border=border)
    band = Band(plan, channels=channels, dtype=np.dtype(np.uint8), block_height=block)
    result = np.zeros_like(truth)
    expected_y = 0
    for row in plan.rows:
        for cut in plan.row_tiles(row):
            c = cut.center
            band.view(c)[:] = truth[:, c.y : c.bottom, c.x : c.right]
        for y, rows in band.finished(row.stop):
            assert y == expected_y
            assert rows.shape[1] % block == 0 or y + rows.shape[1] == height
            result[:, y : y + rows.shape[1]] = rows
            expected_y = y + rows.shape[1]
    assert expected_y == height
    np.testing.assert_array_equal(result, truth)


def test_a_band_holds_less_than_a_block_and_a_row_of_tiles() -> None:
    plan = plan_plane(100_000, 50, tile=(512, 64), border=(32, 4))
    band = Band(plan, channels=1, dtype=np.dtype(np.uint8), block_height=1024)
    tallest = max(row.size for row in plan.rows)
    assert band.held_bytes < (1024 + tallest) * 50


def test_labels_are_the_classes_values_not_their_positions() -> None:
    classes = tuple(ModelClass(name=n, label=v, color=(0, 0, 0)) for n, v in (("a", 7), ("b", 3)))
    stitcher = Stitcher(ReferenceKernels(), replace(make_spec(), classes=classes), task=Task.SEGMENTATION)
    scores = np.zeros((3, 5, 2), np.float32)
    scores[1, :2, 1] = 1
    out = np.zeros((1, 2, 3), np.uint8)
    stitcher.paste(scores, TILE, out)
    np.testing.assert_array_equal(out[0], [[3, 3, 7], [7, 7, 7]])


def test_channels_first_scores_give_the_same_labels() -> None:
    spec = make_spec(outputs=3)
    scores = np.random.default_rng(1).random((3, 5, 3)).astype(np.float32)
    last, first = np.zeros((1, 2, 3), np.uint8), np.zeros((1, 2, 3), np.uint8)
    Stitcher(ReferenceKernels(), spec, task=Task.SEGMENTATION).paste(scores, TILE, last)
    turned = scores.transpose(2, 0, 1).copy()
    Stitcher(ReferenceKernels(), replace(spec, output_layout="NCHW"), task=Task.SEGMENTATION).paste(
        turned, TILE, first
    )
    np.testing.assert_array_equal(first, last)
    np.testing.assert_array_equal(last[0], scores[1:3, :3].argmax(-1) + 1)


def test_pixels_below_the_confidence_become_nothing() -> None:
    scores = np.array([[[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]]], np.float32)
    tile = Tile(Region(0, 0, 1, 3), Border(0, 0, 0, 0))
    out = np.full((1, 1, 3), 9, np.uint8)
    Stitcher(ReferenceKernels(), make_spec(), task=Task.SEGMENTATION, min_confidence=0.6).paste(
        scores, tile, out
    )
    assert out.ravel().tolist() == [1, 0, 2]


@pytest.mark.parametrize(("limit", "expected"), [(0.5, [[1, 0], [1, 1]]), (0.9, [[0, 0], [1, 0]])])
def test_multi_label_models_decide_class_by_class(limit: float, expected: list[list[int]]) -> None:
    scores = np.array([[[0.6, 0.95], [0.4, 0.5]]], np.float32)
    out = np.zeros((2, 1, 2), np.uint8)
    stitcher = Stitcher(ReferenceKernels(), make_spec(), task=Task.MULTILABEL, min_confidence=limit)
    stitcher.paste(scores, Tile(Region(0, 0, 1, 2), Border(0, 0, 0, 0)), out)
    assert out[:, 0].tolist() == expected
    assert (stitcher.per_output, stitcher.channels) == (True, 2)


def test_scores_are_copied() -> None:
    scores = np.random.default_rng(2).normal(size=(3, 5, 2)).astype(np.float32)
    stitcher = Stitcher(ReferenceKernels(), make_spec(), task=Task.REGRESSION)
    out = np.zeros((2, 2, 3), np.float32)
    stitcher.paste(scores, TILE, out)
    np.testing.assert_array_equal(out, scores[1:3, :3].transpose(2, 0, 1))
    assert stitcher.dtype == np.float32


def test_more_than_255_label_values_need_two_bytes() -> None:
    classes = (ModelClass(name="a", label=300, color=(0, 0, 0)),)
    assert (
        Stitcher(ReferenceKernels(), replace(make_spec(), classes=classes), task=Task.SEGMENTATION).dtype
        == np.uint16
    )
    assert Stitcher(ReferenceKernels(), make_spec(), task=Task.SEGMENTATION).dtype == np.uint8
