"""`czengine convert`: a trained network becomes an archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from czconverter.cli import options as o
from czconverter.cli.text import metadata
from czconverter.options import ConvertOptions
from czengine.cli import options as engine
from czengine.cli.interrupt import deferred_interrupt
from czengine.spec import Runtime

app = o.new_app()


@app.command()
def convert(
    *,
    source: Annotated[
        str,
        typer.Argument(
            help="Model: .keras, .h5, SavedModel folder, .onnx, .pt2, archive, or JSON spec.",
            metavar="SOURCE",
        ),
    ],
    target: Annotated[Path, typer.Argument(help="Archive: .czann or .czmodel.", metavar="TARGET")],
    name: o.Name = None,
    classes: o.Classes = None,
    pixel_type: o.PixelTypes = None,
    border: o.Border = None,
    model_type: o.ModelType = None,
    color_handling: o.ColorHandling = None,
    pixel_size: o.PixelSize = None,
    description: o.Description = "",
    license_file: o.License = None,
    model_id: o.Id = None,
    json_spec: o.JsonSpec = None,
    spatial_dims: o.SpatialDims = None,
    tile: o.Tile = None,
    channels: o.Channels = None,
    layout: o.LayoutOption = None,
    preprocess: o.Preprocess = None,
    postprocess: o.Postprocess = None,
    format_: o.Format = None,
    runtime: o.RuntimeOption = Runtime.ONNX,
    opset: o.Opset = None,
    tolerance: o.Tolerance = 1e-4,
    trust: o.Trust = False,
    overwrite: o.Overwrite = False,
    as_json: engine.Json = False,
    progress: engine.Progress = "auto",
    quiet: engine.Quiet = False,
    debug: engine.Debug = False,
) -> None:
    """Make an archive from a trained network.

    The archive is run beside its source before it appears; nothing is left behind if they differ.
    """
    said = metadata(
        name=name,
        classes=classes or (),
        pixel_types=pixel_type or (),
        border=border,
        model_type=model_type,
        color_handling=color_handling,
        pixel_size=pixel_size,
        tile=tile,
        description=description,
        licence=license_file,
        id=model_id,
        json_spec=json_spec,
    )
    options = ConvertOptions(
        format=format_,
        runtime=runtime,
        opset=opset,
        spatial_dims=spatial_dims,
        channels=channels,
        layout=layout,
        preprocessing=preprocess,
        postprocessing=postprocess,
        tolerance=tolerance,
        trust=trust,
        overwrite=overwrite,
    )
    with deferred_interrupt() as stop_if_asked:
        from czconverter.cli.show import show_report, telling
        from czconverter.conversion import convert as carry_out

        with telling("none" if quiet and progress == "auto" else progress, stop_if_asked) as tell:
            report = carry_out(source, target, said, options=options, progress=tell)
        show_report(report, as_json=as_json or progress == "json", quiet=quiet)
