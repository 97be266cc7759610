"""The options of `czengine convert`, as Typer wants them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from czconverter import options
from czconverter.metadata import COLOR_HANDLINGS, MODEL_TYPES
from czengine import spec
from czengine.formats.legacy import PIXEL_CHANNELS

Name = Annotated[str | None, typer.Option(help="Display name; default: the target's file name.")]
Classes = Annotated[
    list[str] | None,
    typer.Option(help="Class names in the order of the outputs, e.g. Background,Cell; or once for each."),
]
PixelTypes = Annotated[
    list[str] | None,
    typer.Option(
        "--pixel-type", help=f"Of each input channel: {', '.join(PIXEL_CHANNELS)}; several as Gray16,Bgr24."
    ),
]
Border = Annotated[
    str | None,
    typer.Option(help="Pixels per side that are inferred and thrown away, e.g. 32 or 32,16 (y,x)."),
]
ModelType = Annotated[
    str | None, typer.Option("--type", help=f"{', '.join(MODEL_TYPES)}; default: the first.")
]
ColorHandling = Annotated[
    str | None, typer.Option(help=f"{' or '.join(COLOR_HANDLINGS)}; default: by the pixel types.")
]
PixelSize = Annotated[
    str | None,
    typer.Option(help="Pixel size of the training images in micrometres, e.g. 0.325 or 0.2,0.2 (x,y)."),
]
Description = Annotated[str, typer.Option(help="A sentence about the model (.czann).")]
License = Annotated[Path | None, typer.Option("--license", help="Licence file to pack.")]
Id = Annotated[str | None, typer.Option("--id", help="UUID of the model; default: made from the content.")]
JsonSpec = Annotated[
    Path | None, typer.Option(help="Take what is not given here from a JSON spec of the ZEISS packages.")
]
SpatialDims = Annotated[
    tuple[int, int] | None,
    typer.Option(
        help="Height and width of the tile, border included; fixes the network's size.", metavar="H W"
    ),
]
Tile = Annotated[
    tuple[int, int] | None,
    typer.Option(help="Tile to declare while the network stays open in size (.czann).", metavar="H W"),
]
Channels = Annotated[int | None, typer.Option(help="Channels, where the network does not say.")]
LayoutOption = Annotated[
    spec.Layout | None, typer.Option("--layout", help="Axis order of an ONNX source; default: by its shapes.")
]
Preprocess = Annotated[
    list[str] | None,
    typer.Option(
        help="Step before the network, e.g. rgb-to-bgr or normalize:mean=0.5,std=0.2; repeat for more."
    ),
]
Postprocess = Annotated[
    list[str] | None,
    typer.Option(help="Step after the network, e.g. softmax or sigmoid-to-softmax-scores; repeat for more."),
]
Format = Annotated[
    options.TargetFormat | None, typer.Option("--format", help="Default: by the target's extension.")
]
RuntimeOption = Annotated[
    spec.Runtime,
    typer.Option("--runtime", help="What is put inside; savedmodel for TensorFlow sources only."),
]
Opset = Annotated[
    int | None,
    typer.Option(help="ONNX opset; default: 17, for .czmodel 12 where the network can be written so."),
]
Tolerance = Annotated[
    float, typer.Option(help="Largest difference from the source, relative to the range of its output.")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Load files that may run code (Lambda layers, custom classes).")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a target that is there already.")]


def new_app() -> typer.Typer:
    """A Typer app of one command, set up as the engine's."""
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
