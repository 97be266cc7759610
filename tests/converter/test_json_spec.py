"""Both forms of the JSON spec: what is read, where files are looked for, and every sentence about what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from czconverter.json_spec import JsonSpec, czann_spec, legacy_spec, read_json_spec
from czconverter.metadata import MODEL_TYPES, SEMANTIC, ArchiveMetadata
from czengine.errors import CzEngineError, ModelError, OptionError
from tests.support.specs import make_spec

UUID = "5d0c2a6e-7f2b-4c55-9a57-0e3c1f6b8d21"
FLAT = {
    "BorderSize": 16,
    "ColorHandling": "ConvertToMonochrome",
    "PixelType": "Gray16",
    "Classes": ["Background", "Cell"],
    "ModelPath": "net.onnx",
}
INNER = {"Type": "SingleClassSemanticSegmentation", "InputShape": [128, 64, 1], "OutputShape": [128, 64, 2]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network and a licence; the current folder is another one."""
    spec, here = tmp_path / "spec", tmp_path / "here"
    for place in (spec, here):
        place.mkdir()
    (spec / "net.onnx").touch()
    (spec / "LICENSE").touch()
    monkeypatch.chdir(here)
    return spec


def read(folder: Path, values: Any) -> JsonSpec:
    path = folder / "model.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return read_json_spec(path)


def flat(folder: Path, **changes: Any) -> JsonSpec:
    return read(folder, {key: value for key, value in {**FLAT, **changes}.items() if value is not ...})


def nested(folder: Path, *, outer: dict[str, Any] | None = None, **changes: Any) -> JsonSpec:
    inner = {key: value for key, value in {**INNER, **changes}.items() if value is not ...}
    return read(folder, {"ModelMetadata": inner, "ModelPath": "net.onnx", **(outer or {})})


# ---------------------------------------------------------------------------------------------- what is read


def test_the_flat_form(folder: Path) -> None:
    assert flat(folder, LicenseFile="LICENSE", TestImageFile="absent.czi", Anything=[{}]) == JsonSpec(
        format="czmodel",
        model=folder / "net.onnx",
        metadata=ArchiveMetadata(
            name="net.onnx",
            classes=("Background", "Cell"),
            pixel_types=("Gray16",),
            color_handling="ConvertToMonochrome",
            border=16,
            licence=folder / "LICENSE",
        ),
    )


def test_keys_of_our_own_in_the_flat_form(folder: Path) -> None:
    spec = flat(folder, Id=UUID, ModelName="Cells", Colors=[[1, 2, 3], [4, 5, 6]], Postprocessing="CRF")
    metadata = spec.metadata
    assert (metadata.id, metadata.name, metadata.postprocessing) == (UUID, "Cells", "CRF")
    assert metadata.colors == ((1, 2, 3), (4, 5, 6))


def test_several_pixel_types(folder: Path) -> None:
    assert flat(folder, PixelType=["Gray16", "Bgr24"]).metadata.pixel_types == ("Gray16", "Bgr24")


def test_the_nested_form(folder: Path) -> None:
    spec = nested(
        folder,
        Id=UUID,
        ModelName="Cells",
        Classes=["Background", "Cell"],
        MinOverlap=[32, 16],
        Scaling=[1e-6, 2e-6],
        ModelDescription="of cells",
        outer={"LicenseFile": "LICENSE"},
    )
    assert spec == JsonSpec(
        format="czann",
        model=folder / "net.onnx",
        metadata=ArchiveMetadata(
            name="Cells",
            classes=("Background", "Cell"),
            model_type="SingleClassSemanticSegmentation",
            border=(16, 8),
            pixel_size=(1e-6, 2e-6),
            tile=(128, 64),
            description="of cells",
            licence=folder / "LICENSE",
            id=UUID,
            shapes=((128, 64, 1), (128, 64, 2)),
        ),
    )


def test_what_the_nested_form_may_leave_out(folder: Path) -> None:
    missing = dict.fromkeys(("Id", "ModelName", "Classes", "MinOverlap", "Scaling"))
    assert nested(folder, **missing, outer={"LicenseFile": None}) == nested(folder)
    said = ArchiveMetadata(model_type=SEMANTIC, tile=(128, 64), shapes=((128, 64, 1), (128, 64, 2)))
    assert nested(folder).metadata == said


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_types(folder: Path, model_type: str) -> None:
    spec = nested(folder, Type=model_type, Classes=["Background", "Cell"])
    assert spec.metadata.model_type == model_type
    assert spec.metadata.classes == (() if model_type == "Regression" else ("Background", "Cell"))


def test_a_pixel_size_of_one_metre_means_unknown(folder: Path) -> None:
    assert nested(folder, Scaling=[1.0, 1]).metadata.pixel_size is None


def test_letters_and_byte_order_marks(folder: Path) -> None:
    text = "\ufeff" + json.dumps({**FLAT, "Classes": ["Käfer", "細胞"]}, ensure_ascii=False)
    assert read(folder, text).metadata.classes == ("Käfer", "細胞")


# ---------------------------------------------------------------------------------------------- where files are


@pytest.mark.parametrize("key", ["ModelPath", "LicenseFile"])
def test_the_folder_of_the_json_comes_first(folder: Path, key: str) -> None:
    def found() -> Path | None:
        spec = flat(folder, **{key: "sub/file"})
        return spec.model if key == "ModelPath" else spec.metadata.licence

    for place in (Path.cwd(), folder):
        (place / "sub").mkdir()
        (place / "sub" / "file").touch()
        assert found() == place / "sub" / "file"


def test_a_relative_path_of_the_json_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat(folder)
    monkeypatch.chdir(folder)
    assert read_json_spec(Path("model.json")).model == folder / "net.onnx"


def test_backslashes(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "net").touch()
    spec = flat(folder, ModelPath=".\\sub\\net")
    assert (spec.model, spec.metadata.name) == (folder / "sub" / "net", "net")
    (folder / "sub\\net").touch()
    assert flat(folder, ModelPath="sub\\net").model == folder / "sub\\net"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("net", "net"),
        ("net/", "net"),
        (".\\net\\", "net"),
        ("./net//", "net"),
        (".", "spec"),
        ("net/..", "spec"),
    ],
)
def test_the_flat_form_takes_its_name_from_the_path(folder: Path, path: str, name: str) -> None:
    (folder / "net").mkdir()
    assert flat(folder, ModelPath=path).metadata.name == name


# ---------------------------------------------------------------------------------------------- what is refused


def refusal(folder: Path, error: type[CzEngineError], values: Any) -> str:
    """Message of the error, which must begin with the path of the JSON file."""
    with pytest.raises(error) as caught:
        read(folder, values)
    message = str(caught.value)
    assert "\n" not in message
    assert type(caught.value) is error
    assert message.startswith(f"{folder / 'model.json'}: ")
    return message.removeprefix(f"{folder / 'model.json'}: ")


def test_a_file_that_is_not_there(folder: Path) -> None:
    path = folder / "absent.json"
    with pytest.raises(OptionError) as caught:
        read_json_spec(path)
    message = f"{path}: it cannot be read (No such file or directory); give the path of a JSON file"
    assert str(caught.value) == message


@pytest.mark.parametrize("key", ["ModelPath", "LicenseFile"])
def test_a_path_that_leads_nowhere(folder: Path, key: str) -> None:
    message = f"{key} is 'absent', which is neither in {folder} nor in {Path.cwd()}; correct it there"
    assert refusal(folder, OptionError, {**FLAT, key: "absent"}) == message


def test_missing_keys_are_all_named(folder: Path) -> None:
    everything = "missing BorderSize, ColorHandling, PixelType, Classes, ModelPath; add them"
    assert refusal(folder, OptionError, {}) == everything
    assert refusal(folder, OptionError, dict.fromkeys(FLAT)) == everything
    assert refusal(folder, OptionError, {**FLAT, "Classes": None}) == "missing Classes; add it"
    inner = ", ".join(f"ModelMetadata.{key}" for key in INNER)
    assert refusal(folder, OptionError, {"ModelMetadata": {}}) == f"missing ModelPath, {inner}; add them"
    # the metadata of a .czann, without the object around them
    assert refusal(folder, OptionError, INNER) == f"missing ModelMetadata, ModelPath, {inner}; add them"


WRONG_FLAT: list[tuple[dict[str, Any], str]] = [
    ({"BorderSize": "8"}, 'BorderSize is "8"; it must be a whole number, 0 or more'),
    ({"BorderSize": 8.0}, "BorderSize is 8.0; it must be a whole number, 0 or more"),
    ({"BorderSize": -8}, "BorderSize is -8; it must be a whole number, 0 or more"),
    ({"BorderSize": True}, "BorderSize is true; it must be a whole number, 0 or more"),
    ({"ColorHandling": ["SplitRgb"]}, 'ColorHandling is ["SplitRgb"]; it must be a text'),
    ({"ColorHandling": "x"}, "color handling 'x' is unknown; choose ConvertToMonochrome, SplitRgb"),
    ({"PixelType": 8}, "PixelType is 8; it must be a name or a list of names"),
    ({"PixelType": ["Gray8", 8]}, 'PixelType is ["Gray8", 8]; it must be a name or a list of names'),
    (
        {"PixelType": "x"},
        "pixel type 'x' is unknown; choose Gray8, Gray16, Gray32Float, Bgr24, Bgr48, Bgr96Float, Bgra32",
    ),
    ({"Classes": "Cell"}, 'Classes is "Cell"; it must be a list of names'),
    ({"Classes": [1, [[2]], {"a": 1}]}, "Classes is [1, [...], {...}]; it must be a list of names"),
    ({"Classes": [0] * 20}, f"Classes is [{'0, ' * 9}...]; it must be a list of names"),
    ({"Classes": ["a", "a"]}, "two classes are called 'a'; each needs its own name"),
    ({"Classes": {"a": "b"}}, "Classes is {...}; it must be a list of names"),
    ({"ModelName": 7}, "ModelName is 7; it must be a text"),
    ({"Id": "x"}, f"id 'x' is no UUID such as {UUID}"),
    ({"Colors": [1]}, "Colors is [1]; it must be a list of colours, each [red, green, blue]"),
    ({"Colors": [[1, 2, 3]]}, "there are 1 colours for 2 classes; give one per class, or none"),
    ({"ModelPath": 7}, "ModelPath is 7; it must be a text"),
    ({"ModelPath": ""}, "ModelPath is ''; it must be the path of a file or folder"),
    ({"ModelPath": "  "}, "ModelPath is '  '; it must be the path of a file or folder"),
    ({"LicenseFile": ""}, "LicenseFile is ''; it must be the path of a file or folder"),
    ({"LicenseFile": "."}, "LicenseFile is '.', which is no file; name one"),
]


@pytest.mark.parametrize(("values", "message"), WRONG_FLAT, ids=[message for _, message in WRONG_FLAT])
def test_wrong_values_in_the_flat_form(folder: Path, values: dict[str, Any], message: str) -> None:
    assert refusal(folder, OptionError, {**FLAT, **values}) == message


_SUPPORTED = "SingleClassSemanticSegmentation, MultiClassSemanticSegmentation, Regression"
_SHAPE = "it must be [height, width, channels], each from 1 up"
_OVERLAP = "it must be two whole numbers, 0 or more: the overlap in pixels, [y, x]"
WRONG_NESTED: list[tuple[type[CzEngineError], dict[str, Any], str]] = [
    (OptionError, {"Type": 1}, "Type is 1; it must be a text"),
    (OptionError, {"Type": "Cells"}, f"Type is 'Cells', which is unknown; choose one of {_SUPPORTED}"),
    *(
        (
            ModelError,
            {"Type": name},
            f"Type is {name!r}, which cannot be converted yet; supported are {_SUPPORTED}",
        )
        for name in (
            "SingleClassInstanceSegmentation",
            "MultiClassInstanceSegmentation",
            "SingleClassClassification",
            "MultiClassClassification",
            "ObjectDetection",
        )
    ),
    (
        ModelError,
        {"InputShape": [8, 128, 64, 1]},
        "InputShape is [8, 128, 64, 1]: a network for volumes; only 2-D ones can be converted yet",
    ),
    (
        ModelError,
        {"OutputShape": [8, 128, 64, 1]},
        "OutputShape is [8, 128, 64, 1]: a network for volumes; only 2-D ones can be converted yet",
    ),
    (OptionError, {"InputShape": [128, 64]}, f"InputShape is [128, 64]; {_SHAPE}"),
    (OptionError, {"InputShape": []}, f"InputShape is []; {_SHAPE}"),
    (OptionError, {"InputShape": [None, 64, 1]}, f"InputShape is [null, 64, 1]; {_SHAPE}"),
    (OptionError, {"InputShape": [128, 64.5, 1]}, f"InputShape is [128, 64.5, 1]; {_SHAPE}"),
    (OptionError, {"InputShape": [0, 64, 1]}, f"InputShape is [0, 64, 1]; {_SHAPE}"),
    (OptionError, {"OutputShape": "128"}, f'OutputShape is "128"; {_SHAPE}'),
    (
        OptionError,
        {"MinOverlap": [8, 7]},
        "MinOverlap is [8, 7], which is odd; it is the border of both sides together, so make it even",
    ),
    (OptionError, {"MinOverlap": [8]}, f"MinOverlap is [8]; {_OVERLAP}"),
    (OptionError, {"MinOverlap": 8}, f"MinOverlap is 8; {_OVERLAP}"),
    (OptionError, {"MinOverlap": [8, -8]}, f"MinOverlap is [8, -8]; {_OVERLAP}"),
    (OptionError, {"Scaling": 1e-6}, "Scaling is 1e-06; it must be a list of numbers"),
    (OptionError, {"Scaling": [True, 1]}, "Scaling is [true, 1]; it must be a list of numbers"),
    (
        OptionError,
        {"Scaling": [0, 1]},
        "pixel_size is (0, 1); give x, y and perhaps z in metres, e.g. (1e-6, 1e-6)",
    ),
    (OptionError, {"Classes": "Cell"}, 'Classes is "Cell"; it must be a list of names'),
    (OptionError, {"Id": "x"}, f"id 'x' is no UUID such as {UUID}"),
    (OptionError, {"ModelDescription": []}, "ModelDescription is []; it must be a text"),
]


@pytest.mark.parametrize(("error", "values", "message"), WRONG_NESTED, ids=[case[2] for case in WRONG_NESTED])
def test_wrong_values_in_the_nested_form(
    folder: Path, error: type[CzEngineError], values: dict[str, Any], message: str
) -> None:
    whole = {"ModelMetadata": {**INNER, **values}, "ModelPath": "net.onnx"}
    assert refusal(folder, error, whole) == message


def test_numbers_too_large_for_a_float(folder: Path) -> None:
    text = json.dumps({"ModelMetadata": INNER, "ModelPath": "net.onnx"}).replace(
        "}", ', "Scaling": [1e999, 1]}', 1
    )
    assert "pixel_size is (inf, 1); give" in refusal(folder, OptionError, text)


def test_metadata_that_are_no_object(folder: Path) -> None:
    message = "ModelMetadata is [1]; it must be an object"
    assert refusal(folder, OptionError, {"ModelMetadata": [1], "ModelPath": "net.onnx"}) == message


# ---------------------------------------------------------------------------------------------- what is written


def model_spec(**changes: Any) -> Any:
    values = {"pixel_types": (("Gray16", "Gray8"), ("Bgr24",)), "color_handling": "SplitRgb", "id": UUID}
    return replace(make_spec(channels=4), **{**values, **changes})


def test_the_flat_form_comes_back(folder: Path) -> None:
    spec = model_spec(postprocessing="CRF", licence="LICENSE")
    metadata = read(folder, legacy_spec(spec, model="net.onnx")).metadata
    assert metadata == ArchiveMetadata(
        name="test",
        classes=("class 1", "class 2"),
        pixel_types=("Gray16", "Bgr24"),
        color_handling="SplitRgb",
        border=4,
        postprocessing="CRF",
        licence=folder / "LICENSE",
        id=UUID,
    )


def test_colours_are_only_written_where_they_are_not_the_usual_ones(folder: Path) -> None:
    spec = model_spec()
    assert "Colors" not in legacy_spec(spec, model="net.onnx")
    first, second = spec.classes
    other = replace(spec, classes=(replace(first, color=(9, 8, 7)), second))
    metadata = read(folder, legacy_spec(other, model="net.onnx")).metadata
    assert metadata.colors == ((9, 8, 7), (0, 255, 0))


@pytest.mark.parametrize(("channels", "handling"), [(1, "ConvertToMonochrome"), (3, "SplitRgb")])
def test_a_colour_handling_nobody_said(channels: int, handling: str) -> None:
    spec = model_spec(color_handling=None, channels=channels)
    assert legacy_spec(spec, model="x")["ColorHandling"] == handling


@pytest.mark.parametrize("model_type", [*MODEL_TYPES, "DeepNeuralNetwork"])
def test_the_nested_form_comes_back(folder: Path, model_type: str) -> None:
    spec = model_spec(
        model_type=model_type, border=(4, 6), pixel_size=(1e-6, 2e-6), description="said", licence="LICENSE"
    )
    found = read(folder, czann_spec(spec, model="net.onnx"))
    assert found.metadata == ArchiveMetadata(
        name="test",
        classes=() if model_type == "Regression" else ("class 1", "class 2"),
        model_type=model_type if model_type in MODEL_TYPES else MODEL_TYPES[0],
        border=(4, 6),
        pixel_size=(1e-6, 2e-6),
        tile=(32, 32),
        description="said",
        licence=folder / "LICENSE",
        id=UUID,
        shapes=((32, 32, 4), (32, 32, 2)),
    )


def test_what_is_unknown_is_not_written() -> None:
    spec = model_spec(id="no uuid", outputs=0, classes=())
    assert list(czann_spec(spec, model="x")) == ["ModelMetadata", "ModelPath"]
    assert list(czann_spec(spec, model="x")["ModelMetadata"]) == [
        "Type",
        "InputShape",
        "ModelName",
        "MinOverlap",
    ]
    assert "Id" not in legacy_spec(spec, model="x")
