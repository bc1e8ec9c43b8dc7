"""Errors of services whose message is all a user needs.

They stand apart from what raises them, since who only reports them need not load Dagster.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from pipedrive_orchestration.importing import windows_until
from pipedrive_orchestration.sources import Source


class StatusConflictError(Exception):
    """A status that a source cannot take; the message says why and what to do."""


class UnknownSourceIdError(LookupError):
    """An id that no source has, present or deleted."""

    def __init__(self, source_id: UUID) -> None:
        super().__init__(f"There is no source {source_id}.")


class NoWindowsError(Exception):
    """Windows that were asked for and that a source does not have.

    Args:
        source: which one.
        first: key or month of the first window that was asked for, None for the grid's first.
        last: the same of the last window, None for the current one.
    """

    def __init__(self, source: Source, first: str | None, last: str | None) -> None:
        known = windows_until(source, datetime.now(UTC))
        if not known:
            super().__init__(
                f"{source.slug} has no windows yet: its options.partitions_start, "
                f"{source.options.partitions_start}, is still to come. Write an earlier month into its file."
            )
            return
        super().__init__(
            f"{source.slug} has no windows from {first or 'the first'} to {last or 'the current one'}: its "
            f"windows go from {known[0].key} to {known[-1].key}. Give months as YYYY-MM or windows as "
            "YYYY-MM-DD."
        )


class RunFailedError(Exception):
    """A run that ended in a way that nobody foresaw; its page in Dagster's UI shows where."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error} (the run's page in the Dagster UI shows more)")


class StateError(Exception):
    """Dagster's state that cannot be used; the message names the file and the remedy."""


class UnusableHomeError(StateError):
    """A folder in which Dagster's SQLite storage cannot be.

    Args:
        folder: the folder of the storage.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"Dagster cannot keep its state in {folder}: it takes the ? or % in that path for a part of an "
            "address. Rename the folder, or let DAGSTER_HOME name another one."
        )


class DamagedStateError(StateError):
    """Files of Dagster's state that are no databases.

    Args:
        files: all of them.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        super().__init__(
            f"Dagster's state is damaged: {', '.join(map(str, files))}. Bring it back from a copy, or move "
            f"it away, and a new one is made. {_WHAT_IS_LOST}"
        )


class ForbiddenStateError(StateError):
    """A file or folder of Dagster's state that this user may not use.

    Args:
        path: which one.
        reason: what the system says.
    """

    def __init__(self, path: Path, reason: str | None) -> None:
        super().__init__(
            f"Dagster's state cannot be used: {path}: {reason}. Make it readable and writable for the user "
            "who runs this, on a disk with room; or let DAGSTER_HOME name another folder."
        )


class UnusableConfigurationError(StateError):
    """A configuration of Dagster's that cannot be read, or says what Dagster does not know.

    Args:
        file: the file.
        reason: what is wrong with it.
    """

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(
            f"{file} cannot be used: {' '.join(reason.split()).rstrip('.')}. Mend it, or move it away: "
            "`init` then lays out a new one."
        )


class UnreadableStateError(StateError):
    """An answer of the database of Dagster's state that nobody expected.

    Args:
        reason: what the database said.
    """

    def __init__(self, reason: object) -> None:
        super().__init__(
            f"Dagster's state cannot be used: {reason}. If another program holds it, end that program; if it "
            f"is damaged, bring it back from a copy, or move it away, and a new one is made. {_WHAT_IS_LOST}"
        )


_WHAT_IS_LOST = (
    "Without it the history of runs and the switches of schedules are lost; the warehouse and the project "
    "folder hold all the rest."
)
