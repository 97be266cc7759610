"""What each step computes, on numbers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from czconverter.steps import (
    Normalization,
    PerImageStandardization,
    RgbaToBgra,
    RgbToBgr,
    Scale,
    Shift,
    SigmoidToSoftmaxScores,
    Softmax,
    Step,
    TransposeChannels,
)
from czconverter.steps.arrays import apply
from czconverter.steps.channels import channels_after
from czengine.errors import OptionError


def pixel(*channels: float) -> NDArray[np.float32]:
    return np.array([[[channels]]], np.float32)


@pytest.mark.parametrize(
    ("step", "given", "expected"),
    [
        (RgbToBgr(), (1, 2, 3), (3, 2, 1)),
        (RgbaToBgra(), (1, 2, 3, 4), (3, 2, 1, 4)),
        (TransposeChannels((1, 2, 0)), (1, 2, 3), (2, 3, 1)),
        (Normalization(1, 2), (1, 5), (0, 2)),
        (Normalization([1, 2], [2, 4]), (5, 10), (2, 2)),
        (Normalization([1, 2], 2), (5, 10), (2, 4)),
        (Shift([1, -1]), (5, 10), (6, 9)),
        (Shift((0.5,)), (5, 10), (5.5, 10.5)),
        (Scale(1 / 5), (5, 10), (1, 2)),
        (SigmoidToSoftmaxScores(), (0.25,), (0.25, 0.75)),
        (Softmax(), (0, np.log(3)), (0.25, 0.75)),
        (Softmax(), (1000, 1000), (0.5, 0.5)),
        (PerImageStandardization(), (7, 7), (0, 0)),
    ],
)
def test_one_pixel(step: Step, given: tuple[float, ...], expected: tuple[float, ...]) -> None:
    found = apply(step, pixel(*given))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, pixel(*expected), rtol=1e-6)


def test_standardization_is_per_picture_over_all_its_values() -> None:
    random = np.random.default_rng(1)
    batch = random.normal(40, 7, (3, 6, 5, 2)).astype(np.float32)
    found = apply(PerImageStandardization(), batch)
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(axis=(1, 2, 3)), 1, rtol=1e-5)
    np.testing.assert_array_equal(apply(PerImageStandardization(), batch[1:2]), found[1:2])


def test_standardization_of_hardly_any_contrast_is_limited() -> None:
    """Below 1/√n the standard deviation is noise; it is n = 4 values here."""
    batch = np.array([0, 0, 0, 0.1], np.float32).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(apply(PerImageStandardization(), batch), (batch - 0.025) * 2, rtol=1e-6)


def test_no_pictures_give_no_pictures() -> None:
    assert apply(PerImageStandardization(), np.zeros((0, 4, 4, 1), np.float32)).shape == (0, 4, 4, 1)


def test_the_argument_stays_as_it_is() -> None:
    batch = pixel(1, 2, 3)
    apply(Shift(1), batch)
    np.testing.assert_array_equal(batch, pixel(1, 2, 3))


@pytest.mark.parametrize(
    ("step", "channels", "message"),
    [
        (RgbToBgr(), 4, "RgbToBgr puts 3 channels in order, and is given 4; leave it out, or change it"),
        (RgbaToBgra(), 3, "RgbaToBgra puts 4 channels in order, and is given 3"),
        (TransposeChannels((1, 0)), 1, "TransposeChannels puts 2 channels in order, and is given 1"),
        (Normalization([1, 2], 1), 3, "Normalization has numbers for 2 channels, and is given 3"),
        (Normalization(1, [1, 2]), 1, "Normalization has numbers for 2 channels, and is given 1"),
        (Shift([1, 2, 3]), 1, "Shift has numbers for 3 channels, and is given 1"),
        (Scale([1, 2, 3]), 2, "Scale has numbers for 3 channels, and is given 2"),
        (SigmoidToSoftmaxScores(), 2, "takes one score per pixel, i.e. 1 channel, and is given 2"),
    ],
)
def test_channels_that_do_not_fit_are_refused(step: Step, channels: int, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        apply(step, np.zeros((1, 2, 2, channels), np.float32))


def test_unknown_channels_become_what_the_step_insists_on() -> None:
    assert channels_after(RgbToBgr(), None) == 3
    assert channels_after(Scale([1, 2]), None) == 2
    assert channels_after(SigmoidToSoftmaxScores(), None) == 2
    assert channels_after(Softmax(), None) is None
    assert channels_after(Softmax(), 5) == 5
