"""Results for the tests of sinks: facts about an image, pixels written the way a run writes them, validators."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from czengine.config import InputOptions, OutputOptions
from czengine.geometry import Region
from czengine.sinks.base import Sink, Target
from czengine.sinks.omezarr import open_sink
from czengine.sinks.targets import plan_targets
from czengine.sources.base import ImageInfo, PlaneIndex
from czengine.sources.collection import open_images
from czengine.spec import ModelSpec
from tests.support.specs import make_spec


def image_info(path: Path, *, axes: str | None = None, level: int = 0, image: str | None = None) -> ImageInfo:
    """What the engine knows about the image at `path`."""
    return open_images(path, InputOptions(axes=axes, level=level, image=image))[0].info


def plan(info: ImageInfo, spec: ModelSpec | None = None, **options: Any) -> tuple[Target, ...]:
    """The results of `spec` (a two-class segmentation called "test") for an image."""
    return plan_targets(spec or make_spec(), info, OutputOptions(**options), provenance={"version": "0"})


def result_pixels(targets: Sequence[Target], *, seed: int = 0) -> NDArray[Any]:
    """Pixels of all planes: (channel, plane axes…, y, x), different everywhere."""
    info, rng = targets[0].image, np.random.default_rng(seed)
    channels = sum(max(len(target.channels), 1) for target in targets)
    shape = (channels, *(info.size(axis) for axis in info.axes.planes), info.height, info.width)
    if targets[0].kind == "scores":
        return rng.random(shape, np.float32)
    return rng.integers(0, 3, shape).astype(targets[0].dtype)


def blocks_of(sink: Sink, height: int, width: int) -> list[Region]:
    """The blocks of a plane."""
    rows, columns = sink.block
    corners = product(range(0, height, rows), range(0, width, columns))
    return [Region(y, x, rows, columns).clipped(height, width) for y, x in corners]


def write_planes(
    sink: Sink, pixels: NDArray[Any], *, threads: int = 2, seed: int = 0, finish: bool = True
) -> None:
    """Write every block of every plane, in random order, by several threads; then make the pyramid."""
    planes = list(product(*(range(n) for n in pixels.shape[1:-2])))
    blocks = list(product(planes, blocks_of(sink, *pixels.shape[-2:])))
    random.Random(seed).shuffle(blocks)

    def write(block: tuple[PlaneIndex, Region]) -> None:
        plane, region = block
        whole = pixels[(slice(None), *plane)]
        sink.write(plane, region, whole[:, region.y : region.bottom, region.x : region.right])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write, blocks))
    if finish:
        sink.finish(threads)


def write_result(targets: Sequence[Target], *, seed: int = 0) -> NDArray[Any]:
    """Write the results of one image as a run would; the pixels."""
    pixels = result_pixels(targets, seed=seed)
    with open_sink(targets) as sink:
        write_planes(sink, pixels)
    return pixels


def in_storage_order(pixels: NDArray[Any], target: Target, axes: str) -> NDArray[Any]:
    """`pixels` (of one target) as they have to lie in an array with these axes."""
    names = "c" + "".join(target.image.axes.planes) + "yx"
    if "c" not in axes:
        pixels, names = pixels[0], names[1:]
    return pixels.transpose([names.index(name) for name in axes])


def attributes(path: Path) -> dict[str, Any]:
    """Attributes of a group, read past consolidated metadata."""
    return dict(zarr.open_group(str(path), mode="r", use_consolidated=False).attrs)


def ome(path: Path) -> dict[str, Any]:
    """OME attributes of a group, whichever version."""
    found = attributes(path)
    return found.get("ome", found)


def validate(*paths: Path) -> None:
    """Ask both validators about images, label images or whole collections."""
    pytest.importorskip("fsspec", reason="yaozarrs reads stores with fsspec")
    import ome_zarr_models
    import yaozarrs

    for path in paths:
        yaozarrs.validate_zarr_store(str(path))
        ome_zarr_models.open_ome_zarr(zarr.open_group(str(path), mode="r", use_consolidated=False))


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content, and every folder."""
    found = sorted(folder.rglob("*"))
    return {p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else b"" for p in found}
