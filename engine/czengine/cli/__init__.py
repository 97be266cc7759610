"""The command line: arguments → `czengine.api` → exit code.

No work is done here, and only this package turns exceptions into exit codes. Commands of other packages come in by
the entry-point group `czengine.commands` (a name and a `typer.Typer` app each), loaded only when they are named.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated, NoReturn

import typer

from czengine.cli.demo import demo
from czengine.cli.group import Commands
from czengine.cli.inspect import inspect
from czengine.cli.predict import predict
from czengine.errors import CzEngineError

_BUG = 1

app = typer.Typer(
    cls=Commands,
    name="czengine",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
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


def main() -> NoReturn:
    """Run the command line of this process; every failure becomes one sentence and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # "µm²" must not end a run on a terminal that has no "µ"
    try:
        app()
    except CzEngineError as error:
        _fail(error, str(error), error.exit_code)
    except MemoryError as error:
        _fail(error, "not enough memory; close other programs, or lower --batch", _BUG)
    except Exception as error:  # the last line of defence: users never see a traceback unasked
        _fail(error, f"internal error ({type(error).__name__}: {error}); please report it with --debug", _BUG)
    sys.exit(0)


def _fail(error: Exception, message: str, code: int) -> NoReturn:
    if "--debug" in sys.argv:
        raise error
    print(f"czengine: {message}", file=sys.stderr)
    sys.exit(code)
