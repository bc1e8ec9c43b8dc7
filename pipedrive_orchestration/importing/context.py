"""The context of an import: what it is asked for, and what all its steps share."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pipedrive_orchestration.importing.definition import Definition
from pipedrive_orchestration.importing.report import Pull, Reporter
from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.clock import AccountClock
from pipedrive_orchestration.pipedrive.object_types import ObjectType
from pipedrive_orchestration.sources import Priority, Source
from pipedrive_orchestration.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """The order for one import, known before the first answer of the account.

    Attributes:
        source: what is imported.
        connection: the account.
        warehouse: where the rows go.
        staging: the folder for pages that are not committed yet; it shows which imports are alive.
        pull: how it is read.
        windows: of a ``WINDOW`` pull, oldest first.
        accept_user: whether rows that the connected user does not see are removed, whoever saw them before.
        import_id: the import's name in the ledger.
        started_at: when it began, by our clock.
        reconciles: the import of changes after which it reads windows again that are in doubt.
        priorities: those of the other sources of the account, by slug, where they are not the usual one.
    """

    source: Source
    connection: Connection
    warehouse: Warehouse
    staging: Path
    pull: Pull
    windows: tuple[Window, ...]
    accept_user: bool
    import_id: uuid.UUID
    started_at: datetime
    reconciles: uuid.UUID | None = None
    priorities: Mapping[str, Priority] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportContext:
    """The knowledge that all steps of an import share.

    Attributes:
        request: what is asked for.
        client: the connection in use.
        definition: the source joined with the account's fields.
        reporter: is told how the import gets on.
    """

    request: ImportRequest
    client: Client
    definition: Definition
    reporter: Reporter

    @property
    def source(self) -> Source:
        """The source that is imported."""
        return self.request.source

    @property
    def object_type(self) -> ObjectType:
        """The catalogue's row of the source's object type."""
        return self.request.source.type

    @property
    def warehouse(self) -> Warehouse:
        """The database that the rows go to."""
        return self.request.warehouse

    @property
    def started_at(self) -> datetime:
        """When the import began, by our clock."""
        return self.request.started_at

    @property
    def began(self) -> datetime:
        """When the import began, by Pipedrive's clock as far as its answers have told."""
        return self.clock.at_pipedrive(self.request.started_at)

    @property
    def created(self) -> datetime:
        """When the source was created, by what Pipedrive's clock has told; never later than now."""
        return min(self.clock.at_pipedrive(self.source.created_at), self.began)

    @property
    def clock(self) -> AccountClock:
        """Our clock, and Pipedrive's."""
        return self.client.clock
