"""The options that commands share, and how their text becomes the values of `czengine.config`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from czengine import config
from czengine.cli.listeners import ProgressMode
from czengine.config import InputOptions

ModelArgument = Annotated[Path, typer.Argument(help="Archive: .czmodel, .czseg or .czann.", metavar="MODEL")]
Axes = Annotated[
    str | None,
    typer.Option(help="Axis letters of a plain array, in order, e.g. TCZYX."),
]
Image = Annotated[
    str | None,
    typer.Option("--image", help="One image of a collection, e.g. A/1/0; default: all."),
]
Level = Annotated[int, typer.Option(help="Pyramid level, 0 = full resolution.")]
Channel = Annotated[
    str | None,
    typer.Option(help="Channels by index or name, e.g. 0 or DAPI or 2,1,0."),
]
Select = Annotated[
    str | None,
    typer.Option(help="Planes, e.g. t=0:10,z=3; default: all."),
]
ScaleInputs = Annotated[
    bool | None,
    typer.Option(
        "--scale-inputs/--no-scale-inputs",
        help="Divide integer pixels by the maximum of their type; default: as the archive says.",
    ),
]
ColorOrder = Annotated[
    config.ColorOrder,
    typer.Option(help="Colour order the network wants; auto: as the archive says."),
]
Scores = Annotated[
    bool,
    typer.Option("--scores", help="Write the network's float outputs, not labels."),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(help="Pixels whose best score is below it get label 0."),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the result; default: in or beside the image."),
]
Name = Annotated[
    str | None,
    typer.Option(help="Name of the label image; default: the model's."),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace a result that is there already."),
]
Preview = Annotated[
    Path | None,
    typer.Option(help="Also save a picture of the result, a .png."),
]
Batch = Annotated[int, typer.Option(help="Tiles per network call.")]
Threads = Annotated[
    int | None,
    typer.Option(help="CPU threads; default: the cores this process may use."),
]
Progress = Annotated[
    ProgressMode,
    typer.Option(help="auto: a bar on a terminal; json: lines on stdout."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No bar, no table, no notes.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@dataclass(frozen=True, kw_only=True)
class InputText:
    """The input options as they were typed."""

    axes: str | None
    image: str | None
    level: int
    channel: str | None
    select: str | None
    scale_inputs: bool | None
    color_order: config.ColorOrder

    def options(self) -> InputOptions:
        """The values they stand for.

        Raises
        ------
        OptionError
            For text that says nothing sensible.
        """
        from czengine.sources.select import parse_channels, parse_selection

        return InputOptions(
            axes=self.axes,
            image=self.image,
            level=self.level,
            channels=parse_channels(self.channel) if self.channel is not None else (),
            select=parse_selection(self.select) if self.select is not None else None,
            scale_inputs=self.scale_inputs,
            color_order=self.color_order,
        )
