"""From a path to images: every kind of store, every way to point into one, every error in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from czengine.config import InputOptions
from czengine.errors import ImageError, OptionError
from czengine.geometry import Region
from czengine.sources.collection import open_images
from czengine.sources.zarrsource import ZarrSource
from tests.support.images import (
    pattern,
    write_array,
    write_bf2raw,
    write_group,
    write_labels,
    write_ome_zarr,
    write_plain_group,
    write_plate,
)
from tests.support.shared import shared_path

Version = Literal["0.4", "0.5"]
VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
FORMATS = pytest.mark.parametrize("zarr_format", [2, 3])


def only(path: Path, **options: Any) -> ZarrSource:
    sources = open_images(path, InputOptions(**options))
    assert len(sources) == 1
    return sources[0]


def whole(source: ZarrSource, plane: tuple[int, ...] = ()) -> NDArray[Any]:
    info = source.info
    return source.read(plane, Region(0, 0, info.height, info.width), range(info.channels))


@VERSIONS
def test_an_image_gives_all_its_facts(tmp_path: Path, version: Version) -> None:
    data = pattern((2, 3, 1, 20, 24))
    path = write_ome_zarr(
        tmp_path / "i.ome.zarr",
        data,
        version=version,
        levels=3,
        scale=[2, 1, 1, 0.5, 0.25],
        translation=[0, 0, 0, 5, 6],
        chunks=(1, 1, 1, 8, 8),
        channel_names=["DAPI", "GFP", "TL"],
    )
    source = only(path)
    info = source.info
    assert (info.root, info.path, info.name) == (path, "", "i.ome.zarr")
    assert (str(info.axes), info.units) == (
        "TCZYX",
        ("second", None, "micrometer", "micrometer", "micrometer"),
    )
    assert [(level.path, level.shape) for level in info.levels] == [
        ("0", (2, 3, 1, 20, 24)),
        ("1", (2, 3, 1, 10, 12)),
        ("2", (2, 3, 1, 5, 6)),
    ]
    assert info.levels[1].scale == (2.0, 1.0, 1.0, 1.0, 0.5)
    assert info.levels[1].translation == (0.0, 0.0, 0.0, 5.0, 6.0)
    assert (info.dtype, info.chunks, info.shards, info.level) == (np.uint16, (1, 1, 1, 8, 8), None, 0)
    assert (info.channel_names, info.is_color) == (("DAPI", "GFP", "TL"), False)
    assert (info.ngff, info.zarr_format) == (version, 2 if version == "0.4" else 3)
    np.testing.assert_array_equal(whole(source, (1, 0)), data[1, :, 0])


def test_the_real_image_is_understood() -> None:
    info = only(shared_path("data/pgc/PGC_20X_v05.ome.zarr")).info
    assert (str(info.axes), info.shape, info.dtype) == ("TCZYX", (1, 1, 1, 2755, 3675), np.uint16)
    assert (info.chunks[-2:], info.shards) == ((512, 512), (1, 1, 1, 2048, 2048))
    assert (len(info.levels), info.ngff, info.channel_names) == (4, "0.5", ("TL Phase Gradient",))
    assert info.levels[0].scale[-1] == pytest.approx(0.227)


def test_metadata_of_04_in_a_v3_store_are_tolerated(tmp_path: Path) -> None:
    data = pattern((8, 9))
    source = only(write_ome_zarr(tmp_path / "i.zarr", data, "yx", version="0.4", zarr_format=3))
    assert (source.info.ngff, source.info.zarr_format) == ("0.4", 3)
    np.testing.assert_array_equal(whole(source)[0], data)


def test_stale_consolidated_metadata_are_passed_over(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((16, 16)), "yx", version="0.4")
    zarr.consolidate_metadata(str(path))
    write_ome_zarr(path, pattern((16, 16)), "yx", version="0.4", levels=2, overwrite=True)
    assert len(only(path).info.levels) == 2


@VERSIONS
def test_a_level_becomes_the_first(tmp_path: Path, version: Version) -> None:
    data = pattern((16, 16))
    path = write_ome_zarr(tmp_path / "i.zarr", data, "yx", version=version, levels=3)
    source = only(path, level=1)
    assert (source.info.level, [level.path for level in source.info.levels]) == (1, ["1", "2"])
    np.testing.assert_array_equal(whole(source)[0], data[::2, ::2])
    with pytest.raises(OptionError, match=r"level is 3, but i.zarr has 3 \(0 to 2\)"):
        only(path, level=3)


@VERSIONS
def test_the_path_of_a_level_is_that_level_of_its_image(tmp_path: Path, version: Version) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((16, 16)), "yx", version=version, levels=3)
    info = only(path / "2").info
    assert (info.root, info.level, info.levels[0].path) == (path, 2, "2")
    assert only(path / "2", level=2).info == info
    with pytest.raises(OptionError, match=r"level is 1, but .*2 is level 2 already; leave --level out"):
        only(path / "2", level=1)


def test_an_array_inside_a_damaged_image_can_still_be_read(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((8, 8)), "yx")
    (path / "zarr.json").write_text("{")
    assert only(path / "0").info.ngff is None


@VERSIONS
def test_axes_given_have_to_agree_with_the_metadata(tmp_path: Path, version: Version) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((2, 8, 8)), "zyx", version=version)
    assert str(only(path, axes="zyx").info.axes) == "ZYX"
    with pytest.raises(OptionError, match=r"axes is 'CYX', but the metadata of i.zarr say ZYX; leave it out"):
        only(path, axes="CYX")


@VERSIONS
def test_a_colour_image_is_recognised(tmp_path: Path, version: Version) -> None:
    data = pattern((3, 8, 8), np.uint8)
    assert only(write_ome_zarr(tmp_path / "i.zarr", data, "cyx", version=version)).info.is_color


@FORMATS
def test_plain_arrays_need_axes_from_three_dimensions_on(tmp_path: Path, zarr_format: Literal[2, 3]) -> None:
    flat = pattern((8, 9))
    source = only(write_array(tmp_path / "a.zarr", flat, zarr_format=zarr_format))
    assert (str(source.info.axes), source.info.ngff, source.info.units) == ("YX", None, (None, None))
    np.testing.assert_array_equal(whole(source)[0], flat)
    deep = write_array(tmp_path / "b.zarr", pattern((3, 8, 9)), zarr_format=zarr_format)
    assert only(deep, axes="CYX").info.channels == 3
    with pytest.raises(
        ImageError, match=r"b.zarr is a 3-D array whose axes are unknown; name them, e.g. --axes"
    ):
        only(deep)
    with pytest.raises(OptionError, match=r"axes 'YX' names 2 axes, but the array has 3 dimensions"):
        only(deep, axes="YX")


def test_names_in_the_array_are_used(tmp_path: Path) -> None:
    data = pattern((8, 9, 3), np.uint8)
    named = write_array(tmp_path / "v3.zarr", data, dimension_names=["y", "x", "s"])
    assert (str(only(named).info.axes), only(named).info.is_color) == ("YXS", True)
    xarray = {"_ARRAY_DIMENSIONS": ["time", "y", "x"]}
    assert (
        str(only(write_array(tmp_path / "v2.zarr", data, zarr_format=2, attributes=xarray)).info.axes)
        == "TYX"
    )


@FORMATS
def test_a_plain_group_with_one_array_or_a_pyramid_is_an_image(
    tmp_path: Path, zarr_format: Literal[2, 3]
) -> None:
    one = write_plain_group(tmp_path / "one.zarr", zarr_format=zarr_format)
    write_array(one / "picture", pattern((8, 8)), zarr_format=zarr_format)
    assert [level.path for level in only(one).info.levels] == ["picture"]
    many = write_plain_group(tmp_path / "many.zarr", zarr_format=zarr_format)
    for level in range(3):
        size = 2 ** (5 - level)
        write_array(many / str(level), pattern((2, size, size)), zarr_format=zarr_format)
    info = only(many, axes="TYX", level=1).info
    assert (info.path, info.levels[0].path, info.levels[0].scale) == ("", "1", (1.0, 2.0, 2.0))


@FORMATS
def test_a_plain_group_of_other_things_lists_them(tmp_path: Path, zarr_format: Literal[2, 3]) -> None:
    group = write_plain_group(tmp_path / "g.zarr", zarr_format=zarr_format)
    with pytest.raises(ImageError, match=r"g.zarr is a zarr group that holds no image"):
        only(group)
    for name in ("0", "1"):
        write_array(group / name, pattern((8, 8)), zarr_format=zarr_format)
    with pytest.raises(ImageError, match=r"without OME metadata; name one of its members: 0, 1$"):
        only(group)
    assert only(group, image="1").info.root == group / "1"
    with pytest.raises(ImageError, match=r"there is no image at .*g.zarr/7"):
        only(group, image="7")


@VERSIONS
@pytest.mark.parametrize("series", [True, False])
def test_a_bioformats2raw_collection_is_all_its_images(
    tmp_path: Path, version: Version, *, series: bool
) -> None:
    pictures = [pattern((1, 1, 1, 8, 8), seed=s) for s in range(3)]
    path = write_bf2raw(tmp_path / "b.zarr", pictures, version=version, series=series)
    sources = open_images(path, InputOptions())
    assert [s.info.path for s in sources] == ["0", "1", "2"]
    assert sources[1].info.name == "b.zarr/1"
    for source, picture in zip(sources, pictures, strict=True):
        np.testing.assert_array_equal(whole(source, (0, 0)), picture[0, :, 0])
    assert only(path, image="2").info.path == "2"
    assert only(path / "2").info.path == ""
    with pytest.raises(OptionError, match=r"image '3' is not in b.zarr; it holds 0, 1, 2$"):
        only(path, image="3")


@VERSIONS
def test_the_series_list_decides_order_and_number(tmp_path: Path, version: Version) -> None:
    path = write_bf2raw(tmp_path / "b.zarr", [pattern((1, 1, 1, 8, 8))] * 3, version=version)
    write_group(path / "OME", {"series": ["2", "0", "2"]}, version=version)
    assert [s.info.path for s in open_images(path, InputOptions())] == ["2", "0"]
    write_group(path / "OME", {"series": "all"}, version=version)
    with pytest.raises(ImageError, match=r"collection whose list of images is missing or damaged"):
        open_images(path, InputOptions())


@VERSIONS
def test_a_plate_is_all_its_fields_in_the_order_of_its_wells(tmp_path: Path, version: Version) -> None:
    fields = [pattern((1, 1, 1, 8, 8), seed=s) for s in range(2)]
    path = write_plate(tmp_path / "p.zarr", {("B", "2"): fields, ("A", "1"): fields[1:]}, version=version)
    sources = open_images(path, InputOptions())
    assert [s.info.path for s in sources] == ["B/2/0", "B/2/1", "A/1/0"]
    np.testing.assert_array_equal(whole(sources[2], (0, 0)), fields[1][0, :, 0])
    assert [s.info.path for s in open_images(path / "B" / "2", InputOptions())] == ["0", "1"]
    assert only(path, image="/A/1/0/").info.name == "p.zarr/A/1/0"
    assert only(path / "A" / "1" / "0").info.root == path / "A" / "1" / "0"
    with pytest.raises(OptionError, match=r"image 'C/1/0' is not in p.zarr; it holds B/2/0, B/2/1, A/1/0"):
        only(path, image="C/1/0")


def test_a_long_list_of_images_is_cut_in_messages(tmp_path: Path) -> None:
    path = write_plate(tmp_path / "p.zarr", {("A", "1"): [pattern((1, 1, 1, 4, 4))] * 7})
    with pytest.raises(OptionError, match=r"A/1/0, A/1/1, A/1/2, A/1/3, A/1/4, \.\.\. \(7 in all\)"):
        only(path, image="x")


def test_a_plate_that_lists_what_it_does_not_hold_says_so(tmp_path: Path) -> None:
    path = write_plate(tmp_path / "p.zarr", {("A", "1"): [pattern((1, 1, 1, 4, 4))]})
    write_group(path / "A" / "1", {"well": {"images": [{"path": "0"}, {"path": "5"}]}}, version="0.5")
    assert only(path, image="A/1/0").info.path == "A/1/0"
    with pytest.raises(
        ImageError, match=r"the metadata of p.zarr list 'A/1/5', but the store does not hold it"
    ):
        open_images(path, InputOptions())
    write_array(path / "A" / "1" / "5", pattern((4, 4)))
    with pytest.raises(ImageError, match=r"list 'A/1/5' as a group, but it is an array"):
        open_images(path, InputOptions())
    write_group(path / "A" / "1", {}, version="0.5")
    with pytest.raises(
        ImageError, match=r"the OME metadata of p.zarr/A/1 are damaged: the object that lists"
    ):
        open_images(path, InputOptions())


@VERSIONS
def test_label_images_are_not_segmented(tmp_path: Path, version: Version) -> None:
    image = write_ome_zarr(tmp_path / "i.zarr", pattern((8, 8)), "yx", version=version)
    label = write_labels(image, pattern((8, 8), np.uint8), "yx", name="seg", version=version)
    for path in (label, label / "0"):
        with pytest.raises(
            ImageError, match=r"seg is a label image, the result of a segmentation; give the image"
        ):
            only(path)
    with pytest.raises(ImageError, match=r"labels is a group of label images; give the image they belong to"):
        only(image / "labels")
    assert only(image).info.path == ""


def test_an_unmarked_label_image_is_known_by_its_group(tmp_path: Path) -> None:
    image = write_ome_zarr(tmp_path / "i.zarr", pattern((8, 8)), "yx")
    label = write_ome_zarr(image / "labels" / "seg", pattern((8, 8)), "yx")
    write_group(image / "labels", {"labels": ["seg"]}, version="0.5")
    with pytest.raises(ImageError, match=r"seg is a label image"):
        only(label)


def test_an_image_option_without_a_collection_is_refused(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((8, 8)), "yx")
    for single in (path, path / "0"):
        with pytest.raises(
            OptionError, match=r"image is 'A/1/0', but .* is a single image; leave --image out"
        ):
            only(single, image="A/1/0")


def test_a_missing_level_is_named(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((8, 8)), "yx", levels=2)
    (path / "1" / "zarr.json").unlink()
    with pytest.raises(ImageError, match=r"the metadata of i.zarr list '1', but the store does not hold it"):
        only(path)
    write_plain_group(path / "1")
    with pytest.raises(ImageError, match=r"the metadata of i.zarr list '1' as an array, but it is a group"):
        only(path)


def test_axes_and_dimensions_have_to_agree(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((8, 8)), "yx", levels=2)
    write_array(path / "1", pattern((2, 4, 4)), overwrite=True)
    with pytest.raises(ImageError, match=r"i.zarr has the axes YX, but its array '1' has 3 dimensions"):
        only(path)


@pytest.mark.parametrize("shape", [(0, 8), (8, 0)])
def test_an_empty_image_is_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=r"a.zarr is empty: its shape is .* \(YX\)"):
        only(write_array(tmp_path / "a.zarr", np.zeros(shape, np.uint8)))


@pytest.mark.parametrize("dtype", ["complex64", "M8[s]", [("a", "u1"), ("b", "f4")]])
def test_types_that_are_not_pixels_are_refused(tmp_path: Path, dtype: Any) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(4, 4), dtype=np.dtype(dtype), zarr_format=2)
    with pytest.raises(ImageError, match=r"a.zarr holds .*; supported are bool, integers and floats"):
        only(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("s3://bucket/image.zarr", "s3:/bucket/image.zarr is a remote store, .* copy it to a local disk"),
        ("missing.zarr", "there is no image at .*missing.zarr"),
        ("image.czi", "image.czi is a file, not a zarr store; convert it .* bioformats2raw or ngff-zarr"),
        ("image.zarr.zip", "image.zarr.zip is a zipped store, which is not supported yet; unpack it"),
        ("folder", "folder is a folder without zarr metadata"),
    ],
)
def test_what_is_not_a_zarr_store_is_told_apart(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "image.czi").write_bytes(b"ZISRAWFILE")
    (tmp_path / "image.zarr.zip").write_bytes(b"PK")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ImageError, match=message):
        only(Path(path) if "://" in path else tmp_path / path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"zarr_format": 3, "node_type": "array"}'])
def test_damaged_zarr_metadata_are_an_error_of_ours(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text(content)
    with pytest.raises(ImageError, match=r"the zarr metadata of .*a.zarr cannot be read"):
        only(tmp_path / "a.zarr")


def test_an_unknown_codec_is_an_error_of_ours(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((8, 8)), "yx")
    metadata = json.loads((path / "0" / "zarr.json").read_text())
    metadata["codecs"].append({"name": "secret", "configuration": {}})
    (path / "0" / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(ImageError, match=r"the zarr metadata of i.zarr/0 cannot be read .*secret"):
        only(path)


def test_a_dot_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((8, 8)), "yx")
    monkeypatch.chdir(path)
    assert only(Path(".")).info.name == "i.zarr"
    assert only(Path("0")).info.name == "i.zarr"


def test_one_field_can_be_picked_where_another_well_is_missing(tmp_path: Path) -> None:
    field = pattern((1, 40, 50))
    plate = write_plate(tmp_path / "p.ome.zarr", {("A", "1"): [field], ("B", "2"): [field]}, axes="cyx")
    shutil.rmtree(plate / "B" / "2")
    (source,) = open_images(plate, InputOptions(image="A/1/0"))
    assert source.info.path == "A/1/0"
    with pytest.raises(ImageError, match="list 'B/2', but the store does not hold it"):
        open_images(plate, InputOptions())
