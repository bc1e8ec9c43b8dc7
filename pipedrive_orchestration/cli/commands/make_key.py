"""``make-key``: a key for the HTTP API."""

from __future__ import annotations

from typing import Annotated

import typer

from pipedrive_orchestration.api.keys import InvalidKeysError, Scope, new_key
from pipedrive_orchestration.cli.errors import BAD_INPUT
from pipedrive_orchestration.cli.output import err, out


def make_key(
    name: Annotated[str, typer.Argument(help="Stands in the access log: letters, digits, _, . and -.")],
    scope: Annotated[list[Scope], typer.Option(help="What the key opens; can be given several times.")],
) -> None:
    """Make a key for the HTTP API: the secret for the caller, and the entry for PIPEDRIVE_API_KEYS."""
    try:
        secret, key = new_key(name, scope)
    except InvalidKeysError as error:
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(BAD_INPUT) from None
    out.print(f"key (shown this once): {secret}", markup=False, highlight=False, soft_wrap=True)
    out.print(f"entry for PIPEDRIVE_API_KEYS: {key}", markup=False, highlight=False, soft_wrap=True)
