"""`.czann` byte for byte as czmodel 6.2.0 writes it, and read back by the engine and by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from czconverter.metadata import MODEL_TYPES, MULTILABEL, REGRESSION, SEMANTIC
from czconverter.package import archive_bytes
from czconverter.package.czann import members
from czengine.formats.czann import parse_metadata
from czengine.model import read_model
from tests.support.archives import MODEL_ID
from tests.support.contents import contents_of, make_contents, members_of
from tests.support.frameworks import need_package
from tests.support.shared import shared_path

# written by czmodel before FormatVersion was; else alike
WITHOUT_VERSION = [
    "czann110_multiclass_seg_tf_dynamic.czann",
    "czann110_reg_tf.czann",
    "czann110_seg_tf.czann",
    "real_simple_nuclei_segmodel.czann",
]
OF_OTHER_WRITERS = ["real_N2V_tobacco_leaf.czann", "real_simple_regmodel.czann"]
FORMAT_VERSION = b'"FormatVersion": "2.1.0", '


def written(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(members(make_contents(**changes))[0][1])
    return values


def test_every_byte_is_as_czmodel_writes_it() -> None:
    archive = shared_path("reference/czann210_seg_torch.czann")
    assert members(contents_of(archive)) == members_of(archive)


@pytest.mark.parametrize("name", WITHOUT_VERSION)
def test_but_for_the_version_older_ones_are_the_same(name: str) -> None:
    archive = shared_path(f"reference/{name}")
    (json_name, text), *rest = members(contents_of(archive))
    assert FORMAT_VERSION in text
    assert [(json_name, text.replace(FORMAT_VERSION, b"")), *rest] == members_of(archive)


@pytest.mark.parametrize("name", OF_OTHER_WRITERS)
def test_archives_of_other_writers_say_the_same(name: str) -> None:
    """They are indented, or have [1, 1] metres for an unknown pixel size."""
    archive = shared_path(f"reference/{name}")
    theirs = json.loads(members_of(archive)[0][1])
    theirs.pop("Scaling", None)
    ours = json.loads(members(contents_of(archive))[0][1])
    assert list(ours.items()) == [("FormatVersion", "2.1.0"), *theirs.items()]


def test_the_json_spelled_out() -> None:
    text = members(make_contents(pixel_size=(1e-7, 2.5e-7), border=(4, 6), description="two\nlines"))[0][1]
    assert text == (
        b'{"FormatVersion": "2.1.0", "Id": "12345678-0000-4000-8000-000000000001",'
        b' "Type": "SingleClassSemanticSegmentation", "InputShape": [32, 32, 1], "OutputShape": [32, 32, 2],'
        b' "MinOverlap": [8, 12], "Classes": ["Background", "Object"], "ModelName": "Test network",'
        b' "Scaling": [1e-07, 2.5e-07], "ModelDescription": "two\\nlines"}'
    )


def test_members_and_their_order() -> None:
    found = members(make_contents(network=b"net", licence=("LICENSE", b"mine")))
    assert found[1:] == [("model.model", b"net"), ("LICENSE", b"mine")]
    assert found[0][0] == "model.json"
    assert len(members(make_contents())) == 2


def test_what_is_not_known_is_left_out() -> None:
    assert {"Scaling", "ModelDescription"} & set(written()) == set()


def test_tile_channels_and_outputs() -> None:
    values = written(tile=(64, 128), channels=3, outputs=5)
    assert (values["InputShape"], values["OutputShape"]) == ([64, 128, 3], [64, 128, 5])


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_types(model_type: str) -> None:
    values = written(model_type=model_type)
    assert values["Type"] == model_type
    assert ("Classes" in values) == (model_type != REGRESSION)


def test_without_a_border_tiles_do_not_overlap() -> None:
    assert written(border=None)["MinOverlap"] == [0, 0]


def test_a_pixel_size_with_z() -> None:
    assert written(pixel_size=(1e-6, 1e-6, 3e-6))["Scaling"] == [1e-6, 1e-6, 3e-6]


def test_it_is_ascii_on_one_line() -> None:
    text = members(make_contents(name="Größe \U0001f9ec", classes=('"', "日本")))[0][1]
    assert text.isascii()
    assert b"\n" not in text
    assert json.loads(text)["Classes"] == ['"', "日本"]


# ---------------------------------------------------------------------------------------------- read back


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30))
def test_any_printable_text_comes_back(text: str) -> None:
    contents = make_contents(name=text, classes=(text, f"{text}2"))
    found = parse_metadata(members(contents)[0][1])
    assert (found.name, [item.name for item in found.classes]) == (text, [text, f"{text}2"])


@pytest.mark.parametrize("model_type", [SEMANTIC, MULTILABEL, REGRESSION])
def test_the_engine_reads_all_of_it(tmp_path: Path, model_type: str) -> None:
    contents = make_contents(
        model_type=model_type,
        border=(4, 6),
        pixel_size=(1e-7, 2e-7),
        description="of cells",
        licence=("L", b"mine"),
    )
    path = tmp_path / "a.czann"
    path.write_bytes(archive_bytes(contents, "czann"))
    model = read_model(path)
    spec = model.spec
    assert (model.network, spec.format, spec.format_version) == (contents.network, "czann", "2.1.0")
    assert (spec.id, spec.name, spec.description, spec.licence) == (MODEL_ID, "Test network", "of cells", "L")
    assert (spec.model_type, spec.border, spec.pixel_size, spec.tile) == (
        model_type,
        (4, 6),
        (1e-7, 2e-7),
        (32, 32),
    )
    names = () if model_type == REGRESSION else ("Background", "Object")
    assert (tuple(item.name for item in spec.classes), spec.scale_inputs) == (names, True)
    assert spec.warnings == ()


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_czmodel_reads_it(tmp_path: Path, model_type: str) -> None:
    reader = need_package("czmodel.core.util._extract_model")
    contents = make_contents(model_type=model_type, name="Käfer & <Co>", pixel_size=(1e-6, 2e-6))
    path, folder = tmp_path / "a.czann", tmp_path / "out"
    path.write_bytes(archive_bytes(contents, "czann"))
    found, network = reader.extract_czann_model(str(path), folder)
    assert (found.model_type.value, found.model_id, found.model_name) == (
        model_type,
        MODEL_ID,
        "Käfer & <Co>",
    )
    assert (found.input_shape, found.output_shape) == ([32, 32, 1], [32, 32, 2])
    assert (found.min_overlap, found.scaling) == ([8, 8], (1e-6, 2e-6))
    assert found.classes == (None if model_type == REGRESSION else ["Background", "Object"])
    assert Path(network).read_bytes() == contents.network
