"""The preview picture: what is where, pixel by pixel."""

from __future__ import annotations

import math
import unicodedata
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from PIL import ImageFont

from czengine.preview import drawing
from czengine.preview.drawing import INK, PAPER, Preview, render, shortened, written
from czengine.preview.overlay import FILL, LINE, THIN, LabelPicture, as_rgb, stretched
from czengine.spec import ModelClass
from tests.support.pictures import BLUE, CLASSES, GREEN, RED, longest_run, panel_of, pixels_of, ramp


def _squares(height: int = 450, width: int = 600) -> LabelPicture:
    """Background everywhere, a nucleus of 100 × 100 at (50, 50), a border of 100 × 100 right of it."""
    pixels = np.ones((height, width), np.uint8)
    pixels[50:150, 50:150] = 2
    pixels[50:150, 150:250] = 3
    return LabelPicture(pixels=pixels, classes=CLASSES)


def _blend(gray: NDArray[np.int64], color: tuple[int, int, int], opacity: float) -> NDArray[np.int64]:
    return np.rint(gray * (1 - opacity) + np.array(color) * opacity).astype(np.int64)


# Pixels ---------------------------------------------------------------------------------------------


def test_stretching_takes_the_percentiles_to_black_and_white() -> None:
    gray = stretched(np.arange(1000.0))
    assert gray[0] == gray[5] == 0
    assert gray[-1] == gray[-6] == 255
    assert gray[10] > 0
    assert gray[-11] < 255
    assert (np.diff(gray.astype(int)) >= 0).all()


@pytest.mark.parametrize(
    ("values", "gray"),
    [
        ([7, 7], [128, 128]),
        ([False, True], [0, 255]),
        ([-1.5e308, 1.5e308], [0, 255]),
        ([math.nan, 1.0, 2.0], [0, 0, 255]),
        ([math.nan, 1.0], [0, 128]),
        ([math.nan, math.inf], [0, 0]),
        ([-math.inf, 0.0, 1.0, math.inf], [0, 0, 255, 255]),
        ([0.0, 5e-324], [128, 128]),
    ],
)
def test_stretching_odd_values(values: list[float], gray: list[int]) -> None:
    assert stretched(np.array(values)).tolist() == gray


def test_stretching_shows_the_one_pixel_that_differs() -> None:
    lonely = np.zeros((100, 100), dtype=bool)
    lonely[3, 4] = True
    assert np.argwhere(stretched(lonely) == 255).tolist() == [[3, 4]]


@settings(deadline=None)
@given(
    npst.arrays(
        st.sampled_from(["f4", "f8", "i2", "u1", "u4", "?"]), npst.array_shapes(min_dims=2, max_dims=2)
    )
)
def test_stretching_keeps_the_order_and_warns_of_nothing(pixels: NDArray[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gray = stretched(pixels)
    assert gray.shape == pixels.shape
    finite = np.isfinite(pixels.astype(float))
    order = np.argsort(pixels[finite], kind="stable")
    assert (np.diff(gray[finite][order].astype(int)) >= 0).all()


def test_colour_is_stretched_in_one_piece() -> None:
    image = np.zeros((4, 20, 20), np.uint8)
    image[0], image[1, :10], image[3] = 200, 100, 255  # alpha is not shown
    rgb = as_rgb(image, is_color=True)
    assert rgb[0, 0].tolist() == [255, 128, 0]
    assert rgb[-1, 0].tolist() == [255, 0, 0]


def test_channels_that_are_not_colours_are_shown_in_gray() -> None:
    image = np.zeros((3, 20, 20), np.uint16)
    image[0, :5], image[1, 5:10] = 60000, 10
    rgb = as_rgb(image, is_color=False)
    assert (rgb[..., 0] == rgb[..., 1]).all()
    assert rgb[:10, 0, 0].tolist() == [255] * 10  # each channel has its own contrast


def test_colour_of_two_channels_is_shown_in_gray() -> None:
    assert as_rgb(np.ones((2, 3, 3)), is_color=True).tolist() == [[[128] * 3] * 3] * 3


# The picture ----------------------------------------------------------------------------------------


def test_classes_are_blended_over_the_image() -> None:
    image, labels = ramp(), _squares()
    panel = panel_of(render(Preview(title="t", image=image, labels=(labels,))), 450, 600)
    gray = as_rgb(image, is_color=False).astype(np.int64)
    inside = np.s_[52:148, 52:148]
    assert np.abs(panel[inside] - _blend(gray[inside], GREEN, FILL)).max() <= 1
    inside = np.s_[52:148, 152:248]
    assert np.abs(panel[inside] - _blend(gray[inside], BLUE, FILL)).max() <= 1
    outside = np.s_[200:, :]
    assert np.abs(panel[outside] - _blend(gray[outside], RED, THIN)).max() <= 1


def test_outlines_are_one_pixel_wide_and_inside() -> None:
    image, labels = ramp(), _squares()
    panel = panel_of(render(Preview(title="t", image=image, labels=(labels,))), 450, 600)
    gray = as_rgb(image, is_color=False).astype(np.int64)
    edge = np.s_[50, 60:140]
    assert np.abs(panel[edge] - _blend(gray[edge], GREEN, LINE)).max() <= 1
    edge = np.s_[60:140, 150]  # where both touch, in the border, which has the higher label
    assert np.abs(panel[edge] - _blend(gray[edge], BLUE, LINE)).max() <= 1
    edge = np.s_[60:140, 149]
    assert np.abs(panel[edge] - _blend(gray[edge], GREEN, FILL)).max() <= 1
    edge = np.s_[49, 60:140]
    assert np.abs(panel[edge] - _blend(gray[edge], RED, THIN)).max() <= 1


def test_label_0_is_left_uncoloured_and_a_wide_class_has_an_outline_towards_it() -> None:
    pixels = np.zeros((450, 600), np.uint8)
    pixels[20:430, 20:580] = 2
    labels = LabelPicture(pixels=pixels, classes=CLASSES)
    image = np.full((1, 450, 600), 5, np.uint8)
    panel = panel_of(render(Preview(title="t", image=image, labels=(labels,))), 450, 600)
    gray = np.full(3, 128)
    assert panel[5, 5].tolist() == gray.tolist()
    assert panel[20, 300].tolist() == _blend(gray, GREEN, LINE).tolist()
    assert panel[200, 300].tolist() == _blend(gray, GREEN, THIN).tolist()


def test_overlapping_labels_are_laid_over_each_other() -> None:
    a, b = np.zeros((450, 600), np.uint8), np.zeros((450, 600), np.uint8)
    a[100:200, 100:200], b[150:250, 150:250] = 1, 1
    first = ModelClass(name="a", label=1, color=RED)
    second = ModelClass(name="b", label=1, color=BLUE)
    labels = (LabelPicture(pixels=a, classes=(first,)), LabelPicture(pixels=b, classes=(second,)))
    image = np.full((1, 450, 600), 5, np.uint8)
    panel = panel_of(render(Preview(title="t", image=image, labels=labels)), 450, 600)
    both = _blend(_blend(np.full(3, 128), RED, FILL), BLUE, FILL)
    assert panel[175, 175].tolist() == both.tolist()


def test_the_legend_shows_the_colours_and_lies_outside_the_image() -> None:
    picture = render(Preview(title="t", image=ramp(), labels=(_squares(),)))
    below = pixels_of(picture)[3 * 13 + 450 :]
    for color in (RED, GREEN, BLUE):
        swatch = (below == color).all(axis=-1).sum()
        assert swatch == 11 * 11  # 13 pixels square, with a line around
    without = render(Preview(title="t", image=ramp()))
    assert without.height < picture.height


def test_the_legend_names_the_share_of_the_picture() -> None:
    font = ImageFont.load_default(13)
    entries = [text for text, _ in drawing._entries([_squares()], font)]
    assert entries == ["background  92.6 %", "nucleus  3.7 %", "border  3.7 %"]


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0.0 %"), (1e-9, "< 0.1 %"), (0.0005, "0.1 %"), (1, "100.0 %")]
)
def test_percentages(share: float, text: str) -> None:
    assert drawing._percent(share) == text


def test_many_classes_end_in_a_count_of_the_rest() -> None:
    classes = tuple(ModelClass(name=f"class {i}", label=i, color=(i, i, i)) for i in range(1, 31))
    labels = LabelPicture(pixels=np.ones((50, 50), np.uint8), classes=classes)
    entries = drawing._entries([labels], ImageFont.load_default(13))
    assert len(entries) == 20
    assert entries[-1] == ("+11 more", None)
    picture = render(Preview(title="t", image=ramp(50, 50), labels=(labels,)))
    assert (pixels_of(picture)[-13:] == PAPER).all(axis=-1).mean() > 0.5  # the last row is not cut off


def test_a_legend_row_ends_before_the_edge() -> None:
    font = ImageFont.load_default(13)
    entries: list[tuple[str, tuple[int, int, int] | None]] = [(f"class {i}  50.0 %", RED) for i in range(9)]
    rows = drawing._flow(entries, font, 13, 400)
    assert [text for row in rows for _, text, _ in row] == [text for text, _ in entries]
    assert len(rows) == 3
    assert all(x + font.getlength(text) + 19 <= 400 for row in rows for x, text, _ in row)


@pytest.mark.parametrize(
    ("size", "unit", "text", "pixels"),
    [
        (0.325, "micrometer", "20 {}m", 20 / 0.325),
        (0.325, "nanometer", "20 nm", 20 / 0.325),
        (1.0, "nanometer", "100 nm", 100),
        (0.01, "micrometer", "1 {}m", 100),
        (0.007, "micrometer", "500 nm", 500 / 7),
        (25.0, "micrometer", "2 mm", 80),
        (0.227, "micrometer", "20 {}m", 20 / 0.227),
        (1e-3, "meter", "100 mm", 100),
        (2.0, "furlong", "200 furlong", 100),
    ],
)
def test_the_scale_bar_has_a_round_length(size: float, unit: str, text: str, pixels: float) -> None:
    image = np.zeros((1, 450, 600))
    picture = render(Preview(title="", image=image, pixel_width=size, unit=unit))
    bar = drawing._scale_bar(
        Preview(title="", image=image, pixel_width=size, unit=unit),
        ImageFont.load_default(13),
        factor=1,
        longest=120,
    )
    assert bar is not None
    assert bar[1] == text.format("u")  # Pillow's own font has no µ
    ink = (pixels_of(picture)[3 * 13 + 450 :] == INK).all(axis=-1)
    assert abs(int(ink.sum(axis=1).max()) - pixels) <= 1 + 0.15 * pixels  # letters may lie in the same row
    assert abs(longest_run(ink) - pixels) <= 1


@pytest.mark.parametrize(
    ("size", "unit"), [(None, "micrometer"), (0.3, None), (0.0, "micrometer"), (math.nan, "meter")]
)
def test_no_scale_bar_where_the_pixel_size_is_unknown(size: float | None, unit: str | None) -> None:
    picture = render(Preview(title="", image=ramp(), pixel_width=size, unit=unit))
    assert longest_run((pixels_of(picture) == INK).all(axis=-1)) == 0


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_round_lengths_are_below_and_near(length: float) -> None:
    result = drawing._round_down(length)
    assert result <= length * (1 + 1e-9)
    assert result * 2.5000001 >= length
    assert f"{result:e}"[0] in "125"


def test_tiny_images_are_enlarged() -> None:
    image = np.array([[[0, 1], [2, 3]]], np.uint8)
    picture = render(Preview(title="t", image=image, pixel_width=2.0, unit="micrometer"))
    panel = panel_of(picture, 400, 400)
    assert panel[::399, ::399, 0].tolist() == [[0, 85], [170, 255]]
    assert panel[199, 199, 0] == 0
    # 2 µm are 200 pixels now, so a bar of at most 84 is 0.5 µm or 50 pixels.
    assert longest_run((pixels_of(picture)[3 * 13 + 400 :] == INK).all(axis=-1)) == 50


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1, 1), np.uint8),
        np.full((1, 30, 20), 7, np.int16),
        np.full((1, 30, 20), np.nan, np.float32),
        np.ones((1, 3, 1000), bool),
        np.zeros((5, 1000, 3), ">u2"),
    ],
)
def test_odd_images_make_a_picture(image: NDArray[Any]) -> None:
    labels = LabelPicture(pixels=np.ones(image.shape[1:], np.uint16), classes=CLASSES)
    picture = render(Preview(title="t", image=image, labels=(labels,), pixel_width=1.0, unit="micrometer"))
    assert picture.mode == "RGB"
    assert picture.width >= drawing.MIN_WIDTH
    assert picture.height > image.shape[1]
    assert (pixels_of(picture) == RED).all(axis=-1).any()


def test_scores_are_shown_beside_the_image() -> None:
    image = ramp()
    scores = np.stack([ramp()[0][::-1], np.full((450, 600), 0.5)]).astype(np.float32)
    picture = render(Preview(title="t", image=image, scores=scores, score_names=("depth", "flat")))
    em = 28  # three panels are wide: larger letters
    assert picture.width == 3 * 600 + 4 * em
    row = pixels_of(picture)[3 * em : 3 * em + 450]
    panels = [row[:, em + i * (600 + em) :][:, :600] for i in range(3)]
    gray = as_rgb(image, is_color=False)
    np.testing.assert_array_equal(panels[0], gray)
    np.testing.assert_array_equal(panels[1], gray[::-1])
    assert (panels[2] == 128).all()
    captions = pixels_of(picture)[3 * em + 450 :]
    assert all((captions[:, em + i * (600 + em) :][:, :600] != PAPER).any() for i in range(3))


# Text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Nucleus", "Nucleus"),
        ("Größe", "Gro?e"),
        (unicodedata.normalize("NFD", "Größe"), "Gro?e"),
        ("50 µm – 2×", "50 um - 2x"),
        ("核", "?"),
        ("a\nb\tc", "a b c"),
        ("\x00\ud800", "??"),
        ("", ""),
    ],
)
def test_letters_the_font_lacks_are_replaced(text: str, result: str) -> None:
    assert written(text, ImageFont.load_default(13)) == result


@settings(max_examples=40, deadline=None)
@given(st.text())
def test_any_text_can_be_drawn(text: str) -> None:
    font = ImageFont.load_default(13)
    line = shortened(text, font, 100)
    assert "\n" not in line
    assert font.getlength(line) <= 100


def test_any_class_name_and_title_make_a_picture() -> None:
    name = "核 🧬 ק\n\ud800" + "x" * 5000
    labels = LabelPicture(
        pixels=np.ones((9, 9), np.uint8), classes=(ModelClass(name=name, label=1, color=RED),)
    )
    picture = render(Preview(title=name, image=np.zeros((1, 9, 9)), labels=(labels,)))
    assert (pixels_of(picture)[:, -13:] == PAPER).all()  # nothing runs into the margin


def test_long_text_is_cut_with_dots() -> None:
    font = ImageFont.load_default(13)
    cut = shortened("a very long name of a class", font, 80)
    assert cut.endswith("…")
    assert cut.startswith("a very")
    assert font.getlength(cut) <= 80
