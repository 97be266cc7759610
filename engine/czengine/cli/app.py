"""The commands and the options they have in common.

Commands of other packages come in by the entry-point group `czengine.commands` (a name and a `typer.Typer` app
each), loaded only when they are named.
"""

from __future__ import annotations

from typing import Annotated

import typer

from czengine.cli.demo import demo
from czengine.cli.group import Commands
from czengine.cli.inspect import inspect
from czengine.cli.predict import predict

app = typer.Typer(
    cls=Commands,
    name="czengine",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes around the help would cost a third of its time
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(predict)
app.command()(inspect)
app.command()(demo)


def _print_version(*, value: bool) -> None:
    if value:
        from czengine import __version__

        print(f"czengine {__version__}")
        raise typer.Exit


@app.callback()
def czengine(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Run networks in ZEISS archives (.czmodel, .czseg, .czann) over images of any size."""
