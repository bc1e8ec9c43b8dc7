"""``make-key``: a key for the HTTP API."""

from __future__ import annotations

from typing import Annotated

import typer

from pipedrive_orchestration.api.keys import InvalidKeysError, Scope, new_key
from pipedrive_orchestration.cli.exit_codes import BAD_INPUT
from pipedrive_orchestration.cli.output import err, say


def make_key(
    name: Annotated[str, typer.Argument(help="Stands in the access log: letters, digits, _, . and -.")],
    scope: Annotated[list[Scope], typer.Option(help="What the key opens; can be given several times.")],
) -> None:
    """Make a key for the HTTP API: the secret for the caller, and the entry for PIPEDRIVE_API_KEYS."""
    try:
        secret, key = new_key(name, scope)
    except InvalidKeysError as error:
        say(error, to=err, style="red")
        raise typer.Exit(BAD_INPUT) from None
    say(f"key (shown this once): {secret}")
    say(f"entry for PIPEDRIVE_API_KEYS: {key}")
