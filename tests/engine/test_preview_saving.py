"""The preview picture is read small and written whole, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from czengine.config import InputOptions
from czengine.errors import ImageError, OptionError, OutputError
from czengine.preview import check_preview_path, saving, write_preview
from czengine.preview.drawing import INK
from czengine.preview.saving import read_small, save
from czengine.sinks.base import Target
from czengine.sources.array import open_array
from czengine.sources.collection import open_images
from tests.support.fulldisk import run_on_small_disk
from tests.support.images import write_array, write_ome_zarr
from tests.support.pictures import CLASSES, loaded, longest_run, panel_of, pixels_of, ramp


def _written(folder: Path, *, axes: str = "cyx", levels: int = 3, size: int = 900, **more: Any) -> Path:
    """An image of which each channel's pixels are a diagonal ramp."""
    shape = tuple({"y": size, "x": size // 2}.get(axis, 2) for axis in axes)
    y, x = np.mgrid[0:size, 0 : size // 2]
    data = np.broadcast_to((y + x).astype(np.uint16), shape).copy()
    return write_ome_zarr(folder / "image.ome.zarr", data, axes, levels=levels, **more)


def _target(image: Path, labels: NDArray[Any], axes: str, **more: Any) -> Target:
    """A result as the sinks leave it, written by other code."""
    (source,) = open_images(image, InputOptions())
    path = image.parent / "result.zarr"
    write_ome_zarr(path, labels, axes, levels=len(source.info.levels))
    facts: Mapping[str, Any] = {
        "kind": "labels",
        "path": path,
        "registry": None,
        "image": source.info,
        "classes": CLASSES,
        "channels": (),
        "dtype": labels.dtype,
        "overwrite": False,
        "provenance": {},
    }
    return Target(**{**facts, **more})


def _quarters(size: int = 900) -> NDArray[np.uint8]:
    labels = np.ones((1, size, size // 2), np.uint8)
    labels[:, size // 2 :, : size // 4] = 2
    labels[:, size // 2 :, size // 4 :] = 3
    return labels


@pytest.mark.parametrize("levels", [1, 3])
def test_a_large_image_is_shown_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, levels: int) -> None:
    """By its second level of three; where there is but one, by every second pixel, in blocks."""
    target = _target(_written(tmp_path, levels=levels), _quarters(), "cyx")
    monkeypatch.setattr(saving, "MAX_EDGE", 500)
    monkeypatch.setattr(saving, "_BLOCK", 300)
    write_preview(tmp_path / "p.png", [target], plane=(), channels=[0])
    picture = loaded(tmp_path / "p.png")
    panel = panel_of(picture, 450, 225)
    assert picture.width == 420 + 26
    assert (np.diff(panel[:220:20, 100, 1]) > 0).all()  # the ramp of the image
    assert (panel[230:440, 5:105, 1] > panel[230:440, 5:105, 0] + 60).all()  # green
    assert (panel[230:440, 120:220, 2] > panel[230:440, 120:220, 0] + 60).all()  # blue
    assert not list(tmp_path.glob(".p*"))  # no half file is left


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9), st.integers(1, 25))
def test_reading_small_takes_every_nth_pixel(height: int, width: int, step: int, block: int) -> None:
    pixels = np.arange(3 * height * width, dtype=np.int32).reshape(3, height, width)
    source = open_array(pixels, "cyx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saving, "_BLOCK", block)
        small = read_small(source, (), [2, 0], step=step)
    np.testing.assert_array_equal(small, pixels[[2, 0], ::step, ::step])


def test_the_plane_asked_for_is_shown(tmp_path: Path) -> None:
    data = np.zeros((2, 1, 3, 64, 64), np.uint8)
    data[1, 0, 2, :32] = 9
    labels = np.ones_like(data)
    labels[1, 0, 2, :, :32] = 2
    image = write_ome_zarr(tmp_path / "image.ome.zarr", data, "tczyx")
    target = _target(image, labels, "tczyx")
    write_preview(tmp_path / "p.png", [target], plane=(1, 2), channels=[0])
    write_preview(tmp_path / "q.png", [target], plane=(0, 0), channels=[0])
    shown, other = (loaded(tmp_path / name) for name in ("p.png", "q.png"))
    assert len(np.unique(panel_of(shown, 384, 384)[::50, ::50].reshape(-1, 3), axis=0)) == 4
    assert len(np.unique(panel_of(other, 384, 384).reshape(-1, 3), axis=0)) == 1


def test_a_result_of_a_plain_array_can_be_shown(tmp_path: Path) -> None:
    array = write_array(tmp_path / "plain.zarr", ramp(100, 100)[0])
    (source,) = open_images(array, InputOptions(axes="yx"))
    target = _target_of(
        source.info, write_ome_zarr(tmp_path / "labels.zarr", np.ones((100, 100), np.uint8), "yx")
    )
    write_preview(tmp_path / "p.png", [target], plane=(), channels=[0], title="plain")
    assert loaded(tmp_path / "p.png").width == 420 + 26


def _target_of(info: Any, path: Path) -> Target:
    return Target(
        kind="labels", path=path, registry=None, image=info, classes=CLASSES, channels=(),
        dtype=np.dtype(np.uint8), overwrite=False, provenance={},
    )  # fmt: skip


def test_scores_of_a_store_are_shown_three_at_most(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).random((5, 500, 250)).astype(np.float32)
    names = ("a", "b", "c", "d", "e")
    target = _target(_written(tmp_path, size=500), scores, "cyx", kind="scores", channels=names)
    write_preview(tmp_path / "p.png", [target], plane=(), channels=[0])
    picture = loaded(tmp_path / "p.png")
    # Four panels share 1600 pixels: the level of 250 × 125 is shown, as 250 is the first below 400.
    assert picture.width == 4 * 125 + 3 * 13 + 2 * 13


def test_a_preview_replaces_an_older_one(tmp_path: Path) -> None:
    target = _target(_written(tmp_path, size=200), _quarters(200), "cyx")
    path = tmp_path / "p.PNG"
    path.write_text("old")
    write_preview(path, [target], plane=(), channels=[0])
    assert loaded(path).width == 420 + 26


def test_the_example_makes_a_preview(tmp_path: Path) -> None:
    from czengine.example import image_path

    (source,) = open_images(image_path(), InputOptions())
    labels = 1 + (source.read((), _whole(source.info), [0]) > 2000).astype(np.uint8)
    target = _target_of(source.info, write_ome_zarr(tmp_path / "labels.zarr", labels, "cyx", levels=3))
    write_preview(tmp_path / "p.png", [target], plane=(), channels=[0])
    picture = loaded(tmp_path / "p.png")
    assert picture.width == 640 + 26
    bar = longest_run((pixels_of(picture)[3 * 13 + 480 :] == INK).all(axis=-1))
    assert abs(bar - 20 / 0.325) <= 1


def _whole(info: Any) -> Any:
    from czengine.geometry import Region

    return Region(0, 0, info.height, info.width)


@pytest.mark.parametrize("name", ["p.jpg", "p", "p.png.txt"])
def test_other_kinds_of_file_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        OptionError, match=rf"preview .*{name} is not a PNG file; give it a name that ends in \.png"
    ):
        check_preview_path(tmp_path / name)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"folder .*absent does not exist; make it or choose another"):
        check_preview_path(tmp_path / "absent" / "p.png")


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.png").mkdir()
    with pytest.raises(OutputError, match="is a folder; name a file in it"):
        check_preview_path(tmp_path / "p.png")


READ_ONLY = """
import subprocess
from pathlib import Path
from czengine.preview import check_preview_path
subprocess.run(["mount", "-o", "remount,ro", {folder!r}], check=True)
try:
    check_preview_path(Path({folder!r}) / "p.png")
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    said = run_on_small_disk(tmp_path, READ_ONLY.format(folder=str(tmp_path)))
    assert said == f"OutputError the preview's folder {tmp_path} cannot be written; choose another\n"


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "p.png").mkdir()  # nothing can be renamed onto a folder
    with pytest.raises(
        OutputError, match=r"the preview .*p\.png cannot be written \(.*\); choose another place"
    ):
        save(Image.new("RGB", (2, 2)), tmp_path / "p.png")
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


def test_a_result_that_is_an_array_is_refused(tmp_path: Path) -> None:
    target = _target(_written(tmp_path, size=200), _quarters(200), "cyx")
    array = write_array(tmp_path / "array.zarr", np.ones((2, 2), np.uint8))
    with pytest.raises(ImageError, match=r"array\.zarr is an array, not a result"):
        write_preview(tmp_path / "p.png", [_target_of(target.image, array)], plane=(), channels=[0])
    assert not (tmp_path / "p.png").exists()
