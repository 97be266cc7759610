"""Archives made by real tools are read to what their makers say of them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest

from czengine.formats.colors import class_colors
from czengine.model import Model, read_model
from czengine.spec import ModelSpec, Runtime, Task
from tests.support.shared import shared_path

REFERENCE = (
    "czann110_multiclass_seg_tf_dynamic.czann",
    "czann110_reg_tf.czann",
    "czann110_seg_tf.czann",
    "czann210_seg_torch.czann",
    "legacy300_gray16_savedmodel_tf215.czmodel",
    "legacy310_bgr24_onnx.czmodel",
    "legacy310_from_json.czmodel",
    "legacy310_gray16_onnx.czmodel",
    "legacy310_gray16_savedmodel.czmodel",
    "legacy310_v300_gray16.czseg",
    "real_N2V_tobacco_leaf.czann",
    "real_simple_nuclei_segmodel.czann",
    "real_simple_regmodel.czann",
    "synthetic_czseg320.czseg",
)


def manifest() -> dict[str, dict[str, Any]]:
    return {entry["file"]: entry for entry in json.loads(shared_path("reference/MANIFEST.json").read_text())}


def test_the_list_of_reference_archives_is_complete() -> None:
    assert sorted(manifest()) == sorted(REFERENCE)


@pytest.mark.parametrize("name", REFERENCE)
def test_reference_archive(name: str) -> None:
    entry = manifest()[name]
    model = read_model(shared_path(f"reference/{name}"))
    check_network(model, entry)
    if name.endswith(".czann"):
        check_czann(model.spec, entry["metadata"])
    else:
        check_legacy(model.spec, entry)
    assert model.spec.warnings == ()
    assert model.spec.layout == model.spec.output_layout == "NHWC"


def check_network(model: Model, entry: dict[str, Any]) -> None:
    """What the manifest says of the graph, and of arrays that went through it."""
    spec = model.spec
    assert spec.digest == hashlib.sha256(model.network).hexdigest()
    assert spec.runtime is (Runtime.ONNX if entry["inner"] == "ONNX" else Runtime.SAVEDMODEL)
    assert (spec.channels, spec.outputs) == (entry["npz_x"][3], entry["npz_y"][3])
    if spec.runtime is Runtime.SAVEDMODEL:
        assert (spec.input_name, spec.output_name, spec.opset) == (None, None, None)
        return
    name, dims = entry["onnx_input"]
    assert (spec.input_name, spec.output_name) == (name, entry["onnx_output"][0])
    assert spec.fixed_batch == (dims[0] if isinstance(dims[0], int) else None)
    assert spec.opset == dict(entry["opset"])[""]


def check_czann(spec: ModelSpec, metadata: dict[str, Any]) -> None:
    tasks = {"Regression": Task.REGRESSION, "MultiClassSemanticSegmentation": Task.MULTILABEL}
    assert (spec.format, spec.format_version) == ("czann", metadata.get("FormatVersion"))
    assert (spec.id, spec.name, spec.description) == (metadata["Id"], metadata["ModelName"], "")
    assert spec.task is tasks.get(metadata["Type"], Task.SEGMENTATION)
    assert spec.model_type == metadata["Type"]
    assert list(spec.tile) == metadata["InputShape"][:2]
    assert [2 * border for border in spec.border] == metadata["MinOverlap"]
    assert [c.name for c in spec.classes] == metadata.get("Classes", [])
    assert [c.label for c in spec.classes] == list(range(1, len(spec.classes) + 1))
    assert tuple(c.color for c in spec.classes) == class_colors(len(spec.classes))
    assert (spec.pixel_types, spec.color_handling, spec.scale_inputs) == ((), None, True)
    scaling = metadata.get("Scaling", [1.0, 1.0])
    assert spec.pixel_size == (None if scaling == [1.0, 1.0] else tuple(scaling))


def check_legacy(spec: ModelSpec, entry: dict[str, Any]) -> None:
    metadata = {key.lower().replace("_", ""): value for key, value in entry["metadata"].items()}
    assert spec.format == "legacy"
    assert spec.format_version is not None
    assert spec.format_version in entry["format"]
    assert (spec.task, spec.model_type) == (Task.SEGMENTATION, "DeepNeuralNetwork")
    assert f"modelid={spec.id}" in entry["members"]
    assert list(spec.tile) == entry["npz_x"][1:3]
    assert spec.border == (metadata["bordersize"],) * 2
    assert spec.licence == metadata.get("licensefile")
    assert spec.scale_inputs is ("raw" not in entry["input_value_range"].split("=")[0])
    if "classes" in metadata:  # the hand-made one does not list its own
        pixel_types = metadata.get("pixeltypes") or metadata["pixeltype"]
        assert spec.name == metadata.get("name", "sm11")
        assert spec.pixel_types == tuple(
            (p,) for p in ([pixel_types] if isinstance(pixel_types, str) else pixel_types)
        )
        assert spec.color_handling == metadata["colorhandling"]
        assert [c.name for c in spec.classes] == metadata["classes"]
        assert tuple(c.color for c in spec.classes) == class_colors(len(spec.classes))


def test_archive_trained_by_zen() -> None:
    model = read_model(shared_path("data/pgc/PGC_20X_nucleus_detector.czseg"))
    spec = dataclasses.replace(model.spec, origins=(), digest="")
    assert [(c.name, c.label, c.color) for c in spec.classes] == [
        ("background", 1, (255, 0, 0)),
        ("nuc", 2, (0, 255, 0)),
    ]
    assert dataclasses.replace(spec, classes=()) == ModelSpec(
        id="cd45c952-27d0-4f0f-888a-cf560ee5728f",
        name="PGC_CD7_20XNA0.95",
        description="https://www.apeer.com/app/machine-learning/train/8013d945-3956-4503-b092-d21e3de69a3d",
        task=Task.SEGMENTATION,
        model_type="DeepNeuralNetwork",
        format="legacy",
        format_version="3.2.0",
        runtime=Runtime.ONNX,
        tile=(1024, 1024),
        border=(64, 64),
        classes=(),
        channels=1,
        outputs=2,
        pixel_types=(("Gray8", "Gray16", "Gray32Float"),),
        color_handling="SplitRgb",
        scale_inputs=True,
        pixel_size=None,
        postprocessing=None,
        layout="NHWC",
        output_layout="NHWC",
        input_name="input:0",
        output_name="Identity:0",
        fixed_batch=None,
        opset=12,
        licence=None,
        origins=(),
        warnings=(),
        digest="",
    )
