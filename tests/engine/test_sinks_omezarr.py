"""Results on disk: right pixels on every level, valid for both validators, readable by the OME reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from czengine.geometry import Region
from czengine.sinks.omezarr import check_targets, open_sink
from czengine.sources.base import ImageInfo
from czengine.spec import Task
from tests.support.images import chunk_files, pattern, write_array, write_ome_zarr, write_plate
from tests.support.results import (
    attributes,
    image_info,
    in_storage_order,
    ome,
    plan,
    result_pixels,
    snapshot,
    validate,
    write_planes,
    write_result,
)
from tests.support.specs import make_spec

Version = Literal["0.4", "0.5"]
VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
SHAPES = {"t": 2, "c": 3, "z": 2, "y": 37, "x": 45}
MULTILABEL = replace(make_spec(outputs=3), task=Task.MULTILABEL)
REGRESSION = replace(make_spec(outputs=2), task=Task.REGRESSION, classes=())


def write_image(path: Path, axes: str, version: Version, **more: Any) -> Path:
    shape = tuple(SHAPES[a] for a in axes)
    scale = [0.5 if a in "zyx" else 1.0 for a in axes]
    return write_ome_zarr(path, pattern(shape), axes, version=version, levels=3, scale=scale, **more)


def array(path: Path) -> zarr.Array[Any]:
    return zarr.open_array(str(path), mode="r")


def nearest_level(full: NDArray[Any], info: ImageInfo, number: int, axes: str) -> NDArray[Any]:
    """A level by looking up the nearest pixel of each of its pixels, axis by axis, in world coordinates."""
    level, finest = info.levels[number], info.levels[0]
    for axis, name in enumerate(axes):
        if name not in info.axes:
            continue
        n = info.axes.index(name)
        picked = []
        for i in range(level.shape[n]):
            world = i * level.scale[n] + level.translation[n]
            places = np.arange(finest.shape[n]) * finest.scale[n] + finest.translation[n]
            picked.append(int(np.argmin(np.round(np.abs(places - world), 9))))
        full = full.take(picked, axis)
    return full


@VERSIONS
@pytest.mark.parametrize("axes", ["yx", "cyx", "tczyx", "tzyx", "czyx"])
def test_labels_in_an_image(tmp_path: Path, version: Version, axes: str) -> None:
    path = write_image(tmp_path / "i.zarr", axes, version)
    before = snapshot(path)
    info = image_info(path)
    targets = plan(info)
    pixels = write_result(targets)
    place = path / "labels" / "test"
    validate(path, place)
    assert ome(path / "labels")["labels"] == ["test"]
    for number, level in enumerate(ome(place)["multiscales"][0]["datasets"]):
        found = array(place / level["path"])
        full = in_storage_order(pixels, targets[0], axes)
        shape = tuple(1 if a == "c" else n for a, n in zip(axes, info.levels[number].shape, strict=True))
        assert (found.shape, found.dtype) == (shape, np.uint8)
        expected = full[tuple(slice(None, None, 2**number if a in "yx" else 1) for a in axes)]
        np.testing.assert_array_equal(found[...], expected)
    assert {key: value for key, value in snapshot(path).items() if not key.startswith("labels")} == before


@VERSIONS
def test_the_label_image_says_what_it_is(tmp_path: Path, version: Version) -> None:
    path = write_image(tmp_path / "i.zarr", "tczyx", version, translation=[0.0, 0.0, 1.0, 2.0, 3.0])
    info = image_info(path)
    write_result(plan(info))
    place = path / "labels" / "test"
    found = ome(place)
    multiscale = found["multiscales"][0]
    assert multiscale["name"] == "test"
    assert multiscale["type"] == "nearest"
    assert multiscale["axes"][0] == {"name": "t", "type": "time", "unit": "second"}
    assert multiscale["axes"][1] == {"name": "c", "type": "channel"}
    image_levels = ome(path)["multiscales"][0]["datasets"]
    for mine, theirs in zip(multiscale["datasets"], image_levels, strict=True):
        assert mine["coordinateTransformations"] == theirs["coordinateTransformations"]
    label = found["image-label"]
    assert label["source"] == {"image": "../../"}
    assert label["colors"] == [
        {"label-value": 1, "rgba": [255, 0, 0, 255]},
        {"label-value": 2, "rgba": [0, 255, 0, 255]},
    ]
    assert label["properties"] == [
        {"label-value": 1, "class": "class 1"},
        {"label-value": 2, "class": "class 2"},
    ]
    assert attributes(place)["czengine"] == {"version": "0", "image": "../../"}
    versions = (multiscale.get("version"), label.get("version"), found.get("version"))
    assert versions == (("0.4", "0.4", None) if version == "0.4" else (None, None, "0.5"))


def test_levels_with_their_own_scales(tmp_path: Path) -> None:
    """A pyramid that shrinks z and t as well, by odd factors, with the half-pixel shifts of averaging."""
    path = write_image(tmp_path / "i.zarr", "tzyx", "0.5")
    info = image_info(path)
    full, factors = info.levels[0], [(1, 1, 1, 1), (2, 1, 2, 2), (2, 2, 3, 5)]
    levels = tuple(
        replace(
            level,
            shape=tuple(max(n // f, 1) for n, f in zip(full.shape, factor, strict=True)),
            scale=tuple(s * f for s, f in zip(full.scale, factor, strict=True)),
            translation=tuple(s * (f - 1) / 2 for s, f in zip(full.scale, factor, strict=True)),
        )
        for level, factor in zip(info.levels, factors, strict=True)
    )
    info = replace(info, levels=levels, chunks=(1, 1, 8, 8))
    targets = plan(info, out=tmp_path / "r.zarr")
    pixels = write_result(targets)
    for number in range(3):
        found = array(tmp_path / "r.zarr" / str(number))[...]
        full_pixels = in_storage_order(pixels, targets[0], "tzyx")
        np.testing.assert_array_equal(found, nearest_level(full_pixels, info, number, "tzyx"))


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_levels_whose_scales_say_nothing_go_by_their_sizes(tmp_path: Path, scale: float) -> None:
    """Unknown pixel sizes written as 0, or one scale for all levels: also level 0 must be right then."""
    info = image_info(write_image(tmp_path / "i.zarr", "zyx", "0.5"))
    levels = tuple(replace(level, scale=(scale,) * 3) for level in info.levels)
    pixels = write_result(plan(replace(info, levels=levels), out=tmp_path / "r.zarr"))[0]
    for number, factor in enumerate((1, 2, 4)):
        found = array(tmp_path / "r.zarr" / str(number))[...]
        np.testing.assert_array_equal(found, pixels[:, ::factor, ::factor])


@VERSIONS
def test_a_coarser_level_can_be_segmented(tmp_path: Path, version: Version) -> None:
    path = write_image(tmp_path / "i.zarr", "yx", version)
    info = image_info(path, level=1)
    pixels = write_result(plan(info))
    validate(path, path / "labels" / "test")
    for number in range(3):
        found = array(path / "labels" / "test" / str(number))[...]
        np.testing.assert_array_equal(found, pixels[0][:: 2**number, :: 2**number])
    scales = [d["coordinateTransformations"][0]["scale"] for d in _datasets(path / "labels" / "test")]
    assert scales == [[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]]


def _datasets(place: Path) -> list[dict[str, Any]]:
    datasets: list[dict[str, Any]] = ome(place)["multiscales"][0]["datasets"]
    return datasets


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("axes", "ordered"), [("yx", "yx"), ("yxs", "cyx"), ("ztyx", "tzyx"), ("xyc", "cxy"), ("ptyx", "tpyx")]
)
def test_a_plain_array_in_any_order(
    tmp_path: Path, zarr_format: Literal[2, 3], axes: str, ordered: str
) -> None:
    sizes = {**SHAPES, "s": 3, "p": 2}
    path = write_array(tmp_path / "i.zarr", pattern([sizes[a] for a in axes]), zarr_format=zarr_format)
    targets = plan(image_info(path, axes=axes))
    pixels = write_result(targets)
    place = tmp_path / "i.labels.zarr"
    validate(place)
    np.testing.assert_array_equal(array(place / "0")[...], in_storage_order(pixels, targets[0], ordered))
    assert "source" not in ome(place)["image-label"]
    assert attributes(place)["czengine"]["image"] == "../i.zarr"
    version = ome(place).get("version") or ome(place)["multiscales"][0]["version"]
    assert version == ("0.4" if zarr_format == 2 else "0.5")


@VERSIONS
@pytest.mark.parametrize(("axes", "ordered"), [("yx", "cyx"), ("tzyx", "tczyx"), ("cyx", "cyx")])
def test_scores(tmp_path: Path, version: Version, axes: str, ordered: str) -> None:
    path = write_image(tmp_path / "i.zarr", axes, version)
    targets = plan(image_info(path), scores=True)
    pixels = write_result(targets)
    place = tmp_path / "i.test_scores.ome.zarr"
    validate(path, place)
    assert not (path / "labels").exists()
    np.testing.assert_array_equal(array(place / "0")[...], in_storage_order(pixels, targets[0], ordered))
    channels = ome(place)["omero"]["channels"]
    assert [(c["label"], c["color"]) for c in channels] == [("class 1", "FF0000"), ("class 2", "00FF00")]
    assert channels[0]["window"] == {"start": 0.0, "end": 1.0, "min": 0.0, "max": 1.0}


def test_one_score_of_an_image_without_channels_has_none(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.zarr", "yx", "0.5")
    targets = plan(image_info(path), replace(REGRESSION, outputs=1))
    pixels = write_result(targets)
    validate(targets[0].path)
    np.testing.assert_array_equal(array(targets[0].path / "0")[...], pixels[0])
    assert [c["label"] for c in ome(targets[0].path)["omero"]["channels"]] == ["output 1"]


@VERSIONS
def test_one_label_image_per_class(tmp_path: Path, version: Version) -> None:
    path = write_image(tmp_path / "i.zarr", "cyx", version)
    targets = plan(image_info(path), MULTILABEL)
    pixels = write_result(targets)
    validate(path, *(t.path for t in targets))
    assert ome(path / "labels")["labels"] == ["test_class_1", "test_class_2", "test_class_3"]
    for number, target in enumerate(targets):
        np.testing.assert_array_equal(array(target.path / "0")[0], pixels[number])
        assert ome(target.path)["image-label"]["properties"] == [
            {"label-value": 1, "class": f"class {number + 1}"}
        ]


@VERSIONS
def test_out_names_the_image_it_was_made_from(tmp_path: Path, version: Version) -> None:
    path = write_image(tmp_path / "i.zarr", "yx", version)
    place = tmp_path / "deep" / "down" / "r.ome.zarr"
    write_result(plan(image_info(path), out=place))
    validate(place)
    assert ome(place)["image-label"]["source"] == {"image": "../../../i.zarr"}
    assert ome(place)["multiscales"][0]["name"] == "r"
    assert not (path / "labels").exists()


@VERSIONS
def test_a_plate(tmp_path: Path, version: Version) -> None:
    wells = {("A", "1"): [pattern((20, 24)), pattern((20, 24))], ("B", "2"): [pattern((20, 24))]}
    path = write_plate(tmp_path / "p.zarr", wells, "yx", version=version)
    for image in ("A/1/0", "A/1/1", "B/2/0"):
        write_result(plan(image_info(path, image=image)))
        validate(path / image, path / image / "labels" / "test")
    validate(path)


def test_metadata_of_version_0_4_in_a_v3_store_get_their_like(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "i.zarr", pattern((20, 24)), "yx", version="0.4", zarr_format=3)
    write_result(plan(image_info(path)))
    assert attributes(path / "labels")["labels"] == ["test"]
    found = attributes(path / "labels" / "test")
    assert found["multiscales"][0]["version"] == found["image-label"]["version"] == "0.4"


def test_planes_never_written_stay_zero(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.zarr", "tyx", "0.5")
    targets = plan(image_info(path))
    with open_sink(targets) as sink:
        sink.write((1,), Region(0, 0, 37, 45), np.ones((1, 37, 45), np.uint8))
    for number in range(3):
        found = array(targets[0].path / str(number))[...]
        assert not found[0].any()
        assert found[1].all()


def test_sharded_images_get_sharded_labels(tmp_path: Path) -> None:
    path = write_ome_zarr(
        tmp_path / "i.zarr", pattern((1100, 1300)), "yx", levels=2, chunks=(256, 256), shards=(512, 512)
    )
    targets = plan(image_info(path))
    pixels = result_pixels(targets)
    with open_sink(targets) as sink:
        assert sink.block == (512, 512)
        write_planes(sink, pixels)
    found = array(targets[0].path / "0")
    assert (found.chunks, found.shards) == ((256, 256), (512, 512))
    assert len(chunk_files(targets[0].path / "0")) == 9
    np.testing.assert_array_equal(found[...], pixels[0])
    np.testing.assert_array_equal(array(targets[0].path / "1")[...], pixels[0][::2, ::2])


@VERSIONS
def test_other_libraries_read_the_chunks(tmp_path: Path, version: Version) -> None:
    import tensorstore as ts

    path = write_image(tmp_path / "i.zarr", "yx", version)
    pixels = write_result(plan(image_info(path)))
    driver = "zarr" if version == "0.4" else "zarr3"
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(path / "labels" / "test" / "0")}}
    np.testing.assert_array_equal(ts.open(spec).result().read().result(), pixels[0])


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.zarr", "yx", "0.5")
    write_result(plan(image_info(path)))
    (chunk,) = chunk_files(path / "labels" / "test" / "0")
    damaged = bytearray(chunk.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    chunk.write_bytes(damaged)
    with pytest.raises(RuntimeError):
        array(path / "labels" / "test" / "0")[...]


def test_blocks_of_too_many_channels_are_a_mistake_of_the_caller(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.zarr", "yx", "0.5")
    with (
        pytest.raises(ValueError, match="the block has 2 channels, the results take 1"),
        open_sink(plan(image_info(path))) as sink,
    ):
        sink.write((), Region(0, 0, 37, 45), np.zeros((2, 37, 45), np.uint8))


@VERSIONS
def test_the_ome_reader_finds_image_and_labels(tmp_path: Path, version: Version) -> None:
    pytest.importorskip("ome_zarr", reason="needs ome-zarr, which is too heavy for the test extra")
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    path = write_image(tmp_path / "i.zarr", "tczyx", version)
    targets = plan(image_info(path))
    pixels = write_result(targets)
    location = parse_url(str(path))
    assert location is not None
    nodes = list(Reader(location)())
    label = next(n for n in nodes if n.zarr.path.endswith("test") or str(n.zarr).rstrip("/").endswith("test"))
    expected = in_storage_order(pixels, targets[0], "tczyx")
    np.testing.assert_array_equal(label.data[0].compute(), expected)
    assert len(label.data) == 3
    assert label.metadata["color"] == {1: [1.0, 0.0, 0.0, 1.0], 2: [0.0, 1.0, 0.0, 1.0]}
    assert label.metadata["properties"][1] == {"class": "class 1"}


def test_checking_leaves_nothing(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.zarr", "yx", "0.5")
    before = snapshot(tmp_path)
    info = image_info(path)
    check_targets([*plan(info, MULTILABEL), *plan(info, out=tmp_path / "far" / "away")])
    assert snapshot(tmp_path) == before


def test_an_empty_folder_is_a_free_place(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.zarr", "yx", "0.5")
    (tmp_path / "out").mkdir()
    targets = plan(image_info(path), out=tmp_path / "out")
    check_targets(targets)
    write_result(targets)
    validate(tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["i.zarr", "out"]
