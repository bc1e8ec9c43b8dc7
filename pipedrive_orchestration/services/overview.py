"""How the sources are: state, lateness, rows, changes and cost, and what to do where one is not well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import dagster as dg
import duckdb

from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.services.freshness import Freshness, freshness_of_all
from pipedrive_orchestration.services.status import SourceState, Status, states_of
from pipedrive_orchestration.services.troubles import Trouble, TroubleKind
from pipedrive_orchestration.services.writes import waiting_plans
from pipedrive_orchestration.sources import BadFile, Source
from pipedrive_orchestration.warehouse import Warehouse, field_history, ledger, users
from pipedrive_orchestration.warehouse.account import KnownAccount, known_account
from pipedrive_orchestration.warehouse.field_history import DriftedField
from pipedrive_orchestration.warehouse.ledger import ImportDay, ImportEntry
from pipedrive_orchestration.warehouse.rows import Counts, read_counts
from pipedrive_orchestration.writing.store import WriteStore

DAYS = 14
"""Days of which changes and tokens are shown, today's included."""


@dataclass(frozen=True, slots=True)
class FailedRun:
    """The last run of a source, which failed.

    Attributes:
        run_id: of Dagster's page about it.
        ended_at: when.
        reason: what it says, in a sentence; empty where it says nothing.
        is_foreseen: whether the sentence is one of ours, which quotes no record.
    """

    run_id: str
    ended_at: datetime | None
    reason: str
    is_foreseen: bool = False


@dataclass(frozen=True, slots=True)
class SourceOverview:
    """How a source is.

    Attributes:
        last_success: the newest import that succeeded.
        freshness: how it stands to its schedule; None for a source without one, or never imported.
        rows: current rows.
        changes: rows changed on each of the last `DAYS` days, the last being today in UTC.
        tokens: what its imports cost on those days.
        tokens_saved: what the pulls would have cost at least that ticks have left out on those days, since
            webhooks were delivered.
        quarantined: values set aside.
        failure: the last run, if it failed.
        troubles: what is wrong and what to do about it; none where all is well.
    """

    state: SourceState
    last_success: ImportEntry | None
    freshness: Freshness | None
    rows: int
    changes: Sequence[int]
    tokens: Sequence[int]
    tokens_saved: Sequence[int]
    quarantined: int
    failure: FailedRun | None
    troubles: Sequence[Trouble]

    @property
    def slug(self) -> str:
        """The source's slug."""
        return self.state.source.slug

    def late_at(self, now: datetime) -> timedelta | None:
        """How long changes have been due that have not come; None where none are."""
        freshness = self.freshness
        if freshness is None or not freshness.is_late or freshness.due is None:
            return None
        return now - freshness.due


@dataclass(frozen=True, slots=True)
class Overview:
    """How the sources of a project are at an instant.

    Attributes:
        at: the instant, by our clock.
        sources: those of the project, in the order of their slugs, without deleted ones.
        bad_files: files that are left out.
        company: whose account it is, as the sources were last read; None before the first import.
        user: as whom.
        account: what imports were last told of it.
        waiting: plans of writes that wait for somebody.
    """

    at: datetime
    sources: Sequence[SourceOverview]
    bad_files: Sequence[BadFile]
    company: str | None = None
    user: str | None = None
    account: KnownAccount | None = None
    waiting: Sequence[Trouble] = ()

    @property
    def unwell(self) -> list[SourceOverview]:
        """Sources with something to do about them."""
        return [source for source in self.sources if source.troubles]

    @property
    def troubles(self) -> list[Trouble]:
        """All that is wrong, of sources, of files that are left out, and of plans that wait."""
        files = [
            Trouble(
                str(bad.path),
                TroubleKind.BAD_FILE,
                f"{bad} It is left out.",
                f"The file is left out, for {len(bad.problems)} problems: "
                "`pipedrive-orchestration check` shows them.",
            )
            for bad in self.bad_files
        ]
        of_sources = (trouble for source in self.sources for trouble in source.troubles)
        return [*of_sources, *files, *self.waiting]

    def of(self, slug: str) -> Overview:
        """The same of one source alone."""
        return replace(
            self, sources=[source for source in self.sources if source.slug == slug], bad_files=(), waiting=()
        )

    def __str__(self) -> str:
        count = len(self.sources)
        amount = "1 source" if count == 1 else f"{count:,} sources"
        unwell = len(self.unwell)
        parts = [f"{amount}, all well" if not unwell else f"{amount}, {unwell:,} to look at"]
        if self.bad_files:
            files = len(self.bad_files)
            parts.append("1 file left out" if files == 1 else f"{files:,} files left out")
        if self.waiting:
            plans = len(self.waiting)
            parts.append("1 plan waits" if plans == 1 else f"{plans:,} plans wait")
        return "; ".join(parts)


def read_overview(deployment: Deployment, warehouse: Warehouse, now: datetime) -> Overview:
    """How the sources are, by their files, Dagster's storage and the warehouse; asks the account nothing.

    Raises:
        WarehouseError: the database cannot be opened.
    """
    loaded = deployment.store.load()
    states = states_of(deployment, loaded.sources, now)
    failures = _failures(deployment, states)
    if not warehouse.exists:
        sources = [_not_imported(state, failures.get(state.source.slug)) for state in states]
        return Overview(now, sources, loaded.bad_files)
    with warehouse.reading() as connection:
        costs = _Costs.of(deployment, connection, [state.source for state in states], now)
        known = _Known.read(connection, states, now)
        sources = [
            _overview(connection, state, known, costs, failures.get(state.source.slug)) for state in states
        ]
        reader, account = users.last_reader(connection), known_account(connection)
        waiting = waiting_plans(connection, WriteStore(deployment.store.project).load().writes)
    company, user = (reader.company, reader.user) if reader else (None, None)
    return Overview(now, sources, loaded.bad_files, company, user, account, waiting)


def _not_imported(state: SourceState, failure: FailedRun | None) -> SourceOverview:
    nothing = (0,) * DAYS
    return SourceOverview(
        state,
        None,
        None,
        0,
        nothing,
        nothing,
        nothing,
        0,
        failure,
        _troubles(state, None, Counts(), (), failure),
    )


@dataclass(frozen=True, slots=True)
class _Costs:
    """What the imports of all sources have changed and cost, and what left out pulls would have.

    Attributes:
        calendar: the days that are shown.
        imports: what imports did on each of them.
        prices: what the cheapest pull of changes has cost, by source.
        left_out: how many pulls were left out on each day, by source id.
    """

    calendar: Sequence[date]
    imports: Sequence[ImportDay]
    prices: Mapping[str, int]
    left_out: Mapping[UUID, Mapping[date, int]]

    @classmethod
    def of(
        cls,
        deployment: Deployment,
        connection: duckdb.DuckDBPyConnection,
        sources: Sequence[Source],
        now: datetime,
    ) -> _Costs:
        calendar = [now.date() - timedelta(days=back) for back in reversed(range(DAYS))]
        return cls(
            calendar,
            ledger.import_days(connection, calendar[0]),
            ledger.least_tokens(connection, calendar[0]),
            deployment.store.left_out_pulls.read([source.id for source in sources]),
        )

    def imports_of(self, source: Source) -> dict[date, ImportDay]:
        return {day.day: day for day in self.imports if day.source == source.slug}

    def saved_by(self, source: Source) -> dict[date, int]:
        price = self.prices.get(source.slug, 0)
        return {day: pulls * price for day, pulls in self.left_out.get(source.id, {}).items()}


@dataclass(frozen=True, slots=True)
class _Known:
    """What is asked of the warehouse for all sources at once, by slug, or by object type."""

    newest: Mapping[str, ImportEntry]
    freshness: Mapping[str, Freshness]
    drifted: Mapping[str, Sequence[DriftedField]]

    @classmethod
    def read(
        cls, connection: duckdb.DuckDBPyConnection, states: Sequence[SourceState], now: datetime
    ) -> _Known:
        sources = [state.source for state in states]
        paused = {state.source.slug for state in states if state.status is Status.PAUSED}
        newest = ledger.last_imports(connection, [source.slug for source in sources])
        properties: dict[str, set[str]] = {}
        for source in sources:
            keys = properties.setdefault(source.object_type, set())
            # A field that is gone before a source is imported is for its first import to say.
            keys.update(source.properties if source.slug in newest else ())
        drifted = {
            name: field_history.drifted_fields(connection, name, keys, now) if keys else []
            for name, keys in properties.items()
        }
        active = [source for source in sources if source.schedule]
        return cls(newest, freshness_of_all(connection, active, now, paused), drifted)


def _overview(
    connection: duckdb.DuckDBPyConnection,
    state: SourceState,
    known: _Known,
    costs: _Costs,
    failure: FailedRun | None,
) -> SourceOverview:
    source = state.source
    own, calendar = costs.imports_of(source), costs.calendar
    counts = read_counts(connection, source.slug)
    newest, freshness = known.newest.get(source.slug), known.freshness.get(source.slug)
    drifted = [field for field in known.drifted[source.object_type] if field.key in source.properties]
    return SourceOverview(
        state=state,
        last_success=None if newest is None or newest.is_skipped else newest,
        freshness=freshness,
        rows=counts.current,
        changes=_by_day(calendar, {day: each.rows_changed for day, each in own.items()}),
        tokens=_by_day(calendar, {day: each.tokens for day, each in own.items()}),
        tokens_saved=_by_day(calendar, costs.saved_by(source)),
        quarantined=counts.quarantined,
        failure=failure,
        troubles=_troubles(state, freshness, counts, drifted, failure),
    )


def _by_day(calendar: Sequence[date], found: Mapping[date, int]) -> tuple[int, ...]:
    return tuple(found.get(day, 0) for day in calendar)


def _troubles(
    state: SourceState,
    freshness: Freshness | None,
    counts: Counts,
    drifted: Sequence[DriftedField],
    failure: FailedRun | None,
) -> list[Trouble]:
    slug = state.source.slug
    found = []

    def add(kind: TroubleKind, text: str, brief: str | None = None) -> None:
        found.append(Trouble(slug, kind, text, brief or text))

    if counts.skipped:
        add(TroubleKind.CLOSED, f"Its last import was {counts.skipped}.")
    if failure is not None:
        reason = failure.reason or "it says nothing of why; its page in Dagster's UI shows more"
        known = reason if failure.is_foreseen else "see its page in Dagster's UI"
        lead = "Its last run failed"
        add(TroubleKind.FAILED, f"{lead}: {reason.rstrip('.')}.", f"{lead}: {known.rstrip('.')}.")
    if state.hold is not None:
        add(TroubleKind.HELD, state.sentence)
    elif state.status is Status.EXPIRED:
        add(TroubleKind.EXPIRED, state.sentence)
    if freshness is not None and freshness.is_late and not state.is_importing:
        add(
            TroubleKind.LATE,
            f"{freshness} Look whether Dagster's daemon runs (`dev`), or import it now: "
            f"`pipedrive-orchestration import {slug}`.",
        )
    if counts.quarantined:
        add(
            TroubleKind.SET_ASIDE,
            f"{counts.quarantined:,} values did not fit their type and are set aside: see "
            "import_ledger.quarantine, mend them at Pipedrive, and the next import takes them.",
        )
    if drifted:
        add(
            TroubleKind.DRIFTED,
            f"{len(drifted):,} of its properties are not what they were at Pipedrive: "
            f"{', '.join(f'{field.key} ({field.drift})' for field in drifted[:_DRIFTED_NAMED])}.",
        )
    return found


_DRIFTED_NAMED = 5
"""Properties that are named of those that drifted."""


def _failures(deployment: Deployment, states: Sequence[SourceState]) -> dict[str, FailedRun]:
    """The sources whose last run failed before they were done; of a cancelled one its user knows why."""
    names, instance = deployment.names, deployment.instance
    slugs = {names.asset_key(state.source.slug): state.source.slug for state in states}
    last: dict[str, list[str]] = {}
    for record in instance.get_asset_records(list(slugs)):
        entry = record.asset_entry
        if entry.last_run_id:
            last.setdefault(entry.last_run_id, []).append(slugs[entry.asset_key])
    if not last:
        return {}
    failed = dg.RunsFilter(run_ids=list(last), statuses=[dg.DagsterRunStatus.FAILURE])
    failures = {}
    for run in instance.get_run_records(failed):
        run_id = run.dagster_run.run_id
        ended_at = None if run.end_time is None else datetime.fromtimestamp(run.end_time, UTC)
        steps = _steps_of(instance, run_id)
        for slug in last[run_id]:
            step = steps.get(names.op(slug))
            # A run may hold several sources, and fail at another one.
            if step is None or step.is_failure:
                failures[slug] = FailedRun(
                    run_id, ended_at, _reason_of(step) if step else "", is_foreseen=_is_foreseen(step)
                )
    return failures


def _steps_of(instance: dg.DagsterInstance, run_id: str) -> dict[str, dg.DagsterEvent]:
    """The ends of the steps of a run, by step."""
    ends = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.STEP_SUCCESS}
    records = instance.get_records_for_run(run_id, of_type=ends).records
    events = [record.event_log_entry.dagster_event for record in records]
    return {event.step_key: event for event in events if event and event.step_key}


def _reason_of(failure: dg.DagsterEvent) -> str:
    told = failure.step_failure_data
    if told.user_failure_data is not None:
        return " ".join((told.user_failure_data.description or "").split())
    if told.error is not None:
        error = told.error.cause or told.error
        return " ".join(error.message.split())
    return ""


def _is_foreseen(failure: dg.DagsterEvent | None) -> bool:
    """Whether a step failed with a sentence that was written for people."""
    return failure is not None and failure.step_failure_data.user_failure_data is not None
