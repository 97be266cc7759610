"""The options that commands share, and how their text becomes the values of `czengine.config`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from czengine import config
from czengine.cli.listeners import ProgressMode
from czengine.config import InputOptions, RunOptions, TilingOptions
from czengine.errors import OptionError

_PAIR = re.compile(r"(\d{1,18})(?:\s*,\s*(\d{1,18}))?", re.ASCII)
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*(?:([KMGT])(i)?)?B?", re.ASCII | re.IGNORECASE)

DEFAULT_MEMORY = "2GiB"

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
Device = Annotated[
    str,
    typer.Option(help="auto, cpu, openvino or openvino:NAME."),
]
MemoryLimit = Annotated[
    str,
    typer.Option(help="What czengine itself may hold, e.g. 512MiB; the runtime comes on top."),
]
NoMemo = Annotated[
    bool,
    typer.Option("--no-memo", help="Run every tile, also those of one constant value."),
]
NoCompile = Annotated[
    bool,
    typer.Option("--no-compile", help="Run the network exactly as it is in the archive."),
]
Tiling = Annotated[
    config.TilingMethod,
    typer.Option(help="intellesis: as ZEN; seamless: as the whole plane at once."),
]
TileSize = Annotated[
    str | None,
    typer.Option(help="Tile height,width (or one number), border included; default: the archive's."),
]
Border = Annotated[
    str | None,
    typer.Option(help="Border along y,x (or one number); default: the archive's."),
]
TraceFile = Annotated[
    Path | None,
    typer.Option("--trace", help="Also save a trace of all threads, for Perfetto."),
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


@dataclass(frozen=True, kw_only=True)
class WorkText:
    """The options of tiling and work as they were typed."""

    tiling: config.TilingMethod
    tile_size: str | None
    border: str | None
    memory_limit: str
    device: str
    batch: int
    threads: int | None
    no_memo: bool
    no_compile: bool
    trace: Path | None = None

    def tiling_options(self) -> TilingOptions:
        """How planes are cut.

        Raises
        ------
        OptionError
            For text that says nothing sensible.
        """
        return TilingOptions(
            method=self.tiling,
            tile=parse_pair("tile-size", self.tile_size),
            border=parse_pair("border", self.border),
        )

    def run_options(self) -> RunOptions:
        """How the work is done.

        Raises
        ------
        OptionError
            For text that says nothing sensible.
        """
        return RunOptions(
            batch=self.batch,
            threads=self.threads,
            device=self.device,
            memory_limit=parse_bytes("memory-limit", self.memory_limit),
            memo=not self.no_memo,
            compile=not self.no_compile,
            trace=self.trace,
        )


def parse_pair(name: str, text: str | None) -> tuple[int, int] | None:
    """Two whole numbers from "512,1024", or twice one from "512".

    Raises
    ------
    OptionError
        For anything else.
    """
    if text is None:
        return None
    match = _PAIR.fullmatch(text.strip())
    if match is None:
        raise OptionError(f"{name} {text!r} is not understood; write e.g. 512 or 512,1024 (height,width)")
    first, second = match.groups()
    return int(first), int(second or first)


def parse_bytes(name: str, text: str) -> int:
    """Bytes from e.g. "512MiB", "2GiB", "1.5GB" or "1000000".

    Raises
    ------
    OptionError
        For anything else.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise OptionError(f"{name} {text!r} is not understood; write e.g. 512MiB or 2GiB")
    number, prefix, binary = match.groups()
    base = 1024 if binary else 1000
    return int(Fraction(number) * base ** " KMGT".index((prefix or " ").upper()))
