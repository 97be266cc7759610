"""Lines against their definition: a long stretch of elements, each with all pixels that it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.graph.lines import Line, NotFollowed, merged

Taps = Callable[[int], Sequence[int]]
FAR = 40  # elements that are compared, on both sides of the first


@st.composite
def lines(draw: st.DrawFn, *, count: int | None = None, period: int | None = None) -> Line:
    count = count or draw(st.integers(1, 5))
    first = [draw(st.integers(-9, 9)) for _ in range(count)]
    spans = tuple((start, start + draw(st.integers(0, 6))) for start in first)
    return Line(source=0, period=period or draw(st.integers(1, 5)), spans=spans)


def windows(stride: int, start: int, kernel: int, dilation: int) -> Taps:
    return lambda j: [j * stride + start + k * dilation for k in range(kernel)]


def repeats(factor: int) -> Taps:
    return lambda j: [j // factor]


def spelled_out(line: Line, taps: Taps, element: int) -> tuple[int, int]:
    """From what each of the elements read reads, one by one."""
    pixels = [line.span(read) for read in taps(element)]
    return min(first for first, _ in pixels), max(last for _, last in pixels)


def test_spans_repeat_on_both_sides() -> None:
    line = Line(source=1, period=3, spans=((0, 1), (1, 4)))
    assert [line.span(e) for e in (-3, -2, -1, 0, 1, 2, 3)] == [
        (-5, -2),
        (-3, -2),
        (-2, 1),
        (0, 1),
        (1, 4),
        (3, 4),
        (4, 7),
    ]


@given(line=lines(), stride=st.integers(1, 5), start=st.integers(-5, 5), kernel=st.integers(1, 4))
def test_reading_windows(line: Line, stride: int, start: int, kernel: int) -> None:
    for dilation in (1, 3):
        taps = windows(stride, start, kernel, dilation)
        found = line.read(taps, inputs=stride)
        for element in range(-FAR, FAR):
            assert found.span(element) == spelled_out(line, taps, element)


@given(line=lines(), factor=st.integers(1, 6))
def test_reading_every_element_several_times(line: Line, factor: int) -> None:
    found = line.read(repeats(factor), outputs=factor)
    for element in range(-FAR, FAR):
        assert found.span(element) == spelled_out(line, repeats(factor), element)


@given(line=lines(), factor=st.integers(1, 4), stride=st.integers(1, 4))
def test_one_after_the_other(line: Line, factor: int, stride: int) -> None:
    """Repeated and thinned out by the same factor, every line is what it was."""
    found = line.read(repeats(factor), outputs=factor).read(windows(stride, 0, stride, 1), inputs=stride)
    for element in range(-FAR, FAR):
        read = [line.span((element * stride + k) // factor) for k in range(stride)]
        assert found.span(element) == (min(a for a, _ in read), max(b for _, b in read))
    if factor == stride:
        assert [found.span(e) for e in range(9)] == [line.span(e) for e in range(9)]


@given(count=st.integers(1, 3), data=st.data())
def test_merging_lines_of_the_same_pace(count: int, data: st.DataObject) -> None:
    one = data.draw(lines(count=count, period=2 * count))
    other = data.draw(lines(count=2 * count, period=4 * count))
    found = merged([one, other, one])
    for element in range(-FAR, FAR):
        (a, b), (c, d) = one.span(element), other.span(element)
        assert found.span(element) == (min(a, c), max(b, d))


def test_lines_of_different_axes_or_paces_do_not_merge() -> None:
    plain = Line(source=0)
    for other in (Line(source=1), Line(source=0, period=2), Line(source=0, period=1, spans=((0, 0), (1, 1)))):
        with pytest.raises(NotFollowed):
            merged([plain, other])


@given(line=lines(), length=st.integers(6, 30), pixels=st.integers(20, 60))
def test_framed_lines_leave_the_tile_where_their_elements_do(line: Line, length: int, pixels: int) -> None:
    found = line.framed(length, pixels)
    for element in range(1, 2 * FAR):
        assert found.span(-element)[0] < 0
        assert found.span(length - 1 + element)[1] >= pixels
    for element in range(-FAR, FAR):
        (first, last), (a, b) = line.span(element), found.span(element)
        assert a <= first <= last <= b


def test_a_frame_around_what_leaves_the_tile_anyway_changes_nothing() -> None:
    line = Line(source=0, period=2, spans=((0, 1),))
    assert line.framed(10, 20) == line
    assert line.framed(9, 20).spans == ((0, 2),)  # element 9 read pixels 18 and 19, which the tile has


def test_windows_too_wide_and_phases_too_many_are_given_up() -> None:
    line = Line(source=0)
    assert line.read(windows(1, 0, 4096, 1)).spans == ((0, 4095),)
    with pytest.raises(NotFollowed):
        line.read(windows(1, 0, 4097, 1))
    assert len(line.read(repeats(1024), outputs=1024).spans) == 1024
    with pytest.raises(NotFollowed):
        line.read(repeats(1025), outputs=1025)
    many = line.read(repeats(512), outputs=512)
    with pytest.raises(NotFollowed):  # few enough phases, narrow enough windows, but too much of both
        many.read(windows(1, 0, 1000, 1))
