"""What a run leaves in the event log.

Dagster's SQLite storage opens two databases for every event and waits for the disk in both, so that the
windows of a day's grid of eleven years take minutes.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence

import dagster as dg
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.execution.context.system import StepExecutionContext
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.legacy_storage import LegacyEventLogStorage


def store_materializations(
    context: dg.AssetExecutionContext, materializations: Sequence[dg.AssetMaterialization]
) -> None:
    """Store materialisations of a step in one go, as ``context.log_event`` would one by one.

    Those who look at the result of a run in this process do not find them there, only in the event log.
    """
    if not materializations:
        return
    step = context.op_execution_context.get_step_execution_context()
    entries = [_entry_of(step, materialization) for materialization in materializations]
    storage = context.instance.event_log_storage
    if isinstance(storage, LegacyEventLogStorage):
        storage = storage._storage.event_log_storage  # noqa: SLF001
    if not isinstance(storage, SqliteEventLogStorage):
        storage.store_event_batch(entries)
        return
    statements = [storage.prepare_insert_event(entry) for entry in entries]
    with storage.run_connection(step.run_id) as connection:
        for statement in statements:
            connection.execute(statement)
    with storage.index_transaction() as connection:
        stored = [connection.execute(statement).inserted_primary_key for statement in statements]
        ids = [key[0] for key in stored if key is not None]
        storage._store_asset_event_tags(connection, entries, ids)  # noqa: SLF001
        # Of an asset only the last event is kept besides.
        storage._store_asset_event(connection, entries[-1], ids[-1])  # noqa: SLF001


def _entry_of(step: StepExecutionContext, materialization: dg.AssetMaterialization) -> dg.EventLogEntry:
    event = DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name=step.job_name,
        step_handle=step.step.handle,
        node_handle=step.step.node_handle,
        step_kind_value=step.step.kind.value,
        logging_tags=step.event_tags,
        event_specific_data=StepMaterializationData(materialization),
        message="Materialized value.",
        pid=os.getpid(),
    )
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level=logging.DEBUG,
        user_message=event.message or "",
        run_id=step.run_id,
        timestamp=time.time(),
        step_key=step.step.key,
        job_name=step.job_name,
        dagster_event=event,
    )


def last_verdict(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> dg.AssetCheckEvaluation | None:
    """What an asset check said when it was evaluated last; runs that have only planned it do not count."""
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=_VERDICTS_LOOKED_AT)
    for record in records:
        if record.status in COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES and record.event:
            data = record.event.get_dagster_event().event_specific_data
            if isinstance(data, dg.AssetCheckEvaluation):
                return data
    return None


_VERDICTS_LOOKED_AT = 50
