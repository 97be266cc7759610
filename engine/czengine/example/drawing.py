"""Draws pictures of nuclei and writes them as OME-Zarr: for the bundled example, and to train a network on.

It draws the same pixels for the same arguments, on every machine and in every NumPy. It knows where the nuclei are,
because it put them there: no annotation is needed. Nothing that runs a network needs this module.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIXEL_SIZE = 0.325  # micrometres, a 20x objective
GRAY_STEP = 64  # the camera's gray levels: coarse, so that committed files stay small
LEVELS = 3
REACH = 30  # pixels; no nucleus is larger from its center
EDGE = 2  # pixels of a nucleus, from its outside inwards, that are called its border


def draw_nuclei(
    height: int, width: int, *, nuclei: int, seed: int
) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Draw a fluorescence picture of nuclei, some of them touching.

    Parameters
    ----------
    height, width : int
        Size in pixels.
    nuclei : int
        How many; fewer where there is no room for them.
    seed : int
        Another seed gives another picture.

    Returns
    -------
    image : ndarray of uint16
        (y, x), the camera's counts.
    truth : ndarray of int32
        (y, x), number of the nucleus a pixel belongs to, from 1; 0 between them.
    """
    random = np.random.RandomState(seed)  # this generator's stream is frozen: the same in every NumPy
    light = np.zeros((height, width))
    truth = np.zeros((height, width), np.int32)
    nearest = np.ones((height, width))
    texture = _texture(random, height, width)
    for number, (y, x) in enumerate(_centers(random, height, width, nuclei), start=1):
        window = _window(y, height), _window(x, width)
        distance = _ellipse(random, y, x, window)
        brightness = random.uniform(4500, 9500)
        dome = np.where(distance < 1, 0.4 + 0.6 * np.sqrt(np.clip(1 - distance, 0, 1)), 0)
        lit = brightness * dome * (1 + 0.16 * texture[window])
        light[window] = np.maximum(light[window], lit)
        truth[window] = np.where(distance < nearest[window], number, truth[window])
        nearest[window] = np.minimum(distance, nearest[window])
    photons = blurred(light, 1.3) + _background(height, width)
    noise = random.standard_normal(photons.shape) * (0.5 * GRAY_STEP + 0.008 * photons)
    return _quantised(photons + noise), truth


def classes_of(truth: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Class of every pixel: 0 between the nuclei, 1 inside of one, 2 on the outer `EDGE` pixels of one.

    Parameters
    ----------
    truth : ndarray of int32
        (y, x), as `draw_nuclei` returns it. The edge of the picture is no edge of a nucleus.
    """
    height, width = truth.shape
    padded = np.pad(truth, EDGE, mode="edge")
    around = range(2 * EDGE + 1)
    same = [padded[y : y + height, x : x + width] == truth for y in around for x in around]
    return np.where(truth == 0, 0, np.where(np.all(same, axis=0), 1, 2)).astype(np.uint8)


def write_image(path: Path, image: NDArray[np.uint16], *, compression: int = 3) -> None:
    """Write a picture as an OME-Zarr 0.5 image, axes CYX, with its pyramid.

    Parameters
    ----------
    path : Path
        Folder to make.
    image : ndarray of uint16
        (y, x), both sides multiples of four: each of the `LEVELS` is half as large as the one before.
    compression : int
        Level of zstd, 1 to 22; above 9 it takes seconds.
    """
    import zarr
    from zarr.codecs import ZstdCodec

    level = image[np.newaxis]
    attributes: dict[str, Any] = {"ome": _ome_metadata(int(level.max()))}
    group = zarr.open_group(path, mode="w", zarr_format=3, attributes=attributes)
    for name in range(LEVELS):
        array = group.create_array(
            str(name),
            shape=level.shape,
            dtype=level.dtype,
            chunks=(1, 256, 256),
            compressors=ZstdCodec(level=compression),
            dimension_names=("c", "y", "x"),
        )
        array[:] = level
        level = _halved(level)


def gaussian(sigma: float, radius: int) -> NDArray[np.float64]:
    """The bell curve at -radius … radius, with sum 1."""
    bell = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(bell / bell.sum())


def blurred(picture: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Gaussian blur with mirrored edges."""
    height, width = picture.shape
    radius = int(np.ceil(3 * sigma))
    padded = np.pad(picture, radius, mode="reflect")
    bell = gaussian(sigma, radius)
    rows = sum(w * padded[i : i + height] for i, w in enumerate(bell))
    return np.asarray(sum(w * rows[:, i : i + width] for i, w in enumerate(bell)))


def _centers(
    random: np.random.RandomState, height: int, width: int, nuclei: int
) -> list[tuple[float, float]]:
    """Places of the nuclei, none closer than touching; about one in four is put beside another."""
    centers: list[tuple[float, float]] = []
    for _ in range(1000 * nuclei):
        if len(centers) == nuclei:
            break
        if centers and random.uniform() < 0.25:
            angle, reach = random.uniform(0, 2 * np.pi), random.uniform(29, 34)
            y, x = centers[-1][0] + reach * np.sin(angle), centers[-1][1] + reach * np.cos(angle)
        else:
            y, x = random.uniform(0, height), random.uniform(0, width)
        inside = -4 < y < height + 4 and -4 < x < width + 4
        if inside and all(np.hypot(y - b, x - a) > 29 for b, a in centers):
            centers.append((y, x))
    return centers


def _window(center: float, size: int) -> slice:
    """The pixels within `REACH` of a center, along one axis."""
    return slice(max(int(center) - REACH, 0), min(int(center) + REACH, size))


def _ellipse(
    random: np.random.RandomState, y: float, x: float, window: tuple[slice, slice]
) -> NDArray[np.float64]:
    """Squared distance from (y, x) in a randomly turned, slightly bent ellipse: below 1 inside."""
    rows, columns = np.mgrid[window]
    angle, long, ratio = random.uniform(0, np.pi), random.uniform(13, 19), random.uniform(0.68, 0.95)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    along = (rows - y) * np.sin(angle) + (columns - x) * np.cos(angle)
    bend = random.uniform(-0.008, 0.008) * along**2
    return np.asarray((along / long) ** 2 + ((across + bend) / (long * ratio)) ** 2)


def _texture(random: np.random.RandomState, height: int, width: int) -> NDArray[np.float64]:
    """Chromatin: smooth noise of standard deviation 1."""
    grain = blurred(random.standard_normal((height, width)), 2.2)
    return np.asarray(grain / grain.std())


def _background(height: int, width: int) -> NDArray[np.float64]:
    """Light between the nuclei: brighter towards the lower left."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.asarray(200 + 250 * (rows / height) * (1 - columns / width))


def _quantised(light: NDArray[np.float64]) -> NDArray[np.uint16]:
    """The camera's counts: the nearest multiples of `GRAY_STEP`."""
    levels = np.rint(light / GRAY_STEP).clip(0, 65535 // GRAY_STEP)
    return (levels * GRAY_STEP).astype(np.uint16)


def _halved(level: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Mean of each 2 × 2 pixels, as coarse as the camera's gray levels."""
    channels, height, width = level.shape
    quads = level.reshape(channels, height // 2, 2, width // 2, 2)
    return _quantised(quads.mean(axis=(2, 4)))


def _ome_metadata(brightest: int) -> dict[str, Any]:
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in ("y", "x")]
    window = {"min": 0, "max": 65535, "start": 0, "end": brightest}
    channel = {"label": "DAPI", "color": "FFFFFF", "active": True, "window": window}
    scales = [[1.0, PIXEL_SIZE * 2**k, PIXEL_SIZE * 2**k] for k in range(LEVELS)]
    datasets = [
        {"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        for k, scale in enumerate(scales)
    ]
    multiscale = {"name": "nuclei", "axes": axes, "datasets": datasets}
    return {"version": "0.5", "multiscales": [multiscale], "omero": {"channels": [channel]}}
