"""Metadata against target and network: every sentence a user can get."""

from __future__ import annotations

import numpy as np
import pytest

from czconverter import checks
from czconverter.metadata import MULTILABEL, REGRESSION, ArchiveMetadata
from czengine.errors import ModelError, OptionError, PlanError

TWO = ("Background", "Cell")


def metadata(**fields: object) -> ArchiveMetadata:
    return ArchiveMetadata(**{"classes": TWO, "pixel_types": ("Gray8",), **fields})  # type: ignore[arg-type]


def test_what_is_missing_is_named_all_at_once() -> None:
    with pytest.raises(OptionError, match=r"\.czmodel needs .*--classes.* and .*--pixel-type"):
        checks.complete(ArchiveMetadata(), "czmodel")


def test_a_czann_needs_no_pixel_types_and_a_regression_no_classes() -> None:
    checks.complete(metadata(pixel_types=()), "czann")
    checks.complete(ArchiveMetadata(model_type=REGRESSION), "czann")


@pytest.mark.parametrize("model_type", [REGRESSION, MULTILABEL])
def test_a_czmodel_holds_segmentation_only(model_type: str) -> None:
    classes = () if model_type == REGRESSION else TWO
    with pytest.raises(OptionError, match=rf"not {model_type}; write a \.czann"):
        checks.complete(metadata(model_type=model_type, classes=classes), "czmodel")


def test_a_regression_has_no_classes() -> None:
    with pytest.raises(OptionError, match="a regression has no classes"):
        checks.complete(metadata(model_type=REGRESSION), "czann")


def test_one_class_is_nothing_to_choose_from() -> None:
    with pytest.raises(OptionError, match=r"at least two classes to choose from, not \['Cell'\]"):
        checks.complete(metadata(classes=("Cell",)), "czann")


@pytest.mark.parametrize(
    ("border", "tile", "axis", "most"), [(16, (32, 64), "height", 15), ((0, 32), (32, 64), "width", 31)]
)
def test_a_border_must_leave_something_of_the_tile(
    border: object, tile: tuple[int, int], axis: str, most: int
) -> None:
    with pytest.raises(PlanError, match=f"nothing of a tile {axis} of .*at most {most}"):
        checks.tiling(metadata(border=border), tile)


def test_a_border_may_leave_a_single_pixel() -> None:
    checks.tiling(metadata(border=16), (33, 33))


@pytest.mark.parametrize(
    ("types", "handling", "channels"),
    [
        (("Gray8",), None, 1),
        (("Gray16", "Bgr24"), "SplitRgb", 4),
        (("Bgra32",), "SplitRgb", 4),
        (("Bgr24",), "ConvertToMonochrome", 1),
        (("Bgr24",), "ConvertToMonochrome", 3),  # ZEISS's own example says so
        ((), None, 7),
    ],
)
def test_pixel_types_that_fit(types: tuple[str, ...], handling: str | None, channels: int) -> None:
    checks.channels(metadata(pixel_types=types, color_handling=handling), channels)


def test_pixel_types_that_do_not_fit() -> None:
    with pytest.raises(OptionError, match="Gray16, Bgr24 make 4 channels, the network takes 3"):
        checks.channels(metadata(pixel_types=("Gray16", "Bgr24")), 3)


def test_one_class_for_each_output() -> None:
    checks.outputs(metadata(), 2)
    checks.outputs(ArchiveMetadata(model_type=REGRESSION), 5)
    with pytest.raises(OptionError, match=r"2 classes \(Background, Cell\) for 3 network outputs; name 3"):
        checks.outputs(metadata(), 3)


def test_a_single_output_is_shown_the_way_to_two() -> None:
    with pytest.raises(OptionError, match="--postprocess sigmoid-to-softmax-scores"):
        checks.outputs(metadata(), 1)


def test_probabilities_pass() -> None:
    checks.scores(metadata(), np.array([[[[0.25, 0.75], [1, 0]]]], np.float32))


@pytest.mark.parametrize("values", [[0.5, 0.6], [2.0, -1.0], [3.0, 4.0]])
def test_what_does_not_sum_to_one_is_refused(values: list[float]) -> None:
    with pytest.raises(ModelError, match=r"sum to .* not one; if they are logits add --postprocess softmax"):
        checks.scores(metadata(), np.array([[[values]]], np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(bad: float) -> None:
    with pytest.raises(ModelError, match="NaN or infinity"):
        checks.scores(ArchiveMetadata(model_type=REGRESSION), np.array([[[[bad]]]], np.float32))


def test_a_regression_may_give_anything_finite() -> None:
    checks.scores(ArchiveMetadata(model_type=REGRESSION), np.array([[[[-1e9, 1e9]]]], np.float32))


def test_any_class_per_pixel_needs_probabilities_that_need_not_sum_to_one() -> None:
    both = metadata(model_type=MULTILABEL)
    checks.scores(both, np.array([[[[1.0, 1.0]]]], np.float32))
    with pytest.raises(ModelError, match="from -2 to 3, so they are no probabilities"):
        checks.scores(both, np.array([[[[-2.0, 3.0]]]], np.float32))
