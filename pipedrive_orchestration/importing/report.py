"""What an import did, for whoever shows or stores it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipedrive_orchestration.importing.windows import Window


class Pull(StrEnum):
    """The two ways to read: everything in given windows, or what changed since the watermark."""

    WINDOW = "window"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows of one window or one import.

    ``read`` counts records that came, each once; ``inserted``, ``updated`` and ``removed`` count rows of
    the table that changed; ``current`` is how many current rows the table had afterwards.
    """

    read: int = 0
    inserted: int = 0
    updated: int = 0
    removed: int = 0
    current: int = 0

    @property
    def changed(self) -> int:
        """Rows of the table that are not what they were."""
        return self.inserted + self.updated + self.removed

    def plus(self, later: RowCounts) -> RowCounts:
        """Both together; ``current`` is the later one's."""
        return RowCounts(
            self.read + later.read,
            self.inserted + later.inserted,
            self.updated + later.updated,
            self.removed + later.removed,
            later.current,
        )

    def minus(self, earlier: RowCounts) -> RowCounts:
        """What came since; ``current`` is this one's."""
        return RowCounts(
            self.read - earlier.read,
            self.inserted - earlier.inserted,
            self.updated - earlier.updated,
            self.removed - earlier.removed,
            self.current,
        )


@dataclass(frozen=True, slots=True)
class WindowReport:
    """A commit.

    ``window`` is None where it completes none: snapshots, small pulls, and the last commit of every
    import, which carries what came in no requested window. ``requests``, ``tokens``, ``bytes`` and
    ``seconds`` are those spent since the commit before it.
    """

    window: Window | None
    rows: RowCounts
    requests: int
    tokens: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ImportReport:
    """An import that ended well.

    Attributes:
        windows: one entry per commit, in the order of commits.
        estimated_tokens: what ``tokens`` was expected to be before the pull began.
        watermark: up to when changes are known to be loaded, None before the first ``changes`` pull.
        quarantined: values that did not fit their type.
        notes: what a reader should know: changed fields, a full pull instead of a small one, ...
    """

    source: str
    pull: Pull
    windows: tuple[WindowReport, ...]
    rows: RowCounts
    requests: int
    tokens: int
    estimated_tokens: int
    bytes: int
    seconds: float
    watermark: datetime | None
    quarantined: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far reading is: totals since the import began; ``reached`` is the last ``update_time`` read."""

    pages: int
    records: int
    requests: int
    tokens: int
    reached: datetime | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the pull will cost, before it begins; ``left`` is today's remaining budget, if it is known."""

    tokens: int
    left: int | None


ImportEvent = Estimate | Progress | WindowReport
Listener = Callable[[ImportEvent], None]
