"""The `model.json` of a `.czann`: every key, what its absence means, and what cannot be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from czengine.errors import ArchiveError, ModelError
from czengine.formats import Metadata
from czengine.formats.colors import class_colors
from czengine.formats.czann import parse_metadata
from czengine.spec import Task
from tests.support.archives import MODEL_ID, czann_json

SUPPORTED = "SingleClassSemanticSegmentation, MultiClassSemanticSegmentation, Regression"


def parse(**fields: Any) -> Metadata:
    return parse_metadata(czann_json(**fields).encode())


def model_error(**fields: Any) -> str:
    with pytest.raises(ModelError) as caught:
        parse(**fields)
    return str(caught.value)


def archive_error(text: str | bytes) -> str:
    with pytest.raises(ArchiveError) as caught:
        parse_metadata(text.encode() if isinstance(text, str) else text)
    message = str(caught.value)
    assert message.startswith("the JSON metadata ")
    return message.removeprefix("the JSON metadata ")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_every_key(newline: str, start: str) -> None:
    text = json.dumps(
        {
            "FormatVersion": "2.1.0",
            "Id": MODEL_ID,
            "Type": "SingleClassSemanticSegmentation",
            "InputShape": [64, 32, 3],
            "OutputShape": [64, 32, 2],
            "MinOverlap": [16, 8],
            "Classes": ["Background", "Zelle µ"],
            "ModelName": "Näme",
            "Scaling": [1e-6, 2e-6],
            "ModelDescription": "Words.",
            "SomethingNew": {"a": [1, 2]},
        },
        indent=2,
        ensure_ascii=False,
    )
    metadata = parse_metadata((start + text.replace("\n", newline)).encode())
    assert (metadata.format, metadata.version) == ("czann", "2.1.0")
    assert (metadata.id, metadata.name, metadata.description) == (MODEL_ID, "Näme", "Words.")
    assert (metadata.task, metadata.model_type) == (Task.SEGMENTATION, "SingleClassSemanticSegmentation")
    assert (metadata.input_shape, metadata.output_shape) == ((64, 32, 3), (64, 32, 2))
    assert metadata.border == (8, 4)
    assert [(c.name, c.label, c.color) for c in metadata.classes] == [
        ("Background", 1, (255, 0, 0)),
        ("Zelle µ", 2, (0, 255, 0)),
    ]
    assert metadata.pixel_size == (1e-6, 2e-6)
    assert metadata.scale_inputs is True
    assert (metadata.pixel_types, metadata.color_handling, metadata.postprocessing) == ((), None, None)
    assert metadata.warnings == ()
    assert metadata.inferred == {
        "scale_inputs": "rule for czann: networks take 0 to 1",
        "classes": "labels by order, colours of the ZEISS colour generator",
    }


@pytest.mark.parametrize("absent", [..., None])
def test_missing_optionals_are_none(absent: Any) -> None:
    names = ("Id", "OutputShape", "MinOverlap", "Classes", "ModelName", "Scaling", "FormatVersion")
    metadata = parse(**dict.fromkeys(names, absent))
    assert (metadata.version, metadata.id, metadata.name, metadata.description) == (None, None, None, "")
    assert (metadata.output_shape, metadata.border, metadata.pixel_size) == (None, None, None)
    assert metadata.classes == ()
    assert metadata.warnings == ()


# ----------------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize("text", ["", "{", "nix", '{"Type": }', "{'Type': 1}"])
def test_not_json(text: str) -> None:
    message = archive_error(text)
    assert message.startswith("cannot be read (")
    assert message.endswith("); export the model again")


def test_not_utf8() -> None:
    assert archive_error(b'{"Type": "\xff"}').startswith(
        "cannot be read ('utf-8' codec can't decode byte 0xff"
    )


@pytest.mark.parametrize(
    ("text", "kind"), [("[]", "list"), ("3", "int"), ('"a"', "str"), ("null", "NoneType")]
)
def test_not_an_object(text: str, kind: str) -> None:
    assert archive_error(text) == f"are a {kind}; an object is needed"


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_numbers_json_does_not_have(name: str) -> None:
    expected = f"cannot be read ({name} is not a JSON number); export the model again"
    assert archive_error('{"Scaling": [' + name + "]}") == expected


def test_key_twice() -> None:
    text = '{"Type": "Regression", "Type": "ObjectDetection"}'
    assert archive_error(text) == "cannot be read (key 'Type' occurs twice); export the model again"


def test_nested_too_deeply() -> None:
    assert archive_error('{"a": ' + "[" * 100_000) == "are nested too deeply; refused as unsafe"


def test_nesting_that_is_just_readable() -> None:
    message = model_error(MinOverlap=json.loads("[" * 300 + "]" * 300))
    assert message == "MinOverlap is [[...]]; it must be two whole numbers from 0 up"


def test_number_of_too_many_digits() -> None:
    assert archive_error('{"InputShape": [' + "9" * 5000 + "]}").startswith(
        "cannot be read (Exceeds the limit"
    )


# ------------------------------------------------------------------------------------------- type and version


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("SingleClassSemanticSegmentation", Task.SEGMENTATION),
        ("MultiClassSemanticSegmentation", Task.MULTILABEL),
        ("Regression", Task.REGRESSION),
    ],
)
def test_types_per_pixel(name: str, task: Task) -> None:
    metadata = parse(Type=name)
    assert (metadata.task, metadata.model_type) == (task, name)
    assert len(metadata.classes) == (0 if task is Task.REGRESSION else 2)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("SingleClassInstanceSegmentation", "instance segmentation"),
        ("MultiClassInstanceSegmentation", "instance segmentation"),
        ("SingleClassClassification", "classification of whole images"),
        ("MultiClassClassification", "classification of whole images"),
        ("ObjectDetection", "object detection"),
    ],
)
def test_other_types(name: str, what: str) -> None:
    # their OutputShape is none of ours, so the type must be what is complained of
    message = model_error(Type=name, OutputShape=[4])
    assert message == f"Type is '{name}' ({what}), which is not supported; supported are {SUPPORTED}"


def test_unknown_type() -> None:
    assert model_error(Type="Magic") == f"Type is 'Magic', which is unknown; supported are {SUPPORTED}"


@pytest.mark.parametrize(("value", "shown"), [(..., "missing"), (None, "missing"), (3, "3"), ([1], "[1]")])
def test_no_type(value: Any, shown: str) -> None:
    assert model_error(Type=value) == f"Type is {shown}; it must be one of {SUPPORTED}"


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0", "2.0.0", "2.1.0", "2.1"])
def test_known_versions(version: str) -> None:
    metadata = parse(FormatVersion=version)
    assert (metadata.version, metadata.warnings) == (version, ())


@pytest.mark.parametrize("version", ["2.2.0", "1.7"])
def test_newer_minor_version_warns(version: str) -> None:
    (warning,) = parse(FormatVersion=version).warnings
    known = version[0] + ".1"
    assert warning == f"FormatVersion is '{version}', newer than the {known} known here; read as {known}"


@pytest.mark.parametrize("version", ["3.0.0", "0.9"])
def test_other_major_version(version: str) -> None:
    expected = f"FormatVersion is '{version}'; this czengine reads 1.x, 2.x, so update it or export again"
    assert model_error(FormatVersion=version) == expected


@pytest.mark.parametrize(("version", "shown"), [("x", "x"), ([2], "[2]"), ({}, "{...}"), (True, "true")])
def test_no_version_number(version: Any, shown: str) -> None:
    assert model_error(FormatVersion=version) == (
        f"FormatVersion is {shown!r}, which is no version number such as '3.1.0'"
    )


# ---------------------------------------------------------------------------------------------------- shapes


def test_input_shape_missing() -> None:
    assert model_error(InputShape=...) == "InputShape is missing; it must be [height, width, channels]"


@pytest.mark.parametrize("key", ["InputShape", "OutputShape"])
def test_three_dimensions(key: str) -> None:
    expected = f"{key} is [16, 64, 64, 1]: a 3-D network; only 2-D ones are supported"
    assert model_error(**{key: [16, 64, 64, 1]}) == expected


@pytest.mark.parametrize("key", ["InputShape", "OutputShape"])
@pytest.mark.parametrize(
    "value",
    [
        [],
        [64, 64],
        [64, 64, 0],
        [-64, 64, 1],
        [64, 64, 1.0],
        [64, 64, True],
        ["64", 64, 1],
        64,
        {},
        [10**30, 64, 1],
    ],
)
def test_shape_that_cannot_be(key: str, value: Any) -> None:
    message = model_error(**{key: value})
    assert message.startswith(f"{key} is ")
    assert message.endswith("; it must be [height, width, channels], each from 1 up")


# ---------------------------------------------------------------------------------------------------- border


@pytest.mark.parametrize(("overlap", "border"), [([32, 32], (16, 16)), ([0, 8], (0, 4)), ([0, 0], (0, 0))])
def test_overlap_is_the_total_of_both_sides(overlap: list[int], border: tuple[int, int]) -> None:
    metadata = parse(MinOverlap=overlap)
    assert (metadata.border, metadata.warnings) == (border, ())


def test_odd_overlap_is_rounded_up() -> None:
    metadata = parse(MinOverlap=[9, 8])
    assert metadata.border == (5, 4)
    assert metadata.warnings == ("MinOverlap is [9, 8], which is odd; the border per side is rounded up",)


@pytest.mark.parametrize("overlap", [[8], [8, 8, 8]])
def test_overlap_of_another_length(overlap: list[int]) -> None:
    metadata = parse(MinOverlap=overlap)
    assert metadata.border == (4, 4)
    assert metadata.warnings == (
        f"MinOverlap has {len(overlap)} numbers instead of 2; 8 counts for both axes",
    )


def test_empty_overlap_is_none() -> None:
    assert parse(MinOverlap=[]).border is None


@pytest.mark.parametrize("overlap", [[-2, 8], [8, 8, 0], [8.5, 8], "8", 8, [None, 8], [2**40, 8]])
def test_overlap_that_cannot_be(overlap: Any) -> None:
    message = model_error(MinOverlap=overlap)
    assert message.startswith("MinOverlap is ")
    assert message.endswith("; it must be two whole numbers from 0 up")


# --------------------------------------------------------------------------------------- classes, scaling, text


def test_classes_by_order() -> None:
    classes = parse(Classes=list("abcdef")).classes
    assert [c.label for c in classes] == [1, 2, 3, 4, 5, 6]
    assert [c.color for c in classes] == list(class_colors(6))


@pytest.mark.parametrize("value", ["ab", [1, 2], [["a"]], {"a": 1}, [None]])
def test_classes_that_cannot_be(value: Any) -> None:
    message = model_error(Classes=value)
    assert message.startswith("Classes is ")
    assert message.endswith("; it must be a list of names")


def test_too_many_classes() -> None:
    message = model_error(Classes=[""] * 70_000)
    assert message == "Classes has 70000 names; a label image holds at most 65535 classes"


@pytest.mark.parametrize("scaling", [[1.0, 1.0], [1, 1], [1, 1, 1], None, ..., []])
def test_scaling_that_says_nothing(scaling: Any) -> None:
    metadata = parse(Scaling=scaling)
    assert (metadata.pixel_size, metadata.warnings) == (None, ())


def test_scaling_of_three_axes() -> None:
    assert parse(Scaling=[1e-7, 2e-7, 1]).pixel_size == (1e-7, 2e-7, 1.0)


@pytest.mark.parametrize(
    "scaling", [[0, 1e-6], [-1e-6, 1e-6], ["a", 1], [1e-6], 1e-6, [True, False], [1e400, 1e-6]]
)
def test_scaling_that_cannot_be_is_ignored(scaling: Any) -> None:
    text = czann_json(Scaling=scaling).replace("Infinity", "1e400")
    metadata = parse_metadata(text.encode())
    assert metadata.pixel_size is None
    (warning,) = metadata.warnings
    assert warning.startswith("Scaling is ")
    assert warning.endswith(", not two or three pixel sizes in metres; it is ignored")


@pytest.mark.parametrize("key", ["Id", "ModelName", "ModelDescription"])
def test_text_that_is_none(key: str) -> None:
    assert model_error(**{key: [1]}) == f"{key} is [1]; it must be a text"


def test_long_values_are_cut_in_messages() -> None:
    message = model_error(InputShape="x" * 1000)
    assert len(message) < 140
