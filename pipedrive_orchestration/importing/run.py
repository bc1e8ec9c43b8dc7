"""The story of one import: look at the account, plan, pull, and report.

The database is open only while something is looked up in it or committed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from pipedrive_orchestration.importing.children import ChildLoader
from pipedrive_orchestration.importing.commit import Committer
from pipedrive_orchestration.importing.contents import ContentKeeper
from pipedrive_orchestration.importing.context import ImportContext, ImportRequest
from pipedrive_orchestration.importing.definition import define, fingerprint_of, understood_fields
from pipedrive_orchestration.importing.doubt import DoubtfulWindow, reconciles, windows_to_reconcile
from pipedrive_orchestration.importing.estimate import announce_estimate, savings
from pipedrive_orchestration.importing.extract import Extraction
from pipedrive_orchestration.importing.filters.compile import select
from pipedrive_orchestration.importing.load import Loader
from pipedrive_orchestration.importing.plan import PullPlan, make_plan
from pipedrive_orchestration.importing.prior_state import PriorState, read_prior_state
from pipedrive_orchestration.importing.reconcile import Reconciler
from pipedrive_orchestration.importing.references import References, open_references
from pipedrive_orchestration.importing.report import ImportReport, Listener, Note, Pull, Reporter
from pipedrive_orchestration.importing.reserve import reserve_of
from pipedrive_orchestration.importing.signals import run_interruptibly
from pipedrive_orchestration.importing.staging import Staging, open_staging
from pipedrive_orchestration.importing.visibility import Visibility, read_visibility
from pipedrive_orchestration.importing.windows import Window
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client, next_budget
from pipedrive_orchestration.pipedrive.clock import utc_now
from pipedrive_orchestration.pipedrive.errors import PipedriveError, Refused
from pipedrive_orchestration.pipedrive.fields import read_fields
from pipedrive_orchestration.sources import Priority, Source
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError

SOMETHING = "a right, a plan or an add-on that is missing"
"""What a collection requires of which nothing more is known."""


def import_source(  # noqa: PLR0913 - all but the source are keywords
    source: Source,
    *,
    connection: Connection,
    warehouse: Warehouse,
    staging: Path,
    pull: Pull,
    windows: Sequence[Window] = (),
    listener: Listener = lambda _: None,
    accept_user: bool = False,
    priorities: Mapping[str, Priority] = MappingProxyType({}),
    clock: Callable[[], datetime] = utc_now,
) -> ImportReport:
    """Import a source once.

    Args:
        source: what to import.
        connection: the account.
        warehouse: where the rows go.
        staging: folder for pages that are not committed yet.
        pull: ``WINDOW`` reads the given windows completely, ``CHANGES`` what changed since the
            watermark. Object types that cannot be bounded by ``update_time`` are read in full either way.
        windows: the windows of a ``WINDOW`` pull, oldest first; ignored otherwise.
        listener: is told about progress and committed windows, in the calling thread.
        accept_user: what the connected user does not see is removed, whoever saw it before.
        priorities: those of the account's other sources, by slug, where they are not the usual one.
        clock: tells our time.

    Raises:
        OtherCompanyError: the source's rows come from another company; nothing was changed.
        HiddenRowsError: another user saw many rows that the connected one does not see; none was marked.
        PipedriveError: the account cannot be read; what was committed before stays.
        UnknownPropertiesError: the source names properties that the account does not have.
        UnfitSourceError: the source's filter does not fit the account.
        StagingError: pages cannot be staged.
        WarehouseError: the database cannot be opened or written.
    """
    request = ImportRequest(
        source, connection, warehouse, staging, pull, tuple(windows), accept_user,
        import_id=uuid.uuid4(), started_at=clock(), priorities=priorities,
    )  # fmt: skip
    return run_interruptibly(_import_and_reconcile(request, listener, clock))


async def _import_and_reconcile(
    request: ImportRequest, listener: Listener, clock: Callable[[], datetime]
) -> ImportReport:
    """An import and, after one of changes, another of the windows that are in doubt."""
    report, doubtful = await _import(request, listener, clock)
    if not doubtful:
        return report
    again = replace(
        request,
        pull=Pull.WINDOW,
        windows=tuple(sorted((each.window for each in doubtful), key=lambda window: window.key)),
        import_id=uuid.uuid4(),
        started_at=clock(),
        reconciles=request.import_id,
    )
    notes = [f"reads {each.window.key} again: {each.reason}" for each in doubtful]
    for note in notes:
        listener(Note(note))
    try:
        reconciled, _ = await _import(again, listener, clock)
    except PipedriveError as error:
        # What changed is committed; the windows stay in doubt, and the next import tries them.
        return replace(report, notes=(*report.notes, *notes, f"not read again: {error}"))
    return report.followed_by(reconciled, notes)


async def _import(
    request: ImportRequest, listener: Listener, clock: Callable[[], datetime]
) -> tuple[ImportReport, Sequence[DoubtfulWindow]]:
    """One import, and the windows that are in doubt after it and may be read again now."""
    source = request.source
    async with Client(request.connection, clock=clock) as client:
        reporter = Reporter(listener, client.usage)
        listed = await read_fields(client, source.type)
        fields = understood_fields(source, listed)
        selection = await select(client, source, fields, restricting=request.pull is Pull.WINDOW)
        prior = await read_prior_state(request, fingerprint_of(source, selection))
        client.reserve = reserve_of(request, prior, next_budget(client.clock))
        visibility = await read_visibility(client, request, prior)
        definition = define(source, listed, prior.columns, selection)
        context = ImportContext(request, client, definition, reporter)
        async with (
            open_staging(context) as staging,
            open_references(
                client, staging.folder.path, definition.derived, selection, definition.shown
            ) as names,
        ):
            await names.refresh(request, context.began)
            rechecks = await names.rechecks(source.type)
            plan = make_plan(context, prior, visibility, rechecks)
            committer = Committer(context, plan, visibility, names)
            try:
                if source.type.parent is not None:
                    loader = ChildLoader(context, visibility, staging, names, committer)
                    await loader.load(everything=rechecks is None or bool(rechecks))
                else:
                    await _load(context, prior, visibility, staging, names, plan, committer)
                if source.options.contents:
                    committer.note(await ContentKeeper(context).keep())
            except Refused as refused:
                if not source.type.is_closed(refused.status):
                    with suppress(WarehouseError):
                        await committer.fail(refused)
                    raise
                await committer.skip(_closed(source, refused))
            except Exception as error:
                with suppress(WarehouseError):
                    await committer.fail(error)
                raise
            report = reporter.summary(source.slug, request.pull, committer.totals)
        if not reconciles(context):
            return report, ()
        states = committer.totals.window_states
        return report, await windows_to_reconcile(context, committer.reading, states)


async def _load(
    context: ImportContext,
    prior: PriorState,
    visibility: Visibility,
    staging: Staging,
    names: References,
    plan: PullPlan,
    committer: Committer,
) -> None:
    """Read a list, or windows of it, and commit what is read."""
    context.reporter.resumed(plan.committed, len(plan.windows))
    reconciler = Reconciler(context, visibility, staging.folder, prior)
    loader = Loader(context, plan, visibility, staging, reconciler, names, committer)
    shortage = await announce_estimate(context, plan, prior, names)
    committer.note(shortage)
    removed = await loader.load(Extraction(context, plan, is_affordable=not shortage))
    committer.note(savings(context, plan))
    await loader.finish(removed)


def _closed(source: Source, refused: Refused) -> str:
    """Why an import is skipped: the account or its user lacks what the collection requires."""
    return (
        f"skipped: {source.object_type} need {source.type.requires or SOMETHING} (an app needs the scope "
        f"{' or '.join(source.type.scopes)} as well), and Pipedrive answers {refused.status} "
        f"({refused.reason}); the next import tries again"
    )
