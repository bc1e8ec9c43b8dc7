"""Reports of an import: how it gets on, and what it did, for whoever shows or stores it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum

from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.pipedrive.client import Usage
from pipedrive_orchestration.warehouse.window_readings import WindowState


class Pull(StrEnum):
    """The two ways to read: everything in given windows, or what changed since the watermark."""

    WINDOW = "window"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows of one window or one import.

    ``read`` counts records that came, each once, without deleted ones that are no news; ``inserted``,
    ``updated`` and ``removed`` count rows of the table that changed; ``current`` is how many current rows the
    table had afterwards. ``won`` and ``lost`` count those rows of deals, changed or removed, whose status has
    become that, where a source has the status.
    """

    read: int = 0
    inserted: int = 0
    updated: int = 0
    removed: int = 0
    current: int = 0
    won: int = 0
    lost: int = 0

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
            self.won + later.won,
            self.lost + later.lost,
        )

    def minus(self, earlier: RowCounts) -> RowCounts:
        """The difference to earlier counts; ``current`` is this one's."""
        return RowCounts(
            self.read - earlier.read,
            self.inserted - earlier.inserted,
            self.updated - earlier.updated,
            self.removed - earlier.removed,
            self.current,
            self.won - earlier.won,
            self.lost - earlier.lost,
        )


@dataclass(slots=True)
class Totals:
    """The sums of the commits of an import so far.

    Attributes:
        by_window: row counts by window key; None collects what lies in no requested window.
        notes: what a reader of the import should know; commits add what changed in fields and columns.
        is_prepared: whether the tables are made.
        skipped: why nothing was read, if the collection is closed to the account or its user.
        window_states: what is known of the source's windows after the last commit.
    """

    by_window: dict[str | None, RowCounts] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    current: int = 0
    quarantined: int = 0
    watermark: datetime | None = None
    is_prepared: bool = False
    skipped: str | None = None
    window_states: Mapping[str, WindowState] = field(default_factory=dict)

    def copy(self) -> Totals:
        """The sums as they are now."""
        return replace(self, by_window=dict(self.by_window), notes=list(self.notes))

    def return_to(self, before: Totals) -> None:
        """Forget what came since a copy was made."""
        for attribute in fields(self):
            setattr(self, attribute.name, getattr(before, attribute.name))

    @property
    def rows(self) -> RowCounts:
        """All row counts together."""
        total = RowCounts()
        for counts in self.by_window.values():
            total = total.plus(counts)
        return replace(total, current=self.current)


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
        reconciled: keys of windows that were in doubt and were read again after the changes.
        skipped: why nothing was read, if the collection is closed to the account or its user; it is among
            the notes.
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
    reconciled: tuple[str, ...] = ()
    skipped: str | None = None

    def followed_by(self, later: ImportReport, notes: Sequence[str]) -> ImportReport:
        """This import and one that read windows again after it, as one."""
        return replace(
            self,
            windows=(*self.windows, *later.windows),
            rows=self.rows.plus(later.rows),
            requests=self.requests + later.requests,
            tokens=self.tokens + later.tokens,
            estimated_tokens=self.estimated_tokens + later.estimated_tokens,
            bytes=self.bytes + later.bytes,
            seconds=self.seconds + later.seconds,
            quarantined=self.quarantined + later.quarantined,
            notes=(*self.notes, *notes, *later.notes),
            reconciled=tuple(each.window.key for each in later.windows if each.window),
        )


def set_aside(source: str, values: int) -> str:
    """The sentence on values that an import has set aside."""
    return (
        f"{source}: {values:,} values did not fit their type and are set aside; "
        "import_ledger.quarantine says which and why"
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of reading: totals since the import began, and the last ``update_time`` that was read."""

    pages: int
    records: int
    requests: int
    tokens: int
    reached: datetime | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The expected cost of an import, before it begins.

    Attributes:
        tokens: at most, from its first request on.
        daily_tokens_left: of the account's budget for today, None where Pipedrive does not say.
        notes: what the connected user, or app, may not read.
        next_budget: when that budget is full again, by our clock; None where nobody needs to know.
    """

    tokens: int
    daily_tokens_left: int | None
    notes: tuple[str, ...] = ()
    next_budget: datetime | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence that a reader of the import should know, told as soon as it is known."""

    text: str


@dataclass(frozen=True, slots=True)
class Resumption:
    """The windows that an interrupted import has committed and that this one does not read again.

    Attributes:
        committed: oldest first.
        left: how many windows are still to be read.
    """

    committed: tuple[Window, ...]
    left: int


ImportEvent = Estimate | Note | Progress | Resumption | WindowReport
Listener = Callable[[ImportEvent], None]


@dataclass(frozen=True, slots=True)
class _Spent:
    requests: int = 0
    tokens: int = 0
    bytes: int = 0
    seconds: float = 0.0


class Reporter:
    """Tells a listener how an import gets on, and sums it up at the end.

    Attributes:
        estimate: what the import was expected to cost.
    """

    def __init__(self, listener: Listener, usage: Usage) -> None:
        self.estimate = Estimate(0, None)
        self._listener = listener
        self._usage = usage
        self._began = time.monotonic()
        self._spent = _Spent()
        self._windows: list[WindowReport] = []
        self._noted: set[str] = set()

    def noted(self, sentences: Iterable[str]) -> None:
        """Tell those sentences that were not told yet."""
        for sentence in sentences:
            if sentence not in self._noted:
                self._noted.add(sentence)
                self._listener(Note(sentence))

    def resumed(self, committed: Sequence[Window], left: int) -> None:
        """Tell which windows are committed already; nothing where there are none."""
        if committed:
            self._listener(Resumption(tuple(committed), left))

    def estimated(self, estimate: Estimate) -> None:
        """Tell what the import will cost."""
        self.estimate = estimate
        self._listener(estimate)

    def read(self, pages: int, records: int, reached: datetime | None) -> None:
        """Tell how far reading is."""
        self._listener(Progress(pages, records, self._usage.requests, self._usage.tokens, reached))

    def committed(self, window: Window | None, rows: RowCounts) -> None:
        """Tell of a commit."""
        before, self._spent = self._spent, self._spent_so_far()
        report = WindowReport(
            window=window,
            rows=rows,
            requests=self._spent.requests - before.requests,
            tokens=self._spent.tokens - before.tokens,
            bytes=self._spent.bytes - before.bytes,
            seconds=self._spent.seconds - before.seconds,
        )
        self._windows.append(report)
        self._listener(report)

    def summary(self, source: str, pull: Pull, totals: Totals) -> ImportReport:
        """The report of an import that has ended well."""
        spent = self._spent_so_far()
        return ImportReport(
            source=source,
            pull=pull,
            windows=tuple(self._windows),
            rows=totals.rows,
            requests=spent.requests,
            tokens=spent.tokens,
            estimated_tokens=self.estimate.tokens,
            bytes=spent.bytes,
            seconds=spent.seconds,
            watermark=totals.watermark,
            quarantined=totals.quarantined,
            notes=tuple(totals.notes),
            skipped=totals.skipped,
        )

    def _spent_so_far(self) -> _Spent:
        usage = self._usage
        return _Spent(usage.requests, usage.tokens, usage.bytes, time.monotonic() - self._began)
