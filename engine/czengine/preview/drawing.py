"""Draws the preview picture: an image with the classes over it, legend, scale bar and title.

Arrays in, a Pillow image out. Reads no store and writes no file; that is `saving.py`. Only this module knows
the layout.

    +--------------------------------+
    | title                          |
    | +----------------------------+ |
    | | panel: image with classes, | |     scores instead of labels: the image in the first panel,
    | | gray or colour             | |     the outputs beside it, each with its name under it
    | +----------------------------+ |
    | # class 12.3 %  # class  50 µm | |
    +--------------------------------+
"""

from __future__ import annotations

import contextlib
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czengine.geometry import METRES
from czengine.preview.overlay import LabelPicture, Rgb, as_rgb, lay_over, stretched
from czengine.spec import Color

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

PAPER: Color = (24, 26, 31)
INK: Color = (232, 234, 237)
MAX_ENTRIES = 20  # classes in the legend
MIN_EDGE, MIN_WIDTH = 400, 420  # smaller pictures are enlarged; a narrower picture still leaves room for text

_PLAIN = {"µ": "u", "×": "x", "–": "-", "—": "-"}  # for fonts that lack them
_LONGEST_TEXT = 200
_PREFIXES = ((1.0, "m"), (1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm"))


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What is to be drawn.

    Attributes
    ----------
    title : str
        One line above the picture.
    image : ndarray
        (channel, y, x), any real type; NaN is drawn black.
    is_color : bool
        The first three channels are red, green and blue.
    labels : tuple of LabelPicture
        Drawn one over the other; one for a segmentation, one per class for a multi-label model.
    scores : ndarray or None
        (channel, y, x) floats, drawn beside the image; None for labels.
    score_names : tuple of str
        One per channel of `scores`.
    pixel_width : float or None
        Width of a pixel of `image` in `unit`.
    unit : str or None
        Unit of length as NGFF spells it, e.g. "micrometer".
    """

    title: str
    image: NDArray[Any]
    is_color: bool = False
    labels: tuple[LabelPicture, ...] = ()
    scores: NDArray[Any] | None = None
    score_names: tuple[str, ...] = ()
    pixel_width: float | None = None
    unit: str | None = None


@dataclass(frozen=True)
class _Pen:
    """Where to draw, and the size of everything that is not the picture."""

    draw: ImageDraw.ImageDraw
    font: Font
    em: int

    def text(self, x: int, y: int, text: str) -> None:
        self.draw.text((x, y + self.em // 2), text, fill=INK, font=self.font, anchor="lm")


def render(preview: Preview) -> Image.Image:
    """Draw a preview.

    Returns
    -------
    PIL.Image.Image
        Mode "RGB". The image is at its own size, or enlarged by a whole factor where it is tiny.
    """
    from PIL import Image, ImageDraw

    panels, captions, factor = _panels(preview)
    height, width = panels[0].shape[:2]
    em = min(max(len(panels) * width // 46, 13), 28)
    font = _font(em)
    inner = max(len(panels) * (width + em) - em, MIN_WIDTH)
    bar = _scale_bar(preview, font, factor=factor, longest=max(width, MIN_WIDTH) / 5)
    bar_room = 0 if bar is None else bar[0] + em // 2 + math.ceil(font.getlength(bar[1])) + em
    legend = _flow(_entries(preview.labels, font), font, em, inner - bar_room)
    top, line = 3 * em, em * 8 // 5
    bottom = top + height + em + (line if captions else 0)
    rows = max(len(legend), 0 if bar is None else 1)
    picture = Image.new("RGB", (inner + 2 * em, bottom + rows * line), PAPER)
    pen = _Pen(ImageDraw.Draw(picture), font, em)
    pen.text(em, em, shortened(preview.title, font, inner))
    for i, panel in enumerate(panels):
        left = em + (inner - len(panels) * (width + em) + em) // 2 + i * (width + em)
        picture.paste(Image.fromarray(panel), (left, top))
        if captions:
            pen.text(left, top + height + em // 2, shortened(captions[i], font, width))
    for row, entries in enumerate(legend):
        for x, text, color in entries:
            _draw_entry(pen, em + x, bottom + row * line, text, color)
    if bar is not None:
        _draw_bar(pen, em + inner - bar_room + em, bottom, *bar)
    return picture


def written(text: str, font: Font) -> str:
    """`text` in letters the font has: without accents where it must be, "?" where nothing comes near."""
    lacking = bytes(font.getmask("\ue000"))  # a private character: what the font draws for one it lacks

    def drawn(letter: str) -> str:
        choices = (letter, _PLAIN.get(letter), unicodedata.normalize("NFKD", letter)[0])
        fitting = (c for c in choices if c and c.isprintable() and bytes(font.getmask(c)) != lacking)
        return " " if letter.isspace() else next(fitting, "?")

    return "".join(map(drawn, unicodedata.normalize("NFC", text[:_LONGEST_TEXT])))


def shortened(text: str, font: Font, width: float) -> str:
    """`text` on one line, cut with "…" where it is wider than `width` pixels."""
    line, dots = written(text, font), written("…", font)
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + dots) > width:
        line = line[:-1]
    return line.rstrip() + dots


def _font(em: int) -> Font:
    """A font of the system with accents, Greek and Cyrillic; else Pillow's own, which has ASCII only."""
    from PIL import ImageFont

    for name in ("DejaVuSans.ttf", "Arial.ttf", "arial.ttf"):
        with contextlib.suppress(OSError):
            return ImageFont.truetype(name, em)
    return ImageFont.load_default(em)


def _panels(preview: Preview) -> tuple[list[Rgb], list[str], int]:
    """The pictures side by side, their captions (none for labels), and how much they are enlarged."""
    panels, captions = [as_rgb(preview.image, is_color=preview.is_color)], ["image"]
    factor = max(MIN_EDGE // max(panels[0].shape[:2]), 1)
    scores = () if preview.scores is None else preview.scores
    for channel, name in zip(scores, preview.score_names, strict=True):
        panels.append(np.repeat(stretched(channel)[..., np.newaxis], 3, axis=2))
        captions.append(name)
    panels = [panel.repeat(factor, axis=0).repeat(factor, axis=1) for panel in panels]
    for labels in preview.labels:
        lay_over(panels[0], labels, factor)
    return panels, captions if len(panels) > 1 else [], factor


def _entries(labels: Sequence[LabelPicture], font: Font) -> list[tuple[str, Color | None]]:
    """Text and colour of each legend entry: name and share of the picture."""
    entries: list[tuple[str, Color | None]] = []
    for picture in labels:
        shares = picture.counts() / picture.pixels.size
        for each in picture.classes:
            name = shortened(each.name, font, 13 * font.getlength("m"))
            entries.append((f"{name}  {_percent(float(shares[each.label]))}", each.color))
    if len(entries) > MAX_ENTRIES:
        entries[MAX_ENTRIES - 1 :] = [(f"+{len(entries) - MAX_ENTRIES + 1} more", None)]
    return entries


def _percent(share: float) -> str:
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def _flow(
    entries: Sequence[tuple[str, Color | None]], font: Font, em: int, width: float
) -> list[list[tuple[int, str, Color | None]]]:
    """Entries set in rows of `width` pixels, each with its x."""
    rows: list[list[tuple[int, str, Color | None]]] = []
    x = math.inf
    for text, color in entries:
        need = math.ceil(font.getlength(text)) + (em * 3 // 2 if color else 0)
        if x + need > width:
            rows.append([])
            x = 0
        rows[-1].append((int(x), text, color))
        x += need + em * 3 // 2
    return rows


def _draw_entry(pen: _Pen, x: int, y: int, text: str, color: Color | None) -> None:
    if color is not None:
        pen.draw.rectangle((x, y, x + pen.em - 1, y + pen.em - 1), fill=color, outline=INK)
        x += pen.em * 3 // 2
    pen.text(x, y, text)


def _scale_bar(preview: Preview, font: Font, *, factor: int, longest: float) -> tuple[int, str] | None:
    """Pixels and text of a scale bar of a round length; None where the size of a pixel is unknown."""
    size = preview.pixel_width
    if size is None or not math.isfinite(size) or size <= 0 or preview.unit is None:
        return None
    metres = METRES.get(preview.unit)
    pixel = size / factor * (metres or 1.0)
    length = _round_down(longest * pixel)
    if metres is None:
        return round(length / pixel), shortened(f"{length:g} {preview.unit}", font, longest)
    scale, name = next((p for p in _PREFIXES if length >= 0.999 * p[0]), _PREFIXES[-1])
    return round(length / pixel), written(f"{length / scale:g} {name}", font)


def _round_down(length: float) -> float:
    """The greatest of 1, 2, 5 times a power of ten that is not above `length`."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(step * power for step in (1, 2, 5) if step * power <= length or step == 1)


def _draw_bar(pen: _Pen, x: int, y: int, pixels: int, text: str) -> None:
    thick = max(pen.em // 4, 2)
    top = y + (pen.em - thick) // 2
    pen.draw.rectangle((x, top, x + pixels - 1, top + thick - 1), fill=INK)
    pen.text(x + pixels + pen.em // 2, y, text)
