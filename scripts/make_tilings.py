"""Draws how both tilings cover a plane, from the plans that the engine works with.

    python -m scripts.make_tilings [FILE]

run at the top of the repository, writes docs/images/tilings.png (default). The panels are the same pixels each time;
the letters are those of Pillow's own font. What is shown is small, so that tiles, borders and grid can be told apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from czengine.geometry import Region
from czengine.plan import Tile, TilePlan, plan_plane
from czengine.seamless import plan_seamless

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "tilings.png"

HEIGHT, WIDTH = 219, 282  # of the plane
TILE, BORDER, STRIDE = (96, 96), (12, 12), (16, 16)
SHOWN = (1, 1)  # the tile whose border is drawn

Rgb = tuple[int, int, int]
Pixels = NDArray[np.float64]  # (y, x, 3)

PAPER, INK, FAINT = (255, 255, 255), (38, 50, 56), (120, 135, 145)
CENTERS = (((197, 221, 243), (225, 239, 250)), ((214, 232, 213), (236, 245, 232)))
BORDERS, DOTS, GRID = (224, 108, 26), (178, 34, 60), (70, 105, 140)

ZOOM, GAP, EDGE = 2, 30, 28
MARGIN = 8  # pixels around a plane, for dots on its edge
HEAD, LINE, LETTERS = 64, 30, 17  # pixels: above the panels, of a row of the legend, of a letter


@dataclass(frozen=True)
class Panel:
    """A plane under its tiles, drawn at `ZOOM`; pixels beyond the plane belong to it as far as tiles reach."""

    plan: TilePlan
    pixels: Pixels
    stride: tuple[int, int] | None

    def part(self, region: Region) -> Pixels:
        """What is drawn of a region of the plane."""
        y, x = MARGIN + ZOOM * region.y, MARGIN + ZOOM * region.x
        return self.pixels[y : y + ZOOM * region.height, x : x + ZOOM * region.width]

    def draw(self) -> None:
        """Centers, grid, the border of one tile, and the origins of all."""
        for i, row in enumerate(self.plan.rows):
            for j, tile in enumerate(self.plan.row_tiles(row)):
                self.part(tile.center)[:] = CENTERS[i % 2][j % 2]
                outline(self.part(tile.center), PAPER, 1)
        self._beyond()
        self._grid()
        tile = list(self.plan.row_tiles(self.plan.rows[SHOWN[0]]))[SHOWN[1]]
        self._border(tile)
        outline(self.part(Region(0, 0, self.plan.height, self.plan.width)), INK, 1)
        for each in self.plan.tiles():
            dot(self.pixels, MARGIN + ZOOM * each.roi.y, MARGIN + ZOOM * each.roi.x)

    def _beyond(self) -> None:
        """Mirrored pixels below and right of the plane."""
        bottom, right = self.plan.rows[-1].roi_stop, self.plan.columns[-1].roi_stop
        height, width = self.plan.height, self.plan.width
        for region in (
            Region(height, 0, bottom - height, right),
            Region(0, width, height, right - width),
        ):
            mirrored(self.part(region))

    def _grid(self) -> None:
        if self.stride is None:
            return
        bottom, right = self.plan.rows[-1].roi_stop, self.plan.columns[-1].roi_stop
        drawn = self.pixels[MARGIN : MARGIN + ZOOM * bottom + 1, MARGIN : MARGIN + ZOOM * right + 1]
        for y in range(0, bottom + 1, self.stride[0]):
            blend(drawn[ZOOM * y : ZOOM * y + 1], GRID, 0.45)
        for x in range(0, right + 1, self.stride[1]):
            blend(drawn[:, ZOOM * x : ZOOM * x + 1], GRID, 0.45)

    def _border(self, tile: Tile) -> None:
        center, roi = self.part(tile.center), self.part(tile.roi)
        kept = center.copy()
        hatch(roi)
        center[:] = kept
        outline(center, BORDERS, 1)
        outline(roi, BORDERS, 3)


def blend(pixels: Pixels, color: Rgb, share: float | NDArray[np.float64]) -> None:
    """Lay a translucent colour over pixels."""
    pixels[:] = pixels * (1 - share) + np.array(color) * share


def hatch(pixels: Pixels) -> None:
    """Diagonal lines on a tint."""
    y, x = np.indices(pixels.shape[:2])
    blend(pixels, BORDERS, np.where((x + y) % 10 < 2, 0.75, 0.22)[..., np.newaxis])


def mirrored(pixels: Pixels) -> None:
    """What only stands for pixels: dots on paper."""
    y, x = np.indices(pixels.shape[:2])
    pixels[:] = PAPER
    blend(pixels, FAINT, np.where((x % 6 < 2) & (y % 6 < 2), 0.6, 0.08)[..., np.newaxis])


def outline(pixels: Pixels, color: Rgb, thick: int) -> None:
    """A frame along the inside of the edges."""
    for edge in (pixels[:thick], pixels[-thick:], pixels[:, :thick], pixels[:, -thick:]):
        edge[:] = color


def dot(pixels: Pixels, y: int, x: int, radius: float = 4.5) -> None:
    """A round dot, cut off at the edges."""
    rows, columns = np.ogrid[: pixels.shape[0], : pixels.shape[1]]
    away = np.hypot(rows - y, columns - x)
    blend(pixels, PAPER, np.clip(radius + 2 - away, 0, 1)[..., np.newaxis])
    blend(pixels, DOTS, np.clip(radius + 0.5 - away, 0, 1)[..., np.newaxis])


def panels() -> Iterator[tuple[str, str, Panel]]:
    """Both tilings, each with a title and what it promises."""
    plain = plan_plane(HEIGHT, WIDTH, tile=TILE, border=BORDER)
    seamless = plan_seamless(HEIGHT, WIDTH, tile=TILE, before=BORDER, after=BORDER, stride=STRIDE)
    size = (seamless.rows[-1].roi_stop, seamless.columns[-1].roi_stop)
    for title, text, plan, stride in (
        ("intellesis", "as ZEN places tiles: borders almost equal, origins anywhere", plain, None),
        ("seamless", "origins on the stride grid: tiles cannot be seen in the result", seamless, STRIDE),
    ):
        pixels = np.full((2 * MARGIN + ZOOM * size[0], 2 * MARGIN + ZOOM * size[1], 3), 255.0)
        panel = Panel(plan, pixels, stride)
        panel.draw()
        yield title, text, panel


def legend() -> list[tuple[str, Pixels]]:
    """Text and sample of every entry."""
    samples = {name: np.full((18, 26, 3), 255.0) for name in ("center", "border", "origin", "grid", "more")}
    samples["center"][:, :13], samples["center"][:, 13:] = CENTERS[0]
    outline(samples["center"], FAINT, 1)
    hatch(samples["border"])
    outline(samples["border"], BORDERS, 2)
    dot(samples["origin"], 9, 13)
    for line in (samples["grid"][4::9], samples["grid"][:, 4::9]):
        blend(line, GRID, 0.45)
    mirrored(samples["more"])
    return [
        ("center: what is kept", samples["center"]),
        ("border of one tile: seen, not kept", samples["border"]),
        ("origin of a tile", samples["origin"]),
        ("stride grid", samples["grid"]),
        ("mirrored", samples["more"]),
    ]


def draw() -> Image.Image:
    """The whole picture."""
    shown = list(panels())
    height, width = shown[0][2].pixels.shape[:2]
    picture = Image.new("RGB", (2 * EDGE + 2 * width + GAP, HEAD + height + LINE * 4 // 3), PAPER)
    pen = ImageDraw.Draw(picture)
    title, small = ImageFont.load_default(LETTERS + 4), ImageFont.load_default(LETTERS - 2)
    for i, (name, text, panel) in enumerate(shown):
        left = EDGE + i * (width + GAP)
        paste(picture, panel.pixels, left, HEAD)
        left += MARGIN
        pen.text((left, 20), name, fill=INK, font=title, anchor="lm")
        pen.text((left, 46), text, fill=FAINT, font=small, anchor="lm")
    x = EDGE + MARGIN
    for text, sample in legend():
        y = HEAD + height + LINE * 2 // 3
        paste(picture, sample, x, y - 9)
        pen.text((x + 34, y), text, fill=INK, font=small, anchor="lm")
        x += 34 + round(small.getlength(text)) + 30
    return picture


def paste(picture: Image.Image, pixels: Pixels, x: int, y: int) -> None:
    """Put pixels into a picture."""
    picture.paste(Image.fromarray(np.rint(pixels).astype(np.uint8)), (x, y))


def main() -> None:
    """Write it."""
    parser = argparse.ArgumentParser(description="Draws how both tilings cover a plane.")
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE, help="where to put it")
    draw().save(parser.parse_args().file, optimize=True)


if __name__ == "__main__":
    main()
