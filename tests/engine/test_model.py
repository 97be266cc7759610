"""Archive, metadata and network joined: what wins, what is said about it, and what cannot be run."""

from __future__ import annotations

import dataclasses
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from czengine.errors import ArchiveError, ModelError, PlanError
from czengine.model import read_model
from czengine.spec import ModelSpec, Runtime, Task
from tests.support.archives import (
    MODEL_ID,
    czann_archive,
    legacy_archive,
    onnx_network,
    saved_model,
    zip_of,
)


def czann(folder: Path, **fields: Any) -> ModelSpec:
    return read_model(czann_archive(folder / "a.czann", **fields)).spec


def legacy(folder: Path, **fields: Any) -> ModelSpec:
    return read_model(legacy_archive(folder / "a.czmodel", **fields)).spec


def error(path: Path, kind: type[Exception] = ModelError) -> str:
    """Message of the error, after the path it must begin with."""
    with pytest.raises(kind) as caught:
        read_model(path)
    message = str(caught.value)
    assert type(caught.value) is kind
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


# ------------------------------------------------------------------------------------------------ spec itself


def test_spec_is_immutable_and_travels(tmp_path: Path) -> None:
    spec = czann(tmp_path)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.tile = (1, 1)  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert dataclasses.asdict(spec)["tile"] == (32, 32)


def test_everything_that_was_not_simply_read_is_recorded(tmp_path: Path) -> None:
    spec = legacy(tmp_path, Id=..., ModelName=..., BorderSize=..., colors=None)
    assert spec.inferred == {
        "scale_inputs": "rule for version 3.1: raw counts",
        "classes": "colours of the ZEISS colour generator",
        "channels": "network input shape",
        "tile": "network input shape",
        "outputs": "network output shape",
        "layout": "network input shape",
        "output_layout": "network output shape",
        "id": "modelid marker",
        "name": "file name",
        "border": "default",
    }
    assert (spec.id, spec.name) == (MODEL_ID, "a")


def test_archive_without_any_id_gets_one_of_its_network(tmp_path: Path) -> None:
    first, second = czann(tmp_path / "1", Id=...), czann(tmp_path / "2", Id=..., ModelName="other")
    assert first.id == second.id
    assert first.inferred["id"] == "digest of the network"
    assert first.id.replace("-", "") == first.digest[:32]


def test_warnings_of_the_metadata_arrive(tmp_path: Path) -> None:
    assert legacy(tmp_path, version="3.9.0").warnings[0].startswith("Version is '3.9.0', newer than")


def test_errors_name_the_file(tmp_path: Path) -> None:
    assert error(czann_archive(tmp_path / "a", Type="ObjectDetection")).startswith(
        "Type is 'ObjectDetection'"
    )
    assert error(czann_archive(tmp_path / "b", text="{"), ArchiveError).startswith("the JSON metadata cannot")
    assert error(legacy_archive(tmp_path / "c", network=b"nix")).startswith(
        "the network is neither an ONNX model"
    )


# ------------------------------------------------------------------------------------------------------ tile


def test_tile_of_the_graph_wins_over_the_xml(tmp_path: Path) -> None:
    spec = legacy(tmp_path, version="3.2.0", TotalTileHeight=64, TotalTileWidth=48)
    assert spec.tile == (32, 32)
    assert spec.warnings == (
        "the metadata say tiles of 64 × 48 pixels, the network takes 32 × 32; the network is believed",
    )


def test_tile_of_the_graph_wins_over_the_json(tmp_path: Path) -> None:
    spec = czann(tmp_path, network=onnx_network(64, 48), InputShape=[64, 64, 1])
    assert spec.tile == (64, 48)
    assert spec.warnings == (
        "the metadata say tiles of 64 × 64 pixels, the network takes 64 × 48; the network is believed",
    )


def test_open_graph_takes_the_tile_of_the_metadata(tmp_path: Path) -> None:
    network = onnx_network("h", "w")
    spec = legacy(tmp_path, network=network, TotalTileHeight=64, TotalTileWidth=48)
    assert (spec.tile, spec.warnings) == ((64, 48), ())
    assert "tile" not in spec.inferred
    assert czann(tmp_path, network=network, InputShape=[96, 80, 1]).tile == (96, 80)


def test_half_open_graph_takes_each_side_where_it_is_known(tmp_path: Path) -> None:
    assert czann(tmp_path, network=onnx_network(64, "w"), InputShape=[64, 80, 1]).tile == (64, 80)


def test_tile_known_nowhere(tmp_path: Path) -> None:
    assert error(legacy_archive(tmp_path / "a", network=onnx_network("h", "w"))) == (
        "the tile size is unknown: neither the network's input nor TotalTileHeight and TotalTileWidth fix it; export"
        " it again with a fixed input size"
    )


def test_tile_beyond_reason(tmp_path: Path) -> None:
    path = czann_archive(tmp_path / "a", network=onnx_network("h", "w"), InputShape=[10**6, 64, 1])
    assert error(path) == "the tile has 1000000 × 64 pixels; at most 32768 per side are supported"


# ---------------------------------------------------------------------------------------------------- border


def test_border_that_leaves_nothing(tmp_path: Path) -> None:
    assert error(legacy_archive(tmp_path / "a", BorderSize=16), PlanError) == (
        "a border of 16 pixels per side leaves nothing of a tile height of 32; it must be at most 15"
    )
    path = czann_archive(
        tmp_path / "b", network=onnx_network(64, 32), InputShape=[64, 32, 1], MinOverlap=[40, 40]
    )
    assert error(path, PlanError) == (
        "a border of 20 pixels per side leaves nothing of a tile width of 32; it must be at most 15"
    )


def test_border_that_leaves_a_line(tmp_path: Path) -> None:
    assert legacy(tmp_path, network=onnx_network(33, 33), BorderSize=16).border == (16, 16)


@pytest.mark.parametrize(("tile", "border"), [(1024, 64), (256, 64), (128, 32), (3, 0)])
def test_missing_border_size(tmp_path: Path, tile: int, border: int) -> None:
    spec = legacy(tmp_path, network=onnx_network(tile, tile), BorderSize=...)
    assert spec.border == (border, border)
    assert spec.inferred["border"] == "default"
    assert spec.warnings == (f"BorderSize is missing; {border} pixels per side are assumed",)


def test_missing_overlap(tmp_path: Path) -> None:
    spec = czann(tmp_path, MinOverlap=...)
    assert spec.border == (0, 0)
    assert spec.inferred["border"] == "no MinOverlap: none"
    assert spec.warnings == ("MinOverlap is missing, so tiles do not overlap; seams may show",)


# -------------------------------------------------------------------------------------------------- channels


def test_channels_of_the_graph_win_over_the_pixel_types(tmp_path: Path) -> None:
    spec = legacy(
        tmp_path, network=onnx_network(channels=3), ColorHandling="SplitRgb", pixel_types=["Gray16", "Bgr24"]
    )
    assert spec.channels == 3
    assert spec.warnings == ("pixel types make 4 channels, the network takes 3; the network is believed",)


def test_channels_of_the_graph_win_over_the_json(tmp_path: Path) -> None:
    spec = czann(tmp_path, Type="Regression", InputShape=[32, 32, 5], OutputShape=[32, 32, 5], Classes=...)
    assert (spec.channels, spec.outputs) == (1, 2)
    assert spec.warnings == (
        "InputShape says 5 channels, the network takes 1; the network is believed",
        "OutputShape says 5 channels, the network gives 2; the network is believed",
    )


def test_several_channel_items(tmp_path: Path) -> None:
    spec = legacy(
        tmp_path, network=onnx_network(channels=4), ColorHandling="SplitRgb", pixel_types=["Gray16", "Bgr24"]
    )
    assert (spec.channels, spec.pixel_types, spec.warnings) == (4, (("Gray16",), ("Bgr24",)), ())


def test_colour_made_gray_explains_a_gray_network(tmp_path: Path) -> None:
    spec = legacy(tmp_path, ColorHandling="ConvertToMonochrome", pixel_types=["Bgr24"])
    assert (spec.channels, spec.warnings) == (1, ())


def test_colour_network_that_asks_for_gray(tmp_path: Path) -> None:
    network = onnx_network(channels=3)
    spec = legacy(tmp_path, network=network, ColorHandling="ConvertToMonochrome", pixel_types=["Bgr24"])
    assert spec.warnings == (
        "ColorHandling is 'ConvertToMonochrome', but the network takes 3 channels; colour is kept",
    )


def test_unknown_pixel_type_leaves_it_to_the_network(tmp_path: Path) -> None:
    spec = legacy(tmp_path, network=onnx_network(channels=2), pixel_types=["Gray12"])
    assert spec.channels == 2
    assert spec.warnings == (
        "PixelType 'Gray12' is unknown; the number of channels is taken from the network",
    )


# --------------------------------------------------------------------------------------- outputs and classes


def test_more_outputs_than_classes(tmp_path: Path) -> None:
    spec = czann(tmp_path, network=onnx_network(outputs=4), OutputShape=...)
    assert [(c.name, c.label, c.color) for c in spec.classes] == [
        ("Background", 1, (255, 0, 0)),
        ("Object", 2, (0, 255, 0)),
        ("class 3", 3, (0, 0, 255)),
        ("class 4", 4, (255, 0, 0)),
    ]
    assert spec.warnings == ("the metadata name 2 classes, the network has 4; the network is believed",)
    assert spec.inferred["classes"] == "network output shape"


def test_fewer_outputs_than_classes(tmp_path: Path) -> None:
    spec = legacy(tmp_path, classes=["a", "b", "c"], labels=[3, 2, 1])
    assert [(c.name, c.label) for c in spec.classes] == [("c", 1), ("b", 2)]
    assert spec.warnings == ("the metadata name 3 classes, the network has 2; the network is believed",)


def test_labels_with_a_gap_are_kept_where_numbers_agree(tmp_path: Path) -> None:
    spec = legacy(tmp_path, classes=["a", "b"], labels=[5, 2])
    assert [(c.name, c.label) for c in spec.classes] == [("b", 2), ("a", 5)]
    assert spec.warnings == ()


def test_single_output_of_a_single_class(tmp_path: Path) -> None:
    spec = czann(tmp_path, network=onnx_network(outputs=1), OutputShape=[32, 32, 1], Classes=["Cell"])
    assert [c.name for c in spec.classes] == ["Cell"]
    assert spec.warnings == (
        "the network has a single output, so every pixel gets class 1; set a min-confidence to tell it from nothing",
    )


def test_single_output_of_several_classes(tmp_path: Path) -> None:
    path = czann_archive(tmp_path / "a", network=onnx_network(outputs=1), OutputShape=[32, 32, 1])
    assert error(path) == (
        "the network has 1 output for 2 classes, so there is nothing to choose from; give it one output per class,"
        " for example with SigmoidToSoftmaxScores"
    )


def test_single_output_is_fine_for_several_labels_per_pixel_and_for_regression(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"network": onnx_network(outputs=1), "OutputShape": [32, 32, 1]}
    spec = czann(tmp_path, Type="MultiClassSemanticSegmentation", Classes=["Cell"], **fields)
    assert (spec.task, spec.outputs, spec.warnings) == (Task.MULTILABEL, 1, ())
    spec = czann(tmp_path, Type="Regression", **fields)
    assert (spec.task, spec.outputs, spec.classes, spec.warnings) == (Task.REGRESSION, 1, (), ())
    assert spec.output_names == ("output 1",)


def test_open_number_of_outputs_is_taken_from_the_metadata(tmp_path: Path) -> None:
    network = open_outputs(onnx_network())
    spec = czann(tmp_path, network=network, OutputShape=[32, 32, 2])
    assert (spec.outputs, spec.inferred["outputs"]) == (2, "OutputShape")
    spec = legacy(tmp_path, network=network)
    assert (spec.outputs, spec.inferred["outputs"]) == (2, "number of classes")
    assert error(legacy_archive(tmp_path / "b", network=network, classes=())) == (
        "neither the network nor the metadata say how many classes it has; export it again"
    )


def open_outputs(network: bytes) -> bytes:
    import onnx

    model = onnx.load_model_from_string(network)
    model.graph.output[0].type.tensor_type.shape.dim[3].dim_param = "classes"
    return bytes(model.SerializeToString())


def test_postprocessing_is_not_applied(tmp_path: Path) -> None:
    spec = legacy(tmp_path, Postprocessing="ConditionalRandomFields")
    assert spec.postprocessing == "ConditionalRandomFields"
    assert spec.warnings == ("Postprocessing is 'ConditionalRandomFields', which is not applied here",)


# --------------------------------------------------------------------------------------------------- layouts


@pytest.mark.parametrize("shapes", [([64, 48, 3], [64, 48, 2]), ([3, 64, 48], [2, 64, 48])])
def test_channels_first_networks_of_hand_made_archives(tmp_path: Path, shapes: Any) -> None:
    network = onnx_network(64, 48, 3, 2, layout="NCHW")
    spec = czann(tmp_path, network=network, InputShape=shapes[0], OutputShape=shapes[1])
    assert (spec.layout, spec.output_layout) == ("NCHW", "NCHW")
    assert (spec.tile, spec.channels, spec.outputs, spec.warnings) == ((64, 48), 3, 2, ())


def test_channels_first_with_open_sizes(tmp_path: Path) -> None:
    network = onnx_network("h", "w", 3, 2, layout="NCHW")
    spec = czann(tmp_path, network=network, InputShape=[3, 64, 48], OutputShape=[2, 64, 48])
    assert (spec.layout, spec.tile, spec.channels, spec.warnings) == ("NCHW", (64, 48), 3, ())


# ------------------------------------------------------------------------------------------------ SavedModel


def test_saved_model_without_signature_by_its_json(tmp_path: Path) -> None:
    spec = czann(tmp_path, network=saved_model(), InputShape=[64, 48, 3])
    assert (spec.runtime, spec.tile, spec.channels, spec.outputs) == (Runtime.SAVEDMODEL, (64, 48), 3, 2)
    assert (spec.layout, spec.output_layout, spec.fixed_batch, spec.opset) == ("NHWC", "NHWC", None, None)
    assert (spec.input_name, spec.output_name) == (None, None)
    assert spec.inferred["channels"] == "InputShape"
    assert spec.inferred["layout"] == spec.inferred["output_layout"] == "as all ZEISS tools write"


def test_saved_model_without_signature_by_its_xml(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"network": saved_model(), "pixel_types": ["Bgr24"], "version": "3.2.0"}
    spec = legacy(tmp_path, TotalTileHeight=64, TotalTileWidth=48, **fields)
    assert (spec.tile, spec.channels, spec.outputs) == ((64, 48), 3, 2)
    assert spec.inferred["channels"] == "pixel types"
    assert error(legacy_archive(tmp_path / "b", **fields)).startswith("the tile size is unknown")


def test_saved_model_that_says_nothing_of_channels(tmp_path: Path) -> None:
    path = legacy_archive(tmp_path / "a", network=saved_model(), pixel_types=())
    assert (
        error(path) == "neither the network nor the metadata say how many channels it takes; export it again"
    )


def test_saved_model_of_a_regression(tmp_path: Path) -> None:
    spec = czann(tmp_path, network=saved_model(), Type="Regression", OutputShape=...)
    assert (spec.outputs, spec.classes, spec.output_names) == (0, (), ())


def test_torch_file(tmp_path: Path) -> None:
    torch = zip_of(tmp_path / "net.pt", {"archive/data.pkl": b"\x80", "archive/version": b"3"}).read_bytes()
    assert error(czann_archive(tmp_path / "a", network=torch)) == (
        "the network is a zip without saved_model.pb, so no SavedModel but perhaps a PyTorch file; export it as ONNX"
    )


def test_damaged_saved_model(tmp_path: Path) -> None:
    network = saved_model()
    message = error(czann_archive(tmp_path / "a", network=network[: len(network) // 2]), ArchiveError)
    assert message == "the network inside is a damaged zip, probably cut short; copy or download it again"
    message = error(
        czann_archive(tmp_path / "b", network=saved_model(members={"saved_model.pb": b"\xff" * 9}))
    )
    assert message == "the network's saved_model.pb is damaged; export the model again"


def test_saved_model_with_names_that_point_outside(tmp_path: Path) -> None:
    network = saved_model(members={"saved_model.pb": b"", "../../evil": b"x"})
    message = error(czann_archive(tmp_path / "a", network=network), ArchiveError)
    assert message == "the network inside has a member called '../../evil', which points outside the archive"


def test_network_bytes_are_handed_on(tmp_path: Path) -> None:
    model = read_model(czann_archive(tmp_path / "a", network=saved_model()))
    assert zipfile.ZipFile(io.BytesIO(model.network)).namelist()[0] == "saved_model.pb"


# -------------------------------------------------------------------------------------------- beyond reason


def test_channels_beyond_reason(tmp_path: Path) -> None:
    path = czann_archive(tmp_path / "a", network=saved_model(), InputShape=[32, 32, 5000])
    assert error(path) == "the network has 5000 channels; at most 4096 are supported"
