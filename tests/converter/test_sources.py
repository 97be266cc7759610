"""Archives into archives: labels stay what they were, and what cannot be kept is said."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from czconverter import ArchiveMetadata, ConvertOptions, convert, unpack
from czconverter.sources import lost, opened
from czengine import InputOptions, ModelError, OptionError, OutputOptions, open_model, predict_array
from czengine.errors import ArchiveError
from tests.support import torch_models
from tests.support.archives import MODEL_ID, czann_archive, legacy_archive, onnx_network
from tests.support.frameworks import need
from tests.support.shared import shared_path

REFERENCES = (
    "czann110_multiclass_seg_tf_dynamic.czann",
    "czann110_seg_tf.czann",
    "czann210_seg_torch.czann",
    "legacy310_bgr24_onnx.czmodel",
    "legacy310_from_json.czmodel",
    "legacy310_gray16_onnx.czmodel",
    "legacy310_v300_gray16.czseg",
    "real_simple_nuclei_segmodel.czann",
    "synthetic_czseg320.czseg",
)


def picture(channels: int, dtype: type, size: int = 96) -> np.ndarray:
    """Smooth spots over noise, (c, y, x), in the full range of the type."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[0:size, 0:size] / size
    light = 0.5 + 0.4 * np.sin(9 * y) * np.cos(7 * x) + 0.1 * random.random((channels, size, size))
    return (light / light.max() * np.iinfo(dtype).max).astype(dtype)


def labels(archive: Path, image: np.ndarray) -> np.ndarray:
    order: Any = "bgr" if len(image) == 3 else "auto"  # given as blue, green, red, whatever the archive says
    return predict_array(archive, image, axes="CYX", inputs=InputOptions(color_order=order))


@pytest.mark.parametrize("scaled", ["true", "false", ...])
@pytest.mark.parametrize(("pixel_type", "dtype"), [("Gray8", np.uint8), ("Gray16", np.uint16)])
def test_labels_survive_the_way_there_and_back(
    tmp_path: Path, pixel_type: str, dtype: type, scaled: object
) -> None:
    """Legacy to czann to legacy, whichever range of pixel values the network was made for."""
    weights = np.array([1.0, -1.0]).reshape(2, 1, 1, 1)
    middle = 0.6 * (1 if scaled == "true" else np.iinfo(dtype).max)
    network = onnx_network(64, 64, weights=weights, bias=[-middle, middle])
    version = "3.1.0" if scaled is ... else "3.2.0"
    fields = {"version": version, "pixel_types": [pixel_type], "ScaleInputsByBitdepth": scaled}
    first = legacy_archive(tmp_path / "a.czseg", network=network, **fields)
    second = convert(first, tmp_path / "b.czann").target
    third = convert(second, tmp_path / "c.czmodel", ArchiveMetadata(pixel_types=(pixel_type,))).target
    image = picture(1, dtype)
    wanted = labels(first, image)
    assert set(np.unique(wanted)) == {1, 2}
    np.testing.assert_array_equal(labels(second, image), wanted)
    np.testing.assert_array_equal(labels(third, image), wanted)


def test_colour_of_mixed_depth_survives(tmp_path: Path) -> None:
    network = onnx_network(64, 64, 4, 2)
    first = legacy_archive(
        tmp_path / "a.czmodel", network=network, pixel_types=["Gray16", "Bgr24"], ColorHandling="SplitRgb"
    )
    report = convert(first, tmp_path / "b.czann")
    batch = np.random.default_rng(0).random((1, 64, 64, 4)).astype(np.float32)
    import onnxruntime

    before, after = (
        onnxruntime.InferenceSession(open_model(path).network, providers=["CPUExecutionProvider"])
        for path in (first, report.target)
    )
    wanted = before.run(None, {"input": batch * np.float32([65535, 255, 255, 255])})[0]
    np.testing.assert_allclose(after.run(None, {"input": batch})[0], wanted, atol=1e-6)


@pytest.mark.parametrize("name", REFERENCES)
def test_reference_archives_give_the_same_labels_in_either_format(name: str, tmp_path: Path) -> None:
    path = shared_path(f"reference/{name}")
    spec = open_model(path).spec
    sixteen = any("16" in kind or "48" in kind for item in spec.pixel_types for kind in item)
    image = picture(spec.channels, np.uint16 if sixteen else np.uint8, size=200)
    types = {1: ("Gray16",) if sixteen else ("Gray8",), 3: ("Bgr24",)}[spec.channels]
    wanted = labels(path, image)
    for target in ("a.czann", "a.czmodel"):
        if target == "a.czmodel" and spec.model_type.startswith("Multi"):
            continue
        said = ArchiveMetadata(pixel_types=types)
        report = convert(path, tmp_path / target, said, options=ConvertOptions(tolerance=1e-3))
        found = open_model(report.target).spec
        assert [c.name for c in found.classes] == [c.name for c in spec.classes]
        assert (found.border, found.tile, found.id) == (spec.border, spec.tile, spec.id)
        agreement = (labels(report.target, image) == wanted).mean()
        assert agreement >= 0.9999, (target, agreement)


@pytest.mark.parametrize(
    "name", ["legacy300_gray16_savedmodel_tf215.czmodel", "legacy310_gray16_savedmodel.czmodel"]
)
def test_a_savedmodel_inside_becomes_onnx(name: str, tmp_path: Path) -> None:
    need("tensorflow")
    path = shared_path(f"reference/{name}")
    report = convert(path, tmp_path / "a.czmodel")
    model = open_model(report.target)
    assert (model.spec.runtime, model.spec.format_version) == ("onnx", "3.1.0")
    known = np.load(path.with_suffix(".npz"))
    import onnxruntime

    session = onnxruntime.InferenceSession(model.network, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"input": known["x"]})[0], known["y"], atol=1e-5)


def test_names_classes_colours_licence_and_id_are_kept(tmp_path: Path) -> None:
    first = legacy_archive(
        tmp_path / "a.czmodel",
        classes=["back", "fore"],
        colors=[(1, 2, 3), (4, 5, 6)],
        extra={"LICENSE.txt": b"free"},
    )
    report = convert(first, tmp_path / "b.czmodel")
    spec, before = open_model(report.target).spec, open_model(first).spec
    assert (spec.classes, spec.name, spec.id) == (before.classes, "Test network", MODEL_ID)
    assert spec.licence == "LICENSE.txt"
    assert (spec.color_handling, spec.pixel_types, spec.border) == (
        "ConvertToMonochrome",
        (("Gray8",),),
        (4, 4),
    )
    assert report.lost == ()


def test_what_a_user_says_goes_before_what_the_archive_says(tmp_path: Path) -> None:
    first = legacy_archive(tmp_path / "a.czmodel")
    said = ArchiveMetadata(name="mine", classes=("x", "y"), border=2)
    spec = open_model(convert(first, tmp_path / "b.czmodel", said).target).spec
    assert (spec.name, [c.name for c in spec.classes], spec.border) == ("mine", ["x", "y"], (2, 2))
    assert spec.classes[0].color == (255, 0, 0)


def test_what_a_czann_cannot_hold_is_listed(tmp_path: Path) -> None:
    report = convert(legacy_archive(tmp_path / "a.czmodel", Postprocessing="CRF"), tmp_path / "b.czann")
    told = " ".join(report.lost)
    assert all(what in told for what in ("class colours", "pixel types", "color handling", "postprocessing"))
    assert all(sentence.endswith("left out: .czann has no place for it") for sentence in report.lost)


def test_what_a_czmodel_cannot_hold_is_listed(tmp_path: Path) -> None:
    first = czann_archive(
        tmp_path / "a.czann", Scaling=[1e-7, 1e-7], ModelDescription="what it is", MinOverlap=[8, 4]
    )
    report = convert(first, tmp_path / "b.czmodel", ArchiveMetadata(pixel_types=("Gray8",)))
    told = " ".join(report.lost)
    assert all(what in told for what in ("pixel size", "description", "border that differs"))
    assert report.border == (4, 4)


def test_nothing_is_lost_to_the_same_format(tmp_path: Path) -> None:
    first = czann_archive(tmp_path / "a.czann", Scaling=[1e-7, 1e-7], MinOverlap=[8, 4])
    report = convert(first, tmp_path / "b.czann")
    assert report.border == (4, 2)
    assert open_model(report.target).spec.pixel_size == (1e-7, 1e-7)


def test_pixel_types_to_choose_from_are_asked_for(tmp_path: Path) -> None:
    first = legacy_archive(tmp_path / "a.czseg", version="3.2.0", pixel_types=["Gray8 Gray16"])
    with pytest.raises(OptionError, match="--pixel-type"):
        convert(first, tmp_path / "b.czmodel")
    convert(first, tmp_path / "b.czann")  # which has none


def test_label_values_that_do_not_count_are_refused(tmp_path: Path) -> None:
    first = legacy_archive(tmp_path / "a.czmodel", classes=["a", "b"], labels=[1, 3])
    with pytest.raises(ModelError, match="label values"):
        convert(first, tmp_path / "b.czann")


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    broken = legacy_archive(tmp_path / "a.czmodel", xml="<Model")
    with pytest.raises(ArchiveError, match=r"a\.czmodel"):
        convert(broken, tmp_path / "b.czann")


def test_scores_survive(tmp_path: Path) -> None:
    first = legacy_archive(
        tmp_path / "a.czmodel", network=onnx_network(64, 64, kernel=3, weights=np.ones(18) / 5e2)
    )
    second = convert(first, tmp_path / "b.czann").target
    image = picture(1, np.uint8)
    one, two = (
        predict_array(path, image, axes="CYX", output=OutputOptions(scores=True)) for path in (first, second)
    )
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_a_json_spec_names_its_model(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx_network(32, 32))
    values = {
        "BorderSize": 6,
        "ColorHandling": "ConvertToMonochrome",
        "PixelType": "Gray16",
        "Classes": ["a", "b"],
        "ModelPath": "net.onnx",
    }
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(values))
    report = convert(spec, tmp_path / "a.czmodel")
    found = open_model(report.target).spec
    assert (found.border, found.pixel_types, [c.name for c in found.classes]) == (
        (6, 6),
        (("Gray16",),),
        ["a", "b"],
    )


def test_a_json_spec_that_leads_to_a_json_spec_is_refused(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    flat = {"BorderSize": 6, "ColorHandling": "SplitRgb", "PixelType": "Gray16", "Classes": ["a", "b"]}
    spec.write_text(json.dumps({**flat, "ModelPath": "spec.json"}))
    with pytest.raises(OptionError, match="leads to another JSON file"):
        convert(spec, tmp_path / "a.czmodel")


def test_what_was_unpacked_is_fed_as_before(tmp_path: Path) -> None:
    """The flat form is for networks that take counts, whatever archive they go into."""
    middle = 150.0
    network = onnx_network(64, 64, weights=np.array([1.0, -1.0]).reshape(2, 1, 1, 1), bias=[-middle, middle])
    first = legacy_archive(tmp_path / "a.czmodel", network=network)
    unpack(first, tmp_path / "parts")
    image = picture(1, np.uint8)
    wanted = labels(first, image)
    for name in ("b.czann", "b.czmodel"):
        again = convert(tmp_path / "parts" / "model_spec.json", tmp_path / name).target
        np.testing.assert_array_equal(labels(again, image), wanted)


def test_archives_with_odd_ids_and_names_can_be_put_right(tmp_path: Path) -> None:
    first = legacy_archive(tmp_path / "a.czmodel", classes=["a", "a"], Id="no uuid")
    with pytest.raises(OptionError, match="--classes"):
        convert(first, tmp_path / "b.czmodel")
    spec = open_model(convert(first, tmp_path / "b.czmodel", ArchiveMetadata(classes=("a", "b"))).target).spec
    assert [c.name for c in spec.classes] == ["a", "b"]
    assert uuid.UUID(spec.id)


def test_an_opened_archive_tells_what_it_knows(tmp_path: Path) -> None:
    with opened(legacy_archive(tmp_path / "a.czmodel"), options=ConvertOptions()) as found:
        assert (found.metadata.pixel_types, found.scaled) == (("Gray8",), False)
        assert lost(replace(found.metadata, pixel_size=(1e-7, 1e-7)), "czmodel")
        assert lost(found.metadata, "czmodel") == ()


def test_a_layout_is_for_onnx_only(tmp_path: Path) -> None:
    need("torch")
    with pytest.raises(OptionError, match="--layout is NCHW, which is for ONNX models only"):
        convert(torch_models.unet(1), tmp_path / "a.czann", options=ConvertOptions(layout="NCHW"))
