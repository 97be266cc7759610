"""The picture of both tilings in the docs is what the script makes of the plans of today."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from czengine.geometry import Region
from scripts import make_tilings

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def drawn() -> Pixels:
    return np.asarray(make_tilings.draw())


def panels_of(picture: Pixels) -> list[Pixels]:
    """The two panels, without a letter."""
    height, width = next(make_tilings.panels())[2].pixels.shape[:2]
    lefts = (make_tilings.EDGE, make_tilings.EDGE + width + make_tilings.GAP)
    top = make_tilings.HEAD
    return [picture[top : top + height, left : left + width] for left in lefts]


def test_the_committed_picture_is_up_to_date(drawn: Pixels) -> None:
    """Letters may differ a little: every FreeType draws edges its own way."""
    with Image.open(make_tilings.PICTURE) as opened:
        committed = np.asarray(opened.convert("RGB"))
    assert committed.shape == drawn.shape
    for ours, theirs in zip(panels_of(committed), panels_of(drawn), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert np.abs(committed.astype(int) - drawn).mean() < 1


def test_the_same_every_time(drawn: Pixels) -> None:
    np.testing.assert_array_equal(np.asarray(make_tilings.draw()), drawn)


def test_both_cover_the_plane_with_as_many_tiles() -> None:
    plain, seamless = (panel.plan for _, _, panel in make_tilings.panels())
    assert (plain.height, plain.width) == (seamless.height, seamless.width)
    assert len(plain) == len(seamless) == 12
    assert plain.tile == seamless.tile == make_tilings.TILE
    assert all(tile.roi.y % 16 == tile.roi.x % 16 == 0 for tile in seamless.tiles())
    assert any(tile.roi.y % 16 for tile in plain.tiles())


def test_every_center_has_its_colour() -> None:
    for _, _, panel in make_tilings.panels():
        for i, row in enumerate(panel.plan.rows):
            for j, tile in enumerate(panel.plan.row_tiles(row)):
                c = tile.center
                pixels = panel.part(Region(c.y + 1, c.x + 1, c.height - 2, c.width - 2)).reshape(-1, 3)
                assert (pixels == make_tilings.CENTERS[i % 2][j % 2]).all(axis=1).any()


def test_it_goes_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["make_tilings", str(tmp_path / "t.png")])
    make_tilings.main()
    with Image.open(tmp_path / "t.png") as opened:
        assert opened.size == make_tilings.draw().size


def test_nothing_of_the_text_is_cut_off(drawn: Pixels) -> None:
    assert (drawn[:, -4:] == 255).all()
    assert (drawn[-4:] == 255).all()
