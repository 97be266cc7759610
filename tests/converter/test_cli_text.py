"""Typed options and the values they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from czconverter.cli.text import metadata
from czconverter.metadata import ArchiveMetadata
from czengine.errors import OptionError

NOTHING: dict[str, Any] = {
    "name": None,
    "classes": (),
    "pixel_types": (),
    "border": None,
    "model_type": None,
    "color_handling": None,
    "pixel_size": None,
    "tile": None,
    "description": "",
    "licence": None,
    "id": None,
    "json_spec": None,
}


def parsed(**fields: Any) -> ArchiveMetadata:
    return metadata(**{**NOTHING, **fields})


def test_nothing_typed_is_nothing_said() -> None:
    assert parsed() == ArchiveMetadata()


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (("Background,Cell",), ("Background", "Cell")),
        (("Background, Cell",), ("Background", "Cell")),
        (("Background", "Cell"), ("Background", "Cell")),
        (("cells, living", "cells, dead"), ("cells, living", "cells, dead")),
    ],
)
def test_names_in_one_text_or_in_one_each(texts: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert parsed(classes=texts).classes == names


def test_pixel_types_are_lists_too() -> None:
    assert parsed(pixel_types=("Gray16,Bgr24",)).pixel_types == ("Gray16", "Bgr24")


@pytest.mark.parametrize(("text", "border"), [("8", (8, 8)), ("8,4", (8, 4)), ("0", (0, 0))])
def test_borders(text: str, border: tuple[int, int]) -> None:
    assert parsed(border=text).border == border


@pytest.mark.parametrize("text", ["", "a", "1,2,3", "1.5", "nan", "inf", "-1"])
def test_borders_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match="border is"):
        parsed(border=text)


def test_pixel_size_is_typed_in_micrometres_and_kept_in_metres() -> None:
    assert parsed(pixel_size="0.5").pixel_size == pytest.approx((0.5e-6, 0.5e-6))
    assert parsed(pixel_size="0.5,0.25").pixel_size == pytest.approx((0.5e-6, 0.25e-6))


@pytest.mark.parametrize("text", ["0", "-1", "a", "1,2,3", "inf", "0.325e-6", "1e6"])
def test_pixel_sizes_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match=f"--pixel-size is '{text}'; give"):
        parsed(pixel_size=text)


def test_what_is_typed_goes_before_the_json_spec(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"x")
    spec = tmp_path / "spec.json"
    spec.write_text(
        '{"BorderSize": 8, "ColorHandling": "SplitRgb", "PixelType": ["Bgr24"], "Classes": ["a", "b"],'
        ' "ModelPath": "net.onnx"}'
    )
    said = parsed(json_spec=spec, classes=("c,d",))
    assert (said.classes, said.border, said.pixel_types) == (("c", "d"), (8, 8), ("Bgr24",))
