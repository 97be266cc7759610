"""What the tests of the kernels share: the kernels by name, odd pixels, and arrays in every layout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from czengine.errors import DeviceError
from czengine.kernels import load
from czengine.kernels.base import Kernels
from czengine.kernels.pool import PooledKernels

SPECIAL = (np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, 1e300, 5e-324, 1e-40, 1.1754944e-38)
RUBBISH = 77

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


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How an array lies in a larger one.

    `order` is the order of its axes in memory, `steps` how far apart neighbours are along each: 1 and -1 next to
    each other, 0 all the same.
    """

    order: tuple[int, ...]
    steps: tuple[int, ...]

    def place(self, shape: tuple[int, ...], dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Rubbish, and the view of an array of `shape` in it, with some more around it."""
        sizes = [shape[axis] * abs(self.steps[axis]) or 1 for axis in self.order]
        around = np.full([size + 2 for size in sizes], RUBBISH, dtype)
        inside = tuple(slice(1, 1 + shape[axis] * abs(self.steps[axis])) for axis in self.order)
        view = around[inside].transpose(np.argsort(self.order))
        for axis, step in enumerate(self.steps):
            every = slice(None, None, step or 1)
            view = view[(slice(None),) * axis + (every,)] if step else view
        return around, view

    def hold(self, values: NDArray[Any]) -> NDArray[Any]:
        """`values`, read-only, in this layout; along an axis of step 0, the first of them."""
        first = values[tuple(slice(0, 1) if step == 0 else slice(None) for step in self.steps)]
        solid = Layout(order=self.order, steps=tuple(step or 1 for step in self.steps))
        view = solid.place(first.shape, values.dtype)[1]
        view[...] = first
        held = np.broadcast_to(view, values.shape)
        held.flags.writeable = False
        return held


def layouts(rank: int, *, zero: bool = False) -> st.SearchStrategy[Layout]:
    """Mostly those of images and networks; also all others, with steps of 0 where `zero`."""
    steps = st.sampled_from([1, 1, 1, 1, -1, 2, -2, 3, *([0] if zero else [])])
    return st.builds(
        Layout,
        order=st.permutations(range(rank)).map(tuple),
        steps=st.tuples(*[steps] * rank),
    ) | st.builds(Layout, order=st.permutations(range(rank)).map(tuple), steps=st.just((1,) * rank))


# Around the sizes of vectors, and of the blocks and runs in which pixels are handled.
widths = st.integers(0, 40) | st.sampled_from([63, 64, 65, 255, 256, 257, 511, 512, 513, 1025])
heights = st.integers(0, 5)


def assert_same_bits(got: NDArray[Any], wanted: NDArray[Any]) -> None:
    """Equal values, NaN where NaN, and zeros of the same sign."""
    assert_array_equal(got, wanted, strict=True)
    numbers = ~np.isnan(wanted)
    assert_array_equal(np.signbit(got[numbers]), np.signbit(wanted[numbers]))
