"""The command line: arguments → `czengine.api` → exit code.

No work is done here, and only this module turns exceptions into exit codes. What the commands are is `app.py`.
"""

from __future__ import annotations

import io
import sys
from typing import NoReturn

from czengine.errors import Cancelled, CzEngineError

_BUG = 1


def main() -> NoReturn:
    """Run the command line of this process; every failure becomes one sentence and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # "µm²" must not end a run on a terminal that has no "µ"
    try:
        from czengine.cli.app import app

        app()
    except (KeyboardInterrupt, SystemExit) as stop:
        if isinstance(stop, SystemExit) and stop.code != Cancelled.exit_code:
            raise
        # typer turns Ctrl-C into this exit code, without a word
        _fail(Cancelled("stopped; nothing half-written was left behind"), Cancelled.exit_code)
    except CzEngineError as error:
        _fail(error, error.exit_code)
    except MemoryError as error:
        _fail(error, _BUG, "not enough memory; close other programs, or lower --batch")
    except Exception as error:  # the last line of defence: users never see a traceback unasked
        reason = f"{type(error).__name__}: {error}"
        _fail(error, _BUG, f"internal error ({reason}); please report it with the output of --debug")
    sys.exit(0)


def _fail(error: Exception, code: int, message: str | None = None) -> NoReturn:
    # Not asked of the option parser, which may be what failed.
    if "--debug" in sys.argv:
        raise error
    print(f"czengine: {message or error}", file=sys.stderr)
    sys.exit(code)
