"""The nearest pixel, and levels picked from smaller ones, against picking from full resolution."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.sinks.pyramid import nearest, pieces, source_of

QUARTERS = st.integers(1, 20).map(lambda n: Fraction(n, 4))
ASCENDING = st.lists(st.integers(0, 200), min_size=1, max_size=60).map(sorted)


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


def picks(sizes: list[int], factors: list[int], offset: float = 0.0) -> list[dict[str, NDArray[np.intp]]]:
    """Levels of a square plane whose pixels are `factors` times larger."""
    of = sizes[0]
    found = [
        nearest(size, of, step=f, offset=offset if f > 1 else 0.0)
        for size, f in zip(sizes, factors, strict=True)
    ]
    return [{"y": level, "x": level} for level in found]


def test_halving_takes_from_the_level_before() -> None:
    levels = picks([100, 50, 25, 13], [1, 2, 4, 8])
    for number in (1, 2, 3):
        source, at = source_of(levels, number)
        assert source == number - 1
        np.testing.assert_array_equal(at["y"], np.arange(0, 2 * len(at["y"]), 2))


def test_what_no_smaller_level_holds_is_taken_from_full_resolution() -> None:
    levels = picks([120, 60, 40, 20], [1, 2, 3, 6])
    assert [source_of(levels, number)[0] for number in (1, 2, 3)] == [0, 0, 2]
    levels[2]["x"] = levels[1]["x"][:40]  # one axis alone does not help
    assert source_of(levels, 2)[0] == 0


@given(
    size=st.integers(1, 60),
    factors=st.lists(st.integers(1, 8), min_size=1, max_size=3),
    offset=st.integers(-4, 12).map(lambda n: n / 4),
)
def test_every_level_is_what_full_resolution_gives(size: int, factors: list[int], offset: float) -> None:
    levels = picks([size, *(max(size // f, 1) for f in factors)], [1, *factors], offset)
    plane = np.random.default_rng(size).integers(0, 1000, (size, size))
    made = [plane]
    for number in range(1, len(levels)):
        source, at = source_of(levels, number)
        assert source < number
        made.append(made[source][np.ix_(at["y"], at["x"])])
        np.testing.assert_array_equal(made[-1], plane[np.ix_(levels[number]["y"], levels[number]["x"])])


@given(ASCENDING, st.integers(1, 50))
def test_pieces_are_all_of_it_in_order_and_never_cross_an_edge(numbers: list[int], edge: int) -> None:
    indices, at, found = np.asarray(numbers), 0, []
    for into, taken in pieces(indices, edge):
        assert into.start == at
        at = into.stop
        part: Any = np.arange(201)[taken]
        assert len(part) == into.stop - into.start > 0
        assert len(set((part // edge).tolist())) == 1
        found += part.tolist()
    assert found == numbers
    cells = [number // edge for number in numbers]
    assert len(list(pieces(indices, edge))) == len(set(cells))  # what lies between two edges is read once


def test_equal_distances_are_slices() -> None:
    assert list(pieces(np.arange(0, 12, 3), 100)) == [(slice(0, 4), slice(0, 10, 3))]
    assert list(pieces(np.array([5]), 4)) == [(slice(0, 1), slice(5, 6, 1))]
    assert list(pieces(np.array([0, 1, 3]), 4)) == [(slice(0, 3), [0, 1, 3])]
    assert list(pieces(np.array([2, 2]), 4)) == [(slice(0, 2), [2, 2])]
