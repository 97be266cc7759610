"""What the tests of the kernels share: the kernels by name, and odd pixels."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from czengine.errors import DeviceError
from czengine.kernels import load
from czengine.kernels.base import Kernels
from czengine.kernels.pool import PooledKernels

SPECIAL = (np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, 1e300, 5e-324)

every_kernel = pytest.mark.parametrize("name", ["reference", "numba", "native"])
fast_kernels = pytest.mark.parametrize("name", ["numba", "native"])


def kernels(name: Any, threads: int = 1) -> Kernels:
    """Kernels that split even the smallest call; without the native part the test skips (fails under CI)."""
    try:
        return PooledKernels(load(name, threads=1), threads, piece=1)
    except DeviceError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def pixels(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Random pixels of any type, with all that is odd about floats among them."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind.kind in "ui":
        limits = np.iinfo(kind)
        return rng.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
    values = rng.normal(size=shape)
    odd = rng.choice(SPECIAL, size=shape)
    with np.errstate(all="ignore"):
        return np.where(rng.random(shape) < 0.3, odd, values).astype(kind)
