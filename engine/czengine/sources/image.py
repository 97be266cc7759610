"""One image: joins the metadata of a zarr group or array to the facts the engine needs, `ImageInfo`.

Does not search: which groups and arrays are images is `collection.py`; reading pixels is `zarrsource.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from czengine.config import InputOptions
from czengine.errors import ImageError, OptionError
from czengine.geometry import Axes, shrinkage
from czengine.sources.axes import given_axes, is_color, plain_axes
from czengine.sources.base import ImageInfo, Level
from czengine.sources.ngff import Multiscale, parse_multiscale
from czengine.sources.zarrsource import ZarrSource
from czengine.sources.zarrstore import child_array

if TYPE_CHECKING:
    import zarr

    Array = zarr.Array[Any]


def multiscale_source(root: Path, path: str, group: zarr.Group, options: InputOptions) -> ZarrSource:
    """The image of a group with OME-NGFF metadata, at the level the user wants.

    Raises
    ------
    OptionError
        Where the axes given contradict the metadata, or the level does not exist.
    ImageError
        Where the metadata are damaged, or the image is empty or of an unsupported type.
    """
    where = image_name(root, path)
    image = parse_multiscale(group.attrs.asdict(), where)
    if options.axes is not None and given_axes(options.axes, len(image.axes)) != image.axes:
        raise OptionError(
            f"axes is {options.axes!r}, but the metadata of {where} say {image.axes}; leave it out"
        )
    arrays = [child_array(group, dataset.path, where) for dataset in image.datasets]
    levels = [
        Level(path=dataset.path, shape=array.shape, scale=dataset.scale, translation=dataset.translation)
        for dataset, array in zip(image.datasets, arrays, strict=True)
    ]
    return _source(root, path, image.axes, levels, arrays, options, image)


def plain_source(root: Path, path: str, arrays: Mapping[str, Array], options: InputOptions) -> ZarrSource:
    """The image that arrays without OME-NGFF metadata make: `arrays` by path, full resolution first.

    Pixel sizes are unknown: level 0 has 1 along every axis, a coarser level how much smaller it is.

    Raises
    ------
    OptionError
        Where the axes given do not fit, or the level does not exist.
    ImageError
        Where the axes are unknown, or the image is empty or of an unsupported type.
    """
    first = next(iter(arrays.values()))
    axes = plain_axes(options.axes, first.ndim, _stored_names(first), image_name(root, path))
    levels = [
        Level(
            path=name,
            shape=array.shape,
            scale=tuple(shrinkage(a, max(b, 1)) for a, b in zip(first.shape, array.shape, strict=True)),
            translation=(0.0,) * first.ndim,
        )
        for name, array in arrays.items()
    ]
    return _source(root, path, axes, levels, list(arrays.values()), options, None)


def image_name(root: Path, path: str) -> str:
    """The image as a person would name it, as `ImageInfo.name` does."""
    return f"{root.name}/{path}" if path else root.name


def _source(
    root: Path,
    path: str,
    axes: Axes,
    levels: Sequence[Level],
    arrays: Sequence[Array],
    options: InputOptions,
    image: Multiscale | None,
) -> ZarrSource:
    where = image_name(root, path)
    if options.level >= len(levels):
        raise OptionError(f"level is {options.level}, but {where} has {len(levels)} (0 to {len(levels) - 1})")
    for level in levels:
        _check_shape(level, axes, where)
    array = arrays[options.level]
    dtype = array.dtype.newbyteorder("=")
    if dtype.kind not in "biuf":
        raise ImageError(f"{where} holds {dtype}; supported are bool, integers and floats, convert it to one")
    channels = levels[0].shape[axes.index(axes.channel)] if axes.channel is not None else 1
    names = image.channel_names if image is not None else ()
    colors = image.channel_colors if image is not None else ()
    info = ImageInfo(
        root=root,
        path=path,
        axes=axes,
        units=image.units if image is not None else (None,) * len(axes),
        dtype=dtype,
        levels=tuple(levels[options.level :]),
        level=options.level,
        chunks=array.chunks,
        shards=array.shards,
        channel_names=names if len(names) == channels else (),
        is_color=is_color(axes, channels, dtype, names, colors),
        ngff=image.version if image is not None else None,
        zarr_format=array.metadata.zarr_format,
    )
    return ZarrSource(info, array)


def _check_shape(level: Level, axes: Axes, where: str) -> None:
    if len(level.shape) != len(axes):
        raise ImageError(
            f"{where} has the axes {axes}, but its array {level.path!r} has {len(level.shape)} dimensions"
        )
    if 0 in level.shape:
        raise ImageError(
            f"{where} is empty: its shape is {level.shape} ({axes}); there is nothing to segment"
        )


def _stored_names(array: Array) -> list[Sequence[str | None] | None]:
    """Names the array gives its dimensions: those of zarr v3, then those xarray writes."""
    names = [getattr(array.metadata, "dimension_names", None), array.attrs.get("_ARRAY_DIMENSIONS")]
    return [name if isinstance(name, list | tuple) else None for name in names]
