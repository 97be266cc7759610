"""Which results a run writes, and where: from model, image and options, before anything is opened.

Only this module knows the names of results.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from czengine.config import OutputOptions
from czengine.errors import OutputError
from czengine.sinks.base import Target
from czengine.sources.base import ImageInfo
from czengine.spec import ModelClass, ModelSpec, Task

FALLBACK_NAME = "czengine"
_LONGEST_SLUG = 60


def plan_targets(
    spec: ModelSpec, info: ImageInfo, options: OutputOptions, *, provenance: Mapping[str, Any]
) -> tuple[Target, ...]:
    """Decide what is written.

    Parameters
    ----------
    spec : ModelSpec
        The model: one label image, one per class (multi-label), or one float image (regression).
    info : ImageInfo
        The image.
    options : OutputOptions
        Scores instead of labels, another place, another name.
    provenance : mapping
        JSON-able facts about the run, kept with the result.

    Returns
    -------
    tuple of Target
        One per image to be written; of a multi-label model one per class, in order.

    Raises
    ------
    OutputError
        Where the result would lie in the input image itself, or a label value needs more than 16 bits.
    """
    name = options.name or slug(spec.name)
    if spec.task is Task.REGRESSION or options.scores:
        name = name if spec.task is Task.REGRESSION else f"{name}_scores"
        return (_scores(spec, info, options, name, provenance),)
    if spec.task is Task.SEGMENTATION:
        return (_labels(spec.classes, info, options, name, None, provenance),)
    suffixes = _unique(slug(c.name, fallback=f"class{c.label}") for c in spec.classes)
    return tuple(
        _labels((replace(c, label=1),), info, options, name, suffix, provenance)
        for c, suffix in zip(spec.classes, suffixes, strict=True)
    )


def slug(text: str, *, fallback: str = FALLBACK_NAME) -> str:
    """`text` as a readable folder name: letters, digits, ".", "_" and "-", at most 60; never empty."""
    words = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFKC", text))
    return words.strip("._-")[:_LONGEST_SLUG].rstrip("._-") or fallback


def _scores(
    spec: ModelSpec, info: ImageInfo, options: OutputOptions, name: str, provenance: Mapping[str, Any]
) -> Target:
    out = options.out or _beside(info.root, f"{_stem(info.root)}.{name}.ome.zarr")
    path = _followed(out / info.path)
    _refuse_input(path, info, is_label=False)
    return Target(
        kind="scores",
        path=path,
        registry=None,
        image=info,
        classes=spec.classes,
        channels=spec.output_names,
        dtype=np.dtype(np.float32),
        overwrite=options.overwrite,
        provenance=provenance,
    )


def _labels(
    classes: tuple[ModelClass, ...],
    info: ImageInfo,
    options: OutputOptions,
    name: str,
    suffix: str | None,
    provenance: Mapping[str, Any],
) -> Target:
    """One label image; `suffix` tells the classes of a multi-label model apart."""
    path = _label_path(info, options, name, suffix)
    _refuse_input(path, info, is_label=True)
    return Target(
        kind="labels",
        path=path,
        registry=info.root / info.path if _is_listed(path, info) else None,
        image=info,
        classes=classes,
        channels=(),
        dtype=_label_type(classes),
        overwrite=options.overwrite,
        provenance=provenance,
    )


def _label_path(info: ImageInfo, options: OutputOptions, name: str, suffix: str | None) -> Path:
    own = info.root / info.path / "labels"
    if options.out is not None:
        path = options.out / info.path / (suffix or "")
        return own / path.name if _is_listed(path, info) else _followed(path)
    if info.ngff is not None:
        return own / (f"{name}_{suffix}" if suffix else name)
    stem = "_".join([_stem(info.root), *Path(info.path).parts])
    return _beside(info.root, ".".join([stem, *filter(None, (options.name, suffix)), "labels.zarr"]))


def _is_listed(path: Path, info: ImageInfo) -> bool:
    """Whether the image's own labels list has to name the result: also where `out` points there."""
    labels = os.path.realpath(info.root / info.path / "labels")
    return info.ngff is not None and os.path.realpath(path.parent) == labels


def _label_type(classes: tuple[ModelClass, ...]) -> np.dtype[Any]:
    last = max(classes, key=lambda c: c.label)
    if last.label > np.iinfo(np.uint16).max:
        raise OutputError(f"class {last.name!r} has label value {last.label}; the largest possible is 65535")
    return np.dtype(np.uint8 if last.label <= np.iinfo(np.uint8).max else np.uint16)


def _refuse_input(path: Path, info: ImageInfo, *, is_label: bool) -> None:
    """Nothing but a label image may be written into the input, and nothing may take its place."""
    image = Path(os.path.realpath(info.root / info.path))
    place = Path(os.path.realpath(path))
    if place == image or place in image.parents:
        raise OutputError(
            f"{path} {'is' if place == image else 'holds'} the input image; choose another --out"
        )
    if image in place.parents and not (is_label and _is_listed(path, info)):
        raise OutputError(f"{path} is inside the input image; choose another --out")


def _unique(names: Iterable[str]) -> list[str]:
    """The names, numbered where one comes again (upper and lower case are one name on some disks)."""
    taken: list[str] = []
    for name in names:
        candidates = (name, *(f"{name}_{n}" for n in range(2, len(taken) + 3)))
        seen = {t.casefold() for t in taken}
        taken.append(next(c for c in candidates if c.casefold() not in seen))
    return taken


def _followed(path: Path) -> Path:
    """Where a link leads: a result takes the place of the folder it names, not of the link."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _stem(root: Path) -> str:
    name = _named(root).name
    return re.sub(r"(\.ome)?\.zarr$", "", name, flags=re.IGNORECASE) or "image"


def _beside(root: Path, name: str) -> Path:
    return _named(root).parent / name


def _named(root: Path) -> Path:
    """`root` with a name of its own, also where the user said "." or ".."."""
    return root if root.name not in ("", "..") else Path(os.path.abspath(root))
