"""Drawn nuclei: the same every time, numbered, with a border wherever a nucleus ends, and readable as an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.example.drawing import (
    EDGE,
    GRAY_STEP,
    LEVELS,
    REACH,
    blurred,
    classes_of,
    draw_nuclei,
    gaussian,
    write_image,
)
from tests.support.results import image_info, validate

sizes = st.integers(1, 12)


def slow_classes(truth: NDArray[np.int32]) -> NDArray[np.uint8]:
    """One pixel at a time: a nucleus whose neighbourhood has something else in it is a border there."""
    classes = np.zeros(truth.shape, np.uint8)
    for y, x in np.argwhere(truth):
        around = truth[max(y - EDGE, 0) : y + EDGE + 1, max(x - EDGE, 0) : x + EDGE + 1]
        classes[y, x] = 1 if (around == truth[y, x]).all() else 2
    return classes


@settings(max_examples=50)
@given(height=sizes, width=sizes, seed=st.integers(0, 99))
def test_classes_are_those_of_the_slow_loop(height: int, width: int, seed: int) -> None:
    truth = np.random.RandomState(seed).choice(3, (height, width), p=(0.1, 0.8, 0.1)).astype(np.int32)
    np.testing.assert_array_equal(classes_of(truth), slow_classes(truth))


def test_touching_nuclei_have_a_border_between_them() -> None:
    truth = np.repeat(np.array([[1, 1, 1, 1, 2, 2, 2, 2]], np.int32), 6, axis=0)
    np.testing.assert_array_equal(classes_of(truth)[3], [1, 1, 2, 2, 2, 2, 1, 1])


def test_the_same_arguments_draw_the_same_picture() -> None:
    first, again, other = (draw_nuclei(64, 96, nuclei=4, seed=seed) for seed in (3, 3, 4))
    for drawn, redrawn in zip(first, again, strict=True):
        np.testing.assert_array_equal(drawn, redrawn)
    assert (first[0] != other[0]).any()
    assert (first[1] != other[1]).any()


def test_a_picture_is_as_its_docstring_says() -> None:
    image, truth = draw_nuclei(200, 160, nuclei=7, seed=5)
    assert image.shape == truth.shape == (200, 160)
    assert (image.dtype, truth.dtype) == (np.uint16, np.int32)
    assert not (image % GRAY_STEP).any()
    assert set(np.unique(truth)) == set(range(8))


def test_nuclei_are_brighter_than_what_is_between_them() -> None:
    image, truth = draw_nuclei(200, 160, nuclei=7, seed=5)
    assert image[classes_of(truth) == 1].mean() > 5 * image[truth == 0].mean()


@pytest.mark.parametrize("seed", range(5))
def test_no_nucleus_reaches_farther_than_is_drawn(seed: int) -> None:
    _, truth = draw_nuclei(256, 256, nuclei=20, seed=seed)
    for number in range(1, truth.max() + 1):
        rows, columns = np.nonzero(truth == number)
        if rows.size:
            assert max(np.ptp(rows), np.ptp(columns)) < 2 * REACH - 2


def test_where_there_is_no_room_there_are_fewer_nuclei() -> None:
    _, truth = draw_nuclei(40, 40, nuclei=50, seed=0)
    assert 1 <= truth.max() < 50


def test_no_nuclei_leave_the_background() -> None:
    image, truth = draw_nuclei(40, 40, nuclei=0, seed=0)
    assert truth.max() == 0
    assert image.max() < 1500


def test_blur_keeps_what_is_even_and_spreads_what_is_not() -> None:
    np.testing.assert_allclose(blurred(np.full((20, 30), 7.0), 2.0), 7.0)
    spot = np.zeros((21, 21))
    spot[10, 10] = 1
    np.testing.assert_allclose(
        blurred(spot, 1.0)[7:14, 7:14], np.outer(gaussian(1.0, 3), gaussian(1.0, 3)), atol=1e-12
    )


def test_a_written_picture_is_a_valid_image(tmp_path: Path) -> None:
    image, _ = draw_nuclei(64, 96, nuclei=4, seed=3)
    path = tmp_path / "nuclei.ome.zarr"
    write_image(path, image)
    validate(path)
    info = image_info(path)
    assert (info.channels, info.height, info.width) == (1, 64, 96)
    np.testing.assert_array_equal(zarr.open_array(path / "0", mode="r")[0], image)
    assert [zarr.open_array(path / str(k), mode="r").shape for k in range(LEVELS)] == [
        (1, 64, 96),
        (1, 32, 48),
        (1, 16, 24),
    ]


def test_writing_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "nuclei.ome.zarr"
    write_image(path, draw_nuclei(64, 64, nuclei=2, seed=0)[0])
    (path / "labels").mkdir()
    write_image(path, draw_nuclei(32, 32, nuclei=1, seed=0)[0])
    assert not (path / "labels").exists()
    assert image_info(path).height == 32
