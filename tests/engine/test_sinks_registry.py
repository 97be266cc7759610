"""The labels list and consolidated metadata: extended, never damaged."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr

from czengine.errors import OutputError
from czengine.sinks.omezarr import check_targets
from czengine.sinks.registry import is_result
from czengine.spec import Task
from tests.support.images import pattern, write_labels, write_ome_zarr, write_plate
from tests.support.results import image_info, ome, plan, snapshot, validate, write_result
from tests.support.specs import make_spec

Version = Literal["0.4", "0.5"]
VERSIONS = pytest.mark.parametrize("version", ["0.4", "0.5"])
MULTILABEL = replace(make_spec(), task=Task.MULTILABEL)


def write_image(path: Path, version: Version) -> Path:
    return write_ome_zarr(path, pattern((20, 24)), "yx", version=version, levels=2)


def consolidate(path: Path) -> None:
    zarr_format: Literal[2, 3] = 2 if (path / ".zgroup").exists() else 3
    with warnings.catch_warnings():  # zarr warns that v3 does not specify it yet
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(path), zarr_format=zarr_format)


def consolidated_nodes(path: Path) -> dict[str, Any]:
    """What the consolidated metadata of a group say: path of each node to its metadata."""
    group = zarr.open_group(str(path), mode="r", use_consolidated=True)
    return {name: (node.metadata.to_dict(), dict(node.attrs)) for name, node in group.members(max_depth=None)}


def listed_nodes(path: Path) -> dict[str, Any]:
    """What is really there."""
    group = zarr.open_group(str(path), mode="r", use_consolidated=False)
    return {name: (node.metadata.to_dict(), dict(node.attrs)) for name, node in group.members(max_depth=None)}


def without_copies(nodes: dict[str, Any]) -> dict[str, Any]:
    """Nodes without the (empty or nested) consolidated metadata of groups."""
    keys = ("consolidated_metadata",)
    return {
        name: ({k: v for k, v in metadata.items() if k not in keys}, attributes)
        for name, (metadata, attributes) in nodes.items()
    }


def assert_up_to_date(path: Path) -> None:
    found, expected = without_copies(consolidated_nodes(path)), without_copies(listed_nodes(path))
    assert sorted(found) == sorted(expected)
    for name, node in expected.items():
        assert str(found[name]) == str(node), name


@VERSIONS
def test_other_labels_and_attributes_are_kept(tmp_path: Path, version: Version) -> None:
    path = write_image(tmp_path / "i.zarr", version)
    write_labels(path, np.ones((20, 24), np.uint8), "yx", name="by hand", version=version, levels=2)
    group = zarr.open_group(str(path / "labels"), mode="a", use_consolidated=False)
    group.attrs["note"] = {"mine": [1, 2.5, "µ"]}
    before = snapshot(path / "labels" / "by hand")
    write_result(plan(image_info(path)))
    assert ome(path / "labels")["labels"] == ["by hand", "test"]
    attributes = dict(zarr.open_group(str(path / "labels"), mode="r", use_consolidated=False).attrs)
    assert attributes["note"] == {"mine": [1, 2.5, "µ"]}
    assert snapshot(path / "labels" / "by hand") == before
    validate(path)


@VERSIONS
def test_a_name_is_listed_once(tmp_path: Path, version: Version) -> None:
    path = write_image(tmp_path / "i.zarr", version)
    write_result(plan(image_info(path)))
    write_result(plan(image_info(path), name="other"))
    write_result(plan(image_info(path), overwrite=True))
    assert ome(path / "labels")["labels"] == ["test", "other"]


@VERSIONS
def test_readers_of_consolidated_metadata_see_the_labels(tmp_path: Path, version: Version) -> None:
    path = write_image(tmp_path / "i.zarr", version)
    consolidate(path)
    pixels = write_result(plan(image_info(path)))
    root = zarr.open_group(str(path), mode="r", use_consolidated=True)
    np.testing.assert_array_equal(root["labels/test/0"][...], pixels[0])
    assert_up_to_date(path)
    validate(path)


@VERSIONS
def test_consolidated_metadata_forget_what_was_replaced(tmp_path: Path, version: Version) -> None:
    path = write_image(tmp_path / "i.zarr", version)
    write_result(plan(image_info(path), MULTILABEL))
    write_labels(path, np.ones((20, 24), np.uint8), "yx", name="test", version=version, levels=3)
    consolidate(path)
    assert "labels/test/2" in consolidated_nodes(path)
    write_result(plan(image_info(path), overwrite=True))
    assert "labels/test/2" not in consolidated_nodes(path)
    assert_up_to_date(path)


@VERSIONS
@pytest.mark.parametrize("root", ["", "A/1/0"])
def test_every_group_above_is_brought_up_to_date(tmp_path: Path, version: Version, root: str) -> None:
    """Also those above the store that the user named."""
    wells = {("A", "1"): [pattern((20, 24))], ("B", "2"): [pattern((20, 24))]}
    path = write_plate(tmp_path / "p.zarr", wells, "yx", version=version)
    for group in ("A/1/0", "A/1", ""):
        consolidate(path / group)
    info = image_info(path / root, image=None if root else "A/1/0")
    write_result(plan(info, MULTILABEL))
    for group in ("A/1/0", "A/1", ""):
        assert_up_to_date(path / group)
    assert "A/1/0/labels/test_class_2/0" in consolidated_nodes(path)


@VERSIONS
def test_groups_without_consolidated_metadata_get_none(tmp_path: Path, version: Version) -> None:
    path = write_image(tmp_path / "i.zarr", version)
    before = snapshot(path)
    write_result(plan(image_info(path)))
    assert {key: value for key, value in snapshot(path).items() if key.split("/")[0] != "labels"} == before
    assert (
        "consolidated_metadata"
        not in (path / "zarr.json" if version == "0.5" else path / ".zgroup").read_text()
    )


def test_consolidated_metadata_of_the_labels_group(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.zarr", "0.5")
    write_result(plan(image_info(path)))
    consolidate(path / "labels")
    consolidate(path)
    write_result(plan(image_info(path), name="more"))
    assert_up_to_date(path / "labels")
    assert_up_to_date(path)


def test_file_permissions_stay(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.zarr", "0.5")
    write_result(plan(image_info(path)))
    (path / "labels" / "zarr.json").chmod(0o660)
    write_result(plan(image_info(path), name="more"))
    assert (path / "labels" / "zarr.json").stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"labels/zarr.json is damaged \(.*\); repair it, or write elsewhere with --out"),
        ("[]", r"labels/zarr.json is damaged \(not a JSON object\)"),
        ('{"attributes": {"ome": {"labels": "a"}}}', r"the labels list in .* is 'a', not a list; repair it"),
    ],
)
def test_a_damaged_list_is_left_alone(tmp_path: Path, content: str, message: str) -> None:
    path = write_image(tmp_path / "i.zarr", "0.5")
    (path / "labels").mkdir()
    (path / "labels" / "zarr.json").write_text(content)
    before = snapshot(tmp_path)
    targets = plan(image_info(path))
    with pytest.raises(OutputError, match=message):
        check_targets(targets)
    with pytest.raises(OutputError, match=message):
        write_result(targets)
    assert snapshot(tmp_path) == before


@VERSIONS
def test_what_is_a_result(tmp_path: Path, version: Version) -> None:
    path = write_image(tmp_path / "i.zarr", version)
    by_hand = write_labels(path, np.ones((20, 24), np.uint8), "yx", name="by hand", version=version)
    targets = [*plan(image_info(path)), *plan(image_info(path), scores=True)]
    for target in targets:
        write_result([target])
    assert [is_result(p) for p in (by_hand, *(t.path for t in targets))] == [True, True, True]
    assert [is_result(p) for p in (path, path / "0", path / "labels", tmp_path)] == [False] * 4


def test_lists_are_plain_json(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.zarr", "0.4")
    write_result(plan(image_info(path)))
    assert json.loads((path / "labels" / ".zattrs").read_text()) == {"labels": ["test"]}
    assert json.loads((path / "labels" / ".zgroup").read_text()) == {"zarr_format": 2}
