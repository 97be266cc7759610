"""`czengine predict`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from czengine.cli import options as o
from czengine.cli.run import Show, carry_out
from czengine.config import OutputOptions


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
    tiling: o.Tiling = "intellesis",
    tile_size: o.TileSize = None,
    border: o.Border = None,
    device: o.Device = "auto",
    batch: o.Batch = 1,
    threads: o.Threads = None,
    memory_limit: o.MemoryLimit = o.DEFAULT_MEMORY,
    no_memo: o.NoMemo = False,
    no_compile: o.NoCompile = False,
    trace: o.TraceFile = None,
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
    work = o.WorkText(
        tiling=tiling,
        tile_size=tile_size,
        border=border,
        memory_limit=memory_limit,
        device=device,
        batch=batch,
        threads=threads,
        no_memo=no_memo,
        no_compile=no_compile,
        trace=trace,
    )
    carry_out(
        model,
        image,
        inputs=text.options(),
        output=output,
        tiling=work.tiling_options(),
        run=work.run_options(),
        show=Show(progress=progress, quiet=quiet, preview=preview),
    )
