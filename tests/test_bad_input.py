"""Everything a user can get wrong: one sentence on stderr, the right exit code, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.archives import czann_archive, czann_json, legacy_archive, onnx_network, zip_of
from tests.support.commands import run_here
from tests.support.images import chunk_files, pattern, write_array, write_ome_zarr

ENTITIES = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><Model Version="3.1.0"><Id>&a;</Id></Model>'
MEGABYTE = 2**20


def image(folder: Path) -> Path:
    return write_ome_zarr(folder / "image.ome.zarr", pattern((1, 40, 50)), "cyx", version="0.5", levels=2)


def model(folder: Path) -> Path:
    return czann_archive(folder / "model.czann")


def truncated(folder: Path) -> Path:
    path = model(folder)
    path.write_bytes(path.read_bytes()[:-200])
    return path


def bomb(folder: Path) -> Path:
    members = {"model.json": czann_json().encode(), "model.model": bytes(100 * MEGABYTE)}
    return zip_of(folder / "bomb.czann", members, deflate=True)


def too_large(folder: Path) -> Path:
    """A few bytes that the directory of the zip calls three gigabytes."""
    path = model(folder)
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (3 * 2**30).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def crowded(folder: Path) -> Path:
    return zip_of(folder / "crowd.czann", {f"{i}.txt": b"" for i in range(1500)})


def not_onnx(folder: Path) -> Path:
    return czann_archive(folder / "model.czann", network=onnx_network().replace(b"Conv", b"Cxnv"))


def text_file(folder: Path) -> Path:
    path = folder / "notes.czann"
    path.write_text("this is no archive")
    return path


Maker = Callable[[Path], Path]
BAD_MODELS: dict[str, tuple[Maker, str]] = {
    "missing": (lambda f: f / "absent.czann", "does not exist"),
    "folder": (lambda f: f, "is a folder"),
    "not a zip": (text_file, "is not a zip"),
    "truncated": (truncated, "damaged zip, probably cut short"),
    "without a model": (lambda f: zip_of(f / "a.czann", {"readme.txt": b"hello"}), "holds no model"),
    "XML with entities": (lambda f: legacy_archive(f / "a.czseg", xml=ENTITIES), "entit"),
    "bomb by ratio": (bomb, "zip bomb"),
    "bomb by size": (too_large, "bytes"),
    "bomb by count": (crowded, "more than 1000 members"),
    "path in a name": (lambda f: czann_archive(f / "a.czann", extra={"../evil": b"x"}), "points outside"),
    "refused by onnxruntime": (not_onnx, "onnxruntime refuses the network"),
    "random forest": (
        lambda f: legacy_archive(f / "a.czmodel", version="1", FeatureExtractor="BasicFeatures25"),
        "BasicFeatures25",
    ),
    "unknown version": (lambda f: legacy_archive(f / "a.czmodel", version="9.0.0"), "9.0.0"),
    "a detector": (lambda f: czann_archive(f / "a.czann", Type="ObjectDetection"), "ObjectDetection"),
    "volumes": (lambda f: czann_archive(f / "a.czann", InputShape=[8, 32, 32, 1]), "3-D"),
    "border too wide": (
        lambda f: czann_archive(f / "a.czann", MinOverlap=[40, 40]),
        "leaves nothing of a tile",
    ),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_models_end_with_3(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maker, message = BAD_MODELS[case]
    place = image(tmp_path)
    done = run_here(capsys, "predict", maker(tmp_path), place)
    assert done.code == 3, done.err
    assert_one_sentence(done.err, message)
    assert not (place / "labels").exists()


def no_plane(folder: Path) -> Path:
    return write_array(folder / "a.zarr", pattern((4, 5)), dimension_names=["t", "x"])


def corrupted(folder: Path) -> Path:
    path = image(folder)
    chunk_files(path / "0")[0].write_bytes(b"garbage")
    return path


def two_channels(folder: Path) -> Path:
    return write_ome_zarr(folder / "a.ome.zarr", pattern((2, 40, 50)), "cyx", version="0.5", levels=1)


def tiff(folder: Path) -> Path:
    path = folder / "picture.tif"
    path.write_bytes(b"II*\0")
    return path


BAD_IMAGES: dict[str, tuple[Maker, str]] = {
    "missing": (lambda f: f / "absent.zarr", "no image at"),
    "another format": (tiff, "convert it"),
    "an empty folder": (lambda f: f, "without zarr metadata"),
    "remote": (lambda f: Path("https://example.org/a.zarr"), "not supported yet"),
    "three unnamed axes": (
        lambda f: write_array(f / "a.zarr", pattern((3, 40, 50))),
        "name them, e.g. --axes",
    ),
    "empty": (lambda f: write_array(f / "a.zarr", np.zeros((0, 50), np.uint8)), "is empty"),
    "wrong channel count": (two_channels, "channel"),
    "complex numbers": (lambda f: write_array(f / "a.zarr", np.zeros((40, 50), "c8")), "complex64"),
    "corrupted chunk": (corrupted, "cannot be decoded"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images_end_with_4(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maker, message = BAD_IMAGES[case]
    place = maker(tmp_path)
    done = run_here(capsys, "predict", model(tmp_path), place)
    assert done.code == 4, done.err
    assert_one_sentence(done.err, message)
    assert not list(tmp_path.rglob("*partial*"))


def test_a_corrupted_chunk_is_named_and_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = corrupted(tmp_path)
    before = sorted(place.rglob("*"))
    done = run_here(capsys, "predict", model(tmp_path), place)
    assert str(chunk_files(place / "0")[0]) in done.err
    assert sorted(place.rglob("*")) == before


BAD_OPTIONS: dict[str, tuple[list[str], str]] = {
    "axes of unknown letters": (["--axes", "QYX"], "unknown letter"),
    "axes that contradict": (["--axes", "TYX"], "say CYX"),
    "axes without a plane": (["--axes", "CTX"], "no Y axis"),
    "a level that is not there": (["--level", "7"], "level is 7"),
    "a negative level": (["--level", "-1"], "level is -1"),
    "a channel that is not there": (["--channel", "9"], "9"),
    "a channel without a name": (["--channel", "0,,1"], "empty entry"),
    "a selection that says nothing": (["--select", "t"], "not understood"),
    "a selection of another axis": (["--select", "z=1"], "does not have"),
    "an image of no collection": (["--image", "A/1/0"], "is a single image"),
    "a colour order": (["--color-order", "brg"], "Invalid value for '--color-order'"),
    "colour for a gray network": (["--color-order", "bgr"], "leave it out"),
    "a confidence above one": (["--min-confidence", "1.5"], "between 0 and 1"),
    "a confidence for scores": (["--scores", "--min-confidence", "0.5"], "leave one of them out"),
    "a name that is a path": (["--name", "a/b"], "cannot be a folder name"),
    "a name of two lines": (["--name", "a\nb"], "cannot be a folder name"),
    "an empty batch": (["--batch", "0"], "at least 1"),
    "no threads": (["--threads", "0"], "at least 1"),
    "a way to show progress": (["--progress", "loud"], "Invalid value for '--progress'"),
    "a preview that is no PNG": (["--preview", "a.jpg"], "ends in .png"),
    "an option that does not exist": (["--nonsense"], "nonsense"),
    "text for a number": (["--level", "high"], "Invalid value for '--level'"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options_end_with_2(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, message = BAD_OPTIONS[case]
    place = image(tmp_path)
    done = run_here(capsys, "predict", model(tmp_path), place, *options)
    assert done.code == 2, done.err
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (place / "labels").exists()


def test_kernels_that_do_not_exist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CZENGINE_KERNELS", "cuda")
    done = run_here(capsys, "predict", model(tmp_path), image(tmp_path))
    assert (done.code, "choose one of auto, numba, native, reference" in done.err) == (2, True)


def test_a_result_that_is_there_already_ends_with_6(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, place = model(tmp_path), image(tmp_path)
    assert run_here(capsys, "predict", archive, place).code == 0
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    done = run_here(capsys, "predict", archive, place)
    assert done.code == 6
    assert_one_sentence(done.err, "--overwrite")
    assert before == {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert run_here(capsys, "predict", archive, place, "--overwrite").code == 0
    assert run_here(capsys, "predict", archive, place, "--name", "second").code == 0
    assert sorted(p.name for p in (place / "labels").iterdir() if p.is_dir()) == ["Test_network", "second"]


def test_debug_shows_the_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception, match="does not exist"):
        run_here(capsys, "predict", tmp_path / "absent.czann", image(tmp_path), "--debug")


def assert_one_sentence(err: str, message: str) -> None:
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1, err
    assert lines[0].startswith("czengine: ")
    assert message in lines[0]
