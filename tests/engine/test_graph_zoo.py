"""Receptive field and stride grid of networks as people build them, against nothing but running them.

What lies outside of the claimed window is poisoned: nothing may change. What lies at its rim is poisoned: something
must. A picture moved by the stride must give the same result, moved by half of it another one.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto

from czengine.graph.reach import Reach, analyze
from czengine.graph.signature import parse_onnx, read_signature
from czengine.model import read_model
from tests.support.shared import shared_path
from tests.support.zoo import GLOBAL, LOCAL, build

N2V = "N2V of a real archive"
CORNERS = (
    (0, 0),
    (1, 2),
    (5, 3),
)  # outputs that are looked at, from the middle on: other phases of the stride grid
Pictures = NDArray[np.float32]


class Runner:
    """A network that takes pictures (n, y, x) of any number and gives (n, y, x, outputs)."""

    def __init__(self, model: ModelProto) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        data = model.SerializeToString()
        self.session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self.signature = read_signature(model)

    def __call__(self, pictures: Pictures) -> NDArray[Any]:
        last, name = self.signature.layout == "NHWC", self.signature.input_name
        batch = pictures[..., None] if last else pictures[:, None]
        step = self.signature.fixed_batch or len(batch)
        found = [self.session.run(None, {name: batch[i : i + step]})[0] for i in range(0, len(batch), step)]
        result = np.concatenate(found)
        return result if last else np.moveaxis(result, 1, -1)


@cache
def example(name: str, *, signed: bool = False) -> tuple[Runner, Reach]:
    if name == N2V:
        model = parse_onnx(read_model(shared_path("reference/real_N2V_tobacco_leaf.czann")).network)
    else:
        model = build(name, signed=signed)
    return Runner(model), analyze(model)


def window(reach: Reach) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    assert reach.before is not None
    assert reach.after is not None
    assert reach.stride is not None
    return np.array(reach.before), np.array(reach.after), np.array(reach.stride)


def sides(reach: Reach) -> tuple[int, int]:
    """Height and width with room for a window, its neighbours and the edges' own affairs; not the same."""
    before, after, stride = window(reach)
    y, x = -(-(2 * (before + after) + 24) // stride + np.array([1, 2])) * stride
    return int(y), int(x)


def picture(shape: tuple[int, ...], seed: int = 0) -> Pictures:
    return np.random.default_rng(seed).uniform(0.1, 1, shape).astype(np.float32)


NETWORKS = (*LOCAL, N2V)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("signed", [True, False])
def test_what_is_outside_of_the_window_changes_nothing(name: str, signed: bool) -> None:
    run, reach = example(name, signed=signed)
    before, after, _ = window(reach)
    shape = sides(reach)
    plain = picture(shape)
    middle = np.array(shape) // 2
    places = [middle + corner for corner in CORNERS]
    poisoned = 100 * picture((len(places), *shape), seed=1)
    for place, poison in zip(places, poisoned, strict=True):
        (top, left), (bottom, right) = place - before, place + after + 1
        poison[top:bottom, left:right] = plain[top:bottom, left:right]
    expected, found = run(plain[None])[0], run(poisoned)
    for (y, x), result in zip(places, found, strict=True):
        np.testing.assert_array_equal(result[y, x], expected[y, x])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_at_the_rim_of_the_window_changes_something(name: str, axis: int) -> None:
    """A row or column is poisoned: rows and columns as far as claimed change, and none that are farther."""
    run, reach = example(name)
    before, after, stride = (int(numbers[axis]) for numbers in window(reach))
    shape = sides(reach)
    plain, start = picture(shape), shape[axis] // 2
    poisoned = np.repeat(plain[None], stride, axis=0)
    for phase in range(stride):
        np.moveaxis(poisoned[phase], axis, 0)[start + phase] = 1000
    changed = np.moveaxis(run(poisoned) != run(plain[None]), 1 + axis, 1).any(axis=(2, 3))
    reached = [np.flatnonzero(changed[phase]) - (start + phase) for phase in range(stride)]
    assert max(offsets.max() for offsets in reached) == before
    assert -min(offsets.min() for offsets in reached) == after


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("axis", [0, 1])
def test_moved_by_the_stride_everything_moves_and_by_less_it_does_not(name: str, axis: int) -> None:
    run, reach = example(name, signed=True)
    before, after, _ = window(reach)
    stride = int(window(reach)[2][axis])
    shape = sides(reach)
    plane = 10 * picture((shape[0] + stride, shape[1] + stride)) ** 8  # dark, with bright spots
    inner = tuple(slice(int(b), n - int(a)) for b, a, n in zip(before, after, shape, strict=True))

    def moved(by: int) -> NDArray[Any]:
        """What the network makes of the plane from `by` on, where it was in the plane."""
        view = plane[by:] if axis == 0 else plane[:, by:]
        return run(view[None, : shape[0], : shape[1]].copy())[0][inner]

    def overlap(result: NDArray[Any], by: int) -> tuple[NDArray[Any], NDArray[Any]]:
        here, there = np.moveaxis(moved(0), axis, 0), np.moveaxis(result, axis, 0)
        return here[by:], there[: len(there) - by]

    np.testing.assert_allclose(*overlap(moved(stride), stride), rtol=1e-4, atol=1e-5)
    for by in {1, stride // 2} - {0, stride}:
        here, there = overlap(moved(by), by)
        assert np.abs(here - there).max() > 1e-3 * np.ptp(here)


@pytest.mark.parametrize("name", GLOBAL)
def test_what_looks_at_the_whole_tile_has_no_certificate_and_is_named(name: str) -> None:
    reach = analyze(build(name))
    assert (reach.before, reach.after, reach.stride, reach.radius) == (None, None, None, None)
    assert reach.unknown[0].startswith("here") or "rounds (Loop)" in reach.unknown


@pytest.mark.parametrize("name", sorted(set(GLOBAL) - {"aligned corners", "flipped", "the whole batch"}))
def test_what_looks_at_the_whole_tile_does(name: str) -> None:
    """The other side: the first rows and columns of such a network's input change the last ones of its output."""
    run = Runner(build(name))
    plain = np.stack([picture((32, 48)), picture((32, 48), seed=2)])
    poisoned = plain.copy()
    poisoned[0, :3] = poisoned[0, :, :3] = 1000
    assert (run(poisoned) != run(plain))[:, -3:, -3:].any()


def test_pictures_of_a_batch_that_know_of_each_other_are_found_though_each_looks_alone() -> None:
    assert analyze(build("the whole batch")).unknown == ("here (ReduceMean)",)
    alone = analyze(build("the whole batch", dims=(1, 1, "h", "w")))
    assert (alone.unknown, alone.radius) == ((), (1, 1))


@pytest.mark.parametrize("name", LOCAL)
def test_a_size_that_is_fixed_changes_nothing(name: str) -> None:
    free = analyze(build(name))
    assert analyze(build(name, dims=(3, 1, 128, 192))) == free
    assert analyze(build(name), tile=(128, 192)) == free


def test_the_strides_are_those_of_the_networks() -> None:
    found = {name: example(name)[1].stride for name in NETWORKS}
    assert {name for name, stride in found.items() if stride == (1, 1)} == {
        "dilated",
        "separable",
        "plain",
        "channels last",
        "padded by hand",
        "mapped over the batch",
    }
    assert found["unet 2, transposed"] == found["efficient"] == found[N2V] == (4, 4)
    assert found["unet 3, nearest"] == found["resnet"] == (8, 8)
    assert found["unet 4, nearest"] == (16, 16)
