"""Every name of the ZEISS packages is where their documentation imports it from, with the parameters it has there."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

from czconverter import compat
from czconverter.compat.pytorch import convert as pytorch

# module paths of czmodel 0.1 to 6.2, as their documentation and notebooks import from them
NAMES = {
    "": "convert_from_json_spec convert_from_model_spec ModelSpec ModelMetadata SegmentationClass ModelType"
    " DefaultConverter LegacyConverter LegacyModelSpec LegacyModelMetadata",
    "convert": "convert_from_json_spec convert_from_model_spec DefaultConverter LegacyConverter",
    "model_metadata": "ModelMetadata ModelSpec SegmentationClass ModelType",
    "legacy_model_metadata": "ModelMetadata SegmentationClass",
    "util.preprocessing": "RgbToBgr RgbaToBgra PerImageStandardization Normalization",
    "util.postprocessing": "SigmoidToSoftmaxScores",
    "util.transforms": "TransposeChannels PerImageStandardization Shift Scale SigmoidToSoftmaxScores",
    "core": "ModelSpec LegacyModelSpec",
    "core.model_metadata": "ModelMetadata ModelType",
    "core.legacy_model_metadata": "ModelMetadata SegmentationClass",
    "core.model_spec": "ModelSpec",
    "core.legacy_model_spec": "ModelSpec",
    "tensorflow": "DefaultConverter LegacyConverter ModelSpec LegacyModelSpec",
    "tensorflow.convert": "DefaultConverter LegacyConverter",
    "tensorflow.model_spec": "ModelSpec",
    "tensorflow.legacy_model_spec": "ModelSpec",
    "tensorflow.util.transforms": "TransposeChannels PerImageStandardization Shift Scale SigmoidToSoftmaxScores",
    "pytorch": "DefaultConverter LegacyConverter ModelSpec LegacyModelSpec",
    "pytorch.convert": "DefaultConverter LegacyConverter",
    "pytorch.model_spec": "ModelSpec",
    "pytorch.legacy_model_spec": "ModelSpec",
}
TENSORFLOW = ["output_path", "output_name", "spatial_dims", "preprocessing", "postprocessing"]
PYTORCH = ["output_path", "input_shape", "output_name"]


@pytest.mark.parametrize("module", NAMES)
def test_each_name_can_be_imported_from_each_place(module: str) -> None:
    found = import_module(f"czconverter.compat.{module}".rstrip("."))
    assert [name for name in NAMES[module].split() if not hasattr(found, name)] == []


def test_the_modules_for_czmodel_mean_metadata_of_a_czmodel() -> None:
    for module in ("legacy_model_metadata", "core.legacy_model_metadata"):
        assert import_module(f"czconverter.compat.{module}").ModelMetadata is compat.LegacyModelMetadata
    assert import_module("czconverter.compat.core.model_metadata").ModelMetadata is compat.ModelMetadata


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (compat.convert_from_model_spec, ["model_spec", *TENSORFLOW]),
        (compat.convert_from_json_spec, ["model_spec_path", *TENSORFLOW]),
        (compat.DefaultConverter().convert_from_model_spec, ["model_spec", *TENSORFLOW]),
        (compat.LegacyConverter().convert_from_json_spec, ["model_spec_path", *TENSORFLOW]),
        (compat.DefaultConverter().unpack_model, ["model_file", "target_dir"]),
        (pytorch.DefaultConverter().convert_from_model_spec, ["model_spec", *PYTORCH]),
        (pytorch.LegacyConverter().convert_from_json_spec, ["model_spec_path", *PYTORCH]),
        (pytorch.LegacyConverter().unpack_model, ["model_file", "target_dir"]),
        (compat.ModelSpec, ["model", "model_metadata", "license_file"]),
        (
            compat.ModelMetadata,
            [
                "model_type",
                "input_shape",
                "output_shape",
                "min_overlap",
                "classes",
                "model_name",
                "scaling",
                "model_id",
            ],
        ),
        (
            compat.ModelMetadata.from_params,
            ["color_handling", "pixel_types", "classes", "border_size", "name", "license_file", "pixel_type"],
        ),
        (
            compat.LegacyModelMetadata,
            [
                "name",
                "color_handling",
                "pixel_types",
                "classes",
                "border_size",
                "license_file",
                "post_processing",
                "model_id",
            ],
        ),
    ],
)
def test_parameters_have_their_names_and_places(function: Any, parameters: list[str]) -> None:
    assert list(inspect.signature(function).parameters) == parameters


@pytest.mark.parametrize(
    "function", [compat.convert_from_json_spec, pytorch.DefaultConverter().convert_from_model_spec]
)
def test_an_archive_without_a_name_is_called_as_it_always_was(function: Any) -> None:
    assert inspect.signature(function).parameters["output_name"].default == "DNNModel"


def test_the_layers_of_one_name_are_one_layer() -> None:
    first = import_module("czconverter.compat.util.preprocessing").PerImageStandardization
    for module in ("util.transforms", "tensorflow.util.transforms"):
        assert import_module(f"czconverter.compat.{module}").PerImageStandardization is first


def test_importing_it_is_light() -> None:
    """Neither a framework nor NumPy, and nothing of the engine that runs models."""
    script = (
        "import sys, czconverter.compat, czconverter.compat.pytorch, czconverter.compat.tensorflow\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'onnx', 'onnxruntime', 'numpy', 'czengine.job', 'czengine.model',"
        " 'czengine.inputs', 'czengine.kernels', 'czconverter.conversion', 'czconverter.unpacking'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
