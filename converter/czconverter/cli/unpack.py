"""`czengine unpack`: what is in an archive, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from czconverter.cli.options import new_app
from czengine.cli import options as engine

app = new_app()


@app.command()
def unpack(
    *,
    archive: engine.ModelArgument,
    folder: Annotated[Path, typer.Argument(help="Folder to make.", metavar="DIR")],
    debug: engine.Debug = False,
) -> None:
    """Write the network, the metadata and the licence of an archive into a new folder."""
    from czconverter.unpacking import unpack as carry_out

    for path in carry_out(archive, folder):
        print(path)
