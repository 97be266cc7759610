"""Draws the images of the benchmark, band by band, the same pixels every time.

`python -m czbench.data KIND EDGE PATH` writes an OME-Zarr image of EDGE × EDGE pixels (y, x), uint16, chunks of 1024
with blosc-zstd. Nothing is downloaded. It runs as a process of its own, see `measure`.

* nuclei: soft ellipses with a grain inside, on an uneven background, with shot noise. The ellipses repeat every
  2048 pixels, the noise does not.
* smooth: slow waves and noise, NGFF 0.4, so that a result has the codec of the image.
* sparse: zero, and no chunk on disk, except for a dozen chunks of nuclei; with the whole pyramid.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["nuclei", "smooth", "sparse"]

CHUNK = 1024
_PATTERN = 2048
_NUCLEI = 700
_STAMP = 64
_ZSTD_LEVEL = 3
_TISSUE = 12  # chunks of a sparse image that hold anything


def main() -> None:
    """Draw one image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("nuclei", "smooth", "sparse"))
    parser.add_argument("edge", type=int)
    parser.add_argument("path", type=Path)
    arguments = parser.parse_args()
    draw(arguments.kind, arguments.edge, arguments.path)


def draw(kind: Kind, edge: int, path: Path) -> None:
    """Write an image to `path`; it appears whole or not at all.

    Parameters
    ----------
    kind : {"nuclei", "smooth", "sparse"}
        What to draw.
    edge : int
        Height and width in pixels.
    path : Path
        Folder of the new image; nothing may be there.
    """
    part = path.with_name(f".{path.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    levels = _levels(edge) if kind == "sparse" else 1
    arrays = _create(part, edge, levels=levels, version="0.4" if kind == "smooth" else "0.5")
    if kind == "sparse":
        _fill_sparse(arrays, edge)
    else:
        bands = _nuclei_bands(edge) if kind == "nuclei" else _smooth_bands(edge)
        for y, band in bands:
            arrays[0][y : y + len(band)] = band
    part.rename(path)


def _nuclei_bands(edge: int) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """First row and pixels of one band after the other."""
    rng = np.random.default_rng(1)
    pattern = nuclei_pattern()
    columns = np.arange(edge) % _PATTERN
    for y in range(0, edge, CHUNK):
        clean = pattern[np.arange(y, min(y + CHUNK, edge)) % _PATTERN][:, columns]
        noise = rng.standard_normal(clean.shape, np.float32) * np.sqrt(
            clean * 2
        )  # shot noise, 2 counts per electron
        yield y, _to_uint16(clean + noise)


def _smooth_bands(edge: int) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    rng = np.random.default_rng(2)
    across = 2000 * np.sin(np.arange(edge, dtype=np.float32) / 900)
    for y in range(0, edge, CHUNK):
        down = 3000 * np.cos(np.arange(y, min(y + CHUNK, edge), dtype=np.float32) / 700)
        noise = rng.standard_normal((len(down), edge), np.float32) * 20
        yield y, _to_uint16(8000 + down[:, np.newaxis] + across + noise)


def _fill_sparse(arrays: list[Any], edge: int) -> None:
    chunks = edge // CHUNK
    spots = np.random.default_rng(3).permutation(chunks * chunks)[:_TISSUE]
    _, tissue = next(_nuclei_bands(CHUNK))
    for y, x in (divmod(int(spot), chunks) for spot in spots):
        for level, array in enumerate(arrays):
            side = CHUNK >> level
            array[y * side : (y + 1) * side, x * side : (x + 1) * side] = tissue[:: 1 << level, :: 1 << level]


def nuclei_pattern() -> NDArray[np.float32]:
    """What repeats: 2048 × 2048 counts without noise, seamless across its edges."""
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(_PATTERN, dtype=np.float32) * (2 * np.pi / _PATTERN))
    pattern: NDArray[np.float32] = (220 + 60 * (wave[:, np.newaxis] + wave)).astype(np.float32)
    for y, x in rng.integers(0, _PATTERN, (_NUCLEI, 2)):
        rows, columns = (np.arange(start, start + _STAMP) % _PATTERN for start in (y, x))
        pattern[np.ix_(rows, columns)] += _nucleus(rng)
    return pattern


def _nucleus(rng: np.random.Generator) -> NDArray[np.float32]:
    """One ellipse of some size, angle and brightness, with a soft edge and grain."""
    v, u = np.mgrid[:_STAMP, :_STAMP].astype(np.float32) - _STAMP / 2
    angle, (a, b) = rng.uniform(0, np.pi), rng.uniform(9, 22, 2)
    along, across = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    inside = 1 / (1 + np.exp(np.clip((np.hypot(along / a, across / b) - 1) * 12, -30, 30)))
    grain = 1 + 0.15 * np.sin(u / rng.uniform(1, 3)) * np.sin(v / rng.uniform(1, 3))
    stamp: NDArray[np.float32] = (rng.uniform(2000, 9000) * inside * grain).astype(np.float32)
    return stamp


def _to_uint16(counts: NDArray[np.float32]) -> NDArray[np.uint16]:
    return np.clip(counts, 0, 65535).astype(np.uint16)


def _levels(edge: int) -> int:
    return max(1, (edge // CHUNK).bit_length())


def _create(path: Path, edge: int, *, levels: int, version: Literal["0.4", "0.5"]) -> list[Any]:
    """The empty arrays of an OME-Zarr image, finest first."""
    import zarr

    arrays = [_create_array(path / str(n), edge >> n, version) for n in range(levels)]
    scales = [{"type": "scale", "scale": [0.25 * 2**n] * 2} for n in range(levels)]
    image: dict[str, Any] = {
        "axes": [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"],
        "datasets": [{"path": str(n), "coordinateTransformations": [s]} for n, s in enumerate(scales)],
    }
    group = zarr.open_group(str(path), mode="a", zarr_format=2 if version == "0.4" else 3)
    if version == "0.4":
        group.attrs.update({"multiscales": [{"version": "0.4", **image}]})
    else:
        group.attrs.update({"ome": {"version": "0.5", "multiscales": [image]}})
    return arrays


def _create_array(path: Path, edge: int, version: Literal["0.4", "0.5"]) -> Any:
    import zarr
    from zarr.codecs import BloscCodec

    chunk = min(edge, CHUNK)
    more: dict[str, Any] = {"compressors": [BloscCodec(cname="zstd", clevel=_ZSTD_LEVEL, shuffle="shuffle")]}
    if version == "0.4":
        blosc = {"id": "blosc", "cname": "zstd", "clevel": _ZSTD_LEVEL, "shuffle": 1}
        more = {"compressors": [blosc], "chunk_key_encoding": {"name": "v2", "separator": "/"}}
    else:
        more["dimension_names"] = ("y", "x")
    return zarr.create_array(
        str(path),
        shape=(edge, edge),
        chunks=(chunk, chunk),
        dtype="uint16",
        fill_value=0,
        zarr_format=2 if version == "0.4" else 3,
        **more,
    )


if __name__ == "__main__":
    main()
