"""Tiles of the seamless layout, put together, are the network on the whole plane in one call.

Plan, receptive field, stride grid and networks of other sizes are proven together, by a loop that uses nothing else
of the engine.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto

from czengine.example import model_path
from czengine.graph.reach import Reach, analyze
from czengine.graph.retile import retile
from czengine.graph.signature import parse_onnx, read_signature
from czengine.model import read_model
from czengine.plan import TilePlan
from czengine.seamless import plan_seamless
from tests.support.pixel_networks import draw_network
from tests.support.retiling import baked, run_any
from tests.support.shared import shared_path

Image = NDArray[np.float32]  # (y, x, channel)


def mirrored(plane: Image, stride: tuple[int, int]) -> Image:
    """The plane with whole strides, more of it mirrored at the bottom and right."""
    more = [(0, -length % step) for length, step in zip(plane.shape[:2], stride, strict=True)]
    return np.asarray(np.pad(plane, [*more, (0, 0)], mode="reflect"))


def whole(model: ModelProto, plane: Image, stride: tuple[int, int]) -> Image:
    """The definition: one call, on a network of that size."""
    padded = mirrored(plane, stride)
    network = retile(model, (padded.shape[0], padded.shape[1]), batch=1)
    return scores(network, [padded])[0, : plane.shape[0], : plane.shape[1]]


def tiled(model: ModelProto, plane: Image, plan: TilePlan, *, batch: int, seed: int) -> Image:
    """Every tile by itself, in any order, `batch` at a time."""
    padded = mirrored(plane, (plan.rows[-1].roi_stop, plan.columns[-1].roi_stop))
    network, tiles = retile(model, plan.tile, batch=batch), list(plan.tiles())
    random.Random(seed).shuffle(tiles)
    tiles += [tiles[0]] * (-len(tiles) % batch)
    result: Image = np.full((*plane.shape[:2], read_signature(model).outputs or 1), np.nan, np.float32)
    for first in range(0, len(tiles), batch):
        group = tiles[first : first + batch]
        rois = [tile.roi for tile in group]
        given = scores(network, [padded[r.y : r.bottom, r.x : r.right] for r in rois])
        for tile, roi, values in zip(group, rois, given, strict=True):
            c = tile.center
            inner = values[c.y - roi.y : c.bottom - roi.y, c.x - roi.x : c.right - roi.x]
            result[c.y : c.bottom, c.x : c.right] = inner
    return result


def scores(network: ModelProto, pictures: list[Image]) -> NDArray[Any]:
    """(n, y, x, output)."""
    signature, batch = read_signature(network, channels=1), np.stack(pictures)
    if signature.layout == "NHWC":
        return run_any(network, batch)
    return run_any(network, batch.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)


def plan_of(shape: tuple[int, int], reach: Reach, tile: tuple[int, int]) -> TilePlan:
    assert reach.before is not None
    assert reach.after is not None
    assert reach.stride is not None
    return plan_seamless(*shape, tile=tile, before=reach.before, after=reach.after, stride=reach.stride)


@given(seed=st.integers(0, 2**32 - 1), odd=st.booleans(), data=st.data())
@settings(max_examples=40, deadline=None)
def test_tiles_cannot_be_seen(seed: int, odd: bool, data: st.DataObject) -> None:
    model = draw_network(seed, odd=odd)
    reach = analyze(model)
    assert reach.before is not None
    assert reach.after is not None
    assert reach.stride is not None
    tile, shape = [], []
    for first, last, step in zip(reach.before, reach.after, reach.stride, strict=True):
        smallest = step * (2 + (first + last) // step)
        more = data.draw(st.integers(0, 40), "larger")
        tile.append(smallest + more)
        shape.append(data.draw(st.integers(smallest, smallest + 2 * (more + step)), "pixels"))
    fixed = baked(model, data.draw(st.integers(1, 2), "made for"), 1, 64, 80)
    plan = plan_of((shape[0], shape[1]), reach, (tile[0], tile[1]))
    plane = np.random.default_rng(seed).uniform(0.5, 1.5, (*shape, 1)).astype(np.float32)
    batch = data.draw(st.integers(1, 3), "batch")
    expected = whole(fixed, plane, reach.stride)
    found = tiled(fixed, plane, plan, batch=batch, seed=seed)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_tiles_can_be_seen_where_the_rules_are_broken() -> None:
    """Or the tests would show nothing: borders that are too narrow, or tiles off the grid."""
    model = parse_onnx(read_model(model_path()).network)
    plane = np.random.default_rng(0).uniform(0, 1, (148, 148, 1)).astype(np.float32)
    expected = whole(model, plane, (4, 4))

    def worst(looks: int, step: int) -> float:
        pair = (looks, looks)
        plan = plan_seamless(148, 148, tile=(80, 80), before=pair, after=pair, stride=(step, step))
        assert plan.tile[0] % 4 == 0
        found = tiled(model, plane, plan, batch=1, seed=0)
        return float(np.abs(found - expected).max() / np.abs(expected).max())

    assert worst(23, 4) <= 1e-5
    assert worst(4, 4) > 1e-3
    assert worst(23, 1) > 1e-3


@pytest.mark.parametrize("tile", [(80, 128), (124, 76), (300, 96)])
def test_labels_of_the_example_are_those_of_the_whole_plane(tile: tuple[int, int]) -> None:
    model = parse_onnx(read_model(model_path()).network)
    plane = np.random.default_rng(1).uniform(0, 1, (230, 201, 1)).astype(np.float32)
    expected = whole(model, plane, (4, 4))
    found = tiled(model, plane, plan_of((230, 201), analyze(model), tile), batch=2, seed=3)
    best = np.sort(expected, axis=2)
    decided = best[..., -1] - best[..., -2] > 1e-5
    assert decided.mean() > 0.9
    np.testing.assert_array_equal(found.argmax(axis=2)[decided], expected.argmax(axis=2)[decided])


@pytest.mark.parametrize(
    ("name", "tile"),
    [
        ("real_N2V_tobacco_leaf.czann", 128),
        ("real_N2V_tobacco_leaf.czann", 52),
        ("real_simple_regmodel.czann", 100),
        ("real_simple_nuclei_segmodel.czann", 64),
        ("czann110_seg_tf.czann", 90),
        ("czann210_seg_torch.czann", 77),
        ("legacy310_bgr24_onnx.czmodel", 64),
    ],
)
def test_real_networks(name: str, tile: int) -> None:
    model = parse_onnx(read_model(shared_path(f"reference/{name}")).network)
    reach = analyze(model)
    assert reach.stride is not None
    shape, channels = (199, 262), read_signature(model).channels or 1
    plane = np.random.default_rng(2).uniform(0, 1, (*shape, channels)).astype(np.float32)
    plan, expected = plan_of(shape, reach, (tile, tile)), whole(model, plane, reach.stride)
    assert len(plan) > 1
    found = tiled(model, plane, plan, batch=1, seed=0)
    assert np.abs(found - expected).max() <= 1e-5 * np.ptp(expected)
