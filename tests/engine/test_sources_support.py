"""The stores that tests write are what they claim to be: valid for both validators, and different everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import ome_zarr_models
import ome_zarr_models.v05
import pytest
import yaozarrs
import zarr

from tests.support.images import (
    chunk_files,
    pattern,
    write_array,
    write_bf2raw,
    write_labels,
    write_ome_zarr,
    write_plate,
)

Version = Literal["0.4", "0.5"]
VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])


def check(path: Path) -> str:
    """Validate with both packages; the name of the model `ome_zarr_models` found."""
    yaozarrs.validate_zarr_store(str(path))
    group = zarr.open_group(str(path), mode="r", use_consolidated=False)
    if "bioformats2raw.layout" in group.attrs.get("ome", {}):  # not among those `open_ome_zarr` tries
        return type(ome_zarr_models.v05.BioFormats2Raw.from_zarr(group)).__name__
    return type(ome_zarr_models.open_ome_zarr(group)).__name__


@VERSIONS
@pytest.mark.parametrize(
    ("axes", "shape"), [("tczyx", (2, 3, 1, 20, 24)), ("cyx", (2, 20, 24)), ("yx", (20, 24))]
)
def test_images_are_valid(tmp_path: Path, version: Version, axes: str, shape: tuple[int, ...]) -> None:
    path = write_ome_zarr(
        tmp_path / "i.zarr",
        pattern(shape),
        axes,
        version=version,
        levels=3,
        scale=[0.5] * len(shape),
        translation=[1.0] * len(shape),
        channel_names=["a", "b", "c"][: shape[axes.index("c")]] if "c" in axes else (),
    )
    assert check(path) == "Image"


def test_sharded_images_are_valid(tmp_path: Path) -> None:
    path = write_ome_zarr(
        tmp_path / "i.zarr", pattern((40, 48)), "yx", levels=2, chunks=(8, 8), shards=(16, 16)
    )
    assert check(path) == "Image"
    assert len(chunk_files(path / "0")) == 9


@VERSIONS
def test_collections_are_valid(tmp_path: Path, version: Version) -> None:
    pictures = [pattern((1, 1, 1, 8, 8)), pattern((1, 1, 1, 9, 9))]
    assert check(write_bf2raw(tmp_path / "b.zarr", pictures, version=version)) == "BioFormats2Raw"
    assert (
        check(write_plate(tmp_path / "p.zarr", {("A", "1"): pictures, ("B", "2"): pictures}, version=version))
        == "HCS"
    )


@VERSIONS
def test_labels_are_valid(tmp_path: Path, version: Version) -> None:
    image = write_ome_zarr(tmp_path / "i.zarr", pattern((8, 8)), "yx", version=version)
    label = write_labels(image, pattern((8, 8), np.uint8), "yx", name="seg", version=version)
    assert check(label) == "ImageLabel"
    assert check(image) == "Image"


@pytest.mark.parametrize("dtype", ["u1", ">u2", "<i2", ">f4", "f8", "bool", "u4"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_holds_the_pattern_in_the_byte_order_asked_for(
    tmp_path: Path, dtype: str, zarr_format: Literal[2, 3]
) -> None:
    data = pattern((5, 7), dtype)
    array = zarr.open_array(str(write_array(tmp_path / "a.zarr", data, zarr_format=zarr_format)), mode="r")
    np.testing.assert_array_equal(array[...], data)
    assert len(np.unique(data)) > 1
