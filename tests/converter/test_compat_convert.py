"""The converters by the names of the ZEISS packages, on ONNX sources, which need no framework."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from czconverter.compat import (
    DefaultConverter,
    LegacyConverter,
    ModelMetadata,
    ModelSpec,
    ModelType,
    convert_from_json_spec,
    convert_from_model_spec,
)
from czconverter.compat.util.preprocessing import Normalization, RgbToBgr
from czengine import open_model
from czengine.errors import CzEngineError, ModelError, OptionError, OutputError
from tests.support.archives import onnx_network
from tests.support.frameworks import need_package

LEGACY = ModelMetadata.from_params(
    name="Cells",
    color_handling="ConvertToMonochrome",
    pixel_types="Gray16",
    classes=["Background", "Cell"],
    border_size=8,
)
CZANN = ModelMetadata(
    model_type=ModelType.SINGLE_CLASS_SEMANTIC_SEGMENTATION,
    input_shape=[64, 48, 1],
    output_shape=[64, 48, 2],
    classes=["Background", "Cell"],
    min_overlap=[16, 8],
    scaling=(1e-6, 2e-6),
)
NESTED: dict[str, Any] = {
    "ModelMetadata": {
        "Type": "SingleClassSemanticSegmentation",
        "InputShape": [64, 48, 1],
        "OutputShape": [64, 48, 2],
        "Classes": ["Background", "Cell"],
        "MinOverlap": [16, 8],
    },
    "ModelPath": "net.onnx",
}
FLAT: dict[str, Any] = {
    "BorderSize": 8,
    "ColorHandling": "ConvertToMonochrome",
    "PixelType": ["Gray16"],
    "Classes": ["Background", "Cell"],
    "ModelPath": "net.onnx",
}


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A network for pictures of exactly 64 × 48 pixels of one channel."""
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_network(64, 48, 1, 2, opset=17))
    return path


@pytest.fixture
def open_net(tmp_path: Path) -> Path:
    """A network for pictures of any size, of three channels."""
    path = tmp_path / "open.onnx"
    path.write_bytes(onnx_network(None, None, 3, 2, opset=17))
    return path


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".onnx")


# ------------------------------------------------------------------------------------------------- what is written


def test_metadata_of_a_czmodel_make_one(net: Path, tmp_path: Path) -> None:
    report = convert_from_model_spec(ModelSpec(net, LEGACY), str(tmp_path / "some/path"), "some_file_name")
    assert report.target == tmp_path / "some/path/some_file_name.czmodel"
    spec = open_model(report.target).spec
    assert (spec.format, spec.format_version, spec.name) == ("legacy", "3.1.0", "Cells")
    assert (spec.tile, spec.border, spec.pixel_types) == ((64, 48), (8, 8), (("Gray16",),))
    assert [(c.name, c.color) for c in spec.classes] == [("Background", (255, 0, 0)), ("Cell", (0, 255, 0))]


def test_other_metadata_make_a_czann(net: Path, tmp_path: Path) -> None:
    report = convert_from_model_spec(ModelSpec(str(net), CZANN), tmp_path, "Cells.v2")
    assert report.target == tmp_path / "Cells.v2.czann"
    spec = open_model(report.target).spec
    assert (spec.format, spec.name, spec.pixel_size) == ("czann", "Cells.v2", (1e-6, 2e-6))
    assert (spec.tile, spec.border) == ((64, 48), (8, 4))
    assert written(tmp_path) == ["Cells.v2.czann"]


@pytest.mark.parametrize(
    ("metadata", "name", "found"),
    [
        (LEGACY, "a.CZMODEL", "a.CZMODEL"),
        (LEGACY, "a.czann", "a.czann.czmodel"),
        (CZANN, "a.czann", "a.czann"),
    ],
)
def test_an_extension_that_is_there_is_not_repeated(
    net: Path, tmp_path: Path, metadata: Any, name: str, found: str
) -> None:
    convert_from_model_spec(ModelSpec(net, metadata), tmp_path, name)
    assert written(tmp_path) == [found]


def test_without_a_name_it_is_called_as_it_always_was(net: Path, tmp_path: Path) -> None:
    DefaultConverter().convert_from_model_spec(ModelSpec(net, CZANN), tmp_path)
    LegacyConverter().convert_from_model_spec(ModelSpec(net, LEGACY), tmp_path)
    assert written(tmp_path) == ["DNNModel.czann", "DNNModel.czmodel"]


def test_what_is_there_is_replaced(net: Path, tmp_path: Path) -> None:
    for metadata, name in ((LEGACY, "a.czmodel"), (CZANN, "a.czann")):
        (tmp_path / name).write_text("old")
        convert_from_model_spec(ModelSpec(net, metadata), tmp_path, "a")
        assert open_model(tmp_path / name).spec.tile == (64, 48)


def test_each_archive_has_its_own_id_and_the_same_one_again(
    net: Path, open_net: Path, tmp_path: Path
) -> None:
    """The official package gave all archives of one process the same, and the same archive another each time."""
    first, again = (convert_from_model_spec(ModelSpec(net, LEGACY), tmp_path, name) for name in ("a", "b"))
    colour = replace(LEGACY, pixel_types="Bgr24")
    other = convert_from_model_spec(ModelSpec(open_net, colour), tmp_path, "c", spatial_dims=(64, 48))
    assert first.id == again.id != other.id
    assert (tmp_path / "a.czmodel").read_bytes() == (tmp_path / "b.czmodel").read_bytes()


@pytest.mark.parametrize("metadata", [LEGACY, CZANN])
def test_the_licence_of_the_spec_is_packed(net: Path, tmp_path: Path, metadata: Any) -> None:
    licence = tmp_path / "LICENSE.txt"
    licence.write_text("free")
    report = convert_from_model_spec(ModelSpec(net, metadata, str(licence)), tmp_path / "out")
    with zipfile.ZipFile(report.target) as members:
        assert members.read("LICENSE.txt") == b"free"


def test_the_licence_of_1_2_is_packed(net: Path, tmp_path: Path) -> None:
    (tmp_path / "LICENSE.txt").write_text("free")
    metadata = replace(LEGACY, license_file=str(tmp_path / "LICENSE.txt"))
    report = convert_from_model_spec(ModelSpec(net, metadata), tmp_path / "out")
    assert open_model(report.target).spec.licence == "LICENSE.txt"


def test_official_readers_read_them(net: Path, tmp_path: Path) -> None:
    reader = need_package("czmodel.core.util._extract_model")
    theirs = need_package("czmodel.core.model_metadata")
    czann = convert_from_model_spec(ModelSpec(net, CZANN), tmp_path, "a").target
    legacy = convert_from_model_spec(ModelSpec(net, LEGACY), tmp_path, "a").target
    metadata, model = reader.extract_czann_model(str(czann), tmp_path / "czann")
    assert metadata == theirs.ModelMetadata(
        theirs.ModelType.SINGLE_CLASS_SEMANTIC_SEGMENTATION,
        [64, 48, 1],
        [64, 48, 2],
        model_id=metadata.model_id,
        min_overlap=[16, 8],
        classes=["Background", "Cell"],
        model_name="a",
        scaling=(1e-6, 2e-6),
    )
    assert model.read_bytes() == open_model(czann).network
    metadata, model = reader.extract_czseg_model(str(legacy), tmp_path / "legacy")
    assert [c.name for c in metadata.classes] == ["Background", "Cell"]
    assert (metadata.pixel_types, int(metadata.border_size)) == (["Gray16"], 8)
    assert model.read_bytes() == open_model(legacy).network


# ------------------------------------------------------------------------------------------------- size and steps


@pytest.mark.parametrize("dims", [(32, 40), [32, 40]])
def test_spatial_dims_may_be_a_tuple_or_a_list(open_net: Path, tmp_path: Path, dims: Any) -> None:
    metadata = replace(LEGACY, pixel_types="Bgr24")
    report = convert_from_model_spec(ModelSpec(open_net, metadata), tmp_path, spatial_dims=dims)
    assert open_model(report.target).spec.tile == (32, 40)


def test_spatial_dims_are_the_later_word(open_net: Path, tmp_path: Path) -> None:
    metadata = replace(CZANN, input_shape=[1024, 1024, 3], output_shape=[1024, 1024, 2])
    spec = ModelSpec(open_net, metadata)
    report = DefaultConverter().convert_from_model_spec(spec, tmp_path, spatial_dims=(32, 40))
    assert open_model(report.target).spec.tile == (32, 40)


def test_a_size_that_the_network_leaves_open_is_declared(open_net: Path, tmp_path: Path) -> None:
    metadata = replace(CZANN, input_shape=[96, 80, 3], output_shape=[96, 80, 2])
    report = convert_from_model_spec(ModelSpec(open_net, metadata), tmp_path)
    assert open_model(report.target).spec.tile == (96, 80)


@pytest.mark.parametrize(
    "steps", [RgbToBgr(), [RgbToBgr()], (RgbToBgr(), Normalization([0.1, 0.2, 0.3], 2.0)), None, []]
)
def test_steps_come_alone_or_in_a_sequence(open_net: Path, tmp_path: Path, steps: Any) -> None:
    metadata = replace(LEGACY, pixel_types=["Bgr24"])
    report = convert_from_model_spec(
        ModelSpec(open_net, metadata), tmp_path, spatial_dims=(32, 32), preprocessing=steps
    )
    assert report.comparison.relative_error < 1e-5
    assert report.channels == 3


# ------------------------------------------------------------------------------------------------- JSON specs


@pytest.mark.parametrize("values", [FLAT, NESTED])
def test_paths_in_json_are_relative_to_it(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(values))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    report = convert_from_json_spec(str(tmp_path / "spec.json"), "out", "a")
    assert report.target == Path("out/a.czmodel" if values is FLAT else "out/a.czann")
    assert open_model(report.target).spec.tile == (64, 48)
    assert net.exists()


def test_json_specs_take_a_size_and_steps_too(open_net: Path, tmp_path: Path) -> None:
    values = {**FLAT, "PixelType": "Bgr24", "ModelPath": open_net.name}
    (tmp_path / "spec.json").write_text(json.dumps(values))
    report = LegacyConverter().convert_from_json_spec(
        tmp_path / "spec.json", tmp_path, "a", spatial_dims=[32, 32], preprocessing=RgbToBgr()
    )
    assert (report.tile, report.channels) == ((32, 32), 3)


def test_the_form_of_the_json_has_to_be_the_converters(net: Path, tmp_path: Path) -> None:
    assert net.exists()
    (tmp_path / "flat.json").write_text(json.dumps(FLAT))
    (tmp_path / "nested.json").write_text(json.dumps(NESTED))
    with pytest.raises(
        OptionError,
        match=r"flat\.json has the form of a \.czmodel, and DefaultConverter makes \.czann; use Lega",
    ):
        DefaultConverter().convert_from_json_spec(tmp_path / "flat.json", tmp_path)
    with pytest.raises(
        OptionError, match=r"nested\.json has the form of a \.czann, and LegacyConverter makes \.czmo"
    ):
        LegacyConverter().convert_from_json_spec(tmp_path / "nested.json", tmp_path)


# ------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"input_shape": [64, 64, 1], "output_shape": [64, 64, 2]},
            r"^the input shape is declared as \[64, 64, 1\], .* is \[64, 48, 1\]; correct the declaration$",
        ),
        (
            {"input_shape": [64, 48, 3]},
            r"^the input shape is declared as \[64, 48, 3\], but the network's is \[64, 48, 1\]",
        ),
        (
            {"output_shape": [60, 48, 2]},
            r"^the output shape is declared as \[60, 48, 2\], but the network's is \[64, 48, 2\]",
        ),
        (
            {"output_shape": [64, 48, 3], "classes": None, "model_type": ModelType.REGRESSION},
            r"^the output shape is declared as \[64, 48, 3\], but the network's is \[64, 48, 2\]",
        ),
        (
            {"classes": ["a", "b", "c"], "output_shape": [64, 48, 3]},
            r"^the output shape is declared as \[64, 48, 3\], but the network's is \[64, 48, 2\]",
        ),
    ],
)
def test_a_network_that_is_not_what_was_declared_is_refused(
    net: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    (tmp_path / "DNNModel.czann").write_text("old")
    with pytest.raises(OptionError, match=message):
        convert_from_model_spec(ModelSpec(net, replace(CZANN, **changes)), tmp_path)
    assert written(tmp_path) == ["DNNModel.czann"]
    assert (tmp_path / "DNNModel.czann").read_text() == "old"


def test_the_metadata_has_to_be_the_converters(net: Path, tmp_path: Path) -> None:
    message = r"^the ModelSpec has metadata of a \.czmodel, and DefaultConverter makes \.czann; use LegacyConverter$"
    with pytest.raises(OptionError, match=message):
        DefaultConverter().convert_from_model_spec(ModelSpec(net, LEGACY), tmp_path)
    message = r"^the ModelSpec has metadata of a \.czann, and LegacyConverter makes \.czmodel; use DefaultConverter$"
    with pytest.raises(OptionError, match=message):
        LegacyConverter().convert_from_model_spec(ModelSpec(net, CZANN), tmp_path)
    with pytest.raises(
        OptionError, match=r"^model_metadata is a dict; give a ModelMetadata or LegacyModelMetadata$"
    ):
        convert_from_model_spec(ModelSpec(net, {}), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"^model_spec is a str; give a ModelSpec of czconverter\.compat$"):
        convert_from_model_spec("spec.json", tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize("metadata", [LEGACY, CZANN])
@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("absent.keras", ModelError, r"absent\.keras does not exist; check the path of the model"),
        (7, OptionError, r"a builtins\.int cannot be converted; give a Keras model"),
    ],
)
def test_a_model_that_is_none_leaves_nothing(
    tmp_path: Path, metadata: Any, model: Any, error: type[CzEngineError], message: str
) -> None:
    with pytest.raises(error, match=message):
        convert_from_model_spec(ModelSpec(model, metadata), tmp_path / "new" / "folder")
    assert written(tmp_path) == []


@pytest.mark.parametrize("metadata", [LEGACY, CZANN])
def test_an_output_path_that_is_a_file_is_refused(net: Path, tmp_path: Path, metadata: Any) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"part of its path is a file"):
        convert_from_model_spec(ModelSpec(net, metadata), tmp_path / "file", "a")


def test_a_licence_that_is_absent_is_refused(net: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"licence.* absent\.txt cannot be read"):
        convert_from_model_spec(ModelSpec(net, CZANN, "absent.txt"), tmp_path)
    assert written(tmp_path) == []
