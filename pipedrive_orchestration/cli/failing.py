"""From an error to one paragraph and an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import duckdb
import typer
from rich.console import Console

from pipedrive_orchestration.cli.demo_account import DemoAccountError
from pipedrive_orchestration.cli.running import NoWindowsError, RunFailedError
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
    NoWindowsError: BAD_INPUT,
    UnknownPropertiesError: BAD_INPUT,
    PipedriveError: FAILED,
    StagingError: FAILED,
    WarehouseError: FAILED,
    DemoAccountError: FAILED,
    RunFailedError: FAILED,
    duckdb.Error: FAILED,
}
"""Exit code by error; more special errors stand before more general ones."""

EXPECTED = tuple(_CODES)
"""Errors whose message is all a user needs."""


def exit_code(error: Exception) -> int:
    """The exit code for an error."""
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), FAILED)


def exit_code_of_import(errors: Iterable[Exception], *, bad_files: bool) -> int:
    """The exit code of a command that went on after errors, and after leaving out files."""
    codes = {exit_code(error) for error in errors} | ({BAD_INPUT} if bad_files else set())
    return FAILED if FAILED in codes else max(codes, default=0)


@contextmanager
def explained(console: Console) -> Iterator[None]:
    """Turn expected errors into a paragraph on the error console and an exit code."""
    try:
        yield
    except EXPECTED as error:
        console.print(_paragraph(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(exit_code(error)) from None


def _paragraph(error: Exception) -> str:
    if not isinstance(error, duckdb.Error):
        return str(error)
    return (
        f"The database cannot be used: {str(error).splitlines()[0]}. Restore a copy, or move it away and "
        "import again; set PIPEDRIVE_WAREHOUSE to use another file."
    )
