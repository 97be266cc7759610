"""From a path to the images there: one image, a level of it, a plain array, a whole plate or collection.

Knows where OME-NGFF collections list their images. What an image is, is `image.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from czengine.config import InputOptions
from czengine.errors import ImageError, OptionError
from czengine.sources.image import multiscale_source, plain_source
from czengine.sources.ngff import dataset_paths, listed_paths, ome_attributes
from czengine.sources.zarrsource import ZarrSource
from czengine.sources.zarrstore import child_group, is_node, open_node

if TYPE_CHECKING:
    import zarr

    Array = zarr.Array[Any]

_LAYOUT = "bioformats2raw.layout"
_SHOWN = 5  # names listed in an error message


def open_images(path: Path, options: InputOptions, *, threads: int | None = None) -> tuple[ZarrSource, ...]:
    """The images at `path`, each once, in the order of the store's metadata.

    Parameters
    ----------
    path : Path
        An OME-Zarr 0.4 or 0.5 image, a level of one, an HCS plate or one of its wells, a collection with
        `bioformats2raw.layout`, or a plain zarr array or group of arrays; also inside a larger store.
    options : InputOptions
        `axes`, `image` and `level` are used here.
    threads : int or None
        Chunks of an image decoded at once; None takes one per core.

    Raises
    ------
    OptionError
        Where an option does not fit what is there.
    ImageError
        Where there is no image, or it cannot be read.
    """
    path = path if path.name not in ("", "..") else path.resolve()
    return tuple(source.using(threads) for source in _open(path, options))


def _open(path: Path, options: InputOptions) -> tuple[ZarrSource, ...]:
    import zarr

    node = open_node(path)
    if isinstance(node, zarr.Group):
        return _from_group(path, node, options)
    return (_from_array(path, node, options),)


def _from_array(path: Path, array: Array, options: InputOptions) -> ZarrSource:
    _refuse_image_option(path, options)
    found = _pyramid_of(path.absolute())
    if found is None:
        return plain_source(path, "", {"": array}, options)
    image, group, level = found
    if options.level not in (0, level):
        raise OptionError(f"level is {options.level}, but {path} is level {level} already; leave --level out")
    _refuse_labels(image, ome_attributes(group.attrs.asdict()))
    return multiscale_source(image, "", group, replace(options, level=level))


def _from_group(path: Path, group: zarr.Group, options: InputOptions) -> tuple[ZarrSource, ...]:
    ome = ome_attributes(group.attrs.asdict())
    _refuse_labels(path, ome)
    if "plate" in ome:
        paths = _plate_images(path, group, ome["plate"], options.image)
    elif "multiscales" in ome:
        _refuse_image_option(path, options)
        return (multiscale_source(path, "", group, options),)
    elif "well" in ome:
        paths = listed_paths(ome["well"], "images", path.name)
    elif _LAYOUT in ome:
        paths = _series(path, group)
    else:
        return _from_plain_group(path, options)
    chosen = _pick(path, paths, options.image)
    return tuple(multiscale_source(path, p, child_group(group, p, path.name), options) for p in chosen)


def _from_plain_group(path: Path, options: InputOptions) -> tuple[ZarrSource, ...]:
    """A group of arrays: the only one, or a pyramid whose arrays are named 0, 1, ..."""
    import zarr

    if options.image is not None:
        return _open(path / options.image, replace(options, image=None))
    names = sorted(folder.name for folder in path.iterdir() if is_node(folder))
    nodes = {name: open_node(path / name) for name in names}
    arrays = {name: node for name, node in nodes.items() if isinstance(node, zarr.Array)}
    if len(arrays) == 1 or _is_pyramid(arrays):
        levels = {name: arrays[name] for name in sorted(arrays, key=lambda name: (len(name), name))}
        return (plain_source(path, "", levels, options),)
    if not names:
        raise ImageError(f"{path} is a zarr group that holds no image; give the path of an image")
    raise ImageError(f"{path} is a zarr group without OME metadata; name one of its members: {_shown(names)}")


def _is_pyramid(arrays: Mapping[str, Array]) -> bool:
    """Whether arrays named 0, 1, ... get smaller and smaller."""
    try:
        shapes = [arrays[str(index)].shape for index in range(len(arrays))]
    except KeyError:
        return False
    return bool(shapes) and all(
        len(a) == len(b) and a != b and all(m >= n for m, n in zip(a, b, strict=True))
        for a, b in itertools.pairwise(shapes)
    )


def _plate_images(path: Path, group: zarr.Group, plate: object, wanted: str | None) -> tuple[str, ...]:
    """All fields of a plate; where one is wanted, those of its well only, so that others may be damaged."""
    wells = listed_paths(plate, "wells", path.name)
    around = [well for well in wells if wanted is not None and wanted.strip("/").startswith(f"{well}/")]
    images: list[str] = []
    for well in around or wells:
        where = f"{path.name}/{well}"
        ome = ome_attributes(child_group(group, well, path.name).attrs.asdict())
        images += [f"{well}/{field}" for field in listed_paths(ome.get("well"), "images", where)]
    return tuple(images)


def _series(path: Path, group: zarr.Group) -> tuple[str, ...]:
    """Images of a `bioformats2raw.layout` collection: those its OME group lists, else 0, 1, ..."""
    listed = None
    if "OME" in group:
        listed = ome_attributes(child_group(group, "OME", path.name).attrs.asdict()).get("series")
    if listed is None:
        listed = list(itertools.takewhile(lambda name: name in group, map(str, itertools.count())))
    if not isinstance(listed, list) or not listed or not all(isinstance(name, str) for name in listed):
        raise ImageError(f"{path} is a {_LAYOUT} collection whose list of images is missing or damaged")
    return tuple(dict.fromkeys(name.strip("/") for name in listed))


def _pick(path: Path, paths: tuple[str, ...], wanted: str | None) -> tuple[str, ...]:
    if wanted is None:
        return paths
    if wanted.strip("/") not in paths:
        raise OptionError(f"image {wanted!r} is not in {path.name}; it holds {_shown(paths)}")
    return (wanted.strip("/"),)


def _pyramid_of(path: Path) -> tuple[Path, zarr.Group, int] | None:
    """The image one of whose levels is the array at `path`, and which level it is."""
    for parent in itertools.takewhile(is_node, path.parents):
        group = _readable_group(parent)
        levels = dataset_paths(group.attrs.asdict()) if group is not None else ()
        inside = path.relative_to(parent).as_posix()
        if group is not None and inside in levels:
            return parent, group, levels.index(inside)
    return None


def _refuse_labels(path: Path, ome: Mapping[str, Any]) -> None:
    if "image-label" in ome or _is_listed_label(path.absolute()):
        raise ImageError(
            f"{path} is a label image, the result of a segmentation; give the image it belongs to"
        )
    if "labels" in ome and "multiscales" not in ome:
        raise ImageError(f"{path} is a group of label images; give the image they belong to")


def _is_listed_label(path: Path) -> bool:
    parent = _readable_group(path.parent)
    listed = ome_attributes(parent.attrs.asdict()).get("labels") if parent is not None else None
    return isinstance(listed, list) and path.name in listed


def _readable_group(path: Path) -> zarr.Group | None:
    """The zarr group around what the user named; damage there is no reason not to read that."""
    import zarr

    try:
        node = open_node(path)
    except ImageError:
        return None
    return node if isinstance(node, zarr.Group) else None


def _refuse_image_option(path: Path, options: InputOptions) -> None:
    if options.image is not None:
        raise OptionError(f"image is {options.image!r}, but {path.name} is a single image; leave --image out")


def _shown(names: tuple[str, ...] | list[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
