"""Which results are written, under which names, and where they must not go."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from czengine.config import OutputOptions
from czengine.errors import OutputError
from czengine.sinks.base import Target
from czengine.sinks.targets import plan_targets, slug
from czengine.sources.base import ImageInfo
from czengine.spec import ModelClass, ModelSpec, Task
from tests.engine.test_sinks_layout import make_info
from tests.support.specs import make_spec

SPEC = replace(make_spec(), name="Nucleus detector (20×)")
MULTILABEL = replace(SPEC, task=Task.MULTILABEL)
REGRESSION = replace(SPEC, task=Task.REGRESSION, classes=(), outputs=2)


def info_of(root: str | Path, *, path: str = "", ngff: str | None = "0.5") -> ImageInfo:
    return replace(make_info("yx", (20, 30)), root=Path(root), path=path, ngff=ngff)  # type: ignore[arg-type]


def plan(spec: ModelSpec, info: ImageInfo, **options: Any) -> tuple[Target, ...]:
    return plan_targets(spec, info, OutputOptions(**options), provenance={"a": 1})


def paths(spec: ModelSpec, info: ImageInfo, **options: Any) -> list[str]:
    return [target.path.as_posix() for target in plan(spec, info, **options)]


def with_classes(spec: ModelSpec, *names: str) -> ModelSpec:
    colors = [(i, 2 * i, 3 * i) for i in range(len(names))]
    classes = tuple(
        ModelClass(name=n, label=i + 1, color=c) for i, (n, c) in enumerate(zip(names, colors, strict=True))
    )
    return replace(spec, classes=classes, outputs=len(names))


def test_labels_go_into_the_image() -> None:
    info = info_of("d/i.ome.zarr")
    (target,) = plan(SPEC, info)
    assert target.kind == "labels"
    assert target.path == Path("d/i.ome.zarr/labels/Nucleus_detector_20")
    assert target.registry == Path("d/i.ome.zarr")
    assert target.image is info
    assert (target.classes, target.channels, target.dtype) == (SPEC.classes, (), np.uint8)
    assert target.provenance == {"a": 1}
    assert not target.overwrite


def test_labels_of_one_image_of_a_collection_go_into_that_image() -> None:
    (target,) = plan(SPEC, info_of("p.zarr", path="A/1/0"), name="mine", overwrite=True)
    assert target.path == Path("p.zarr/A/1/0/labels/mine")
    assert target.registry == Path("p.zarr/A/1/0")
    assert target.overwrite


def test_a_plain_array_gets_a_sibling() -> None:
    assert paths(SPEC, info_of("d/i.zarr", ngff=None)) == ["d/i.labels.zarr"]
    assert paths(SPEC, info_of("d/i.ome.ZARR", ngff=None)) == ["d/i.labels.zarr"]
    assert paths(SPEC, info_of("d/folder.v2", ngff=None)) == ["d/folder.v2.labels.zarr"]
    assert paths(SPEC, info_of("d/i.zarr", path="a/raw", ngff=None)) == ["d/i_a_raw.labels.zarr"]
    assert paths(SPEC, info_of("d/i.zarr", ngff=None), name="mine") == ["d/i.mine.labels.zarr"]
    assert plan(SPEC, info_of("d/i.zarr", ngff=None))[0].registry is None


def test_a_store_without_a_name_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "i.zarr").mkdir()
    monkeypatch.chdir(tmp_path / "i.zarr")
    assert paths(SPEC, info_of(".", ngff=None)) == [(tmp_path / "i.labels.zarr").as_posix()]
    assert paths(SPEC, info_of("d/.zarr", ngff=None)) == ["d/image.labels.zarr"]


def test_a_multilabel_model_makes_one_binary_image_per_class() -> None:
    spec = with_classes(MULTILABEL, "Cell wall", "cell/wall", "核", "!", "CELL_WALL")
    targets = plan(spec, info_of("i.zarr"), name="m")
    names = ["m_Cell_wall", "m_cell_wall_2", "m_核", "m_class4", "m_CELL_WALL_3"]
    assert [t.path.name for t in targets] == names
    assert [t.classes for t in targets] == [(replace(c, label=1),) for c in spec.classes]
    assert {t.dtype for t in targets} == {np.dtype(np.uint8)}


def test_a_multilabel_model_elsewhere() -> None:
    spec = with_classes(MULTILABEL, "a", "b")
    assert paths(spec, info_of("d/i.zarr", ngff=None)) == ["d/i.a.labels.zarr", "d/i.b.labels.zarr"]
    assert paths(spec, info_of("d/i.zarr"), out=Path("o")) == ["o/a", "o/b"]
    assert paths(spec, info_of("d/p.zarr", path="A/1"), out=Path("o")) == ["o/A/1/a", "o/A/1/b"]


def test_regression_makes_an_image_beside_the_store() -> None:
    (target,) = plan(REGRESSION, info_of("d/i.ome.zarr"))
    assert (target.kind, target.path) == ("scores", Path("d/i.Nucleus_detector_20.ome.zarr"))
    assert target.channels == ("output 1", "output 2")
    assert (target.dtype, target.registry) == (np.float32, None)
    assert paths(REGRESSION, info_of("d/p.zarr", path="A/1/0"), name="n") == ["d/p.n.ome.zarr/A/1/0"]


@pytest.mark.parametrize("spec", [SPEC, MULTILABEL])
def test_scores_have_the_names_of_the_classes(spec: ModelSpec) -> None:
    (target,) = plan(spec, info_of("d/i.zarr"), scores=True)
    assert target.path == Path("d/i.Nucleus_detector_20_scores.ome.zarr")
    assert target.channels == ("class 1", "class 2")
    assert target.classes == spec.classes


def test_out_is_taken_as_it_is() -> None:
    (target,) = plan(SPEC, info_of("d/i.zarr"), out=Path("o/r.zarr"))
    assert (target.path, target.registry) == (Path("o/r.zarr"), None)
    assert paths(SPEC, info_of("d/p.zarr", path="A/1/0"), out=Path("o")) == ["o/A/1/0"]
    assert paths(REGRESSION, info_of("d/p.zarr", path="0"), out=Path("o")) == ["o/0"]
    assert paths(SPEC, info_of("d/i.zarr", ngff=None), out=Path("o")) == ["o"]


def test_out_among_the_labels_of_the_image_is_listed_there(tmp_path: Path) -> None:
    info = info_of(tmp_path / "i.zarr")
    (target,) = plan(SPEC, info, out=tmp_path / "x" / ".." / "i.zarr" / "labels" / "mine")
    assert target.registry == tmp_path / "i.zarr"
    assert target.path == tmp_path / "i.zarr" / "labels" / "mine"


@pytest.mark.parametrize(("out", "relation"), [(".", "holds"), ("i.zarr", "is"), ("j.zarr/../i.zarr", "is")])
def test_out_must_not_take_the_place_of_the_image(tmp_path: Path, out: str, relation: str) -> None:
    with pytest.raises(OutputError, match=f"{relation} the input image; choose another --out"):
        plan(SPEC, info_of(tmp_path / "i.zarr"), out=tmp_path / out)


@pytest.mark.parametrize(
    "out", ["i.zarr/0", "i.zarr/0/c/0", "i.zarr/labels", "i.zarr/labels/a/0", "i.zarr/new"]
)
@pytest.mark.parametrize("ngff", [None, "0.4"])
@pytest.mark.parametrize("spec", [SPEC, REGRESSION])
def test_out_must_not_be_inside_the_image(
    tmp_path: Path, out: str, ngff: str | None, spec: ModelSpec
) -> None:
    with pytest.raises(OutputError, match=r"is inside the input image; choose another --out"):
        plan(spec, info_of(tmp_path / "i.zarr", ngff=ngff), out=tmp_path / out)


def test_scores_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"is inside the input image; choose another --out"):
        plan(SPEC, info_of(tmp_path / "i.zarr"), scores=True, out=tmp_path / "i.zarr" / "labels" / "a")


def test_a_link_does_not_hide_the_image(tmp_path: Path) -> None:
    (tmp_path / "i.zarr").mkdir()
    os.symlink(tmp_path / "i.zarr", tmp_path / "link")
    with pytest.raises(OutputError, match=r"is the input image"):
        plan(SPEC, info_of(tmp_path / "i.zarr"), out=tmp_path / "link")


@pytest.mark.parametrize(("label", "dtype"), [(255, np.uint8), (256, np.uint16), (65535, np.uint16)])
def test_the_type_holds_the_largest_label(label: int, dtype: type) -> None:
    spec = replace(SPEC, classes=(replace(SPEC.classes[0], label=label), SPEC.classes[1]))
    assert plan(spec, info_of("i.zarr"))[0].dtype == dtype


def test_a_label_that_no_type_holds() -> None:
    spec = replace(SPEC, classes=(replace(SPEC.classes[0], label=65536),))
    with pytest.raises(
        OutputError, match="class 'class 1' has label value 65536; the largest possible is 65535"
    ):
        plan(spec, info_of("i.zarr"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nucleus detector", "Nucleus_detector"),
        ("  a//b\\c:d ", "a_b_c_d"),
        ("Größe µm", "Größe_μm"),
        ("v1.2-x", "v1.2-x"),
        ("..", "czengine"),
        ("", "czengine"),
        ("__meta", "meta"),
        ("a" * 300, "a" * 60),
    ],
)
def test_slugs_are_readable(text: str, expected: str) -> None:
    assert slug(text) == expected


@given(st.text())
def test_slugs_are_folder_names(text: str) -> None:
    found = slug(text)
    assert found == Path(found).name
    assert 0 < len(found.encode()) <= 255
    assert not set(found) & set('/\\:*?"<>| \0')
    OutputOptions(name=found)


@given(st.lists(st.sampled_from(["a", "A", "a_2", "b", "", "a 2", "A_3"]), min_size=1, max_size=12))
def test_classes_never_share_a_folder(names: list[str]) -> None:
    targets = plan(with_classes(MULTILABEL, *names), info_of("i.zarr"))
    assert len({t.path.name.casefold() for t in targets}) == len(names)
