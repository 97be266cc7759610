"""The certificate's two statements, and that tiling is invisible where both hold, and only there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine import open_model
from czengine.api import inspect
from czengine.certificate import Certificate, certify, on_grid, reach_of, verdict
from czengine.describe import describe_certificate, describe_grid
from czengine.example import model_path
from czengine.graph.reach import Reach
from czengine.plan import plan_plane
from czengine.spec import Runtime
from tests.support.commands import run_here
from tests.support.shared import shared_path

UNET = Reach(before=(46, 46), after=(40, 46), stride=(16, 16))
UNEVEN = Reach(before=(46, 20), after=(40, 20), stride=(16, 8))
UNKNOWN = Reach(unknown=("gap (GlobalAveragePool)",))


@pytest.mark.parametrize(
    ("reach", "border", "exact", "sentence"),
    [
        (UNET, (64, 64), True, "border 64 ≥ radius 46: exact"),
        (UNET, (46, 46), True, "border 46 ≥ radius 46: exact"),
        (UNET, (8, 8), False, "border 8 < radius 46: seams possible; use ≥ 48"),
        (UNET, (45, 45), False, "border 45 < radius 46: seams possible; use ≥ 48"),
        (
            UNET,
            (8, 64),
            False,
            "border 8 < radius 46 along y, border 64 ≥ radius 46 along x: seams possible; use ≥ 48 along y",
        ),
        (UNEVEN, (64, 64), True, "border 64 ≥ radius 46 along y, border 64 ≥ radius 20 along x: exact"),
        (
            UNEVEN,
            (8, 8),
            False,
            "border 8 < radius 46 along y, border 8 < radius 20 along x: seams possible;"
            " use ≥ 48 along y, ≥ 24 along x",
        ),
        (UNKNOWN, (64, 64), False, "not certifiable: GlobalAveragePool at gap"),
        (
            Reach(unknown=("a (b) (Mean)", "c (Max)", "d (Max)")),
            (64, 64),
            False,
            "not certifiable: Mean at a (b) and 2 more",
        ),
        (
            None,
            (64, 64),
            False,
            "not known: the graph of a SavedModel is not read; convert it to ONNX to find out",
        ),
    ],
)
def test_sentences(reach: Reach | None, border: tuple[int, int], exact: bool, sentence: str) -> None:
    certificate = certify(reach, border)
    assert (certificate.exact, certificate.sentence) == (exact, sentence)


def test_what_is_enough_is_on_the_grid_and_exact() -> None:
    assert certify(UNET, (8, 8)).enough == (48, 48)
    assert certify(UNEVEN, (8, 8)).enough == (48, 24)
    assert certify(UNKNOWN, (8, 8)).enough is None
    assert certify(UNEVEN, certify(UNEVEN, (8, 8)).enough or (0, 0)).exact


@given(
    radius=st.tuples(st.integers(0, 300), st.integers(0, 300)),
    stride=st.tuples(st.integers(1, 64), st.integers(1, 64)),
)
def test_enough_is_the_smallest_of_its_kind(radius: tuple[int, int], stride: tuple[int, int]) -> None:
    enough = certify(Reach(before=radius, after=(0, 0), stride=stride), (0, 0)).enough
    assert enough is not None
    for found, least, step in zip(enough, radius, stride, strict=True):
        assert found == next(n for n in range(0, least + step, step) if n >= least)


@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    tile=st.tuples(st.integers(20, 90), st.integers(20, 90)),
    stride=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_tiles_off_the_grid_are_counted(
    height: int, width: int, tile: tuple[int, int], stride: tuple[int, int]
) -> None:
    plan = plan_plane(height, width, tile=tile, border=(7, 4))
    rois = [t.roi for t in plan.tiles()]
    first = rois[0]
    off = sum((r.y - first.y) % stride[0] != 0 or (r.x - first.x) % stride[1] != 0 for r in rois)
    grid = on_grid(plan, stride)
    assert (grid.tiles, grid.off, grid.exact) == (len(rois), off, off == 0)


def test_sentences_about_the_grid() -> None:
    even = plan_plane(448, 448, tile=(256, 256), border=(32, 32))
    odd = plan_plane(449, 448, tile=(256, 256), border=(32, 32))
    assert on_grid(even, (4, 4)).sentence == "all 4 tiles start on the stride grid of 4 pixels"
    assert on_grid(even, (1, 1)).sentence == "all 4 tiles start on the stride grid of 1 pixel"
    sentence = on_grid(odd, (4, 2)).sentence
    assert sentence.endswith(
        "of 6 tiles start off the stride grid of 4 × 2 pixels (y × x): seams are possible with any border"
    )
    assert on_grid(even, None).sentence == "not known: the network has no certificate"


def test_a_plane_smaller_than_a_tile_has_one_tile_wherever_that_starts() -> None:
    small = plan_plane(99, 101, tile=(256, 256), border=(32, 32))
    assert small.rows[0].roi_start == -78
    assert on_grid(small, (16, 16)).exact
    assert on_grid(small, None).sentence == "one tile covers the plane"
    assert verdict(certify(UNKNOWN, (0, 0)), on_grid(small, None)) == "tiling cannot be seen in the result"
    flat = plan_plane(99, 449, tile=(256, 256), border=(32, 32))  # mirrored along y, cut along x
    assert on_grid(flat, (16, 1)).exact
    assert not on_grid(flat, (1, 16)).exact


@pytest.mark.parametrize(
    ("border", "width", "said"),
    [
        (64, 448, "tiling cannot be seen in the result"),
        (8, 448, "tiling may be seen in the result: the border is too small"),
        (64, 449, "tiling may be seen in the result: tiles start off the stride grid"),
        (
            8,
            449,
            "tiling may be seen in the result: the border is too small and tiles start off the stride grid",
        ),
    ],
)
def test_only_both_together_make_tiling_invisible(border: int, width: int, said: str) -> None:
    plan = plan_plane(448, width, tile=(256, 256), border=(32, 32))
    assert verdict(certify(UNET, (border, border)), on_grid(plan, (16, 16))) == said


def test_nothing_is_proven_without_a_certificate() -> None:
    plan = plan_plane(448, 448, tile=(256, 256), border=(32, 32))
    for reach in (UNKNOWN, None):
        said = verdict(certify(reach, (99, 99)), on_grid(plan, None))
        assert said == "nothing proves that tiling cannot be seen in the result"


def test_the_description_is_json() -> None:
    certificate = certify(UNET, (64, 64))
    plan = plan_plane(448, 448, tile=(256, 256), border=(32, 32))
    assert json.loads(json.dumps(describe_certificate(certificate))) == {
        "border": [64, 64],
        "radius": [46, 46],
        "stride": [16, 16],
        "reasons": [],
        "exact": True,
        "enough": [48, 48],
        "sentence": "border 64 ≥ radius 46: exact",
    }
    assert json.loads(json.dumps(describe_grid(plan, certificate))) == {
        "stride": [16, 16],
        "tiles": 4,
        "off": 0,
        "exact": True,
        "sentence": "all 4 tiles start on the stride grid of 16 pixels",
        "verdict": "tiling cannot be seen in the result",
    }
    nothing = describe_certificate(Certificate(border=(1, 2)))
    assert (nothing["radius"], nothing["enough"], nothing["exact"]) == (None, None, False)


def test_a_saved_model_is_not_read() -> None:
    model = open_model(model_path())
    assert reach_of(replace(model.spec, runtime=Runtime.SAVEDMODEL), b"never looked at") is None
    assert reach_of(model.spec, model.network) == Reach(before=(23, 23), after=(23, 23), stride=(4, 4))


def test_the_real_n2v_is_certified_and_the_real_squeezing_network_is_not() -> None:
    n2v = inspect(shared_path("reference/real_N2V_tobacco_leaf.czann"))["model"]["certificate"]
    assert (n2v["radius"], n2v["stride"], n2v["enough"]) == ((15, 15), (4, 4), (16, 16))
    assert n2v["sentence"] == "border 16 ≥ radius 15: exact"
    squeezing = inspect(
        shared_path("data/pgc/PGC_20X_nucleus_detector.czseg"), shared_path("data/pgc/PGC_20X_v05.ome.zarr")
    )
    found = squeezing["model"]["certificate"]
    assert found["sentence"].startswith("not certifiable: GlobalAveragePool at ")
    assert found["sentence"].endswith("block0_out_se_squeeze/Mean and 15 more")
    (image,) = squeezing["images"]
    assert image["grid"]["off"] is None
    assert image["grid"]["verdict"] == "nothing proves that tiling cannot be seen in the result"


def test_the_certificate_is_kept() -> None:
    """The example model, over on the grid and off it: the same only on it."""
    import onnxruntime as ort

    model = open_model(model_path())
    session = ort.InferenceSession(model.network, providers=["CPUExecutionProvider"])
    size = model.spec.tile[0]
    certificate = certify(reach_of(model.spec, model.network), (24, 24))
    assert certificate.exact
    plane = np.random.default_rng(0).uniform(0, 0.1, (size + 8, size + 8)).astype(np.float32)

    def run(start: int) -> Any:
        tile = plane[None, start : start + size, start : start + size, None]
        return session.run(None, {model.spec.input_name: tile})[0][0, 24 : size - 24, 24 : size - 24]

    whole = run(0)
    for start, same in ((4, True), (8, True), (1, False), (2, False), (3, False)):
        difference = np.abs(run(start)[:-start, :-start] - whole[start:, start:]).max()
        assert (difference < 1e-5) == same


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    printed = run_here(capsys, "inspect", model_path()).out
    assert "border 32 ≥ radius 23: exact" in printed
    assert "4 and 4 pixels (y, x)" in printed
