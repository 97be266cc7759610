"""How much coarser a pyramid level is, told from its size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.geometry import shrinkage


@given(length=st.integers(1, 10**6), factor=st.integers(1, 64))
def test_sizes_rounded_down_or_up_give_the_factor(length: int, factor: int) -> None:
    length = max(length, 4 * factor**2)
    assert shrinkage(length, length // factor) == shrinkage(length, -(-length // factor)) == factor


@pytest.mark.parametrize(
    ("length", "coarse", "factor"), [(90, 60, 1.5), (5, 5, 1.0), (3, 6, 0.5), (1, 1, 1.0)]
)
def test_other_sizes_give_a_fraction(length: int, coarse: int, factor: float) -> None:
    assert shrinkage(length, coarse) == factor
