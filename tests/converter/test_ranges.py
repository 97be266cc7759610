"""Counts and fractions: a network sees the same values whichever archive feeds it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from czconverter.ranges import bridge, input_range, maxima
from czconverter.steps import Scale, arrays
from czengine.errors import OptionError

GRAY = {"Gray8": np.uint8, "Gray16": np.uint16, "Gray32Float": np.float32}


def test_largest_value_of_each_channel() -> None:
    assert maxima(("Gray16", "Bgr24", "Gray32Float")) == (65535, 255, 255, 255, 1)
    assert maxima(("Bgra32", "Bgr48", "Bgr96Float")) == (255,) * 4 + (65535,) * 3 + (1,) * 3


def test_what_a_network_is_fed_with() -> None:
    assert input_range(("Gray16",), 1, "czmodel") == (65535,)
    assert input_range(("Gray16",), 1, "czann") == (1,)
    assert input_range((), 3, "czann") == (1, 1, 1)
    assert input_range(("Bgr24",), 1, "czmodel") == (1,)  # made gray before it gets there


@given(st.sampled_from(sorted(GRAY)), st.lists(st.integers(0, 255), min_size=1, max_size=9), st.booleans())
def test_a_bridge_gives_the_network_what_it_was_made_for(name: str, values: list[int], scaled: bool) -> None:
    """Against the engine's rule, spelled out: integers over their maximum for one convention, counts for the other."""
    pixels = np.array(values, GRAY[name]).reshape(1, 1, -1, 1)
    largest = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
    fractions, counts = pixels / np.float32(largest), pixels.astype(np.float32)
    for format_, fed in (("czann", fractions), ("czmodel", counts)):
        batch = fed.astype(np.float32)
        for step in bridge(scaled=scaled, format_=format_, pixel_types=(name,)):  # type: ignore[arg-type]
            batch = arrays.apply(step, batch)
        np.testing.assert_allclose(batch, fractions if scaled else counts, rtol=1e-6)


def test_no_bridge_where_none_is_needed() -> None:
    assert bridge(scaled=True, format_="czann", pixel_types=()) == ()
    assert bridge(scaled=False, format_="czmodel", pixel_types=()) == ()
    assert bridge(scaled=False, format_="czann", pixel_types=("Gray32Float",)) == ()


def test_one_factor_where_all_channels_share_it() -> None:
    assert bridge(scaled=False, format_="czann", pixel_types=("Bgr24", "Gray8")) == (Scale(255.0),)
    mixed = bridge(scaled=False, format_="czann", pixel_types=("Gray16", "Bgr24"))
    assert mixed == (Scale((65535.0, 255.0, 255.0, 255.0)),)


def test_a_bridge_over_unknown_pixel_types_is_refused() -> None:
    with pytest.raises(OptionError, match="name it with --pixel-type"):
        bridge(scaled=True, format_="czmodel", pixel_types=())
