"""What goes wrong in a conversion: one sentence each, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from czconverter import ArchiveMetadata, ConversionReport, ConvertOptions, convert
from czconverter.steps import Normalization, Scale
from czengine import open_model, predict_array
from czengine.errors import CzEngineError, MissingExtra, ModelError, OptionError, OutputError, PlanError
from tests.support.archives import onnx_network

METADATA = ArchiveMetadata(classes=("Background", "Cell"), border=4)
GRAY = replace(METADATA, pixel_types=("Gray8",))
TILE = ConvertOptions(spatial_dims=(32, 48))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A convolution of 3 × 3 and a softmax, for pictures of any size."""
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_network("h", "w", kernel=3, opset=17))
    return path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        ({"classes": ()}, TILE, OptionError, "needs the names of the classes"),
        ({"classes": ("a", "b", "c")}, TILE, OptionError, "3 classes .* for 2 network outputs"),
        ({"pixel_types": ("Bgr24",)}, TILE, OptionError, "make 3 channels, the network takes 1"),
        ({"border": 16}, TILE, PlanError, "leaves nothing of a tile height of 32"),
        (
            {"border": (4, 8), "pixel_types": ("Gray8",)},
            TILE,
            OptionError,
            "4 and 8 pixels; a .czmodel has one",
        ),
        ({}, ConvertOptions(), OptionError, "pictures of any size; .*--spatial-dims"),
        ({"licence": Path("nowhere.txt")}, TILE, OptionError, "the licence nowhere.txt cannot be read"),
        ({"model_type": "Regression", "classes": ()}, TILE, OptionError, "write a .czann"),
    ],
)
def test_one_sentence_and_nothing_left_behind(
    source: Path, change: dict[str, Any], options: ConvertOptions, error: type[CzEngineError], message: str
) -> None:
    with pytest.raises(error, match=message):
        convert(source, source.with_name("a.czmodel"), replace(GRAY, **change), options=options)
    assert left(source.parent) == ["net.onnx"]


@pytest.mark.parametrize("step", [3, object(), "sharpen"])
def test_steps_that_are_none_are_refused(source: Path, step: Any) -> None:
    with pytest.raises(OptionError, match="step"):
        convert(source, source.with_name("a.czann"), METADATA, options=replace(TILE, preprocessing=step))


def test_steps_by_their_text(source: Path) -> None:
    targets = [
        convert(
            source,
            source.with_name(f"{i}.czann"),
            replace(METADATA, name="n"),
            options=replace(TILE, preprocessing=step),
        )
        for i, step in enumerate(["scale:1/4", Scale(0.25), [Scale(0.25)]])
    ]
    assert len({report.target.read_bytes() for report in targets}) == 1


def test_a_tile_that_a_network_does_not_take_is_refused(tmp_path: Path) -> None:
    network = tmp_path / "net.onnx"
    network.write_bytes(onnx_network(32, 32))
    with pytest.raises(OptionError, match="declared tile is 64 × 64 pixels, the network takes 32 × 32"):
        convert(network, tmp_path / "a.czann", replace(METADATA, tile=(64, 64)))


def test_channels_that_a_network_does_not_take_are_refused(source: Path) -> None:
    with pytest.raises(OptionError, match=r"channels is 3, .*the network takes 1"):
        convert(source, source.with_name("a.czann"), METADATA, options=replace(TILE, channels=3))


def test_an_archive_that_differs_is_not_left_and_a_target_stays_as_it_was(tmp_path: Path) -> None:
    """A network that mixes the pictures of a batch gives other values for other batches."""
    import onnx

    text = (
        '<ir_version: 8, opset_import: ["": 17]>'
        " g (float[N,32,32,1] x) => (float[N,32,32,1] y) { all = ReduceMean <axes = [0]> (x)  y = Add (x, all) }"
    )
    target = tmp_path / "a.czann"
    target.write_text("precious")
    said = ArchiveMetadata(model_type="Regression", border=2)
    with pytest.raises(ModelError, match=r"does not compute what its source does: .*0\.0001 is allowed"):
        convert(onnx.parser.parse_model(text), target, said, options=ConvertOptions(overwrite=True))
    assert target.read_text() == "precious"
    assert left(tmp_path) == ["a.czann"]


def test_a_target_that_is_there_is_not_replaced_unasked(source: Path) -> None:
    target = source.with_name("a.czann")
    target.write_text("precious")
    with pytest.raises(OutputError, match="--overwrite"):
        convert(source, target, METADATA, options=TILE)
    assert target.read_text() == "precious"
    convert(source, target, METADATA, options=replace(TILE, overwrite=True))
    assert open_model(target).spec.tile == (32, 48)


def test_a_target_of_no_known_kind_is_refused(source: Path) -> None:
    with pytest.raises(OptionError, match="--format"):
        convert(source, source.with_name("a.zip"), METADATA, options=TILE)


def test_objects_that_are_no_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"builtins\.dict cannot be converted; give a Keras model"):
        convert({}, tmp_path / "a.czann", METADATA)


@pytest.mark.parametrize(("kind", "dtype"), [("uint8", np.uint8), ("uint16", np.uint16)])
def test_a_network_of_whole_numbers_gets_them_back(kind: str, dtype: type, tmp_path: Path) -> None:
    """A .czann feeds fractions: the labels must be those of the counts all the same."""
    half = int(np.iinfo(dtype).max) // 2
    text = (
        '<ir_version: 8, opset_import: ["": 17]>'
        f" g ({kind}[N,32,32,1] counts) => (float[N,32,32,2] scores) {{"
        f" half = Constant <value_float = {half}.5> ()  float = Cast <to = 1> (counts)  above = Greater (float, half)"
        "  below = Not (above)  one = Cast <to = 1> (below)  two = Cast <to = 1> (above)"
        "  scores = Concat <axis = 3> (one, two) }"
    )
    import onnx

    image = np.random.default_rng(0).integers(half - 3, half + 5, (32, 32)).astype(dtype)
    for name in ("a.czann", "a.czmodel"):
        said = replace(METADATA, pixel_types=("Gray8" if kind == "uint8" else "Gray16",), border=0)
        report = convert(onnx.parser.parse_model(text), tmp_path / name, said)
        np.testing.assert_array_equal(predict_array(report.target, image), 1 + (image > half))


def test_a_network_that_amplifies_rounding_is_told_from_a_wrong_one(tmp_path: Path) -> None:
    """Its own outputs change when pixels change in their last bit: no archive could agree better."""
    import onnx

    text = (
        '<ir_version: 8, opset_import: ["": 17]>'
        " g (float[N,32,32,1] x) => (float[N,32,32,1] y) {"
        " big = Constant <value_float = 1e7> ()  near = Mul (x, big)  y = Sin (near) }"
    )
    said = ArchiveMetadata(model_type="Regression", border=2)
    options = ConvertOptions(preprocessing=[Normalization(0.1, 0.3)])
    report = convert(onnx.parser.parse_model(text), tmp_path / "a.czann", said, options=options)
    assert report.comparison.relative_error > report.tolerance
    assert any("the network amplifies rounding" in warning for warning in report.warnings)


def test_a_network_whose_result_is_smaller_is_refused(tmp_path: Path) -> None:
    network = tmp_path / "valid.onnx"
    network.write_bytes(without_padding(onnx_network(32, 32, kernel=3, opset=17)))
    with pytest.raises(ModelError, match="height and width"):
        convert(network, tmp_path / "a.czann", METADATA)


def test_converting_onnx_imports_no_framework(source: Path) -> None:
    program = (
        "import sys; from czconverter import *;"
        f"convert({str(source)!r}, {str(source.with_name('a.czann'))!r}, ArchiveMetadata(classes=('a', 'b')),"
        " options=ConvertOptions(spatial_dims=(32, 32)));"
        "print(sorted({'tensorflow', 'keras', 'tf_keras', 'tf2onnx', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_framework_that_is_missing_is_named_with_its_extra(tmp_path: Path) -> None:
    """In a process that cannot import it, whatever is installed."""
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    program = (
        "import sys; sys.modules.update(tensorflow=None); from czconverter import *;"
        f"convert({str(tmp_path)!r}, {str(tmp_path / 'a.czann')!r}, ArchiveMetadata(classes=('a', 'b')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"{MissingExtra.__name__}: this needs tensorflow" in done.stderr
    assert "czengine[converter]" in done.stderr


def without_padding(network: bytes) -> bytes:
    """The same network with a convolution that eats a pixel per side."""
    import onnx

    model = onnx.ModelProto.FromString(network)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "pads":
                attribute.ints[:] = [0, 0, 0, 0]
    for dim in model.graph.output[0].type.tensor_type.shape.dim[1:3]:
        dim.dim_value = 30
    return bytes(model.SerializeToString())


def test_the_report_is_a_value(source: Path) -> None:
    report = convert(source, source.with_name("a.czann"), METADATA, options=TILE)
    assert isinstance(report, ConversionReport)
    assert hash(report) == hash(replace(report))
