"""What is decided about one image: the area of its pixels, and options that make no sense for its model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from czengine.config import InputOptions, OutputOptions, RunOptions
from czengine.errors import OptionError
from czengine.job import Job, prepare_job
from czengine.sources.array import open_array
from czengine.sources.base import Source
from czengine.sources.collection import open_images
from czengine.spec import ModelSpec, Task
from czengine.tiling import Tiling
from tests.support.images import pattern, write_ome_zarr
from tests.support.specs import make_spec

ARRAY = open_array(np.zeros((8, 8), np.uint8), None)


def prepare(
    source: Source = ARRAY, spec: ModelSpec | None = None, output: OutputOptions | None = None
) -> Job:
    return prepare_job(
        spec or make_spec(),
        source,
        tiling=Tiling(tile=(32, 32), before=(4, 4), after=(4, 4)),
        inputs=InputOptions(),
        output=output or OutputOptions(),
        run=RunOptions(),
        to_files=False,
    )


@pytest.mark.parametrize(
    ("scale", "area"), [([0.5, 0.25], 0.125), ([-0.5, 0.25], 0.125), ([0.0, 0.25], None), ([0.0, 0.0], None)]
)
def test_area_of_a_pixel(tmp_path: Path, scale: list[float], area: float | None) -> None:
    image = write_ome_zarr(tmp_path / "i.zarr", pattern((8, 8)), "yx", scale=scale)
    (source,) = open_images(image, InputOptions())
    found = prepare(source).pixel_area
    assert found == (None if area is None else pytest.approx(area))


def test_without_units_a_pixel_has_no_area() -> None:
    assert prepare().pixel_area is None


def test_a_regression_has_no_confidence() -> None:
    spec = replace(make_spec(), task=Task.REGRESSION, classes=())
    with pytest.raises(
        OptionError, match=r"min_confidence is 0.5, but a regression model writes no labels; leave it out"
    ):
        prepare(spec=spec, output=OutputOptions(min_confidence=0.5))
