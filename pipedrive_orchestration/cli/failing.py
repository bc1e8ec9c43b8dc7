"""From an error to one paragraph and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from pipedrive_orchestration.cli.demo_account import DemoAccountError
from pipedrive_orchestration.importing import StagingError, UnknownPropertiesError
from pipedrive_orchestration.pipedrive.errors import NotConnected, PipedriveError
from pipedrive_orchestration.sources import InvalidBodyError, UnknownSourceError
from pipedrive_orchestration.warehouse import WarehouseError

FAILED = 1
BAD_INPUT = 2
NOT_CONNECTED = 4

_CODES: dict[type[Exception], int] = {
    NotConnected: NOT_CONNECTED,
    InvalidBodyError: BAD_INPUT,
    UnknownSourceError: BAD_INPUT,
    UnknownPropertiesError: BAD_INPUT,
    PipedriveError: FAILED,
    StagingError: FAILED,
    WarehouseError: FAILED,
    DemoAccountError: FAILED,
}
"""Exit code by error; more special errors stand before more general ones."""

EXPECTED = tuple(_CODES)
"""Errors whose message is all a user needs."""


def exit_code(error: Exception) -> int:
    """The exit code for an error."""
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), FAILED)


@contextmanager
def explained(console: Console) -> Iterator[None]:
    """Turn expected errors into a paragraph on the error console and an exit code."""
    try:
        yield
    except EXPECTED as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(exit_code(error)) from None
