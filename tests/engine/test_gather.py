"""Tiles are cut where the plan says and padded as numpy.pad reflects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.gather import Gatherer, reflected
from czengine.inputs import InputMap
from czengine.kernels.reference import ReferenceKernels
from czengine.plan import plan_plane
from czengine.spec import Layout


class Shape:
    """The two things a Gatherer asks of a session."""

    def __init__(self, batch: int, tile: tuple[int, int], channels: int, layout: Layout) -> None:
        self.input_layout = layout
        last = (batch, *tile, channels)
        self.input_shape = last if layout == "NHWC" else (batch, channels, *tile)


@given(length=st.integers(1, 30), before=st.integers(0, 200), after=st.integers(0, 200))
def test_reflection_is_that_of_numpy_pad(length: int, before: int, after: int) -> None:
    padded = np.pad(np.arange(length), (before, after), mode="reflect")
    np.testing.assert_array_equal(reflected(-before, length + after, length), padded)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize(("height", "width"), [(70, 41), (20, 90), (5, 3), (1, 1)])
def test_every_tile_is_its_roi_of_the_padded_plane(layout: Layout, height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 65535, (2, height, width), np.uint16)
    plan = plan_plane(height, width, tile=(32, 24), border=(4, 3))
    inputs = InputMap(read=(0, 1), channels=(1, 0), gray=False, divisor=65535.0, constant=1.0, notes=())
    gatherer = Gatherer(ReferenceKernels(), inputs, plan, Shape(3, (32, 24), 2, layout))  # type: ignore[arg-type]
    padded = np.pad(image, ((0, 0), (32, 32), (32, 32)), mode="reflect")
    for row in plan.rows:
        band = gatherer.band(row)
        tiles = list(plan.row_tiles(row))[:3]
        batch = gatherer.fill(image[:, band.y : band.bottom, band.x : band.right], tiles)
        for tile, got in zip(tiles, batch, strict=False):
            roi = tile.roi
            cut = padded[::-1, roi.y + 32 : roi.bottom + 32, roi.x + 32 : roi.right + 32] / 65535
            expected = cut.astype(np.float32)
            np.testing.assert_array_equal(got, expected.transpose(1, 2, 0) if layout == "NHWC" else expected)


def test_a_band_is_what_a_row_of_tiles_needs_and_no_more() -> None:
    plan = plan_plane(100_000, 500, tile=(256, 256), border=(16, 16))
    inputs = InputMap(read=(0,), channels=(0,), gray=False, divisor=1.0, constant=1.0, notes=())
    gatherer = Gatherer(ReferenceKernels(), inputs, plan, Shape(1, (256, 256), 1, "NHWC"))  # type: ignore[arg-type]
    bands = [gatherer.band(row) for row in plan.rows]
    assert {band.height for band in bands} == {256}
    assert bands[0].y == 0
    assert bands[-1].bottom == 100_000
