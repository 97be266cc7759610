"""The drawn images: the same every time, of the shape and kind they claim, and valid OME-Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaozarrs
import zarr
from numpy.typing import NDArray

from czbench.data import Kind, draw, main, nuclei_pattern
from tests.support.images import chunk_files


def pixels(image: Path, level: int = 0) -> NDArray[Any]:
    return np.asarray(zarr.open_array(str(image / str(level)), mode="r")[...])


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sparse") / "i.ome.zarr"
    draw("sparse", 4096, path)
    return path


@pytest.mark.parametrize(("kind", "edge"), [("nuclei", 512), ("smooth", 1280)])
def test_the_same_every_time(tmp_path: Path, kind: Kind, edge: int) -> None:
    for name in ("a", "b"):
        draw(kind, edge, tmp_path / name)
    first, second = pixels(tmp_path / "a"), pixels(tmp_path / "b")
    assert first.shape == (edge, edge)
    assert first.dtype == np.uint16
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("kind", "edge", "version"), [("nuclei", 512, "0.5"), ("smooth", 512, "0.4")])
def test_valid_images(tmp_path: Path, kind: Kind, edge: int, version: str) -> None:
    draw(kind, edge, tmp_path / "i.ome.zarr")
    yaozarrs.validate_zarr_store(str(tmp_path / "i.ome.zarr"))
    array = zarr.open_array(str(tmp_path / "i.ome.zarr" / "0"), mode="r")
    assert array.metadata.zarr_format == (2 if version == "0.4" else 3)
    assert "zstd" in str(array.compressors)
    assert "blosc" in str(array.compressors).lower()


def test_nuclei_stand_out_of_a_dark_background(tmp_path: Path) -> None:
    draw("nuclei", 512, tmp_path / "i")
    image = pixels(tmp_path / "i")
    bright = (image > 1000).mean()
    assert 0.05 < bright < 0.6
    assert np.median(image[image < 500]) < 320  # where the nuclei network of the cases sees background
    assert image.max() < 65535


def test_pattern_has_no_seam() -> None:
    pattern = nuclei_pattern()
    for axis in (0, 1):
        inner = np.abs(np.diff(pattern, axis=axis)).mean()
        seam = np.abs(np.take(pattern, 0, axis) - np.take(pattern, -1, axis)).mean()
        assert seam < 3 * inner


def test_noise_does_not_repeat(tmp_path: Path) -> None:
    draw("nuclei", 2304, tmp_path / "i")
    image = pixels(tmp_path / "i").astype(float)
    here, there = image[:256, :256], image[2048:, 2048:]
    assert np.corrcoef(here.ravel(), there.ravel())[0, 1] > 0.95
    assert not np.array_equal(here, there)


def test_smooth_is_smooth_and_not_constant(tmp_path: Path) -> None:
    draw("smooth", 1280, tmp_path / "i")
    image = pixels(tmp_path / "i").astype(float)
    assert 15 < np.diff(image, axis=1).std() / np.sqrt(2) < 25  # the noise
    assert image.std() > 500  # the waves
    assert len(np.unique(np.diff(image.mean(axis=1)))) > 1000  # no band repeats another


def test_sparse_has_a_dozen_chunks_on_every_level(sparse: Path) -> None:
    yaozarrs.validate_zarr_store(str(sparse))
    levels = sorted(path.name for path in sparse.iterdir() if path.is_dir())
    assert levels == ["0", "1", "2"]
    assert len(chunk_files(sparse / "0")) == 12
    assert len(chunk_files(sparse / "1")) <= 4
    occupied = (pixels(sparse).reshape(4, 1024, 4, 1024) > 0).any(axis=(1, 3))
    assert occupied.sum() == 12


def test_sparse_levels_show_the_same(sparse: Path) -> None:
    full = pixels(sparse)
    for level in (1, 2):
        np.testing.assert_array_equal(pixels(sparse, level), full[:: 1 << level, :: 1 << level])


def test_what_was_left_of_a_broken_drawing_is_replaced(tmp_path: Path) -> None:
    rest = tmp_path / ".i.part" / "0" / "c"
    rest.mkdir(parents=True)
    (rest / "junk").write_bytes(b"junk")
    draw("nuclei", 64, tmp_path / "i")
    assert [path.name for path in tmp_path.iterdir()] == ["i"]
    assert not list((tmp_path / "i").rglob("junk"))


def test_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["data", "smooth", "100", str(tmp_path / "i")])
    main()
    assert pixels(tmp_path / "i").shape == (100, 100)
