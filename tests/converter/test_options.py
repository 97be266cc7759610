"""Options say at once what cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from czconverter import ConvertOptions
from czconverter.steps import Scale
from czengine.errors import OptionError
from czengine.spec import Runtime


@pytest.mark.parametrize("dims", [(64, 32), [64, 32], np.array([64, 32])])
def test_spatial_dims_are_any_two_whole_numbers(dims: Any) -> None:
    assert ConvertOptions(spatial_dims=dims).tile == (64, 32)


def test_no_spatial_dims_keep_what_the_network_insists_on() -> None:
    assert ConvertOptions().tile is None


@pytest.mark.parametrize("steps", [Scale(2.0), [Scale(2.0)], (Scale(2.0),)])
def test_one_step_or_several(steps: Any) -> None:
    assert ConvertOptions(preprocessing=steps, postprocessing=None).preprocessing == (Scale(2.0),)
    assert ConvertOptions(preprocessing="scale:2").preprocessing == ("scale:2",)


def test_a_runtime_by_its_name() -> None:
    assert ConvertOptions(runtime="savedmodel").runtime is Runtime.SAVEDMODEL  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"spatial_dims": (64,)}, r"spatial_dims is \(64,\); give height and width"),
        ({"spatial_dims": (64.5, 32)}, "give height and width in pixels"),
        ({"spatial_dims": 64}, "give height and width in pixels"),
        ({"spatial_dims": (0, 32)}, "at least 1 pixel"),
        ({"opset": 8}, "opset is 8; choose 9 to 23"),
        ({"channels": 0}, "channels is 0; a network takes at least 1"),
        ({"tolerance": 0}, "tolerance is 0; it must be above 0"),
        ({"tolerance": float("nan")}, "tolerance is nan"),
        ({"runtime": "banana"}, "runtime is 'banana'; choose one of onnx, savedmodel"),
        ({"runtime": "savedmodel", "opset": 12}, "opset is 12, and a SavedModel has none"),
        ({"layout": "nhwc"}, "layout is 'nhwc'; choose one of NHWC, NCHW"),
        ({"format": "czi"}, "format is 'czi'; choose one of czmodel, czann"),
    ],
)
def test_what_cannot_be(option: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ConvertOptions(**option)
