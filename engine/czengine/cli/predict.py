"""`czengine predict`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from czengine.cli import options as o
from czengine.cli.run import Show, carry_out
from czengine.config import OutputOptions, RunOptions


def predict(
    *,
    model: o.ModelArgument,
    image: Annotated[
        Path, typer.Argument(help="OME-Zarr image or collection, or zarr array.", metavar="IMAGE")
    ],
    out: o.Out = None,
    name: o.Name = None,
    overwrite: o.Overwrite = False,
    scores: o.Scores = False,
    min_confidence: o.MinConfidence = None,
    preview: o.Preview = None,
    axes: o.Axes = None,
    image_path: o.Image = None,
    level: o.Level = 0,
    channel: o.Channel = None,
    select: o.Select = None,
    scale_inputs: o.ScaleInputs = None,
    color_order: o.ColorOrder = "auto",
    batch: o.Batch = 1,
    threads: o.Threads = None,
    progress: o.Progress = "auto",
    quiet: o.Quiet = False,
    debug: o.Debug = False,
) -> None:
    """Segment IMAGE with MODEL.

    The labels are written beside the image, with class names and colours.
    """
    text = o.InputText(
        axes=axes,
        image=image_path,
        level=level,
        channel=channel,
        select=select,
        scale_inputs=scale_inputs,
        color_order=color_order,
    )
    output = OutputOptions(
        scores=scores, min_confidence=min_confidence, out=out, name=name, overwrite=overwrite
    )
    carry_out(
        model,
        image,
        inputs=text.options(),
        output=output,
        run=RunOptions(batch=batch, threads=threads),
        show=Show(progress=progress, quiet=quiet, preview=preview),
    )
