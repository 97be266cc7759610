"""`czengine demo`: the main job on the bundled example, in the folder the user is in."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from czengine.cli import options as o
from czengine.cli.run import Show, carry_out
from czengine.config import InputOptions, OutputOptions, RunOptions, TilingOptions
from czengine.errors import OutputError

_MODEL = "demo.czann"
_IMAGE = "demo.ome.zarr"
_PICTURE = "demo.png"


def demo(
    *,
    folder: Annotated[Path, typer.Option(help="Where to put the example and its result.")] = Path(),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the labels and the picture of an earlier demo.")
    ] = False,
    debug: o.Debug = False,
) -> None:
    """Segment the nuclei of a small example.

    Writes demo.czann, demo.ome.zarr with its labels, and demo.png.
    """
    from czengine import example

    model, image, picture = folder / _MODEL, folder / _IMAGE, folder / _PICTURE
    if image.exists() and not overwrite:
        raise OutputError(
            f"{image} is there already; look at it, or run it again with: czengine demo --overwrite"
        )
    _copy(example.model_path(), model)
    _copy(example.image_path(), image)
    print(f"$ czengine predict {model} {image} --preview {picture}")
    carry_out(
        model,
        image,
        inputs=InputOptions(),
        output=OutputOptions(overwrite=overwrite),
        tiling=TilingOptions(),
        run=RunOptions(),
        show=Show(preview=picture),
    )
    print(f"Look at {picture}, or open {image} in an OME-Zarr viewer such as napari.")


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder that is not there yet; it appears whole or not at all."""
    if target.exists():
        return
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        if source.is_dir():
            shutil.copytree(source, part)
        else:
            shutil.copyfile(source, part)
        part.rename(target)
    except OSError as error:
        raise OutputError(
            f"cannot write {target} ({error.strerror}); go to another folder, or give --folder"
        ) from error
