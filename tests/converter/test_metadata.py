"""What a person may say about a network, how it is completed, and every sentence about what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from czconverter.metadata import MODEL_TYPES, SEMANTIC, ArchiveMetadata
from czengine.errors import OptionError

UUID = "5d0c2a6e-7f2b-4c55-9a57-0e3c1f6b8d21"
TYPES = "choose SingleClassSemanticSegmentation, MultiClassSemanticSegmentation, Regression"
PIXELS = "choose Gray8, Gray16, Gray32Float, Bgr24, Bgr48, Bgr96Float, Bgra32"
TWO = {"classes": ("a", "b")}

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"classes": "Cell"}, "classes is 'Cell'; give a list"),
    ({"classes": None}, "classes is None; give a list"),
    ({"classes": ("a", "")}, "a class has an empty name; name every class"),
    ({"classes": ("a", "  ")}, "a class has an empty name; name every class"),
    ({"classes": ("a", "b", "a")}, "two classes are called 'a'; each needs its own name"),
    ({"classes": ("a\nb",)}, "class 'a\\nb' is no printable text on one line"),
    ({"classes": ("\x1b[31mred",)}, "class '\\x1b[31mred' is no printable text on one line"),
    ({"classes": ("a", 2)}, "class 2 is no printable text on one line"),
    ({"colors": ((1, 2, 3),), **TWO}, "there are 1 colours for 2 classes; give one per class, or none"),
    ({"colors": ((1, 2, 3), (1, 2)), **TWO}, "colour (1, 2) is not (red, green, blue) with values 0 to 255"),
    (
        {"colors": ((1, 2, 3), (1, 2, 256)), **TWO},
        "colour (1, 2, 256) is not (red, green, blue) with values 0 to 255",
    ),
    (
        {"colors": ((1, 2, 3), (1, 2, -1)), **TWO},
        "colour (1, 2, -1) is not (red, green, blue) with values 0 to 255",
    ),
    (
        {"colors": ((1, 2, 3), (1, 2, 0.5)), **TWO},
        "colour (1, 2, 0.5) is not (red, green, blue) with values 0 to 255",
    ),
    ({"colors": ((1, 2, 3), 7), **TWO}, "colour 7 is not (red, green, blue) with values 0 to 255"),
    ({"colors": "red"}, "colors is 'red'; give a list"),
    ({"pixel_types": "Gray8"}, "pixel_types is 'Gray8'; give a list"),
    ({"pixel_types": ("Gray8", "Rgb24")}, f"pixel type 'Rgb24' is unknown; {PIXELS}"),
    ({"pixel_types": ("Gray8 Gray16",)}, f"pixel type 'Gray8 Gray16' is unknown; {PIXELS}"),
    ({"pixel_types": ("Gray64ComplexFloat",)}, f"pixel type 'Gray64ComplexFloat' is unknown; {PIXELS}"),
    ({"color_handling": "Gray"}, "color handling 'Gray' is unknown; choose ConvertToMonochrome, SplitRgb"),
    ({"model_type": "ObjectDetection"}, f"model type 'ObjectDetection' is unknown; {TYPES}"),
    ({"border": -1}, "border is (-1, -1); give pixels per side, 0 or more"),
    ({"border": (1, -1)}, "border is (1, -1); give pixels per side, 0 or more"),
    ({"border": (1, 2, 3)}, "border is (1, 2, 3); give pixels per side, 0 or more"),
    ({"border": 1.5}, "border is 1.5; give pixels per side, 0 or more"),
    ({"border": "8"}, "border is '8'; give pixels per side, 0 or more"),
    ({"border": True}, "border is (True, True); give pixels per side, 0 or more"),
    ({"tile": (0, 8)}, "tile is (0, 8); give height and width in pixels, e.g. (512, 512)"),
    ({"tile": 512}, "tile is 512; give height and width in pixels, e.g. (512, 512)"),
    ({"tile": (8, 8, 1)}, "tile is (8, 8, 1); give height and width in pixels, e.g. (512, 512)"),
    *(
        (
            {"pixel_size": size},
            f"pixel_size is {size!r}; give x, y and perhaps z in metres, e.g. (1e-6, 1e-6)",
        )
        for size in (
            1e-6,
            (1e-6,),
            (1e-6,) * 4,
            (0, 1e-6),
            (-1e-6, 1e-6),
            (float("nan"), 1),
            (1, float("inf")),
        )
    ),
    (
        {"pixel_size": ("1", "1")},
        "pixel_size is ('1', '1'); give x, y and perhaps z in metres, e.g. (1e-6, 1e-6)",
    ),
    (
        {"pixel_size": (True, 1)},
        "pixel_size is (True, 1); give x, y and perhaps z in metres, e.g. (1e-6, 1e-6)",
    ),
    ({"id": "mine"}, f"id 'mine' is no UUID such as {UUID}"),
    ({"id": UUID.replace("-", "")}, f"id '{UUID.replace('-', '')}' is no UUID such as {UUID}"),
    ({"id": 7}, f"id 7 is no UUID such as {UUID}"),
    ({"name": "a\tb"}, "name 'a\\tb' is no printable text on one line"),
    ({"name": 7}, "name 7 is no printable text on one line"),
    ({"name": 0}, "name 0 is no printable text on one line"),
    ({"postprocessing": "a\nb"}, "postprocessing 'a\\nb' is no printable text on one line"),
    ({"description": 7}, "description is 7; give a text"),
]


@pytest.mark.parametrize(("values", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_be(values: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        ArchiveMetadata(**values)
    assert str(caught.value) == message


def test_nothing_has_to_be_said() -> None:
    metadata = ArchiveMetadata()
    assert (metadata.sides, metadata.task, metadata.pixel_channels) == ((0, 0), SEMANTIC, None)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_model_types(model_type: str) -> None:
    assert ArchiveMetadata(model_type=model_type).task == model_type


def test_lists_become_tuples() -> None:
    metadata = ArchiveMetadata(
        classes=["a", "b"],  # type: ignore[arg-type]
        colors=[[1, 2, 3], [4, 5, 6]],  # type: ignore[arg-type]
        pixel_types=["Gray8"],  # type: ignore[arg-type]
        border=[8, 4],  # type: ignore[arg-type]
        tile=[64, 32],  # type: ignore[arg-type]
        pixel_size=[1e-6, 2e-6],  # type: ignore[arg-type]
    )
    assert (metadata.classes, metadata.colors) == (("a", "b"), ((1, 2, 3), (4, 5, 6)))
    assert (metadata.pixel_types, metadata.border, metadata.sides) == (("Gray8",), (8, 4), (8, 4))
    assert (metadata.tile, metadata.pixel_size) == ((64, 32), (1e-6, 2e-6))
    assert isinstance(hash(metadata), int)


def test_one_border_is_for_both_axes() -> None:
    assert ArchiveMetadata(border=16).border == (16, 16)


def test_ids_are_lower_case() -> None:
    assert ArchiveMetadata(id=UUID.upper()).id == UUID


def test_a_licence_may_be_a_text() -> None:
    assert ArchiveMetadata(licence="a.txt").licence == Path("a.txt")  # type: ignore[arg-type]


def test_letters_of_all_languages() -> None:
    names = ("Käfer", "細胞", "<&>\"'", "\U0001f9ec")
    assert ArchiveMetadata(classes=names, name="Größe µm").classes == names


@pytest.mark.parametrize(
    ("pixel_types", "channels"),
    [(("Gray8",), 1), (("Bgr24",), 3), (("Bgra32",), 4), (("Gray16", "Bgr24"), 4), (("Gray32Float",) * 3, 3)],
)
def test_channels_by_the_pixel_types(pixel_types: tuple[str, ...], channels: int) -> None:
    assert ArchiveMetadata(pixel_types=pixel_types).pixel_channels == channels


# ---------------------------------------------------------------------------------------------- merging

FULL = ArchiveMetadata(
    name="theirs",
    classes=("a", "b"),
    colors=((1, 2, 3), (4, 5, 6)),
    model_type=SEMANTIC,
    pixel_types=("Bgr24",),
    color_handling="SplitRgb",
    border=8,
    pixel_size=(1e-6, 1e-6),
    tile=(64, 64),
    description="said",
    postprocessing="CRF",
    licence=Path("theirs.txt"),
    id=UUID,
)


def test_what_is_missing_is_taken_from_the_other() -> None:
    assert ArchiveMetadata().merged(FULL) == FULL


def test_what_was_said_stays() -> None:
    said = ArchiveMetadata(name="mine", border=0, pixel_types=("Gray8",), description="mine")
    merged = said.merged(FULL)
    assert (merged.name, merged.border, merged.pixel_types) == ("mine", (0, 0), ("Gray8",))
    assert (merged.description, merged.id, merged.classes) == ("mine", UUID, ("a", "b"))
    assert FULL.merged(said) == FULL


def test_the_other_classes_colours_are_not_taken() -> None:
    assert ArchiveMetadata(classes=("a", "c")).merged(FULL).colors == ()
    assert ArchiveMetadata(classes=("a", "b", "c")).merged(FULL).colors == ()
    assert ArchiveMetadata(classes=("a", "b")).merged(FULL).colors == FULL.colors
