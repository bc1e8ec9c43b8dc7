"""What the warehouse remembers of a source before an import begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipedrive_orchestration.importing.merge import count_current
from pipedrive_orchestration.importing.removals import count_in_windows
from pipedrive_orchestration.importing.report import Pull
from pipedrive_orchestration.importing.windows import Window, windows_until
from pipedrive_orchestration.pipedrive.account import ConnectedUser
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse, ledger
from pipedrive_orchestration.warehouse.field_history import last_fields
from pipedrive_orchestration.warehouse.ledger import Interrupted
from pipedrive_orchestration.warehouse.tables import Column, column_types
from pipedrive_orchestration.warehouse.users import reader_of, user_of_signature

RESUME_DAYS = 7
"""How long an interrupted pull can be gone on with; later it starts from the beginning."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Read from the warehouse in one go, before the first request.

    Attributes:
        watermark: up to when changes are loaded, None before the first import.
        definition: the fingerprint of what they were loaded for.
        columns: of the source's table, with the field they were made for.
        rows_in_windows: rows that the windows to be pulled hold already.
        interrupted: an earlier attempt at the same windows that did not come to its end.
        rows: current rows of the source.
        user: whose secret the connection has, if that was asked before.
        reader: as whom the source's rows were read.
    """

    watermark: datetime | None = None
    definition: str | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    rows_in_windows: int = 0
    interrupted: Interrupted | None = None
    rows: int = 0
    user: ConnectedUser | None = None
    reader: ConnectedUser | None = None


def remember(
    warehouse: Warehouse,
    source: Source,
    pull: Pull,
    windows: Sequence[Window],
    fingerprint: str,
    now: datetime,
    signature: str,
) -> Memory:
    """Look up what is known of a source.

    Args:
        warehouse: where it is remembered.
        source: the source.
        pull: what is asked for.
        windows: those of a ``WINDOW`` pull.
        fingerprint: of what they are to be pulled for.
        now: when the import begins.
        signature: of the connection's secret.

    Raises:
        WarehouseError: the database cannot be opened.
    """
    if not warehouse.exists:
        return Memory()
    if pull is Pull.CHANGES and source.type.partitioned:
        # It may turn out to need everything.
        windows = windows_until(source, now)
    with warehouse.reading() as connection:
        types = column_types(connection, source.slug)
        fields = last_fields(connection, source.object_type, list(types))
        watermark, definition = ledger.watermark_of(connection, source.slug) or (None, None)
        return Memory(
            watermark=watermark,
            definition=definition,
            columns={
                key: Column(key, types[key], source.labels.get(key, known.label), known.field_type)
                for key, known in fields.items()
            },
            rows_in_windows=count_in_windows(connection, source.slug, windows) if types else 0,
            interrupted=ledger.interrupted_import(
                connection,
                source.slug,
                pull.value,
                [window.key for window in windows],
                fingerprint,
                now - timedelta(days=RESUME_DAYS),
                now,
            ),
            rows=count_current(connection, source.slug) if types else 0,
            user=user_of_signature(connection, signature),
            reader=reader_of(connection, source.slug),
        )
