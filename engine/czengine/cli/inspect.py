"""`czengine inspect`: what a model is, and what `predict` would do to an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from czengine.cli import options as o
from czengine.cli.tables import print_description
from czengine.config import OutputOptions


def inspect(
    *,
    model: o.ModelArgument,
    image: Annotated[
        Path | None, typer.Argument(help="Image; also say what would happen to it.", metavar="[IMAGE]")
    ] = None,
    as_json: o.Json = False,
    out: o.Out = None,
    name: o.Name = None,
    scores: o.Scores = False,
    min_confidence: o.MinConfidence = None,
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
    batch: o.Batch = 1,
    threads: o.Threads = None,
    memory_limit: o.MemoryLimit = o.DEFAULT_MEMORY,
    debug: o.Debug = False,
) -> None:
    """Show what MODEL is, and what predict would do.

    With IMAGE: its tiles, memory and results. Nothing is run and nothing is written.
    """
    from czengine import api

    text = o.InputText(
        axes=axes,
        image=image_path,
        level=level,
        channel=channel,
        select=select,
        scale_inputs=scale_inputs,
        color_order=color_order,
    )
    output = OutputOptions(scores=scores, min_confidence=min_confidence, out=out, name=name)
    work = o.WorkText(
        tiling=tiling,
        tile_size=tile_size,
        border=border,
        memory_limit=memory_limit,
        device="auto",
        batch=batch,
        threads=threads,
        no_memo=False,
        no_compile=False,
    )
    description = api.inspect(
        model,
        image,
        inputs=text.options(),
        output=output,
        tiling=work.tiling_options(),
        run=work.run_options(),
    )
    if as_json:
        print(json.dumps(description, indent=2))
    else:
        print_description(description)
