"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.settings import Settings, SettingsError


def known_slugs(incomplete: str) -> list[str]:
    """Slugs for the shell to complete: the names of the source files, valid or not."""
    return _names_in("sources", incomplete)


def known_workflows(incomplete: str) -> list[str]:
    """The same for the names of workflow files."""
    return _names_in("workflows", incomplete)


def known_writes(incomplete: str) -> list[str]:
    """The same for the names of write files."""
    return _names_in("writes", incomplete)


def _names_in(folder: str, incomplete: str) -> list[str]:
    try:
        files = (Settings.read().project / folder).glob("*.y*ml")
    except SettingsError:
        return []
    return sorted({path.stem for path in files if path.stem.startswith(incomplete)})


def known_own_object_types(incomplete: str) -> list[str]:
    """The same for the names of object type files."""
    return _names_in("object_types", incomplete)


def known_object_types(incomplete: str) -> list[str]:
    """Object types for the shell to complete: the built-in ones, and those of the project."""
    return [
        *(name for name in BUILT_IN if name.startswith(incomplete)),
        *_names_in("object_types", incomplete),
    ]


Slug = Annotated[
    str, typer.Argument(help="The source: its file's name without .yaml.", autocompletion=known_slugs)
]
ObjectTypeName = Annotated[
    str,
    typer.Argument(help="A Pipedrive collection, such as deals.", autocompletion=known_object_types),
]
BodyFile = Annotated[
    Path, typer.Argument(help="A YAML file with the body of a source.", dir_okay=False, exists=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
