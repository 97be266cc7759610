"""The documentation of the ZEISS packages, step by step, on small Keras models: only the import lines have changed.

Names, values and the order of the calls are those of the READMEs of czmodel 1.2.0 and 5.1.0; paths are ours.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from czconverter import frameworks
from czengine import open_model, predict_array
from czengine.errors import ModelError
from tests.support.frameworks import need, need_package

CLASSES = ["Background", "Interesting Object", "Foreground"]


def unet(size: int | None, channels: int, outputs: int) -> Any:
    """A Keras 3 model, fully convolutional, of a few weights."""
    keras = need("keras")
    need("tensorflow")
    keras.utils.set_random_seed(1)
    inputs = keras.Input((size, size, channels))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = keras.layers.UpSampling2D()(keras.layers.MaxPooling2D()(x))
    return keras.Model(inputs, keras.layers.Conv2D(outputs, 1, activation="softmax")(x))


def save(model: Any, name: str) -> None:
    """By the name's ending, without Keras' own messages and its warnings of NumPy."""
    with frameworks.quiet():
        if name.endswith((".keras", ".h5")):
            model.save(name)
        else:
            model.export(name, verbose=False)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Relative paths of the documentation lead here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "LICENSE.txt").write_text("free")
    return tmp_path


# ------------------------------------------------------------------------------------------------- 1.2.0


def test_a_model_in_memory_in_three_steps() -> None:
    model = unet(256, 1, 3)

    from czconverter.compat.convert import convert_from_model_spec
    from czconverter.compat.model_metadata import ModelMetadata, ModelSpec

    model_metadata = ModelMetadata.from_params(
        name="DNNModelFromKeras",
        color_handling="ConvertToMonochrome",
        pixel_types=["Gray16"],
        classes=["Background", "Interesting Object", "Foreground"],
        border_size=90,
        license_file="LICENSE.txt",
    )
    model_spec = ModelSpec(model=model, model_metadata=model_metadata)
    convert_from_model_spec(model_spec=model_spec, output_path="some/path", output_name="some_file_name")

    found = open_model("some/path/some_file_name.czmodel")
    assert (found.spec.name, found.spec.format_version) == ("DNNModelFromKeras", "3.1.0")
    assert (found.spec.tile, found.spec.border, found.spec.licence) == ((256, 256), (90, 90), "LICENSE.txt")
    assert [c.name for c in found.spec.classes] == CLASSES
    labels = predict_array(found, np.random.default_rng(1).integers(0, 9, (300, 300)).astype(np.uint16))
    assert set(np.unique(labels)) <= {1, 2, 3}
    reader = need_package("czmodel.core.util._extract_model")
    metadata, _ = reader.extract_czseg_model("some/path/some_file_name.czmodel", Path("read").absolute())
    assert [c.name for c in metadata.classes] == CLASSES


def test_a_colour_conversion_and_another_size() -> None:
    model = unet(None, 3, 3)

    from czconverter.compat import ModelMetadata, ModelSpec, convert_from_model_spec
    from czconverter.compat.util.preprocessing import RgbToBgr

    model_metadata = ModelMetadata.from_params(
        name="Simple_Nuclei_SegmentationModel",
        color_handling="SplitRgb",
        pixel_type="Bgr24",
        classes=CLASSES,
        border_size=90,
    )
    model_spec = ModelSpec(model=model, model_metadata=model_metadata)
    spatial_dims = 512, 512
    preprocessing = RgbToBgr()
    postprocessing = None
    convert_from_model_spec(
        model_spec=model_spec,
        output_path="some/path",
        output_name="some_file_name",
        spatial_dims=spatial_dims,
        preprocessing=preprocessing,
        postprocessing=postprocessing,
    )

    found = open_model("some/path/some_file_name.czmodel").spec
    assert (found.tile, found.channels, found.pixel_types) == ((512, 512), 3, (("Bgr24",),))


@pytest.mark.parametrize("kind", ["saved_model", "model.keras", "model.h5"])
def test_an_exported_model_by_its_path_and_by_json(kind: str, empty_folder: Path) -> None:
    model = unet(32, 1, 3)
    save(model, kind)

    from czconverter.compat.convert import convert_from_json_spec, convert_from_model_spec
    from czconverter.compat.model_metadata import ModelMetadata, ModelSpec

    model_metadata = ModelMetadata.from_params(
        color_handling="ConvertToMonochrome", pixel_type="Gray8", classes=CLASSES, border_size=4
    )
    convert_from_model_spec(ModelSpec(model=kind, model_metadata=model_metadata), "some/path", "by_path")

    spec = {
        "BorderSize": 4,
        "ColorHandling": "ConvertToMonochrome",
        "PixelType": ["Gray8"],
        "Classes": CLASSES,
        "ModelPath": str(empty_folder / kind),
        "TestImageFile": "C:\\test-image.png",
        "LicenseFile": "LICENSE.txt",
    }
    Path("spec.json").write_text(json.dumps(spec))
    convert_from_json_spec("spec.json", "some/path", "by_json")

    first, second = (open_model(f"some/path/{name}.czmodel").spec for name in ("by_path", "by_json"))
    assert (first.name, second.name) == ("DNN Model", kind)
    assert first.digest == second.digest
    assert second.licence == "LICENSE.txt"


def test_sigmoid_scores_become_two_classes() -> None:
    keras = need("keras")
    inputs = keras.Input((32, 32, 1))
    outputs = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(inputs)
    model = keras.Model(inputs, outputs)

    from czconverter.compat import ModelMetadata, ModelSpec, convert_from_model_spec
    from czconverter.compat.util.postprocessing import SigmoidToSoftmaxScores
    from czconverter.compat.util.preprocessing import PerImageStandardization

    metadata = ModelMetadata.from_params("SplitRgb", ["Gray8"], ["Cell", "Background"], 4)
    report = convert_from_model_spec(
        ModelSpec(model, metadata),
        "out",
        preprocessing=[PerImageStandardization(), keras.layers.Rescaling(0.5)],
        postprocessing=SigmoidToSoftmaxScores(),
    )
    assert (report.outputs, report.comparison.agreement) == (2, 1)


def test_a_model_that_cannot_have_another_size_is_refused(empty_folder: Path) -> None:
    keras = need("keras")
    inputs = keras.Input((16, 16, 1))
    x = keras.layers.Dense(16 * 16 * 2)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Softmax()(keras.layers.Reshape((16, 16, 2))(x)))

    from czconverter.compat import ModelMetadata, ModelSpec, convert_from_model_spec

    metadata = ModelMetadata.from_params("ConvertToMonochrome", "Gray8", ["a", "b"], 2)
    with pytest.raises(ModelError):
        convert_from_model_spec(ModelSpec(model, metadata), "out", spatial_dims=(32, 32))
    assert not (empty_folder / "out").exists()


# ------------------------------------------------------------------------------------------------- 5.1.0


def test_the_converters_for_both_formats() -> None:
    model = unet(256, 3, 5)

    from czconverter.compat.core.legacy_model_metadata import ModelMetadata as LegacyModelMetadata
    from czconverter.compat.core.model_metadata import ModelMetadata, ModelType
    from czconverter.compat.tensorflow.convert import DefaultConverter, LegacyConverter
    from czconverter.compat.tensorflow.legacy_model_spec import ModelSpec as LegacyModelSpec
    from czconverter.compat.tensorflow.model_spec import ModelSpec

    model_metadata = ModelMetadata(
        input_shape=[256, 256, 3],
        output_shape=[256, 256, 5],
        model_type=ModelType.SINGLE_CLASS_SEMANTIC_SEGMENTATION,
        classes=["class1", "class2", "class3", "class4", "class5"],
        model_name="ModelName",
        min_overlap=[90, 90],
    )
    model_metadata_legacy = LegacyModelMetadata(
        name="Simple_Nuclei_SegmentationModel_Legacy",
        classes=["class1", "class2", "class3", "class4", "class5"],
        pixel_types="Bgr24",
        color_handling="ConvertToMonochrome",
        border_size=90,
    )
    model_spec = ModelSpec(model=model, model_metadata=model_metadata, license_file="LICENSE.txt")
    legacy_model_spec = LegacyModelSpec(
        model=model, model_metadata=model_metadata_legacy, license_file="LICENSE.txt"
    )
    DefaultConverter().convert_from_model_spec(
        model_spec=model_spec, output_path="some/path", output_name="some_file_name"
    )
    LegacyConverter().convert_from_model_spec(
        model_spec=legacy_model_spec, output_path="some/path", output_name="some_file_name"
    )
    metadata, model_path = DefaultConverter().unpack_model(
        model_file="some/path/some_file_name.czann", target_dir=Path("Output Path")
    )

    assert (metadata.model_name, metadata.min_overlap) == ("ModelName", [90, 90])
    assert metadata.classes == model_metadata.classes
    assert model_path.is_file()
    legacy, czann = (open_model(f"some/path/some_file_name{end}").spec for end in (".czmodel", ".czann"))
    assert (legacy.border, czann.border) == ((90, 90), (45, 45))
    assert legacy.licence == czann.licence == "LICENSE.txt"
    reader = need_package("czmodel.core.util._extract_model")
    theirs, _ = reader.extract_czann_model("some/path/some_file_name.czann", Path("read").absolute())
    assert (theirs.input_shape, theirs.output_shape) == ([256, 256, 3], [256, 256, 5])


def test_channels_in_another_order_by_nested_json() -> None:
    save(unet(None, 3, 2), "model.keras")

    from czconverter.compat.tensorflow.convert import DefaultConverter
    from czconverter.compat.tensorflow.util.transforms import TransposeChannels

    metadata = {
        "Type": "Regression",
        "InputShape": [1024, 1024, 3],
        "OutputShape": [1024, 1024, 2],
        "MinOverlap": [8, 8],
        "Scaling": [1e-6, 1e-6],
    }
    Path("spec.json").write_text(json.dumps({"ModelMetadata": metadata, "ModelPath": "model.keras"}))
    spatial_dims = 64, 64
    preprocessing = [TransposeChannels(order=(2, 1, 0))]
    DefaultConverter().convert_from_json_spec(
        "spec.json", "Output path", "Model Name", spatial_dims=spatial_dims, preprocessing=preprocessing
    )

    found = open_model("Output path/Model Name.czann").spec
    assert (found.tile, found.border, found.model_type) == ((64, 64), (4, 4), "Regression")
    assert found.pixel_size == (1e-6, 1e-6)


def test_tf_keras_models_too() -> None:
    tf_keras = need("tf_keras")
    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [layers.Input((32, 32, 1)), layers.Conv2D(2, 3, padding="same", activation="softmax")]
    )

    from czconverter.compat import LegacyModelMetadata
    from czconverter.compat.tensorflow import LegacyConverter, LegacyModelSpec
    from czconverter.compat.util.preprocessing import Normalization

    metadata = LegacyModelMetadata("k2", "ConvertToMonochrome", "Gray16", ["a", "b"], 4)  # type: ignore[arg-type]
    spec = LegacyModelSpec(model, metadata)
    report = LegacyConverter().convert_from_model_spec(
        spec, "out", preprocessing=Normalization(mean=[1000.0], std=[500.0])
    )
    assert report.comparison.agreement is not None
    assert report.comparison.agreement > 0.999
