"""`.czmodel` byte for byte as the ZEISS packages write it, and read back by the engine and by them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from czconverter.package import archive_bytes
from czconverter.package.legacy import members, version
from czengine.formats.colors import class_colors
from czengine.formats.legacy import parse_metadata
from czengine.model import read_model
from czengine.spec import Runtime
from tests.support.archives import MODEL_ID
from tests.support.contents import contents_of, make_contents, members_of
from tests.support.frameworks import need_package
from tests.support.shared import shared_path

WRITTEN_BY_CZMODEL = {
    "legacy300_gray16_savedmodel_tf215.czmodel": "3.0.0",
    "legacy310_bgr24_onnx.czmodel": "3.1.0",
    "legacy310_from_json.czmodel": "3.1.0",
    "legacy310_gray16_onnx.czmodel": "3.1.0",
    "legacy310_v300_gray16.czseg": "3.1.0",
}
# czmodel since 1.0 calls every archive 3.1.0; what readers of 3.0.0 understand is called 3.0.0 here
SAVED_MODEL_AS_310 = "legacy310_gray16_savedmodel.czmodel"
AWKWARD = ["<&>\"'", "Größe µm", "日本", "a]]>b", "&amp;", "  two  spaces"]


def xml(**changes: Any) -> str:
    return members(make_contents(**changes))[0][1].decode()


@pytest.mark.parametrize(("name", "said"), WRITTEN_BY_CZMODEL.items())
def test_every_byte_is_as_czmodel_writes_it(name: str, said: str) -> None:
    archive = shared_path(f"reference/{name}")
    contents = contents_of(archive)
    assert members(contents) == members_of(archive)
    assert version(contents) == said


def test_a_saved_model_of_one_item_is_called_3_0_0() -> None:
    archive = shared_path(f"reference/{SAVED_MODEL_AS_310}")
    (name, written), *rest = members_of(archive)
    assert members(contents_of(archive)) == [(name, written.replace(b'"3.1.0"', b'"3.0.0"', 1)), *rest]


@pytest.mark.parametrize(
    ("runtime", "pixel_types", "said"),
    [
        (Runtime.ONNX, ("Gray8",), "3.1.0"),
        (Runtime.SAVEDMODEL, ("Gray8",), "3.0.0"),
        (Runtime.SAVEDMODEL, ("Bgr24",), "3.0.0"),
        (Runtime.SAVEDMODEL, ("Gray8", "Gray8"), "3.1.0"),
    ],
)
def test_version(runtime: Runtime, pixel_types: tuple[str, ...], said: str) -> None:
    assert version(make_contents(runtime=runtime, pixel_types=pixel_types)) == said
    assert f'<Model Version="{said}">' in xml(runtime=runtime, pixel_types=pixel_types)


def test_the_xml_spelled_out() -> None:
    assert xml() == (
        "<?xml version='1.0' encoding='utf-8'?>\n"
        f'<Model Version="3.1.0"><Id>{MODEL_ID}</Id><ModelName>Test network</ModelName><Status>Trained</Status>'
        "<FeatureExtractor>DeepNeuralNetwork</FeatureExtractor><Postprocessing />"
        '<ColorHandling>ConvertToMonochrome</ColorHandling><Channels><Item PixelType="Gray8" /></Channels>'
        '<TrainingClasses><Item colB="0" colG="0" colR="255" LabelValue="1" Name="Background" />'
        '<Item colB="0" colG="255" colR="0" LabelValue="2" Name="Object" /></TrainingClasses>'
        "<BorderSize>4</BorderSize></Model>"
    )


def test_members_and_their_order() -> None:
    found = members(make_contents(network=b"net", licence=("LICENSE", b"mine")))
    assert [name for name, _ in found] == [
        f"{MODEL_ID}.xml",
        f"{MODEL_ID}.model",
        "LICENSE",
        f"modelid={MODEL_ID}",
    ]
    assert [data for _, data in found[1:]] == [b"net", b"mine", b""]


def test_without_a_licence() -> None:
    assert len(members(make_contents())) == 3


def test_several_channel_items_in_order() -> None:
    text = xml(pixel_types=("Gray16", "Bgr24"), color_handling="SplitRgb")
    assert '<Channels><Item PixelType="Gray16" /><Item PixelType="Bgr24" /></Channels>' in text
    assert "<ColorHandling>SplitRgb</ColorHandling>" in text


def test_colours_that_were_given() -> None:
    text = xml(colors=((1, 2, 3), (4, 5, 6)))
    assert re.findall(r'<Item colB="(\d+)" colG="(\d+)" colR="(\d+)" L', text) == [
        ("3", "2", "1"),
        ("6", "5", "4"),
    ]


def test_colours_that_were_not_given() -> None:
    names = tuple(f"class {i}" for i in range(30))
    found = parse_metadata(xml(classes=names).encode()).classes
    assert [item.color for item in found] == list(class_colors(30))
    assert [item.label for item in found] == list(range(1, 31))


def test_postprocessing() -> None:
    assert "<Postprocessing>CRF</Postprocessing>" in xml(postprocessing="CRF")


def test_of_two_borders_the_larger_is_written() -> None:
    assert "<BorderSize>6</BorderSize>" in xml(border=(4, 6))


# ---------------------------------------------------------------------------------------------- read back


@pytest.mark.parametrize("name", AWKWARD)
def test_letters_xml_has_a_use_for(name: str) -> None:
    root = fromstring(xml(name=name, classes=(name, "Object"), postprocessing=name))
    assert root.findtext("ModelName") == name
    assert root.findtext("Postprocessing") == name
    assert [item.get("Name") for item in root.findall("TrainingClasses/Item")] == [name, "Object"]


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30))
def test_any_printable_text_comes_back(text: str) -> None:
    found = parse_metadata(xml(name=text, classes=(text, f"{text}2")).encode())
    assert (found.name, [item.name for item in found.classes]) == (text, [text, f"{text}2"])


def test_the_engine_reads_all_of_it(tmp_path: Path) -> None:
    contents = make_contents(
        name="Käfer & Co", licence=("LICENSE", b"mine"), colors=((9, 8, 7), (6, 5, 4)), postprocessing="CRF"
    )
    path = tmp_path / "a.czmodel"
    path.write_bytes(archive_bytes(contents, "czmodel"))
    model = read_model(path)
    spec = model.spec
    assert (model.network, spec.format, spec.format_version) == (contents.network, "legacy", "3.1.0")
    assert (spec.id, spec.name, spec.licence, spec.border) == (MODEL_ID, "Käfer & Co", "LICENSE", (4, 4))
    assert [(c.name, c.label, c.color) for c in spec.classes] == [
        ("Background", 1, (9, 8, 7)),
        ("Object", 2, (6, 5, 4)),
    ]
    assert (spec.pixel_types, spec.color_handling, spec.scale_inputs) == (
        (("Gray8",),),
        "ConvertToMonochrome",
        False,
    )
    assert spec.warnings == ("Postprocessing is 'CRF', which is not applied here",)
    assert contents_of(path).licence == ("LICENSE", b"mine")


@pytest.mark.parametrize("name", [*WRITTEN_BY_CZMODEL, SAVED_MODEL_AS_310])
def test_the_engine_reads_the_same_from_what_was_written_again(tmp_path: Path, name: str) -> None:
    contents = contents_of(shared_path(f"reference/{name}"))
    path = tmp_path / "again.czmodel"
    path.write_bytes(archive_bytes(contents, "czmodel"))
    assert contents_of(path) == contents


@pytest.mark.parametrize("name", ["Cell", *AWKWARD])
def test_czmodel_reads_it(tmp_path: Path, name: str) -> None:
    reader = need_package("czmodel.core.util._extract_model")
    path, folder = tmp_path / "a.czmodel", tmp_path / "out"
    contents = make_contents(classes=("Background", name), pixel_types=("Gray16",))
    path.write_bytes(archive_bytes(contents, "czmodel"))
    found, network = reader.extract_czseg_model(str(path), folder)
    assert [item.name for item in found.classes] == ["Background", name]
    assert (found.pixel_types, found.border_size, found.color_handling) == (
        ["Gray16"],
        "4",
        "ConvertToMonochrome",
    )
    assert Path(network).read_bytes() == contents.network
