"""Raw pixels inside are divided to the very floats that the gather kernel makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from czengine.graph.fuse import Fused, Purpose, fuse
from czengine.spec import Task
from tests.support.fusing import run
from tests.support.onnx_text import network


def taking(dtype: str, divisor: float, body: str = "output = Identity (input)") -> Fused:
    return fuse(network(body, dims="n,h,w,1"), Purpose(task=Task.REGRESSION, pixels=dtype, divisor=divisor))


def all_values(dtype: str) -> NDArray[Any]:
    limits = np.iinfo(dtype)
    return np.arange(limits.min, limits.max + 1).astype(dtype).reshape(1, 16, -1, 1)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("divisor", [1.0, 255.0, 65535.0, 4095.0, 32767.0])
def test_every_value_becomes_the_nearest_float(dtype: str, divisor: float) -> None:
    fused = taking(dtype, divisor)
    assert (fused.dtype, fused.divisor) == (dtype, 1.0)
    assert fused.changes == (f"pixels taken as {dtype}",)
    onnx.checker.check_model(fused.model, full_check=True)
    pixels = all_values(dtype)
    np.testing.assert_array_equal(run(fused.model, pixels), (pixels / divisor).astype(np.float32))


@given(
    value=st.floats(width=32, allow_nan=False),
    divisor=st.floats(2.0**-10, 2.0**20, width=32, exclude_min=True),
)
def test_floats_are_divided_once(value: float, divisor: float) -> None:
    if divisor == 1:
        return
    pixels = np.full((1, 2, 2, 1), value, np.float32)
    with np.errstate(over="ignore"):
        expected = (pixels.astype(np.float64) / divisor).astype(np.float32)
    np.testing.assert_array_equal(run(taking("float32", divisor).model, pixels), expected)


@pytest.mark.parametrize(
    ("dtype", "divisor"),
    [
        ("uint32", 1.0),
        ("int32", 255.0),
        ("float64", 1.0),
        ("bool", 1.0),
        ("uint8", 0.1),  # no float32
        ("uint8", 0.0),
        ("uint8", -255.0),
        ("uint8", float("inf")),
        ("uint8", float("nan")),
        ("uint8", 1e300),
        ("float32", 1.0),  # nothing to do
    ],
)
def test_what_would_change_values_stays_outside(dtype: str, divisor: float) -> None:
    fused = taking(dtype, divisor)
    assert (fused.dtype, fused.changes) == ("float32", ())
    np.testing.assert_equal(fused.divisor, divisor)


def test_whole_numbers_are_only_cast() -> None:
    fused = taking("uint16", 1.0)
    assert [node.op_type for node in fused.model.graph.node] == ["Cast", "Identity"]


def test_everything_that_reads_the_input_reads_the_quotient() -> None:
    body = """s = Shape (input) t = ConstantOfShape (s) a = Add (input, t) c = Greater (a, input)
        e = If (yes) <then_branch = one () => (float[n,h,w,1] i) { i = Relu (input) },
                      else_branch = two () => (float[n,h,w,1] j) { j = Neg (input) }>
        f = Cast <to = 1> (c) g = Add (e, f) output = Add (g, a)"""
    model = network(body, dims="n,h,w,1", weights="bool yes = {1}")
    fused = fuse(model, Purpose(task=Task.REGRESSION, pixels="uint8", divisor=255.0))
    onnx.checker.check_model(fused.model, full_check=True)
    pixels = all_values("uint8")
    expected = run(model, (pixels / 255).astype(np.float32))
    np.testing.assert_array_equal(run(fused.model, pixels), expected)
