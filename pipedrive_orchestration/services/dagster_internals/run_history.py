"""Runs that have ended, and deleting them.

Dagster deletes a run with all its events, so that windows which nothing has read since would turn white,
and leaves its checks, its tags, and on SQLite the file of its events. It cannot say which runs still
stand for something, nor delete events that belong to no run, such as those that a sensor reports.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
)
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.legacy_storage import LegacyEventLogStorage, LegacyRunStorage
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from sqlalchemy import Connection, and_, delete, exists, func, select, union

_SHOWN = [dg.DagsterEventType.ASSET_MATERIALIZATION.value, dg.DagsterEventType.ASSET_OBSERVATION.value]
_NO_RUN = ""
_FINISHED = [
    dg.DagsterRunStatus.SUCCESS.value,
    dg.DagsterRunStatus.FAILURE.value,
    dg.DagsterRunStatus.CANCELED.value,
]
_SCHEDULE_TAG = "dagster/schedule_name"


@dataclass(frozen=True, slots=True)
class OldRun:
    """A run that has ended: its place in the storage, its id, its job, how it came about and how it ended."""

    place: int
    run_id: str
    job: str
    scheduled: bool
    succeeded: bool
    ended: datetime


@dataclass(frozen=True, slots=True)
class RunHistory:
    """What an instance keeps of runs that have ended, in SQLite or in another SQL database.

    Attributes:
        instance: whose it is.
    """

    instance: dg.DagsterInstance

    @property
    def is_known(self) -> bool:
        """Whether the storage is one that can be looked through."""
        return isinstance(self._runs, SqlRunStorage) and isinstance(self._events, SqlEventLogStorage)

    def ended(self, before: datetime, after_place: int, limit: int) -> list[OldRun]:
        """Runs that ended before an instant, in their order, from a place on."""
        runs, tags = RunsTable.c, RunTagsTable.c
        scheduled = exists().where(and_(tags.run_id == runs.run_id, tags.key == _SCHEDULE_TAG))
        statement = (
            select(runs.id, runs.run_id, runs.pipeline_name, scheduled, runs.status, runs.update_timestamp)
            .where(
                runs.id > after_place,
                runs.status.in_(_FINISHED),
                runs.update_timestamp < before.astimezone(UTC).replace(tzinfo=None),
            )
            .order_by(runs.id)
            .limit(limit)
        )
        with self._run_connection() as connection:
            rows: Any = connection.execute(statement).fetchall()
        return [
            OldRun(
                place,
                run_id,
                job,
                bool(by_schedule),
                status == dg.DagsterRunStatus.SUCCESS.value,
                ended.replace(tzinfo=UTC),
            )
            for place, run_id, job, by_schedule, status, ended in rows
        ]

    def assets_of(self, run_ids: Collection[str]) -> dict[str, set[dg.AssetKey]]:
        """The assets that runs have told of, by run."""
        events = SqlEventLogStorageTable.c
        statement = select(events.run_id, events.asset_key).distinct()
        statement = statement.where(events.run_id.in_(run_ids), events.asset_key.is_not(None))
        found: dict[str, set[dg.AssetKey]] = {}
        with self._event_connection() as connection:
            rows: Any = connection.execute(statement).fetchall()
            for run_id, key in rows:
                found.setdefault(run_id, set()).add(dg.AssetKey(json.loads(key)))
        return found

    def still_shown(self, run_ids: Collection[str]) -> set[str]:
        """Those runs of which an asset, or a window of one, shows what they told last."""
        older, newer = SqlEventLogStorageTable.alias("older"), SqlEventLogStorageTable.alias("newer")
        is_newest = ~exists().where(_is_newer(newer, older))
        last = select(older.c.run_id).where(
            older.c.run_id.in_(run_ids),
            older.c.dagster_event_type.in_(_SHOWN),
            older.c.asset_key.is_not(None),
            is_newest,
        )
        last_run = select(AssetKeyTable.c.last_run_id).where(AssetKeyTable.c.last_run_id.in_(run_ids))
        with self._event_connection() as connection:
            return set(connection.execute(union(last, last_run)).scalars())

    def delete(self, run_ids: Sequence[str]) -> None:
        """Delete runs with all that is kept of them; of a check the newest verdict stays.

        Events go first: where this is broken off, the runs are still there to be deleted.
        """
        storage, events, checks = self._events, SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
        ids = select(events.id).where(events.run_id.in_(run_ids), events.asset_key.is_not(None))
        with self._event_connection() as connection:
            connection.execute(delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(ids)))
            connection.execute(delete(SqlEventLogStorageTable).where(events.run_id.in_(run_ids)))
            connection.execute(
                delete(AssetCheckExecutionsTable).where(
                    checks.run_id.in_(run_ids), checks.id.not_in(_newest_verdicts())
                )
            )
        for run_id in run_ids:
            if isinstance(storage, SqliteEventLogStorage):
                shard = storage.path_for_shard(run_id)
                for file in (shard, f"{shard}-wal", f"{shard}-shm"):
                    Path(file).unlink(missing_ok=True)
            self.instance.compute_log_manager.delete_logs(prefix=[run_id])
        with self._run_connection() as connection:
            connection.execute(delete(RunTagsTable).where(RunTagsTable.c.run_id.in_(run_ids)))
            connection.execute(delete(RunsTable).where(RunsTable.c.run_id.in_(run_ids)))

    def delete_events_without_run(self, keys: Collection[dg.AssetKey], before: datetime) -> int:
        """Delete what was told of assets outside runs, but for what each told last; how many events."""
        older, newer = SqlEventLogStorageTable.alias("older"), SqlEventLogStorageTable.alias("newer")
        naive = before.astimezone(UTC).replace(tzinfo=None)
        superseded = select(older.c.id).where(
            older.c.run_id == _NO_RUN,
            older.c.timestamp < naive,
            older.c.asset_key.in_([key.to_string() for key in keys]),
            exists().where(_is_newer(newer, older)),
        )
        checks, storage = AssetCheckExecutionsTable.c, self._events
        with self._event_connection() as connection:
            gone: list[Any] = list(connection.execute(superseded).scalars())
            for ids in (gone[first : first + 500] for first in range(0, len(gone), 500)):
                connection.execute(delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(ids)))
                connection.execute(
                    delete(SqlEventLogStorageTable).where(SqlEventLogStorageTable.c.id.in_(ids))
                )
            connection.execute(
                delete(AssetCheckExecutionsTable).where(
                    checks.run_id == _NO_RUN,
                    checks.create_timestamp < naive,
                    checks.id.not_in(_newest_verdicts()),
                )
            )
        if isinstance(storage, SqliteEventLogStorage) and Path(storage.path_for_shard(_NO_RUN)).exists():
            # They stand in a file of their own as well, which nobody reads.
            with storage.run_connection(_NO_RUN) as connection:
                connection.execute(
                    delete(SqlEventLogStorageTable).where(SqlEventLogStorageTable.c.timestamp < naive)
                )
        return len(gone)

    @property
    def _events(self) -> Any:
        storage = self.instance.event_log_storage
        return storage._storage.event_log_storage if isinstance(storage, LegacyEventLogStorage) else storage  # noqa: SLF001

    @property
    def _runs(self) -> Any:
        storage = self.instance.run_storage
        return storage._storage.run_storage if isinstance(storage, LegacyRunStorage) else storage  # noqa: SLF001

    @contextmanager
    def _event_connection(self) -> Iterator[Connection]:
        with self._events.index_transaction() as connection:
            yield connection

    @contextmanager
    def _run_connection(self) -> Iterator[Connection]:
        with self._runs.connect() as connection:
            yield connection


def _is_newer(newer: Any, older: Any) -> Any:
    """Whether one event tells the same of the same asset, or window, as another one, and later."""
    return and_(
        newer.c.asset_key == older.c.asset_key,
        newer.c.dagster_event_type == older.c.dagster_event_type,
        newer.c.partition.is_not_distinct_from(older.c.partition),
        newer.c.id > older.c.id,
    )


def _newest_verdicts() -> Any:
    """The places of the newest verdicts of all checks."""
    checks = AssetCheckExecutionsTable.c
    completed = [status.value for status in COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES]
    return (
        select(func.max(checks.id))
        .where(checks.execution_status.in_(completed))
        .group_by(checks.asset_key, checks.check_name)
    )
