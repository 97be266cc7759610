"""`czengine demo`: the main job on the bundled example, in the folder the user is in."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from czengine.cli import options as o
from czengine.cli.run import Show, carry_out
from czengine.config import InputOptions, OutputOptions, RunOptions
from czengine.errors import OutputError

_IMAGE = "demo.ome.zarr"
_PICTURE = "demo.png"


def demo(
    *,
    folder: Annotated[Path, typer.Option(help="Where to put the example and its result.")] = Path(),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what an earlier demo left.")
    ] = False,
    debug: o.Debug = False,
) -> None:
    """Segment the nuclei of a small bundled image: writes demo.ome.zarr and demo.png here."""
    from czengine import example

    image, picture = folder / _IMAGE, folder / _PICTURE
    _copy_example(example.image_path(), image, overwrite=overwrite)
    model = example.model_path()
    print(f"$ czengine predict {model} {image} --preview {picture}")
    carry_out(
        model,
        image,
        inputs=InputOptions(),
        output=OutputOptions(),
        run=RunOptions(),
        show=Show(preview=picture),
    )
    print(f"Look at {picture}, or open {image} in an OME-Zarr viewer such as napari.")


def _copy_example(example: Path, image: Path, *, overwrite: bool) -> None:
    try:
        if overwrite and (image / "zarr.json").exists():
            shutil.rmtree(image)
        shutil.copytree(example, image)
    except FileExistsError as error:
        raise OutputError(
            f"{image} is there already; look at it, or replace it with: czengine demo --overwrite"
        ) from error
    except OSError as error:
        raise OutputError(
            f"cannot write {image} ({error.strerror}); go to another folder, or give --folder"
        ) from error
