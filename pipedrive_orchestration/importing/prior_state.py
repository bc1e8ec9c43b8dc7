"""The prior state of an import: what the warehouse knows of a source before anything of it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipedrive_orchestration.importing.context import ImportRequest
from pipedrive_orchestration.importing.removals import count_in_windows
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.importing.windows import windows_until
from pipedrive_orchestration.pipedrive.account import ConnectedUser
from pipedrive_orchestration.warehouse import ledger
from pipedrive_orchestration.warehouse.field_history import last_fields
from pipedrive_orchestration.warehouse.rows import count_current, count_not_archived
from pipedrive_orchestration.warehouse.tables import Column, column_types
from pipedrive_orchestration.warehouse.users import reader_of, user_of_signature
from pipedrive_orchestration.warehouse.window_readings import WindowState, interrupted_readings

RESUME_DAYS = 7
"""The days in which an interrupted pull can be gone on with; later it starts from the beginning."""

LONGEST_PULL_DAYS = 28
"""The days after which what an interrupted pull has read is read again, however often it was gone on with:
the recents feed tells of removals for not much longer."""


@dataclass(frozen=True, slots=True)
class PriorState:
    """The knowledge of a source that is in the warehouse, read in one go.

    Attributes:
        watermark: up to when changes are loaded, None before the first import.
        removals_until: up to when the recents feed has been read; no later than the watermark.
        definition: the fingerprint of what they were loaded for.
        columns: of the source's table, with the field they were made for.
        rows_in_windows: rows that the windows to be pulled hold already.
        interrupted: the readings of windows since the first attempt at them that has not come to its end.
        rows: current rows of the source.
        listed_rows: those of them that are in the list of live records, since they are not archived.
        user: whom the connection's secret belongs to, if that was asked before.
        last_user: who saw the source's rows when they were last read completely.
        tokens_of_ticks: what ticks cost an hour of late, by source.
    """

    watermark: datetime | None = None
    removals_until: datetime | None = None
    definition: str | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    rows_in_windows: int = 0
    interrupted: Mapping[str, WindowState] = field(default_factory=dict)
    rows: int = 0
    listed_rows: int = 0
    user: ConnectedUser | None = None
    last_user: ConnectedUser | None = None
    tokens_of_ticks: Mapping[str, float] = field(default_factory=dict)


async def read_prior_state(request: ImportRequest, fingerprint: str) -> PriorState:
    """Look up what is known of the source of an import.

    Args:
        request: the import.
        fingerprint: of the definition that it has now; see `fingerprint_of`.

    Raises:
        WarehouseError: the database cannot be opened.
    """
    if not request.warehouse.exists:
        return PriorState()
    return await asyncio.to_thread(_read, request, fingerprint)


def _read(request: ImportRequest, fingerprint: str) -> PriorState:
    source, windows = request.source, request.windows
    if request.pull is Pull.CHANGES and source.type.partitioned:
        # It may turn out to need everything.
        windows = tuple(windows_until(source, request.started_at))
    with request.warehouse.reading() as connection:
        types = column_types(connection, source.slug)
        fields = last_fields(connection, source.object_type, list(types))
        watermark = ledger.watermark_of(connection, source.slug)
        interrupted = interrupted_readings(
            connection,
            source.slug,
            request.pull.value,
            [window.key for window in windows],
            fingerprint,
            since=request.started_at - timedelta(days=LONGEST_PULL_DAYS),
            until=request.started_at,
            latest=request.started_at - timedelta(days=RESUME_DAYS),
        )
        if request.reconciles is not None:
            # What is left of windows in doubt is known.
            interrupted = {}
        return PriorState(
            watermark=watermark.instant if watermark else None,
            removals_until=(watermark.removals_until or watermark.instant) if watermark else None,
            definition=watermark.definition if watermark else None,
            columns={
                key: Column(key, types[key], source.labels.get(key, known.label), known.field_type)
                for key, known in fields.items()
            },
            rows_in_windows=count_in_windows(connection, source.slug, windows) if types else 0,
            interrupted=interrupted,
            rows=count_current(connection, source.slug) if types else 0,
            listed_rows=count_not_archived(connection, source.slug) if types else 0,
            user=user_of_signature(connection, request.connection.signature),
            last_user=reader_of(connection, source.slug),
            tokens_of_ticks=ledger.tokens_of_ticks(connection, request.started_at),
        )
