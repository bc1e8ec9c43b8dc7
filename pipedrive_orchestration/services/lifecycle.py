"""The life of a source: how the HTTP API and the command line create, pause, resume and delete one.

The project folder holds the sources and Dagster's instance the states of their schedules, so what is
done here, in Dagster's UI or with an editor is the same thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

import dagster as dg

from pipedrive_orchestration.importing import Estimate, estimate_first_import, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.errors import BudgetSpent
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.services.errors import StatusConflictError
from pipedrive_orchestration.services.run_requests import UNFINISHED, request_of_first_import
from pipedrive_orchestration.services.status import SourceState, Status, state_of
from pipedrive_orchestration.services.web_server import (
    CancelError,
    LaunchError,
    ReloadError,
    cancel,
    launch,
)
from pipedrive_orchestration.sources import Hold, Source, SourceBody
from pipedrive_orchestration.sources.model import refuse_change_of_fixed
from pipedrive_orchestration.sources.store import DELETED
from pipedrive_orchestration.warehouse.lists import LISTS
from pipedrive_orchestration.warehouse.tables import HISTORY, LABELED, ROWS


@dataclass(frozen=True, slots=True)
class CreatedSource:
    """A source that has just been created.

    Attributes:
        hold: why its first import waits, if it does.
        warning: what the user should know: what may not be read, when the import starts if it has not
            started, or that there is nothing to import.
    """

    source: Source
    hold: Hold | None = None
    warning: str | None = None

    @property
    def imports_nothing(self) -> bool:
        """Whether there is nothing to import, now or later."""
        return self.source.pull_mode == "static" and not self.source.pull_existing

    def with_warning(self, *sentences: str) -> CreatedSource:
        """The same with further sentences to its warning."""
        return replace(self, warning=" ".join(filter(None, (self.warning, *sentences))) or None)


def create_source(
    deployment: Deployment, body: SourceBody, *, connection: Connection, slug: str | None = None
) -> CreatedSource:
    """Add a source, let Dagster show it, and start its first import.

    Args:
        deployment: where it is to live.
        body: what was validated with ``created_on``.
        connection: the account, which is asked whether it has the fields and can pay for the import.
        slug: the source's name; derived from the body's name if None.

    Raises:
        InvalidBodyError: properties, filter or slug do not fit; nothing was written.
        PipedriveError: the account cannot be read; nothing was written.
        OldFileError: a file of version 0.1 is damaged.
        OSError: the folder cannot be written; nothing was.
    """
    created = add_source(deployment, body, connection=connection, slug=slug)
    try:
        deployment.reload()
        start_first_import(deployment, created)
    except ReloadError as error:
        return created.with_warning(f"{error} {STARTS_LATER}")
    except LaunchError as error:
        return created.with_warning(
            f"{error} The first import starts within 10 s where Dagster's daemon is running."
        )
    return created


STARTS_LATER = "The first import starts within 10 s of the reload, or of the next start of Dagster."
"""What becomes of a source that Dagster does not show yet."""


def add_source(
    deployment: Deployment, body: SourceBody, *, connection: Connection, slug: str | None = None
) -> CreatedSource:
    """Write a source's file. Dagster does not show it before the next reload.

    Args, Raises: as of `create_source`.
    """
    appraisal = appraise(body, connection)
    source = deployment.store.create(body, slug, appraisal.hold)
    # A schedule of the same name that was stopped once must not be stopped now.
    deployment.schedules.reset(deployment.names.schedule(source.slug))
    created = CreatedSource(source, appraisal.hold).with_warning(*appraisal.notes, *_note_on_windows(source))
    if created.imports_nothing:
        return created.with_warning(
            "Nothing will be imported: the source is static and pull_existing is false."
        )
    return created


WINDOWS_SHOWN_QUICKLY = 1_000
"""The most windows of a source of which Dagster shows its pages quickly."""


def _note_on_windows(source: Source) -> Iterator[str]:
    if not source.type.partitioned:
        return
    windows = len(windows_until(source, datetime.now(UTC)))
    if windows > WINDOWS_SHOWN_QUICKLY:
        yield (
            f"The source has {windows:,} {source.options.partitions} windows: Dagster's pages of it are slow "
            "and a backfill is many runs. Monthly windows, or a later options.partitions_start, bring the "
            "same rows; they cannot be changed later."
        )


def remains_of(source: Source) -> str:
    """What stays of a source that is deleted, and how it is removed."""
    schemas = [ROWS, *([HISTORY] if source.options.history else [])]
    tables = [f"{schema}.{source.slug}" for schema in schemas]
    removal = [f"DROP VIEW {LABELED}.{source.slug}", *(f"DROP TABLE {table}" for table in tables)]
    return (
        f"Its rows stay in {' and '.join(tables)}, its file in sources/{DELETED}/{source.slug}.yaml, and its "
        f"slug is taken while that file is there. To remove the rows, run in DuckDB: {'; '.join(removal)}; "
        f"views of their lists, if they have any, are those of {LISTS} that begin with {source.slug}_."
    )


def start_first_import(deployment: Deployment, created: CreatedSource) -> None:
    """Launch the first import of a source that Dagster shows, unless it waits or there is nothing to import.

    Raises:
        LaunchError: the web server does not answer or refuses; the daemon starts it then.
    """
    if created.hold is not None or created.imports_nothing:
        return
    request = request_of_first_import(
        created.source, datetime.now(UTC), deployment.instance, deployment.names, run_key=""
    )
    launch(deployment.dagster_url, request, deployment.location)


@dataclass(frozen=True, slots=True)
class Appraisal:
    """The account's say on a body before it is a source.

    Attributes:
        hold: why its first import has to wait for tokens, if it has to.
        notes: what the connected user, or app, may not read; a sentence each.
    """

    hold: Hold | None = None
    notes: tuple[str, ...] = ()


def appraise(body: SourceBody, connection: Connection) -> Appraisal:
    """Ask the account whether it has what a body asks for, and can pay for its first import.

    Raises:
        InvalidBodyError: properties or filter do not fit the account.
        PipedriveError: the account cannot be read.
    """
    try:
        estimate = estimate_first_import(body, connection=connection)
    except BudgetSpent as spent:
        return Appraisal(Hold(None, 0, spent.resumes_at))
    return Appraisal(_hold(body, estimate), tuple(f"Note: {note}." for note in estimate.notes))


def _hold(body: SourceBody, estimate: Estimate) -> Hold | None:
    tokens, most, left = estimate.tokens, body.options.max_tokens, estimate.daily_tokens_left
    if most is not None and most < tokens:
        return Hold(tokens, most)
    return Hold(tokens, left, estimate.next_budget) if left is not None and left < tokens else None


@dataclass(frozen=True, slots=True)
class EditedSource:
    """A source whose body has been replaced.

    Attributes:
        changed: the fields of the body that are not what they were.
        notes: what the connected user, or app, may not read.
    """

    source: Source
    changed: tuple[str, ...]
    notes: tuple[str, ...] = ()


def edit_source(
    deployment: Deployment, source: Source, body: SourceBody, *, connection: Connection
) -> EditedSource:
    """Replace the body of a source. Dagster shows what it was before until the next reload.

    Args:
        deployment: where it lives.
        source: as it is now.
        body: what was validated with ``created_on`` today; the whole of it.
        connection: the account, which is asked whether it has the fields.

    Raises:
        InvalidBodyError: the body does not fit the account, or changes what is fixed; nothing was written.
        PipedriveError: the account cannot be read; nothing was written.
        UnknownSourceError: the file has gone meanwhile.
        OSError: the folder cannot be written; the source is as it was.
    """
    refuse_change_of_fixed(source, body)
    notes = appraise(body, connection).notes
    after = deployment.store.replace(source, body)
    changed = [name for name in SourceBody.model_fields if getattr(after, name) != getattr(source, name)]
    return EditedSource(after, tuple(changed), notes)


class Switch(StrEnum):
    """The two statuses that a user can set a source to."""

    ACTIVE = "active"
    PAUSED = "paused"


def switch_source(deployment: Deployment, source: Source, to: Switch) -> SourceState:
    """Resume a source or pause it.

    Raises:
        StatusConflictError: it is expired, or static.
        OldFileError: a file of version 0.1 is damaged, which may hold the source back.
        OSError: the folder cannot be written.
    """
    return (pause_source if to is Switch.PAUSED else resume_source)(deployment, source)


def pause_source(deployment: Deployment, source: Source) -> SourceState:
    """Stop a source's schedule, as the switch in Dagster's UI does.

    A first import that waits for tokens goes on waiting until the source is resumed.

    Raises:
        StatusConflictError: it is static or expired.
        OldFileError: a file of version 0.1 is damaged, which may hold the source back.
        OSError: the folder cannot be written.
    """
    state = state_of(deployment, source)
    cron = _schedule_of(state)
    deployment.schedules.stop(deployment.names.schedule(source.slug), cron)
    if state.hold is not None:
        deployment.store.holds.place(source.id, replace(state.hold, until=None))
    return state_of(deployment, source)


def resume_source(deployment: Deployment, source: Source) -> SourceState:
    """Start a source's schedule, and its first import if that waits for tokens.

    Raises:
        StatusConflictError: it is expired, or static and not waiting.
        OldFileError: a file of version 0.1 is damaged, which may hold the source back.
        OSError: the folder cannot be written.
    """
    state = state_of(deployment, source)
    if state.status is Status.EXPIRED or state.hold is None:
        cron: str | None = _schedule_of(state)
    else:
        cron = source.schedule
        deployment.store.holds.lift(source.id)
    if cron is not None:
        deployment.schedules.start(deployment.names.schedule(source.slug), cron)
    return state_of(deployment, source)


def _schedule_of(state: SourceState) -> str:
    source = state.source
    if state.status is Status.EXPIRED:
        raise StatusConflictError(
            f"{source.slug} has expired: {source.expiration_date} was its last day (UTC). "
            f"Give sources/{source.slug}.yaml a later expiration_date."
        )
    if source.schedule is None:
        raise StatusConflictError(
            f"{source.slug} is static: it has no schedule to pause or resume. Import it by hand, or create "
            "an active source."
        )
    return source.schedule


def delete_source(deployment: Deployment, source: Source) -> str | None:
    """Remove a source, and let Dagster show that it is gone.

    Returns:
        What the user should know, if Dagster could not be told.

    Raises:
        OldFileError: a file of version 0.1 is damaged, which may hold the source back.
        OSError: the folder cannot be written.
    """
    warning = remove_source(deployment, source)
    try:
        deployment.reload()
    except ReloadError as error:
        return " ".join(filter(None, (warning, f"{error} {STOPPED_ALREADY}")))
    return warning


STOPPED_ALREADY = "Its schedule is stopped all the same."
"""What has become of a deleted source that Dagster still shows."""


def remove_source(deployment: Deployment, source: Source) -> str | None:
    """Stop a source's schedule and its imports and put its file aside; its slug stays taken.

    Dagster shows it until the next reload. Its rows are kept, those too that an import committed before it
    was cancelled. Removing a source again changes nothing.

    Returns:
        What the user should know, if its imports could not be cancelled.

    Raises:
        OldFileError: a file of version 0.1 is damaged, which may hold the source back.
        OSError: the folder cannot be written.
    """
    if source.schedule is not None:
        deployment.schedules.stop(deployment.names.schedule(source.slug), source.schedule)
    deployment.store.delete(source.slug)
    deployment.store.holds.lift(source.id)
    try:
        _cancel_imports(deployment, source)
    except CancelError as error:
        return f"{error} Its import goes on to its end."
    return None


def _cancel_imports(deployment: Deployment, source: Source) -> None:
    alone = {deployment.names.asset_key(source.slug)}
    for run in deployment.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if run.asset_selection == alone and run.status is not dg.DagsterRunStatus.CANCELING:
            cancel(deployment.dagster_url, run.run_id)
