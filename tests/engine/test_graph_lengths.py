"""Axes that are reshaped: their factors go where the elements go."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.graph.lengths import (
    Axes,
    Axis,
    Part,
    is_open,
    moved_ones,
    moves,
    new_length,
    old_length,
    regrouped,
)
from czengine.graph.lines import NotFollowed

HEIGHT, WIDTH, BATCH = Part(128, 640), Part(128, 96), Part(11, 13, open=True)
TWO, EIGHT = Part(2, 2), Part(8, 8)


def grouped(parts: list[Part], sizes: list[int]) -> Axes:
    """The parts in runs of these sizes, in order."""
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(tuple(parts[start : start + size]) for start, size in zip(starts, sizes, strict=True))


@st.composite
def groupings(draw: st.DrawFn) -> tuple[Axes, Axes]:
    """The same parts in two groupings, with axes of length 1 here and there."""
    lengths = st.integers(2, 12)
    parts = draw(st.lists(st.builds(Part, lengths, lengths, st.booleans()), min_size=1, max_size=6))
    cuts = [draw(st.lists(st.integers(0, len(parts)), max_size=5)) for _ in range(2)]
    edges = [[0, *sorted(cut), len(parts)] for cut in cuts]
    sizes = [[b - a for a, b in pairwise(edge)] for edge in edges]
    return grouped(parts, sizes[0]), grouped(parts, sizes[1])


@given(pair=groupings())
def test_regrouping_finds_where_every_factor_goes(pair: tuple[Axes, Axes]) -> None:
    before, after = pair
    assert regrouped(before, [old_length(axis) for axis in after]) == after


@given(pair=groupings(), data=st.data())
def test_elements_are_where_their_factors_are(pair: tuple[Axes, Axes], data: st.DataObject) -> None:
    """One element in an array of the new size is found again after NumPy has reshaped it."""
    before, after = pair
    array = np.zeros([new_length(axis) for axis in before], bool)
    place = tuple(data.draw(st.integers(0, length - 1)) for length in array.shape)
    array[place] = True
    (found,) = np.argwhere(array.reshape([new_length(axis) for axis in after]))
    assert digits(before, place) == digits(after, found.tolist())


def digits(axes: Axes, place: tuple[int, ...]) -> list[int]:
    """Where an element lies along every factor."""
    found: list[int] = []
    for axis, index in zip(axes, place, strict=True):
        along = []
        for part in reversed(axis):
            index, digit = divmod(index, part.new)
            along.append(digit)
        found += along[::-1]
    return found


@pytest.mark.parametrize(
    ("axes", "lengths", "result"),
    [
        (((HEIGHT,), (WIDTH,), ()), [1, 128, 128], ((), (HEIGHT,), (WIDTH,))),
        (((HEIGHT,), (WIDTH,), (EIGHT,)), [16384, 8], ((HEIGHT, WIDTH), (EIGHT,))),
        (((HEIGHT, WIDTH), (EIGHT,)), [128, 128, 8], ((HEIGHT,), (WIDTH,), (EIGHT,))),
        (((EIGHT,), (HEIGHT,)), [2, 4, 128], ((TWO,), (Part(4, 4),), (HEIGHT,))),
        (((HEIGHT,), (EIGHT,)), [256, 4], ((HEIGHT, TWO), (Part(4, 4),))),
        (((Part(1, 5),), (HEIGHT,)), [1, 1, 128], ((Part(1, 5),), (), (HEIGHT,))),
        (((Part(1, 5),), (HEIGHT,)), [128], ((Part(1, 5), HEIGHT),)),
        (((BATCH,), (HEIGHT,)), [11 * 128], ((BATCH, HEIGHT),)),
    ],
)
def test_reshapes(axes: Axes, lengths: list[int], result: Axes) -> None:
    assert regrouped(axes, lengths) == result


@pytest.mark.parametrize(
    ("axes", "lengths"),
    [
        (((HEIGHT,),), [64, 2]),  # which of both would grow?
        (((HEIGHT,), (EIGHT,)), [64, 16]),
        (((HEIGHT,),), [128, 2]),
        (((HEIGHT,), (WIDTH,)), [128]),
        (((), (Part(1, 5),)), [1]),  # it was the second axis
        (((EIGHT,),), [3, 3]),
    ],
)
def test_what_has_to_be_cut_is_not_followed(axes: Axes, lengths: list[int]) -> None:
    with pytest.raises(NotFollowed):
        regrouped(axes, lengths)


def test_lengths_of_axes() -> None:
    axis: Axis = (HEIGHT, TWO)
    assert (old_length(axis), new_length(axis)) == (256, 1280)
    assert moves(axis)
    assert not moves((TWO, EIGHT))
    assert is_open((TWO, BATCH))
    assert not is_open(axis)
    assert (old_length(()), new_length(()), moves(())) == (1, 1, False)


@given(data=st.data())
def test_moved_ones_are_a_transposition(data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.builds(Part, st.integers(2, 5), st.integers(2, 5)), max_size=4))
    rank = len(parts) + data.draw(st.integers(0, 3))

    def placed() -> Axes:
        places = sorted(data.draw(st.permutations(range(rank)))[: len(parts)])
        return tuple((parts[places.index(i)],) if i in places else () for i in range(rank))

    before, after = placed(), placed()
    order = moved_ones(before, after)
    assert order is not None
    assert sorted(order) == list(range(rank))
    shape, result = ([new_length(axis) for axis in axes] for axes in (before, after))
    array = np.arange(prod(shape)).reshape(shape)
    np.testing.assert_array_equal(array.transpose(order), array.reshape(result))


def test_other_reshapes_are_no_transposition() -> None:
    assert moved_ones(((HEIGHT,), (WIDTH,)), ((WIDTH,), (HEIGHT,))) is None
    assert moved_ones(((HEIGHT,), (WIDTH,)), ((HEIGHT, WIDTH), ())) is None
    assert moved_ones(((HEIGHT,),), ((HEIGHT,), ())) is None
