"""Commands that are imported when they are called, so that a listing of them costs nothing.

What one command needs, such as Dagster or a web server, takes a second or two to import; help and the
shell's completion need none of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from pipedrive_orchestration.garbage_collection import no_garbage_collection


@dataclass(frozen=True, slots=True)
class Outline:
    """A command as far as it is known before it is imported.

    Attributes:
        name: what a user types.
        place: its function, as ``<module of commands>:<function>``.
        summary: the first paragraph of the function's docstring.
        panel: under which heading the list of commands shows it.
    """

    name: str
    place: str
    summary: str
    panel: str | None = None

    def listed(self) -> TyperCommand:
        """The command as far as a list of commands needs it."""
        return TyperCommand(self.name, help=self.summary, rich_help_panel=self.panel)

    def load(self) -> Any:
        """The command itself, of whatever class Typer gives to commands."""
        module, _, function = self.place.partition(":")
        alone = typer.Typer(
            add_completion=False, rich_markup_mode="markdown", pretty_exceptions_show_locals=False
        )
        with no_garbage_collection():
            place = import_module(f"{__package__}.commands.{module}")
        alone.command(self.name)(getattr(place, function))
        return typer.main.get_command(alone)


def group_of(outlines: Iterable[Outline]) -> type[TyperGroup]:
    """A class of command groups that lists some commands and imports the one that is called."""
    by_name = {outline.name: outline for outline in outlines}

    class CommandsOnDemand(TyperGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.commands = {name: outline.listed() for name, outline in by_name.items()}

        # Typer has no public names for the classes of contexts and commands.
        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            name, listed, rest = super().resolve_command(ctx, args)
            return name, listed and by_name[str(listed.name)].load(), rest

    return CommandsOnDemand
