"""The report of a sync."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal
from uuid import UUID

SHOWN_REJECTIONS = 20
"""The most rejections in a report; all of them are in ``workflows._rejected``."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A value that could not become what an input takes.

    Attributes:
        field: the input's reference.
        value: the value as a text, cut where it is long.
    """

    record_id: str
    field: str
    property: str
    code: str
    reason: str
    value: str


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The outcome of a sync.

    Attributes:
        state: ``synced``, or ``waiting`` where the source has not been imported as far as the sync needs.
        inserted: rows that are new.
        updated: rows whose inputs changed.
        removed: rows flagged or deleted because their records left the source.
        rejected: records that were not taken over, among those that were looked at.
        normalised: values that changed on their way.
        queued: runs that were queued.
        rows: rows that the workflow has of this source.
        note: what to know of it, if anything.
    """

    workflow: str
    source: str
    sync_id: UUID
    state: Literal["synced", "waiting"]
    inserted: int = 0
    updated: int = 0
    removed: int = 0
    rejected: int = 0
    normalised: int = 0
    queued: int = 0
    rows: int = 0
    seconds: float = 0.0
    rejections: tuple[Rejection, ...] = ()
    note: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return asdict(self) | {
            "sync_id": str(self.sync_id),
            "rejections": [asdict(rejection) for rejection in self.rejections],
        }
