"""Small zarr stores of every flavour, written in code: OME-Zarr 0.4/0.5, plain arrays, collections, plates.

Everything that claims to be OME-Zarr here is valid for `yaozarrs` and `ome_zarr_models`; a test proves it.
Pixels are made by `pattern`, so that a test can say what it expects without keeping a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
import zarr.codecs
from numpy.typing import DTypeLike, NDArray

Version = Literal["0.4", "0.5"]

_TYPES = {"t": "time", "c": "channel"}
_UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}


def pattern(shape: Sequence[int], dtype: DTypeLike = np.uint16, *, seed: int = 0) -> NDArray[Any]:
    """Pixels that differ everywhere: random over the whole range of integer types, 0..1 for floats."""
    rng, kind = np.random.default_rng(seed), np.dtype(dtype)
    if kind.kind == "b":
        return rng.random(tuple(shape)) < 0.5
    if kind.kind == "f":
        return rng.random(tuple(shape)).astype(kind)
    bounds = np.iinfo(kind)
    values = rng.integers(
        bounds.min, bounds.max, size=tuple(shape), endpoint=True, dtype=kind.newbyteorder("=")
    )
    return values.astype(kind)


def write_array(
    path: Path,
    data: NDArray[Any],
    *,
    zarr_format: Literal[2, 3] = 3,
    chunks: Sequence[int] | None = None,
    shards: Sequence[int] | None = None,
    dimension_names: Sequence[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
    **more: Any,
) -> Path:
    """One zarr array at `path`; `more` goes to `zarr.create_array` (compressors, fill_value, ...)."""
    if zarr_format == 2:
        more.setdefault("chunk_key_encoding", {"name": "v2", "separator": "/"})
    elif data.dtype.byteorder == ">":  # v3 keeps the byte order in the codec, not in the type
        more.setdefault("serializer", zarr.codecs.BytesCodec(endian="big"))
        data = data.astype(data.dtype.newbyteorder("="))
    array = zarr.create_array(
        path,
        shape=data.shape,
        dtype=data.dtype,
        chunks=_chunks(data.shape, chunks),
        shards=None if shards is None else tuple(shards),
        zarr_format=zarr_format,
        dimension_names=dimension_names if zarr_format == 3 else None,
        attributes=dict(attributes or {}),
        **more,
    )
    if data.size:
        array[...] = data
    return path


def write_ome_zarr(
    path: Path,
    data: NDArray[Any],
    axes: str = "tczyx",
    *,
    version: Version = "0.5",
    zarr_format: Literal[2, 3] | None = None,
    levels: int = 1,
    scale: Sequence[float] | None = None,
    translation: Sequence[float] | None = None,
    chunks: Sequence[int] | None = None,
    shards: Sequence[int] | None = None,
    channel_names: Sequence[str] = (),
    channel_colors: Sequence[str] = (),
    extra: Mapping[str, Any] | None = None,
    **more: Any,
) -> Path:
    """An OME-Zarr image; `axes` has one letter per dimension, each level halves y and x by dropping pixels.

    `scale` and `translation` are those of level 0, one number per axis; `zarr_format` follows from `version`
    unless given (0.4 metadata in a v3 store exists in the wild and is not valid). `extra` joins the OME
    attributes; `more` goes to `write_array`.
    """
    zarr_format = zarr_format or (2 if version == "0.4" else 3)
    steps = [1.0] * data.ndim if scale is None else [float(s) for s in scale]
    datasets = []
    for level in range(levels):
        factor = [2**level if axis in "yx" else 1 for axis in axes]
        picture = data[tuple(slice(None, None, f) for f in factor)]
        names = list(axes) if zarr_format == 3 else None
        write_array(
            path / str(level),
            picture,
            zarr_format=zarr_format,
            chunks=None if chunks is None else _clip(chunks, picture.shape, shards),
            shards=shards,
            dimension_names=names,
            **more,
        )
        transforms: list[dict[str, Any]] = [
            {"type": "scale", "scale": [s * f for s, f in zip(steps, factor, strict=True)]}
        ]
        if translation is not None:
            transforms.append({"type": "translation", "translation": [float(t) for t in translation]})
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    attributes: dict[str, Any] = {
        "multiscales": [{"name": path.name, "axes": [_axis(a) for a in axes], "datasets": datasets}]
    }
    attributes.update(extra or {})
    if channel_names or channel_colors:
        attributes["omero"] = _omero(channel_names, channel_colors)
    write_group(path, attributes, version=version, zarr_format=zarr_format)
    return path


def write_group(
    path: Path, attributes: Mapping[str, Any], *, version: Version, zarr_format: Literal[2, 3] | None = None
) -> Path:
    """A zarr group with its OME attributes where that version keeps them."""
    zarr_format = zarr_format or (2 if version == "0.4" else 3)
    if version == "0.5":
        stored: dict[str, Any] = {"ome": {"version": "0.5", **attributes}}
    else:
        stored = {key: _versioned(key, value) for key, value in attributes.items()}
    zarr.open_group(str(path), mode="a", zarr_format=zarr_format, use_consolidated=False).attrs.update(stored)
    return path


def write_labels(
    path: Path, data: NDArray[Any], axes: str, *, name: str, version: Version = "0.5", levels: int = 1
) -> Path:
    """A label image `path/labels/<name>`, registered in the `labels` group of the image at `path`."""
    colors = [{"label-value": 1, "rgba": [255, 0, 0, 255]}]
    image = path / "labels" / name
    write_ome_zarr(
        image, data, axes, version=version, levels=levels, extra={"image-label": {"colors": colors}}
    )
    write_group(path / "labels", {"labels": [name]}, version=version)
    return image


def write_bf2raw(
    path: Path,
    images: Sequence[NDArray[Any]],
    axes: str = "tczyx",
    *,
    version: Version = "0.5",
    series: bool = True,
    **more: Any,
) -> Path:
    """A `bioformats2raw.layout` collection: images "0", "1", ..., and the `OME` group that lists them."""
    write_group(path, {"bioformats2raw.layout": 3}, version=version)
    for index, data in enumerate(images):
        write_ome_zarr(path / str(index), data, axes, version=version, **more)
    if series:
        write_group(path / "OME", {"series": [str(index) for index in range(len(images))]}, version=version)
        (path / "OME" / "METADATA.ome.xml").write_text(_ome_xml(len(images)), encoding="utf-8")
    return path


def write_plate(
    path: Path,
    wells: Mapping[tuple[str, str], Sequence[NDArray[Any]]],
    axes: str = "tczyx",
    *,
    version: Version = "0.5",
    **more: Any,
) -> Path:
    """An HCS plate: `{("A", "1"): [field 0, field 1]}` becomes images "A/1/0" and "A/1/1"."""
    rows, columns = (sorted({well[i] for well in wells}) for i in (0, 1))
    plate = {
        "version": version,
        "name": path.name,
        "rows": [{"name": name} for name in rows],
        "columns": [{"name": name} for name in columns],
        "field_count": max(len(fields) for fields in wells.values()),
        "wells": [
            {"path": f"{row}/{column}", "rowIndex": rows.index(row), "columnIndex": columns.index(column)}
            for row, column in wells
        ],
    }
    write_group(path, {"plate": plate}, version=version)
    for (row, column), fields in wells.items():
        write_plain_group(path / row, zarr_format=2 if version == "0.4" else 3)
        listed = [{"path": str(index)} for index in range(len(fields))]
        write_group(path / row / column, {"well": {"images": listed}}, version=version)
        for index, data in enumerate(fields):
            write_ome_zarr(path / row / column / str(index), data, axes, version=version, **more)
    return path


def write_plain_group(path: Path, *, zarr_format: Literal[2, 3] = 3) -> Path:
    """A zarr group without attributes."""
    zarr.open_group(str(path), mode="a", zarr_format=zarr_format, use_consolidated=False)
    return path


def chunk_files(array: Path) -> list[Path]:
    """The chunk (or shard) files of an array, sorted by path."""
    return sorted(p for p in array.rglob("*") if p.is_file() and p.name != "zarr.json" and p.name[:2] != ".z")


def _chunks(shape: Sequence[int], chunks: Sequence[int] | None) -> tuple[int, ...]:
    if chunks is not None:
        return tuple(chunks)
    return tuple(max(1, min(n, 32)) for n in shape)


def _clip(chunks: Sequence[int], shape: Sequence[int], shards: Sequence[int] | None) -> tuple[int, ...]:
    """Chunks no larger than a coarse level; left alone where they have to divide a shard."""
    return tuple(chunks) if shards else tuple(min(c, max(n, 1)) for c, n in zip(chunks, shape, strict=True))


def _axis(letter: str) -> dict[str, str]:
    axis = {"name": letter, "type": _TYPES.get(letter, "space")}
    return axis | ({"unit": _UNITS[letter]} if letter in _UNITS else {})


def _omero(names: Sequence[str], colors: Sequence[str]) -> dict[str, Any]:
    window = {"min": 0.0, "max": 255.0, "start": 0.0, "end": 255.0}
    channels: list[dict[str, Any]] = [{"window": window} for _ in range(max(len(names), len(colors)))]
    for channel, name in zip(channels, names, strict=False):
        channel["label"] = name
    for index, channel in enumerate(channels):
        channel["color"] = colors[index] if index < len(colors) else "FFFFFF"
    return {"channels": channels}


def _versioned(key: str, value: Any) -> Any:
    """NGFF 0.4 keeps its version beside each kind of metadata, 0.5 once for the group."""
    if key == "multiscales":
        return [{"version": "0.4", **value[0]}]
    return {"version": "0.4", **value} if isinstance(value, dict) else value


def _ome_xml(count: int) -> str:
    image = (
        '<Image ID="Image:{0}"><Pixels ID="Pixels:{0}" DimensionOrder="XYZCT" Type="uint16"'
        ' SizeX="1" SizeY="1" SizeZ="1" SizeC="1" SizeT="1"><MetadataOnly/></Pixels></Image>'
    )
    body = "".join(image.format(index) for index in range(count))
    return f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{body}</OME>'
