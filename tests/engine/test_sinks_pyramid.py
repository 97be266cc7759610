"""The nearest pixel, and pyramids that come in rows, against picking from the whole plane."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.sinks.pyramid import LevelRows, nearest

QUARTERS = st.integers(1, 20).map(lambda n: Fraction(n, 4))


def nearest_by_search(size: int, of: int, step: Fraction, offset: Fraction) -> list[int]:
    """The full-resolution pixel at the least distance, the lower one of two, by looking at all of them."""
    return [min(range(of), key=lambda j: (abs(i * step + offset - j), j)) for i in range(size)]


@given(st.integers(1, 30), st.integers(1, 60), QUARTERS, st.integers(-12, 12).map(lambda n: Fraction(n, 4)))
def test_nearest_is_the_nearest(size: int, of: int, step: Fraction, offset: Fraction) -> None:
    found = nearest(size, of, step=float(step), offset=float(offset))
    assert found.tolist() == nearest_by_search(size, of, step, offset)


@given(st.integers(1, 200))
def test_half_the_size_is_every_second_pixel(size: int) -> None:
    pixels = np.arange(size)
    found = nearest((size + 1) // 2, size, step=0.227 * 2 / 0.227, offset=0.0)
    np.testing.assert_array_equal(pixels[found], pixels[::2])


def test_a_shift_of_half_a_pixel_does_not_depend_on_the_last_bits_of_a_scale() -> None:
    scale = 0.22699999809999996
    found = nearest(5000, 10000, step=0.4539999961999999 / scale, offset=0.11349999904999998 / scale)
    np.testing.assert_array_equal(found, np.arange(0, 10000, 2))


def collect(
    level: LevelRows, plane: NDArray[np.int64], step: int, block: int
) -> tuple[NDArray[np.int64], list[int]]:
    """Everything a level hands on for a plane that comes in `step` rows; and the heights of the pieces."""
    pieces, heights, expected_y = [], [], 0
    for y in range(0, plane.shape[1], step):
        first, rows = level.push(y, plane[:, y : y + step])
        if rows.shape[1]:
            assert first == expected_y
            assert first % block == 0
            expected_y += rows.shape[1]
            heights.append(rows.shape[1])
        pieces.append(rows)
    return np.concatenate(pieces, axis=1), heights


@given(
    height=st.integers(1, 60),
    width=st.integers(1, 20),
    step=st.integers(1, 20),
    block=st.integers(1, 8),
    scale=QUARTERS,
    offset=st.integers(-8, 8).map(lambda n: n / 4),
)
def test_rows_make_the_level_of_the_whole_plane(
    height: int, width: int, step: int, block: int, scale: Fraction, offset: float
) -> None:
    size = max(int(height / scale), 1), max(int(width / scale), 1)
    rows = nearest(size[0], height, step=float(scale), offset=offset)
    columns = nearest(size[1], width, step=float(scale), offset=offset)
    level = LevelRows(rows, columns, block)
    for seed in range(2):  # the second plane must not see the first
        plane = np.random.default_rng(seed).integers(0, 1000, (2, height, width))
        found, heights = collect(level, plane, step, block)
        np.testing.assert_array_equal(found, plane[np.ix_(range(2), rows, columns)])
        assert all(h % block == 0 for h in heights[:-1])  # whole blocks, but for the last


def test_a_plane_that_was_given_up_leaves_nothing_in_the_next() -> None:
    level = LevelRows(np.arange(0, 8, 2), np.arange(3), 4)
    level.push(0, np.full((1, 6, 3), 7))
    first, rows = level.push(0, np.zeros((1, 8, 3)))
    assert first == 0
    assert not rows.any()


@pytest.mark.parametrize("height", [5, 8])
def test_little_is_held(height: int) -> None:
    level = LevelRows(np.arange(0, 4096, 2), np.arange(10), 64)
    for y in range(0, 4096 - height, height):
        level.push(y, np.zeros((1, height, 10), np.uint8))
        held = sum(rows.shape[1] for rows in level._held)
        assert held < 64
