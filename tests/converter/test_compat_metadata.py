"""Metadata classes and specs of the ZEISS packages: constructors and JSON of every era, and what is refused."""

from __future__ import annotations

import json
import os
import threading
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from czconverter import ArchiveMetadata
from czconverter.compat import LegacyModelMetadata, ModelMetadata, ModelSpec, ModelType, SegmentationClass
from czengine.errors import ModelError, OptionError
from tests.support.archives import MODEL_ID

CZANN: dict[str, Any] = {
    "Id": MODEL_ID,
    "Type": "SingleClassSemanticSegmentation",
    "InputShape": [64, 48, 1],
    "OutputShape": [64, 48, 2],
    "MinOverlap": [16, 8],
    "Classes": ["Background", "Cell"],
    "ModelName": "Cells",
    "Scaling": [1e-6, 2e-6],
}
LEGACY: dict[str, Any] = {
    "BorderSize": 90,
    "ColorHandling": "ConvertToMonochrome",
    "PixelType": ["Gray16", "Bgr24"],
    "Classes": ["Background", "Interesting Object", "Foreground"],
    "ModelPath": "C:\\onnx\\file.onnx",
    "TestImageFile": "C:\\test-image.png",
    "LicenseFile": "C:\\LICENSE.txt",
}
SEGMENTATION = ModelMetadata(
    model_type=ModelType.SINGLE_CLASS_SEMANTIC_SEGMENTATION,
    input_shape=[64, 48, 1],
    output_shape=[64, 48, 2],
    classes=["Background", "Cell"],
)


def legacy(**changes: Any) -> LegacyModelMetadata:
    values: dict[str, Any] = {
        "name": "Cells",
        "color_handling": "SplitRgb",
        "pixel_types": "Bgr24",
        "classes": ["Background", "Cell"],
        "border_size": 16,
    }
    return LegacyModelMetadata(**{**values, **changes})


# ------------------------------------------------------------------------------------------------- .czmodel


def test_from_params_makes_metadata_of_a_czmodel() -> None:
    made = ModelMetadata.from_params(
        name="DNNModelFromKeras",
        color_handling="ConvertToMonochrome",
        pixel_types=["Gray16"],
        classes=["Background", "Interesting Object", "Foreground"],
        border_size=90,
        license_file="LICENSE.txt",
    )
    assert made == LegacyModelMetadata(
        name="DNNModelFromKeras",
        color_handling="ConvertToMonochrome",
        pixel_types=["Gray16"],
        classes=[
            SegmentationClass("Background", (255, 0, 0)),
            SegmentationClass("Interesting Object", (0, 255, 0)),
            SegmentationClass("Foreground", (0, 0, 255)),
        ],
        border_size=90,
        license_file="LICENSE.txt",
    )
    assert made.archive_metadata() == ArchiveMetadata(
        name="DNNModelFromKeras",
        classes=("Background", "Interesting Object", "Foreground"),
        colors=((255, 0, 0), (0, 255, 0), (0, 0, 255)),
        pixel_types=("Gray16",),
        color_handling="ConvertToMonochrome",
        border=90,
        licence=Path("LICENSE.txt"),
    )


@pytest.mark.parametrize("key", ["pixel_type", "pixel_types"])
@pytest.mark.parametrize("value", ["Gray16", ["Gray16"]])
def test_pixel_types_have_two_names_and_two_forms(key: str, value: object) -> None:
    made = ModelMetadata.from_params("SplitRgb", classes=["a", "b"], border_size=1, **{key: value})  # type: ignore[arg-type]
    assert made.pixel_types == ["Gray16"]
    assert made.name == "DNN Model"


def test_from_params_takes_its_values_by_place_as_in_1_2() -> None:
    made = ModelMetadata.from_params("SplitRgb", "Bgr24", ["a", "b"], 8, "Name", "LICENSE")
    assert (made.color_handling, made.pixel_types, made.border_size) == ("SplitRgb", ["Bgr24"], 8)
    assert (made.name, made.license_file) == ("Name", "LICENSE")


def test_from_params_names_all_that_is_missing() -> None:
    with pytest.raises(OptionError, match=r"^from_params lacks pixel_types, classes, border_size; give"):
        ModelMetadata.from_params("SplitRgb")
    with pytest.raises(OptionError, match=r"^from_params lacks border_size; give"):
        ModelMetadata.from_params("SplitRgb", "Gray8", ["a", "b"])


def test_from_params_takes_one_of_the_two_names() -> None:
    with pytest.raises(OptionError, match=r"pixel_type and pixel_types are the same; give one of them"):
        ModelMetadata.from_params("SplitRgb", "Gray8", ["a"], 0, pixel_type="Gray8")


def test_the_constructor_takes_names_and_coloured_classes() -> None:
    assert legacy().classes == [SegmentationClass("Background", (255, 0, 0)), ("Cell", (0, 255, 0))]
    own = [SegmentationClass("Background", (0, 0, 0)), SegmentationClass("Cell", (9, 9, 9))]
    assert legacy(classes=own).archive_metadata().colors == ((0, 0, 0), (9, 9, 9))
    by_place = LegacyModelMetadata("Cells", "SplitRgb", ["Bgr24"], own, 16)
    assert by_place == legacy(classes=own)
    assert replace(by_place, border_size=4).border_size == 4


@given(st.integers(1, 40))
def test_every_class_has_the_colour_of_its_place(number: int) -> None:
    """As the ZEISS packages colour them: the first is red, and no other place decides."""
    names = [f"class {i}" for i in range(number)]
    colors = [item.color for item in LegacyModelMetadata("n", "SplitRgb", "Gray8", names, 0).classes]  # type: ignore[union-attr]
    longer = LegacyModelMetadata("n", "SplitRgb", "Gray8", [*names, "more"], 0).classes
    assert colors == [item.color for item in longer[:-1]]  # type: ignore[union-attr]
    assert colors[0] == (255, 0, 0)


def test_an_id_may_be_a_uuid_or_its_text() -> None:
    assert legacy(model_id=uuid.UUID(MODEL_ID)) == legacy(model_id=MODEL_ID)
    assert legacy(model_id=MODEL_ID).archive_metadata().id == MODEL_ID


def test_without_an_id_nothing_is_shared() -> None:
    """The official package gave all archives of one process the same."""
    assert legacy().model_id is None
    assert SEGMENTATION.model_id is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixel_types": "Gray7"}, "pixel type 'Gray7' is unknown; choose Gray8, Gray16"),
        (
            {"color_handling": "Keep"},
            "color handling 'Keep' is unknown; choose ConvertToMonochrome, SplitRgb",
        ),
        ({"border_size": -1}, "border is .*-1.*; give pixels per side, 0 or more"),
        ({"classes": ["a", "a"]}, "two classes are called 'a'"),
        ({"classes": [1, 2]}, "class 1 is no printable text"),
        ({"classes": [("a", (0, 0, 300)), "b"]}, r"colour \(0, 0, 300\) is not"),
        ({"model_id": "7"}, "id '7' is no UUID"),
    ],
)
def test_values_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        legacy(**changes).archive_metadata()


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [("classes", "Cell", "'Cell'"), ("classes", None, "None"), ("pixel_types", 7, "7")],
)
def test_lists_are_lists(name: str, value: object, shown: str) -> None:
    with pytest.raises(OptionError, match=rf"^{name} is {shown}; give a list of names$"):
        legacy(**{name: value})


def test_flat_json_names_the_model_by_its_path() -> None:
    made = ModelMetadata.from_json(LEGACY)
    assert isinstance(made, LegacyModelMetadata)
    assert (made.name, made.border_size, made.license_file) == ("file.onnx", 90, "C:\\LICENSE.txt")
    assert made.pixel_types == ["Gray16", "Bgr24"]
    assert [name for name, _ in made.classes] == LEGACY["Classes"]  # type: ignore[misc]
    assert LegacyModelMetadata.from_json({**LEGACY, "ModelPath": "models/unet/"}).name == "unet"
    assert LegacyModelMetadata.from_json({**LEGACY, "ModelPath": None}).name == "DNN model"
    assert LegacyModelMetadata.from_json({**LEGACY, "PixelType": "Gray8"}).pixel_types == ["Gray8"]


def test_flat_json_of_our_own_says_more() -> None:
    more = {"Id": MODEL_ID, "ModelName": "Mine", "Postprocessing": "CRF", "Colors": [[1, 2, 3]] * 3}
    made = LegacyModelMetadata.from_json({**LEGACY, **more})
    assert (made.model_id, made.name, made.post_processing) == (MODEL_ID, "Mine", "CRF")
    assert made.archive_metadata().colors == ((1, 2, 3),) * 3
    with pytest.raises(OptionError, match=r"there are 1 Colors for 3 Classes; give one per class"):
        LegacyModelMetadata.from_json({**LEGACY, "Colors": [[1, 2, 3]]})


def test_missing_keys_are_all_named() -> None:
    with pytest.raises(OptionError, match=r"^missing ColorHandling, Classes; add them$"):
        ModelMetadata.from_json({"BorderSize": 1, "PixelType": "Gray8"})
    with pytest.raises(OptionError, match=r"^missing Type, OutputShape; add them$"):
        ModelMetadata.from_json({"InputShape": [64, 64, 1]})
    with pytest.raises(OptionError, match=r"^missing OutputShape; add it$"):
        ModelMetadata.from_json({"InputShape": [64, 64, 1], "Type": "Regression"})


# ------------------------------------------------------------------------------------------------- .czann


def test_metadata_of_a_czann() -> None:
    made = ModelMetadata(
        input_shape=[1024, 1024, 3],
        output_shape=[1024, 1024, 5],
        model_type=ModelType.SINGLE_CLASS_SEMANTIC_SEGMENTATION,
        classes=["class1", "class2", "class3", "class4", "class5"],
        model_name="ModelName",
        min_overlap=[90, 90],
        scaling=(1e-6, 2e-6),
    )
    assert made.archive_metadata() == ArchiveMetadata(
        name="ModelName",
        classes=("class1", "class2", "class3", "class4", "class5"),
        model_type="SingleClassSemanticSegmentation",
        border=45,
        pixel_size=(1e-6, 2e-6),
        tile=(1024, 1024),
        shapes=((1024, 1024, 3), (1024, 1024, 5)),
    )


def test_a_regression_has_no_classes() -> None:
    made = ModelMetadata(ModelType.REGRESSION, [64, 64, 3], [64, 64, 3], [90, 80])
    assert made.archive_metadata() == ArchiveMetadata(
        model_type="Regression", border=(45, 40), tile=(64, 64), shapes=((64, 64, 3), (64, 64, 3))
    )


def test_a_model_type_goes_by_its_name_too() -> None:
    assert ModelMetadata("Regression", [8, 8, 1], [8, 8, 1]).model_type is ModelType.REGRESSION  # type: ignore[arg-type]
    with pytest.raises(
        OptionError, match=r"model type 'Magic' is unknown; choose SingleClassInstance.*Regression$"
    ):
        ModelMetadata("Magic", [8, 8, 1], [8, 8, 1])  # type: ignore[arg-type]


def test_shapes_may_come_from_numpy() -> None:
    made = replace(SEGMENTATION, input_shape=np.array([64, 48, 1]), output_shape=np.array([64, 48, 2]))  # type: ignore[arg-type]
    assert made.archive_metadata().tile == (64, 48)


@pytest.mark.parametrize("scaling", [[1.0, 1.0], (1, 1), None])
def test_one_metre_per_pixel_means_unknown(scaling: Any) -> None:
    assert replace(SEGMENTATION, scaling=scaling).archive_metadata().pixel_size is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"min_overlap": [91, 90]},
            r"^min_overlap is \[91, 90\], which is odd; it is the border of both sides together, so make",
        ),
        (
            {"min_overlap": [8]},
            r"^min_overlap is \[8\]; it must be two whole numbers, 0 or more: the overlap in pixels, \[y, x\]$",
        ),
        ({"min_overlap": 8}, r"^min_overlap is 8; it must be two whole numbers"),
        ({"min_overlap": [-2, 8]}, r"^min_overlap is \[-2, 8\]; it must be two whole numbers"),
        (
            {"input_shape": [None, None, 1]},
            r"^input_shape is \[None, None, 1\]; it must be \[height, width, channels",
        ),
        ({"output_shape": [64, 2]}, r"^output_shape is \[64, 2\]; it must be \[height, width, channels\]"),
        ({"output_shape": [64, 48, 0]}, r"^output_shape is \[64, 48, 0\]; it must be"),
        (
            {"classes": ["a", "b", "c"]},
            r"^there are 3 classes \(a, b, c\), and output_shape \[64, 48, 2\] has 2",
        ),
        ({"classes": "ab"}, r"^classes is 'ab'; give a list of names$"),
        ({"scaling": [1e-6]}, r"pixel_size is \[1e-06\]|pixel_size is \(1e-06,\)"),
        ({"model_type": ModelType.OBJECT_DETECTION}, r"^model type 'ObjectDetection' is unknown; choose"),
    ],
)
def test_a_czann_of_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        replace(SEGMENTATION, **changes).archive_metadata()


def test_volumes_are_refused_as_models() -> None:
    volumes = replace(SEGMENTATION, input_shape=[8, 64, 64, 1])
    with pytest.raises(
        ModelError,
        match=r"^input_shape is \[8, 64, 64, 1\]: a network for volumes; only 2-D ones can be converted yet$",
    ):
        volumes.archive_metadata()


def test_json_of_a_czann_alone_or_in_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(CZANN))
    expected = ModelMetadata(
        ModelType.SINGLE_CLASS_SEMANTIC_SEGMENTATION,
        (64, 48, 1),
        (64, 48, 2),
        (16, 8),
        ("Background", "Cell"),
        "Cells",
        scaling=(1e-6, 2e-6),
        model_id=MODEL_ID,
    )
    for source in (CZANN, {"ModelMetadata": CZANN, "ModelPath": "unet"}, path, str(path)):
        assert ModelMetadata.from_json(source) == expected
    short = {key: CZANN[key] for key in ("Type", "InputShape", "OutputShape")}
    assert ModelMetadata.from_json(short) == ModelMetadata(expected.model_type, (64, 48, 1), (64, 48, 2))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**CZANN, "Type": "Magic"}, "model type 'Magic' is unknown"),
        ({**CZANN, "InputShape": "64"}, r'InputShape is "64"; it must be \[height, width, channels\]'),
        ({**CZANN, "Classes": [1]}, r"Classes is \[1\]; it must be a list of names"),
    ],
)
def test_json_values_of_the_wrong_type_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ModelMetadata.from_json(values)


def test_json_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"absent\.json: it cannot be read"):
        ModelMetadata.from_json(tmp_path / "absent.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(OptionError, match=r"bad\.json: it is not JSON"):
        LegacyModelMetadata.from_json(str(tmp_path / "bad.json"))


# ------------------------------------------------------------------------------------------------- specs


def test_a_spec_from_json_finds_its_files(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(
        json.dumps({**LEGACY, "ModelPath": "net.onnx", "LicenseFile": "L.txt"})
    )
    for name in ("net.onnx", "L.txt"):
        (tmp_path / name).write_text("x")
    spec = ModelSpec.from_json(str(tmp_path / "spec.json"))
    assert spec.model == str(tmp_path / "net.onnx")
    assert spec.license_file == tmp_path / "L.txt"
    assert isinstance(spec.model_metadata, LegacyModelMetadata)
    assert spec.model_metadata.name == "net.onnx"


def test_a_spec_from_nested_json(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_text("x")
    (tmp_path / "spec.json").write_text(json.dumps({"ModelMetadata": CZANN, "ModelPath": "net.onnx"}))
    spec = ModelSpec.from_json(tmp_path / "spec.json")
    assert spec == ModelSpec(str(tmp_path / "net.onnx"), ModelMetadata.from_json(CZANN))


def test_a_json_spec_is_read_once(tmp_path: Path) -> None:
    """From a pipe, which gives what it holds once."""
    (tmp_path / "net.onnx").write_text("x")
    pipe = tmp_path / "spec.json"
    os.mkfifo(pipe)
    text = json.dumps({"ModelMetadata": CZANN, "ModelPath": "net.onnx"})
    writer = threading.Thread(target=pipe.write_text, args=(text,), daemon=True)
    writer.start()
    spec = ModelSpec.from_json(pipe)
    writer.join(10)
    assert (spec.model, spec.model_metadata) == (str(tmp_path / "net.onnx"), ModelMetadata.from_json(CZANN))


def test_a_spec_that_cannot_be_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({"ModelMetadata": {**CZANN, "MinOverlap": [1, 2]}, "ModelPath": "."}))
    with pytest.raises(OptionError, match=r"spec\.json: MinOverlap is \[1, 2\], which is odd"):
        ModelSpec.from_json(path)
