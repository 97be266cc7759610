"""The converter's commands, which the engine's command line finds by the entry-point group `czengine.commands`.

Each is a `typer.Typer` app of one command; exit codes and the one-sentence errors are `czengine.cli`'s.
"""
