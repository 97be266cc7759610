"""Axes, levels, chunks and shards of results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from czengine.errors import OutputError
from czengine.geometry import Axes
from czengine.sinks.base import Target
from czengine.sinks.layout import plan_layout
from czengine.sources.base import ImageInfo, Level


def make_info(
    axes: str,
    shape: tuple[int, ...],
    *,
    chunks: tuple[int, ...] | None = None,
    shards: tuple[int, ...] | None = None,
    steps: tuple[int, ...] = (1,),
    level: int = 0,
) -> ImageInfo:
    """An image whose levels are `steps` times smaller in y and x."""
    factors = [[s if a in "yx" else 1 for a in axes] for s in steps]
    levels = tuple(
        Level(
            path=str(number),
            shape=tuple(-(-n // f) for n, f in zip(shape, factor, strict=True)),
            scale=tuple(0.5 * f for f in factor),
            translation=tuple(float(f - 1) for f in factor),
        )
        for number, factor in enumerate(factors)
    )
    return ImageInfo(
        root=Path("i.zarr"),
        path="",
        axes=Axes.parse(axes),
        units=tuple("micrometer" if a in "zyx" else None for a in axes),
        dtype=np.dtype(np.uint16),
        levels=levels,
        level=level,
        chunks=chunks or shape,
        shards=shards,
        channel_names=(),
        is_color=False,
        ngff="0.5",
        zarr_format=3,
    )


def make_target(info: ImageInfo, *, channels: int = 0) -> Target:
    """Labels, or `channels` scores."""
    return Target(
        kind="scores" if channels else "labels",
        path=Path("r.zarr"),
        registry=None,
        image=info,
        classes=(),
        channels=tuple(f"output {i + 1}" for i in range(channels)),
        dtype=np.dtype(np.float32 if channels else np.uint8),
        overwrite=False,
        provenance={},
    )


@pytest.mark.parametrize(
    ("axes", "labels", "scores"),
    [
        ("yx", "yx", "cyx"),
        ("cyx", "cyx", "cyx"),
        ("yxs", "cyx", "cyx"),
        ("tczyx", "tczyx", "tczyx"),
        ("tzyx", "tzyx", "tczyx"),
        ("ztyx", "tzyx", "tczyx"),
        ("yxc", "cyx", "cyx"),
        ("xyct", "tcxy", "tcxy"),  # OME-Zarr wants types in order, and lets space be sorted as it is
        ("pyx", "pyx", "pcyx"),
        ("pczyx", "pczyx", "pczyx"),
        ("yxpt", "tpyx", "tpcyx"),
    ],
)
def test_axes_are_those_of_the_image_in_legal_order(axes: str, labels: str, scores: str) -> None:
    info = make_info(axes, tuple(range(2, 2 + len(axes))))
    assert str(plan_layout(make_target(info)).axes) == labels.upper()
    assert str(plan_layout(make_target(info, channels=3)).axes) == scores.upper()


def test_shapes_follow_the_axes() -> None:
    info = make_info("ztyxs", (4, 5, 60, 70, 3))
    assert plan_layout(make_target(info)).levels[0].shape == (5, 1, 4, 60, 70)
    assert plan_layout(make_target(info, channels=2)).levels[0].shape == (5, 2, 4, 60, 70)
    assert plan_layout(make_target(make_info("yx", (60, 70)), channels=1)).levels[0].shape == (60, 70)


def test_scales_and_units_follow_the_axes() -> None:
    layout = plan_layout(make_target(make_info("cyx", (3, 60, 70), steps=(1, 2))))
    assert [level.scale for level in layout.levels] == [(1.0, 0.5, 0.5), (1.0, 1.0, 1.0)]
    assert [level.translation for level in layout.levels] == [(0.0, 0.0, 0.0), (0.0, 1.0, 1.0)]
    assert layout.units == (None, "micrometer", "micrometer")


@pytest.mark.parametrize("axes", ["tpmczyx", "mpyx", "tpczyx"])
def test_axes_without_a_place_are_refused(axes: str) -> None:
    info = make_info(axes, (2,) * len(axes))
    with pytest.raises(
        OutputError, match=f"i.zarr has the axes {axes.upper()} .* split the image along the others"
    ):
        plan_layout(make_target(info))


def test_a_channel_axis_too_many_is_refused() -> None:
    info = make_info("tpzyx", (2, 2, 2, 2, 2))
    assert len(plan_layout(make_target(info)).axes) == 5
    with pytest.raises(OutputError, match="its result needs 6"):
        plan_layout(make_target(info, channels=2))


def test_a_coarser_level_still_gets_as_many_levels_as_the_image() -> None:
    layout = plan_layout(make_target(make_info("tyx", (3, 5, 2), steps=(1, 2), level=2)))
    assert [level.shape for level in layout.levels] == [(3, 5, 2), (3, 3, 1), (3, 2, 1), (3, 1, 1)]
    assert [level.scale[1] for level in layout.levels] == [0.5, 1.0, 2.0, 4.0]
    assert {level.scale[0] for level in layout.levels} == {0.5}
    assert [level.path for level in layout.levels] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("image_chunk", "size", "chunk"),
    [
        (512, 5000, 512),
        (64, 5000, 1024),
        (4096, 5000, 1024),
        (5000, 5000, 1024),
        (64, 600, 600),
        (256, 100, 100),
    ],
)
def test_chunks_follow_the_image_within_reason(image_chunk: int, size: int, chunk: int) -> None:
    info = make_info("czyx", (2, 3, size, size), chunks=(2, 3, image_chunk, image_chunk))
    level = plan_layout(make_target(info)).levels[0]
    assert level.chunks == (1, 1, chunk, chunk)
    assert level.shards is None
    assert level.blocks == level.chunks


@pytest.mark.parametrize(
    ("shard", "size", "expected"),
    [(2048, 5000, 2048), (8192, 9000, 4096), (2048, 700, 1024), (700, 5000, 512), (2000, 5000, 1536)],
)
def test_shards_follow_the_image_within_reason(shard: int, size: int, expected: int) -> None:
    info = make_info("zyx", (3, size, size), chunks=(1, 512, 512), shards=(3, shard, shard))
    level = plan_layout(make_target(info)).levels[0]
    assert level.blocks == (1, expected, expected)
    assert level.shards == (None if expected == 512 else level.blocks)


def test_levels_as_small_as_a_chunk_need_no_shard() -> None:
    info = make_info("yx", (2000, 2000), chunks=(512, 512), shards=(1024, 1024), steps=(1, 4))
    assert [level.shards for level in plan_layout(make_target(info)).levels] == [(1024, 1024), None]


@pytest.mark.parametrize("channels", [0, 20])
def test_blocks_do_not_depend_on_the_plane(channels: int) -> None:
    for size in (5_000, 100_000):
        info = make_info("yx", (size, size), chunks=(512, 512), shards=(8192, 2048))
        level = plan_layout(make_target(info, channels=channels)).levels[0]
        assert level.blocks[-2:] == (4096, 2048)
        assert level.chunks[-2:] == (512, 512)


def test_an_image_that_was_opened_at_another_level_is_laid_out_from_there() -> None:
    info = make_info("yx", (100, 80), steps=(1, 2), level=1)
    shifted = replace(info, levels=info.levels[1:])
    assert [level.shape for level in plan_layout(make_target(shifted)).levels] == [(50, 40), (25, 20)]
