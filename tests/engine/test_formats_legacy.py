"""The XML of `.czmodel` and `.czseg`: every element, what its absence means, and what cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from czengine.errors import ArchiveError, ModelError
from czengine.formats import Metadata
from czengine.formats.colors import class_colors
from czengine.formats.legacy import parse_metadata
from czengine.spec import Task
from tests.support.archives import MODEL_ID, legacy_xml

ZEN = f"""<?xml version="1.0" encoding="utf-8"?>
<Model Version="3.2.0">
  <Id>{MODEL_ID}</Id>
  <ModelName>Zellen µm</ModelName>
  <Description>https://example.org/train/1</Description>
  <Status>Trained</Status>
  <FeatureExtractor>DeepNeuralNetwork</FeatureExtractor>
  <Postprocessing>None</Postprocessing>
  <ColorHandling>SplitRgb</ColorHandling>
  <Channels IsAfterColorHandling="true">
    <Item PixelType="Gray8 Gray16 Gray32Float" />
  </Channels>
  <TrainingClasses>
    <Item colR="255" colG="0" colB="1" LabelValue="1" Name="background" />
    <Item colR="0" colG="254" colB="2" LabelValue="2" Name="nuc" />
  </TrainingClasses>
  <BorderSize>64</BorderSize>
  <ScaleInputsByBitdepth>true</ScaleInputsByBitdepth>
  <TotalTileHeight>1024</TotalTileHeight>
  <TotalTileWidth>512</TotalTileWidth>
</Model>"""


def parse(**fields: Any) -> Metadata:
    return parse_metadata(legacy_xml(**fields).encode())


def model_error(**fields: Any) -> str:
    with pytest.raises(ModelError) as caught:
        parse(**fields)
    return str(caught.value)


def archive_error(xml: str | bytes) -> str:
    with pytest.raises(ArchiveError) as caught:
        parse_metadata(xml.encode() if isinstance(xml, str) else xml)
    return str(caught.value)


@pytest.mark.parametrize("newline", ["\n", "\r\n", ""])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n", "\ufeff\n  "])
def test_every_element_of_zen(newline: str, start: str) -> None:
    metadata = parse_metadata((start + ZEN.replace("\n", newline or " ")).encode())
    assert (metadata.format, metadata.version) == ("legacy", "3.2.0")
    assert (metadata.id, metadata.name) == (MODEL_ID, "Zellen µm")
    assert metadata.description == "https://example.org/train/1"
    assert (metadata.task, metadata.model_type) == (Task.SEGMENTATION, "DeepNeuralNetwork")
    assert metadata.postprocessing is None
    assert metadata.color_handling == "SplitRgb"
    assert metadata.pixel_types == (("Gray8", "Gray16", "Gray32Float"),)
    assert metadata.channels == 1
    assert [(c.name, c.label, c.color) for c in metadata.classes] == [
        ("background", 1, (255, 0, 1)),
        ("nuc", 2, (0, 254, 2)),
    ]
    assert metadata.border == (64, 64)
    assert metadata.scale_inputs is True
    assert metadata.tile == (1024, 512)
    assert metadata.warnings == ()
    assert metadata.inferred == {}


def test_encodings() -> None:
    utf16 = ZEN.replace("utf-8", "utf-16")
    assert parse_metadata(utf16.encode("utf-16")).name == "Zellen µm"
    assert parse_metadata(utf16.encode("utf-8")).name == "Zellen µm"  # as .NET writes when it is not told
    latin = ZEN.replace("utf-8", "iso-8859-1")
    assert parse_metadata(latin.encode("iso-8859-1")).name == "Zellen µm"


def test_missing_optionals_are_none() -> None:
    names = ("Id", "ModelName", "Status", "FeatureExtractor", "Postprocessing", "ColorHandling", "BorderSize")
    metadata = parse(**dict.fromkeys(names, ...), pixel_types=(), classes=())
    assert (metadata.id, metadata.name, metadata.description) == (None, None, "")
    assert (metadata.color_handling, metadata.border, metadata.tile) == (None, None, None)
    assert (metadata.pixel_types, metadata.channels, metadata.classes) == ((), None, ())
    assert metadata.model_type == "DeepNeuralNetwork"


def test_blank_elements_count_as_missing() -> None:
    metadata = parse(Id=" ", ModelName="", BorderSize="\n", Postprocessing=" ")
    assert (metadata.id, metadata.name, metadata.border, metadata.postprocessing) == (None, None, None, None)


# ----------------------------------------------------------------------------------------- kind and version


@pytest.mark.parametrize("version", ["1", "3.1.0", "x", ""])
def test_random_forest_is_named_whatever_the_version(version: str) -> None:
    assert model_error(version=version, FeatureExtractor="BasicFeatures25") == (
        "FeatureExtractor is 'BasicFeatures25': a random-forest or other classical model, which is not supported;"
        " only DeepNeuralNetwork is, so train a network or run this model in ZEN"
    )


@pytest.mark.parametrize("version", ["3.0.0", "3.1.0", "3.2.0", "3.2", "3", " 3.1.0 ", "3.1.7"])
def test_known_versions(version: str) -> None:
    metadata = parse(version=version)
    assert (metadata.version, metadata.warnings) == (version.strip(), ())


def test_newer_minor_version_warns() -> None:
    metadata = parse(version="3.7.0")
    assert metadata.warnings == ("Version is '3.7.0', newer than the 3.2 known here; read as 3.2",)
    assert metadata.scale_inputs is True


@pytest.mark.parametrize("version", ["4.0.0", "2.0.0", "1", "0.3"])
def test_other_major_version(version: str) -> None:
    expected = f"Version is '{version}'; this czengine reads 3.x, so update it or export again"
    assert model_error(version=version) == expected


@pytest.mark.parametrize("version", ["", "x", "-3", "3..1", "9" * 5000])
def test_no_version_number(version: str) -> None:
    assert "which is no version number such as '3.1.0'" in model_error(version=version)


def test_version_missing() -> None:
    with pytest.raises(ModelError, match=r"^<Model> has no Version; a supported archive says"):
        parse_metadata(b"<Model/>")


def test_not_xml() -> None:
    assert archive_error("").startswith("the XML metadata are not well-formed (no element found")
    assert archive_error("<Model").endswith("; export the model again")
    assert archive_error("<Model></Mode>").startswith("the XML metadata are not well-formed (mismatched tag")
    assert archive_error(b"\xff\xfe\x00\xd8").startswith("the XML metadata are not well-formed")
    assert archive_error(b"<?xml version='1.0' encoding='nix'?><M>\xff</M>").startswith(
        "the XML metadata are"
    )


def test_other_root() -> None:
    assert archive_error("<Modell/>") == "the XML metadata start with <Modell>; a model starts with <Model>"


# ------------------------------------------------------------------------------------------------ intensity


@pytest.mark.parametrize("version", ["3.0.0", "3.1.0"])
def test_old_versions_get_raw_counts(version: str) -> None:
    metadata = parse(version=version)
    assert metadata.scale_inputs is False
    assert metadata.inferred["scale_inputs"] == f"rule for version {version[:3]}: raw counts"
    assert metadata.warnings == ()


def test_old_version_with_the_new_element_warns() -> None:
    metadata = parse(version="3.1.0", ScaleInputsByBitdepth="true")
    assert metadata.scale_inputs is False
    assert metadata.warnings == (
        "ScaleInputsByBitdepth is not part of version 3.1 and is ignored: the network gets raw counts, unless inputs"
        " are told to be scaled",
    )
    assert parse(version="3.1.0", ScaleInputsByBitdepth="false").warnings == ()


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("TRUE", True), ("0", False)])
def test_new_version_says_it(text: str, value: bool) -> None:
    metadata = parse(version="3.2.0", ScaleInputsByBitdepth=text)
    assert metadata.scale_inputs is value
    assert "scale_inputs" not in metadata.inferred


def test_new_version_without_a_word_scales() -> None:
    metadata = parse(version="3.2.0")
    assert metadata.scale_inputs is True
    assert metadata.inferred["scale_inputs"] == "default of version 3.2: scaled"


def test_scaling_that_is_neither() -> None:
    message = model_error(version="3.2.0", ScaleInputsByBitdepth="maybe")
    assert message == "ScaleInputsByBitdepth is 'maybe'; it must be true or false"


# ----------------------------------------------------------------------------------------- border and tile


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "64px", "9999999999999999999999", "1e3"])
def test_border_that_cannot_be(text: str) -> None:
    expected = f"BorderSize is {text!r}; it must be a whole number from 0 to 2147483648"
    assert model_error(BorderSize=text) == expected


def test_border_of_zero() -> None:
    assert parse(BorderSize=0).border == (0, 0)


@pytest.mark.parametrize("text", ["0", "-5", "wide"])
def test_tile_that_cannot_be(text: str) -> None:
    expected = f"TotalTileWidth is {text!r}; it must be a whole number from 1 to 2147483648"
    assert model_error(TotalTileHeight=64, TotalTileWidth=text) == expected


def test_half_a_tile_warns() -> None:
    metadata = parse(TotalTileHeight=64)
    assert metadata.tile is None
    assert metadata.warnings == ("only one of TotalTileHeight and TotalTileWidth is given; neither is used",)


# --------------------------------------------------------------------------------- channels and colour handling


@pytest.mark.parametrize(
    ("items", "channels"),
    [
        (["Gray8"], 1),
        (["Bgr24"], 3),
        (["Bgr48"], 3),
        (["Bgr96Float"], 3),
        (["Bgra32"], 4),
        (["Gray16", "Bgr24"], 4),
        (["Gray8 Gray16", "Gray32Float", "Bgr24  Bgr48"], 5),
        (["Gray8 Bgr24"], None),  # the alternatives differ: only the network can tell
        (["Gray8 Gray64ComplexFloat"], 1),
    ],
)
def test_channels_by_pixel_types(items: list[str], channels: int | None) -> None:
    metadata = parse(pixel_types=items)
    assert metadata.channels == channels
    assert metadata.pixel_types == tuple(tuple(item.split()) for item in items)
    assert metadata.warnings == ()


def test_unknown_pixel_types_warn_once() -> None:
    metadata = parse(pixel_types=["Gray12", "Gray16 Gray12", "Rgb24"])
    assert metadata.channels is None
    assert metadata.warnings == (
        "PixelType 'Gray12', 'Rgb24' is unknown; the number of channels is taken from the network",
    )


@pytest.mark.parametrize("name", ["Gray64ComplexFloat", "Bgr192ComplexFloat"])
def test_complex_pixels(name: str) -> None:
    message = model_error(pixel_types=["Gray8", name])
    assert message.startswith(
        f"PixelType is {name!r}; complex pixels are not supported, only Gray8, Gray16, "
    )


def test_channel_item_without_pixel_type() -> None:
    expected = "a channel item has no PixelType; it must name one, such as Gray16"
    assert model_error(pixel_types=[" "]) == expected


def test_unknown_color_handling_warns() -> None:
    metadata = parse(ColorHandling="Mix")
    assert metadata.color_handling == "Mix"
    assert metadata.warnings == (
        "ColorHandling is 'Mix', which is unknown; colour is treated as for SplitRgb",
    )


@pytest.mark.parametrize(("text", "value"), [("None", None), ("none", None), ("CRF", "CRF")])
def test_postprocessing(text: str, value: str | None) -> None:
    assert parse(Postprocessing=text).postprocessing == value


# -------------------------------------------------------------------------------------------------- classes


def test_classes_go_by_label_value() -> None:
    classes = parse(classes=["c", "a", "b"], labels=[7, 1, 2]).classes
    assert [(c.name, c.label, c.color) for c in classes] == [
        ("a", 1, (0, 255, 0)),
        ("b", 2, (0, 0, 255)),
        ("c", 7, (255, 0, 0)),
    ]


def test_classes_without_colours_get_generated_ones() -> None:
    metadata = parse(classes=list("abcde"), labels=[5, 4, 3, 2, 1], colors=None)
    assert [c.color for c in metadata.classes] == list(class_colors(5))
    assert metadata.inferred["classes"] == "colours of the ZEISS colour generator"


def test_class_without_name() -> None:
    assert [c.name for c in parse(classes=["", "b"]).classes] == ["class 1", "b"]


@pytest.mark.parametrize("label", ["0", "-1", "x", "65536", ""])
def test_label_value_that_cannot_be(label: str) -> None:
    expected = f"LabelValue of training class 'b' is {label!r}; it must be a whole number from 1 to 65535"
    assert model_error(classes=["a", "b"], labels=[1, label]) == expected


def test_label_value_missing() -> None:
    with pytest.raises(
        ModelError, match=r"^LabelValue of training class 'a' is missing; it must be a whole number"
    ):
        parse_metadata(b'<Model Version="3.1.0"><TrainingClasses><Item Name="a"/></TrainingClasses></Model>')


def test_label_value_twice() -> None:
    expected = "two training classes have LabelValue 2; each needs its own"
    assert model_error(classes=["a", "b", "c"], labels=[2, 1, 2]) == expected


@pytest.mark.parametrize("value", ["256", "-1", "red"])
def test_colour_that_cannot_be(value: str) -> None:
    xml = legacy_xml().replace('colG="255"', f'colG="{value}"')
    with pytest.raises(ModelError) as caught:
        parse_metadata(xml.encode())
    expected = f"colG of training class 'Object' is {value!r}; it must be a whole number from 0 to 255"
    assert str(caught.value) == expected


def test_colour_generator() -> None:
    """The first 24 as listed in the format notes: class 4 repeats red, and 255 is truncated to 254 here and there."""
    assert class_colors(24) == (
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 0, 0),
        (254, 255, 0),
        (0, 254, 255),
        (0, 255, 127),
        (255, 0, 127),
        (127, 0, 255),
        (255, 127, 0),
        (127, 255, 0),
        (0, 127, 255),
        (0, 255, 170),
        (255, 0, 84),
        (169, 0, 255),
        (255, 170, 0),
        (85, 255, 0),
        (0, 84, 255),
        (0, 255, 191),
        (255, 0, 63),
        (191, 0, 255),
        (255, 191, 0),
        (63, 255, 0),
        (0, 63, 255),
    )


@pytest.mark.parametrize("number", [0, 1, 2, 300])
def test_number_of_colours(number: int) -> None:
    assert len(class_colors(number)) == number
    assert all(0 <= part <= 255 for color in class_colors(number) for part in color)
