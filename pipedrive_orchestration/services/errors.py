"""Errors of services whose message is all a user needs.

They stand apart from what raises them, since who only reports them need not load Dagster.
"""

from __future__ import annotations

from datetime import UTC, datetime
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
        super().__init__(
            f"{source.slug} has no windows from {first or 'the first'} to {last or 'the current one'}: its "
            f"windows go from {known[0].key} to {known[-1].key}. Give months as YYYY-MM or windows as "
            "YYYY-MM-DD."
        )


class RunFailedError(Exception):
    """A run that ended in a way that nobody foresaw; its page in Dagster's UI shows where."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error} (the run's page in the Dagster UI shows more)")
