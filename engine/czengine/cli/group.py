"""The command group: its own commands, and those of other packages, which are loaded only when they are named."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

ENTRY_POINTS = "czengine.commands"


class Commands(TyperGroup):
    """Own commands first, then plugins by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands; loads no plugin."""
        return [*super().list_commands(ctx), *sorted(_plugins())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command of our own, or a stand-in for the help page that names the plugin's package."""
        own = super().get_command(ctx, cmd_name)
        plugin = _plugins().get(cmd_name)
        if own or plugin is None:
            return own
        package = plugin.module.partition(".")[0]
        return TyperCommand(cmd_name, help=f"From the package {package}.")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is really run: only here a plugin is loaded."""
        plugin = _plugins().get(args[0])
        if plugin is None or super().get_command(ctx, args[0]):
            return super().resolve_command(ctx, args)
        return args[0], typer.main.get_command(plugin.load()), args[1:]


def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
