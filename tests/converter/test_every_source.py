"""Every kind of source into every kind of archive, read back by the engine and by the official package.

The official readers know nothing of ours: `czmodel.core` (6.2) parses the metadata, onnxruntime runs what it unpacks.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from czconverter import ArchiveMetadata, ConvertOptions, convert
from czengine import open_model, predict_array
from czengine.spec import Runtime
from tests.support import keras_models, torch_models
from tests.support.archives import onnx_network
from tests.support.commands import run_here
from tests.support.frameworks import need, need_package

CLASSES = ("Background", "Cell")
SIZE = 32
Make = Callable[[Path], Any]


def keras3(folder: Path) -> Any:
    return keras_models.randomised(keras_models.unet(need("keras"), None, None))


def keras3_file(folder: Path) -> Path:
    return saved(keras3(folder), folder / "net.keras")


def keras3_h5(folder: Path) -> Path:
    return saved(keras3(folder), folder / "net.h5")


def keras3_export(folder: Path) -> Path:
    keras3(folder).export(folder / "net", verbose=False)
    return folder / "net"


def keras3_subclassed(folder: Path) -> Any:
    return keras_models.subclassed(need("keras"))


def keras3_mixed(folder: Path) -> Any:
    keras = need("keras")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return keras_models.unet(keras, None, None)
    finally:
        keras.config.set_dtype_policy(before)


def keras3_hard(folder: Path) -> Any:
    """What tf2onnx cannot write as Keras hands it over: exact GELU (erfc) and grouped convolutions (for XLA)."""
    layers = need("keras").layers
    image = layers.Input((None, None, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="gelu")(image)
    x = layers.Conv2D(8, 3, padding="same", groups=2, dilation_rate=2)(x)
    return need("keras").Model(image, layers.Conv2D(2, 1, activation="softmax")(x))


def keras2(folder: Path) -> Any:
    return keras_models.randomised(keras_models.unet(need("tf_keras"), None, None))


def keras2_file(folder: Path) -> Path:
    return saved(keras2(folder), folder / "net.keras")


def keras2_h5(folder: Path) -> Path:
    return saved(keras2(folder), folder / "net.h5")


def keras2_saved_model(folder: Path) -> Path:
    keras2(folder).save(folder / "net", save_format="tf")
    return folder / "net"


def tf_module(folder: Path) -> Path:
    tf = need("tensorflow")
    model = keras3(folder)
    module = tf.Module()
    module.model = model
    spec = tf.TensorSpec((None, None, None, 1), tf.float32, name="picture")
    module.call = tf.function(lambda picture: model(picture, training=False), input_signature=[spec])
    tf.saved_model.save(module, str(folder / "net"), signatures=module.call)
    return folder / "net"


def onnx_last(folder: Path) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(onnx_network("h", "w", kernel=3))
    return path


def onnx_first(folder: Path) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(onnx_network("h", "w", kernel=3, layout="NCHW", opset=17))
    return path


def onnx_proto(folder: Path) -> Any:
    import onnx

    return onnx.ModelProto.FromString(onnx_network(SIZE, SIZE, kernel=3, batch=1))


def torch_module(folder: Path) -> Any:
    need("onnxscript")
    need("torch")
    return torch_models.unet(1)


def torch_file(folder: Path) -> Path:
    torch = need("torch")
    need("onnxscript")
    torch.save(torch_models.layers(1), folder / "net.pt")
    return folder / "net.pt"


def torch_program(folder: Path) -> Any:
    need("onnxscript")
    need("torch")
    return torch_models.exported(torch_models.unet(1), 2, 1, SIZE, SIZE)


def torch_pt2(folder: Path) -> Path:
    need("torch").export.save(torch_program(folder), folder / "net.pt2")
    return folder / "net.pt2"


def json_spec(folder: Path) -> Path:
    onnx_last(folder)
    path = folder / "spec.json"
    path.write_text(
        '{"BorderSize": 8, "ColorHandling": "SplitRgb", "PixelType": "Gray8", "Classes": ["Background", "Cell"],'
        ' "ModelPath": "net.onnx"}'
    )
    return path


def saved(model: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras has its own opinion of .h5, and its own trouble with NumPy
        model.save(path)
    return path


MAKERS = (
    keras3, keras3_file, keras3_h5, keras3_export, keras3_subclassed, keras3_mixed, keras3_hard,
    keras2, keras2_file, keras2_h5,
    keras2_saved_model, tf_module, onnx_last, onnx_first, onnx_proto, torch_module, torch_file, torch_program,
    torch_pt2, json_spec,
)  # fmt: skip


def converted(source: Any, target: Path, **options: Any) -> Any:
    said = ArchiveMetadata(classes=CLASSES, pixel_types=("Gray8",), border=8)
    return convert(source, target, said, options=ConvertOptions(spatial_dims=(SIZE, SIZE), **options))


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_from_source_to_archive_and_back(make: Make, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = make(tmp_path / "source")
    image = np.random.default_rng(5).integers(0, 256, (50, 70)).astype(np.uint8)
    for name in ("a.czann", "a.czmodel"):
        report = converted(source, tmp_path / name)
        assert report.comparison.relative_error <= 1e-4
        assert report.comparison.agreement is not None
        assert report.comparison.agreement >= 0.999
        labels = predict_array(report.target, image)
        assert labels.shape == image.shape
        assert set(np.unique(labels)) <= {1, 2}
        official(report.target, tmp_path / f"official-{name}")


def official(path: Path, folder: Path) -> None:
    """What the official package reads from it is what was written."""
    reader = need_package("czmodel.core.util._extract_model")
    folder.mkdir()
    spec = open_model(path).spec
    if path.suffix == ".czann":
        metadata, network = reader.extract_czann_model(str(path), folder)
        assert (metadata.input_shape, metadata.output_shape) == ([SIZE, SIZE, 1], [SIZE, SIZE, 2])
        assert (metadata.min_overlap, metadata.model_name) == ([16, 16], spec.name)
        assert metadata.model_id == spec.id
    else:
        metadata, network = reader.extract_czseg_model(str(path), folder)
        assert (metadata.pixel_types, metadata.border_size) == (["Gray8"], "8")
    assert tuple(str(getattr(c, "name", c)) for c in metadata.classes) == CLASSES
    assert Path(network).read_bytes() == open_model(path).network


@pytest.mark.parametrize("make", [keras3, keras2_h5, tf_module], ids=lambda make: make.__name__)
@pytest.mark.parametrize(("name", "version"), [("a.czmodel", "3.0.0"), ("a.czann", "2.1.0")])
def test_a_savedmodel_inside_on_request(make: Make, name: str, version: str, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    report = converted(make(tmp_path / "source"), tmp_path / name, runtime=Runtime.SAVEDMODEL)
    assert (report.runtime, report.format_version) == (Runtime.SAVEDMODEL, version)
    assert report.comparison.relative_error <= 1e-6
    assert open_model(report.target).spec.tile == (SIZE, SIZE)
    again = convert(report.target, tmp_path / "onnx.czann")
    assert again.runtime is Runtime.ONNX
    assert again.comparison.relative_error <= 1e-4
    official(again.target, tmp_path / "official")


def test_what_a_framework_prints_stays_out_of_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PyTorch's older exporter prints its graph where it fails, and then the newer one is asked."""
    torch = need("torch")
    need("onnxscript")
    module = torch.nn.Sequential(
        torch.nn.InstanceNorm2d(1, track_running_stats=True), torch.nn.Conv2d(1, 2, 1), torch.nn.Softmax(1)
    )
    torch.save(module, tmp_path / "net.pt")
    done = run_here(
        capsys, "convert", tmp_path / "net.pt", tmp_path / "a.czmodel", "--classes", "a,b", "--pixel-type", "Gray8",
        "--spatial-dims", "16", "16", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert json.loads(done.out)["format"] == "legacy"


@pytest.mark.parametrize("make", [keras3, keras2, tf_module, torch_module], ids=lambda make: make.__name__)
def test_the_same_source_gives_the_same_bytes(make: Make, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = make(tmp_path / "source")
    first, second = (
        converted(source, folder / "a.czann").target.read_bytes()
        for folder in (tmp_path / "1", tmp_path / "2")
    )
    assert first == second
