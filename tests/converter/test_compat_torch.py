"""The converters for PyTorch by the names of the ZEISS packages: the documentation's steps, on a small module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from czconverter.compat.core.legacy_model_metadata import ModelMetadata as LegacyModelMetadata
from czconverter.compat.core.model_metadata import ModelMetadata, ModelType
from czconverter.compat.pytorch.convert import DefaultConverter, LegacyConverter
from czconverter.compat.pytorch.legacy_model_spec import ModelSpec as LegacyModelSpec
from czconverter.compat.pytorch.model_spec import ModelSpec
from czengine import open_model
from czengine.errors import ModelError, OptionError
from tests.support.frameworks import need, need_package

CLASSES = ["class1", "class2"]


@pytest.fixture(scope="module")
def model() -> Any:
    torch = need("torch")
    need("onnxscript")
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3, padding=1), torch.nn.Softmax(dim=1))


def czann(**changes: Any) -> ModelMetadata:
    values: dict[str, Any] = {
        "input_shape": [64, 48, 3],
        "output_shape": [64, 48, 2],
        "model_type": ModelType.SINGLE_CLASS_SEMANTIC_SEGMENTATION,
        "classes": CLASSES,
        "model_name": "ModelName",
        "min_overlap": [4, 4],
    }
    return ModelMetadata(**{**values, **changes})


def test_a_module_becomes_a_czann(model: Any, tmp_path: Path) -> None:
    spec = ModelSpec(model=model, model_metadata=czann())
    report = DefaultConverter().convert_from_model_spec(
        model_spec=spec, output_path=tmp_path, output_name="a", input_shape=(3, 64, 48)
    )
    found = open_model(report.target).spec
    assert (found.tile, found.channels, found.outputs, found.layout) == ((64, 48), 3, 2, "NHWC")
    reader = need_package("czmodel.core.util._extract_model")
    metadata, _ = reader.extract_czann_model(str(report.target), tmp_path / "x")
    assert (metadata.model_name, metadata.classes, metadata.min_overlap) == ("ModelName", CLASSES, [4, 4])


def test_a_module_becomes_a_czmodel(model: Any, tmp_path: Path) -> None:
    metadata = LegacyModelMetadata(
        name="Simple_Nuclei_SegmentationModel_Legacy",
        classes=CLASSES,
        pixel_types="Bgr24",
        color_handling="ConvertToMonochrome",
        border_size=8,
    )
    spec = LegacyModelSpec(model=model, model_metadata=metadata)
    report = LegacyConverter().convert_from_model_spec(spec, tmp_path, (3, 64, 48), "a")
    assert report.target == tmp_path / "a.czmodel"
    assert open_model(report.target).spec.tile == (64, 48)


def test_a_shape_that_metadata_do_not_declare_is_refused(model: Any, tmp_path: Path) -> None:
    spec = ModelSpec(model, czann(input_shape=[32, 32, 3]))
    with pytest.raises(
        OptionError, match=r"^input_shape is \(3, 64, 48\), but the metadata declare \[32, 32, 3\]"
    ):
        DefaultConverter().convert_from_model_spec(spec, tmp_path, (3, 64, 48))
    assert list(tmp_path.iterdir()) == []


def test_an_exported_program_by_json(model: Any, tmp_path: Path) -> None:
    torch = need("torch")
    torch.export.save(torch.export.export(model.eval(), (torch.zeros(1, 3, 64, 48),)), tmp_path / "net.pt2")
    metadata = {
        "Type": "SingleClassSemanticSegmentation",
        "InputShape": [64, 48, 3],
        "OutputShape": [64, 48, 2],
        "Classes": CLASSES,
    }
    (tmp_path / "spec.json").write_text(json.dumps({"ModelMetadata": metadata, "ModelPath": "net.pt2"}))
    report = DefaultConverter().convert_from_json_spec(
        str(tmp_path / "spec.json"), tmp_path, (3, 64, 48), "a"
    )
    assert open_model(report.target).spec.tile == (64, 48)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (3, 8, 64, 48),
            r"^input_shape is \[3, 8, 64, 48\]: a network for volumes; only 2-D ones can be converted",
        ),
        ((64, 48), r"^input_shape is \(64, 48\); give \(channels, height, width\)$"),
        ((3, 0, 48), r"spatial_dims is .*; height and width are at least 1 pixel"),
    ],
)
def test_a_shape_is_channels_height_width(tmp_path: Path, shape: Any, message: str) -> None:
    with pytest.raises((OptionError, ModelError), match=message):
        DefaultConverter().convert_from_model_spec(ModelSpec("absent", czann()), tmp_path, shape)
