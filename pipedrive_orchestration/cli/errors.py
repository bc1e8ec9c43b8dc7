"""The end of a command after an error: its exit code, and what it says."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import duckdb
import typer
from rich.console import Console

from pipedrive_orchestration.cli.exit_codes import BAD_INPUT, BROKEN_OFF, FAILED, NOT_CONNECTED
from pipedrive_orchestration.cli.output import ShownWait, say
from pipedrive_orchestration.importing import StagingError, UnknownPropertiesError
from pipedrive_orchestration.models.errors import ModelsError, NoModelsError, UnknownRuleError
from pipedrive_orchestration.pipedrive.errors import NotConnected, PipedriveError
from pipedrive_orchestration.services.errors import (
    NoWindowsError,
    RunFailedError,
    StateError,
    StatusConflictError,
    UnusableHomeError,
)
from pipedrive_orchestration.services.object_types import NoObjectTypeError
from pipedrive_orchestration.settings import SettingsError
from pipedrive_orchestration.sources import InvalidBodyError, OldFileError, UnknownSourceError
from pipedrive_orchestration.template import NotLaidOutError
from pipedrive_orchestration.warehouse import WarehouseError
from pipedrive_orchestration.warehouse.errors import UnknownStorageVersionError, unusable
from pipedrive_orchestration.warehouse.waits import telling_of_waits
from pipedrive_orchestration.workflows import UnknownWorkflowError
from pipedrive_orchestration.writing.apply import NotAppliedError
from pipedrive_orchestration.writing.permission import WritesNotAllowedError
from pipedrive_orchestration.writing.records import UnknownRecordError
from pipedrive_orchestration.writing.store import UnknownWriteError


class CommandError(Exception):
    """Base of what a command itself raises, with a message that is all a user needs."""

    exit_code: ClassVar[int] = FAILED


_CODES: dict[type[Exception], int] = {
    NotConnected: NOT_CONNECTED,
    SettingsError: BAD_INPUT,
    NoWindowsError: BAD_INPUT,
    UnusableHomeError: BAD_INPUT,
    StateError: FAILED,
    StatusConflictError: BAD_INPUT,
    NotLaidOutError: BAD_INPUT,
    InvalidBodyError: BAD_INPUT,
    UnknownSourceError: BAD_INPUT,
    UnknownWorkflowError: BAD_INPUT,
    UnknownPropertiesError: BAD_INPUT,
    UnknownRecordError: BAD_INPUT,
    UnknownWriteError: BAD_INPUT,
    NoObjectTypeError: BAD_INPUT,
    NotAppliedError: BAD_INPUT,
    WritesNotAllowedError: BAD_INPUT,
    NoModelsError: BAD_INPUT,
    UnknownRuleError: BAD_INPUT,
    ModelsError: FAILED,
    PipedriveError: FAILED,
    StagingError: FAILED,
    RunFailedError: FAILED,
    UnknownStorageVersionError: BAD_INPUT,
    WarehouseError: FAILED,
    OldFileError: FAILED,
    OSError: FAILED,
    duckdb.Error: FAILED,
}
"""Exit code by error of another package; more special errors stand before more general ones."""

EXPECTED: tuple[type[Exception], ...] = (CommandError, *_CODES)
"""Errors whose message is all a user needs."""


def exit_code(error: Exception) -> int:
    """The exit code for an error."""
    if isinstance(error, CommandError):
        return error.exit_code
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), FAILED)


def exit_code_of_import(errors: Iterable[Exception], *, bad_files: bool) -> int:
    """The exit code of a command that went on after errors, and after leaving out files."""
    codes = {exit_code(error) for error in errors} | ({BAD_INPUT} if bad_files else set())
    return FAILED if FAILED in codes else max(codes, default=0)


@contextmanager
def explained(console: Console) -> Iterator[None]:
    """Turn expected errors into a paragraph on the error console and an exit code.

    Where the work has to wait for the database, the console says so.
    """
    try:
        with telling_of_waits(ShownWait(console)):
            yield
    except EXPECTED as error:
        say(_paragraph(error), to=console, style="red")
        raise typer.Exit(exit_code(error)) from None
    except KeyboardInterrupt:
        console.print("Broken off; what was committed stays.", style="red")
        raise typer.Exit(BROKEN_OFF) from None


def _paragraph(error: Exception) -> str:
    if isinstance(error, duckdb.Error):
        return unusable(f"The database cannot be used: {error}")
    if isinstance(error, OSError) and type(error) in _OF_THE_SYSTEM and error.errno is not None:
        remedy = _REMEDIES.get(error.errno, "See what is there")
        return f"{error.filename or 'A file'}: {error.strerror}. {remedy}, and try again."
    return str(error)


_OF_THE_SYSTEM = (
    OSError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError,
)  # fmt: skip
"""Errors that say in a system's words what is wrong with a file."""

_FOR_ITS_USER = "Make it readable and writable for the user who runs this"

_REMEDIES = {
    errno.ENOSPC: "Free some space on that disk",
    errno.EDQUOT: "Free some space on that disk",
    errno.EACCES: _FOR_ITS_USER,
    errno.EPERM: _FOR_ITS_USER,
    errno.EROFS: "Choose a place that can be written",
    errno.EISDIR: "Move the folder away that is in the file's place",
    errno.ENOTDIR: "Move the file away that is in the folder's place",
    errno.EIO: "Look whether the disk is damaged",
}
"""What to do, by the system's number of what is wrong."""
