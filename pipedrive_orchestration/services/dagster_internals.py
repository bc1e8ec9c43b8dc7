"""Every private interface of Dagster that the product uses; no other module imports one.

Tried on Dagster 1.13.27. Each part says why the public interface does not do, so that whoever takes a newer
Dagster knows what to look for there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, cast

import dagster as dg
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.errors import DagsterUserCodeProcessError, DagsterUserCodeUnreachableError
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.execution import compute_logs
from dagster._core.execution.context.system import StepExecutionContext
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
)
from dagster._core.storage.defs_state.base import DefsStateStorage
from dagster._core.storage.defs_state.blob_storage_state_storage import UPathDefsStateStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.legacy_storage import LegacyEventLogStorage, LegacyRunStorage
from dagster._core.storage.runs.base import RunStorage
from dagster._core.storage.runs.schema import KeyValueStoreTable, RunsTable, RunTagsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._serdes.config_class import ConfigurableClassData
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy import Connection, Dialect, Engine, and_, delete, event, exists, func, select, union
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry

__all__ = [
    "ALL_ASSETS_JOB",
    "REPOSITORY",
    "Cancellation",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "ExampleMapping",
    "ForeseenFailure",
    "InstanceKeyValues",
    "OldRun",
    "RunHistory",
    "ScheduleStates",
    "UPathDefsStateStorage",
    "UnreachableError",
    "WorkerStatus",
    "address_of_code_server",
    "assets_of_this_run",
    "followers_of_logs_without_interrupts",
    "fork_runs",
    "instance_of_load",
    "is_first_load",
    "last_verdict",
    "location_of",
    "pin_snapshot",
    "reload_code_server",
    "run_dev",
    "run_web_server",
    "show_snapshots",
    "store_materializations",
    "stored_snapshot",
]

# --- Names that Dagster gives -----------------------------------------------------------------------------
# It shows both to everybody, in run requests and in GraphQL, but exports neither.

REPOSITORY = "__repository__"
"""The definitions of a code location that has no repository of its own."""

ALL_ASSETS_JOB = "__ASSET_JOB"
"""Dagster's own job that holds every asset."""


# --- Waiting for SQLite -----------------------------------------------------------------------------------
# Dagster waits for five seconds where another program, such as a backup, has its file of runs. No setting
# says how long; an engine of SQLAlchemy can be told before it connects, in every process that loads this.

SQLITE_WAIT_SECONDS = 60


@event.listens_for(Engine, "do_connect")
def _wait_for_locked_file(
    dialect: Dialect,
    record: ConnectionPoolEntry,  # noqa: ARG001 - the library's signature
    arguments: object,  # noqa: ARG001
    keywords: dict[str, object],
) -> None:
    if dialect.name == "sqlite":
        keywords.setdefault("timeout", SQLITE_WAIT_SECONDS)


# --- Revisions of the storage -----------------------------------------------------------------------------
# Whenever Dagster opens a database of SQLite, for every tick and for the events of every run, it asks Alembic
# for the newest revision, which reads and compiles some eighty files: three quarters of the time of a tick.


def _keep_revisions() -> None:
    read: Any = ScriptDirectory.from_config

    @cache
    def kept(file: str | None, location: str | None) -> ScriptDirectory:
        config = Config(file)
        config.set_main_option("script_location", str(location))
        return cast("ScriptDirectory", read(config))

    def from_config(config: Config) -> ScriptDirectory:
        file = config.config_file_name
        return kept(None if file is None else str(file), config.get_main_option("script_location"))

    ScriptDirectory.from_config = from_config  # type: ignore[method-assign]


_keep_revisions()


# --- The events of a run on SQLite ------------------------------------------------------------------------
# Each run has a database of its own, of 27 tables and indexes, most of which stay empty and take a page each.

_PAGE_BYTES = 1024
"""A quarter of SQLite's own page; so the file of a run without changes takes 104 KB instead of 180."""


@event.listens_for(Engine, "do_connect")
def _make_small(
    dialect: Dialect,
    record: ConnectionPoolEntry,  # noqa: ARG001 - the library's signature
    arguments: Sequence[Any],
    keywords: dict[str, Any],
) -> Any:
    """The connection to the database of a run that is new; None lets the library open any other."""
    path = Path(str(arguments[0])) if dialect.name == "sqlite" and arguments else None
    if path is None or not _RUN_ID.fullmatch(path.stem) or (path.exists() and path.stat().st_size):
        return None
    connection = dialect.connect(*arguments, **keywords)
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}").close()
    return connection


_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


# --- Keys and values --------------------------------------------------------------------------------------
# The run storage has a table of keys and values, on SQLite, PostgreSQL and MySQL alike, in which Dagster
# keeps its daemons' cursors. There is no public way to it, nor another place that every machine of a
# deployment shares. Its own method overwrites; to add what is not there yet takes the table itself.


@dataclass(frozen=True, slots=True)
class InstanceKeyValues:
    """The texts that one account keeps in Dagster's storage; see `sources.KeyValues`.

    Attributes:
        instance: whose storage it is.
        account: tells the keys of several accounts apart.
    """

    instance: dg.DagsterInstance
    account: str

    def read(self, keys: Collection[str]) -> dict[str, str]:
        """The values of those keys that have one."""
        stored = self._storage.get_cursor_values({self._stored_key(key) for key in keys}) if keys else {}
        found = {key: stored.get(self._stored_key(key)) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    def add(self, values: Mapping[str, str]) -> None:
        """Store values of keys that have none yet; of several processes that add one, the first wins."""
        known = self.read(values)
        missing = {key: value for key, value in values.items() if key not in known}
        if not missing:
            return
        storage = self._storage
        if not isinstance(storage, SqlRunStorage):
            for key, value in missing.items():
                self.put(key, value)
            return
        rows = [{"key": self._stored_key(key), "value": value} for key, value in missing.items()]
        try:
            with storage.connect() as connection:
                connection.execute(KeyValueStoreTable.insert(), rows)
        except IntegrityError:
            # Somebody else has just added one of them, so none was added here.
            self.add(missing)

    def put(self, key: str, value: str) -> None:
        """Store a value, in place of the one that was there."""
        # One at a time: of several, those that are new would be lost where one is not.
        self._storage.set_cursor_values({self._stored_key(key): value})

    @property
    def _storage(self) -> RunStorage:
        storage = self.instance.run_storage
        return storage._storage.run_storage if isinstance(storage, LegacyRunStorage) else storage  # noqa: SLF001

    def _stored_key(self, key: str) -> str:
        full = f"pipedrive_orchestration/{self.account}/{key}"
        # MySQL tells keys apart by their first 64 characters.
        return full if len(full) <= 64 else f"{full[:31]}/{hashlib.sha256(full.encode()).hexdigest()[:32]}"


# --- The web server of dg dev ----------------------------------------------------------------------------
# dg dev starts Dagster's web server as a process of its own, and neither has a place for what is to stand
# before it on the same port. Whoever runs neither has no use for what they import.


def run_dev(options: Sequence[str], *, web_server: str) -> None:
    """Run ``dg dev`` with a module of ours in place of Dagster's web server, until it ends.

    Args:
        options: of ``dg dev``.
        web_server: the module, which takes the web server's own options.
    """
    dev: Any = import_module("dagster._cli.dev")
    start = dev.open_ipc_subprocess

    def start_ours(command: Sequence[str], **keywords: Any) -> Any:
        return start([web_server if part == "dagster_webserver" else part for part in command], **keywords)

    dev.open_ipc_subprocess = start_ours
    sys.argv = ["dg", "dev", *options]
    import_module("dagster_dg_cli.cli").main()


def run_web_server(before: Callable[[Any], Any]) -> None:
    """Run Dagster's web server behind an application of ours, until it ends.

    Args:
        before: makes of Dagster's ASGI application the one that is served.
    """
    _show_snapshots_in_place()
    cli: Any = import_module("dagster_webserver.cli")
    make = cli.create_app_from_workspace_process_context
    # The name by which the server makes its application.
    cli.create_app_from_workspace_process_context = lambda *given, **named: before(make(*given, **named))
    cli.main()


# --- Reloads ----------------------------------------------------------------------------------------------
# Dagster's web server starts a new code server to show a new snapshot, which takes seconds of CPU time. A
# code server can show one by itself within half a second, which only Dagster's cloud asks it to do.


def show_snapshots(code_server: Any, instance: dg.DagsterInstance) -> bool:
    """Let a code server show the newest snapshots; False where it cannot, and has to be started anew.

    Args:
        code_server: a client of it.
        instance: keeps the snapshots.
    """
    storage = instance.defs_state_storage
    newest = storage.get_latest_defs_state_info() if storage else None
    try:
        return not code_server.reload_code_with_state(dg.serialize_value(newest)).serialized_error
    except DagsterUserCodeUnreachableError:
        # It is one of an older Dagster, or does not answer at all.
        return False


def _show_snapshots_in_place() -> None:
    """Let the web server of this process start no new code server where it has just taken a snapshot.

    What its UI calls a reload starts one as ever, since the code may have changed.
    """
    workspace: Any = import_module("dagster._core.workspace.context").WorkspaceProcessContext
    refresh, reload = workspace.refresh_component_state, workspace.reload_code_location
    # One function of the web server calls both, one right after the other.
    shown = threading.local()

    def refresh_and_show(context: Any, location: str, keys: Sequence[str]) -> Any:
        info = refresh(context, location, keys)
        client = context.create_request_context().get_code_location(location).client
        shown.location = location if show_snapshots(client, context.instance) else None
        return info

    def reload_unless_shown(context: Any, location: str) -> None:
        if vars(shown).pop("location", None) == location:
            context.refresh_code_location(location)
        else:
            reload(context, location)

    workspace.refresh_component_state = refresh_and_show
    workspace.reload_code_location = reload_unless_shown


# --- Loading definitions ----------------------------------------------------------------------------------
# Dagster gives a state-backed component its snapshot, but does not say which instance is at hand. Outside its
# development server it takes no new snapshot at a reload, so that a change of the folder would not show;
# taking one at every reload and noting its version needs the context of the load.


def instance_of_load() -> dg.DagsterInstance | None:
    """The instance for which definitions are loaded; None where they are loaded without one."""
    storage = DefsStateStorage.get()
    return storage._instance if storage is not None and storage.has_instance else None  # noqa: SLF001


def is_first_load() -> bool:
    """Whether definitions are loaded anew, rather than those of a snapshot that a run is pinned to."""
    return DefinitionsLoadContext.get().load_type is DefinitionsLoadType.INITIALIZATION


def assets_of_this_run() -> frozenset[dg.AssetKey] | None:
    """The assets of the run that this process is loading definitions for; None where it loads them for all.

    A process that executes a run loads all definitions and is not told for which run; what calls it knows.
    """
    frame: FrameType | None = sys._getframe()  # noqa: SLF001
    while frame is not None:
        if frame.f_code.co_name == "core_execute_run" and frame.f_globals["__name__"] == "dagster._grpc.impl":
            run = frame.f_locals.get("dagster_run")
            selected = run.asset_selection if isinstance(run, dg.DagsterRun) else None
            return frozenset(selected) if selected else None
        frame = frame.f_back
    return None


def pin_snapshot(key: str, version: str) -> None:
    """Let the definitions that are being loaded be those of a snapshot."""
    DefinitionsLoadContext.get().add_defs_state_info(key, version)


def stored_snapshot(key: str) -> tuple[str, bytes] | None:
    """The version and content of the newest snapshot; None where there is none."""
    storage = DefsStateStorage.get()
    version = storage.get_latest_version(key) if storage else None
    if storage is None or version is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        try:
            storage.download_state_to_path(key, version, path)
        except (OSError, ValueError):
            return None
        return version, path.read_bytes()


# --- Examples in the Launchpad --------------------------------------------------------------------------
# The Launchpad opens a job with the defaults of its schema. There is no other place for an example beside a
# mapping, and a default would stand in for what a run's config leaves out.


class ExampleMapping(dg.ConfigMapping):
    """A mapping whose schema has an example as its defaults, none of which a run ever takes.

    The op that the config is mapped to has the same schema without them, and refuses what is missing.
    """

    def resolve_from_unvalidated_config(self, config: Any) -> Any:
        """The config of the op, from that of a run as it was written."""
        return self.config_fn(config)


# --- Schedules --------------------------------------------------------------------------------------------
# The switch of a schedule in the UI is a row in the instance that names the code location. A sensor sees its
# instance, but only the web server can change the row in a public way, and it need not be running when a
# command pauses a source. Neither a sensor nor a run is told the name of its code location.


def location_of(context: dg.SensorEvaluationContext | dg.OpExecutionContext) -> str | None:
    """The name of the code location that evaluates a sensor or has launched a run; None if nobody did."""
    if isinstance(context, dg.SensorEvaluationContext):
        origin = context.code_location_origin
    else:
        job = context.run.remote_job_origin
        origin = job.repository_origin.code_location_origin if job else None
    return origin.location_name if origin else None


_DEFINITIONS = "pipedrive_orchestration.definitions"
_TRIES = 3


@dataclass(frozen=True, slots=True)
class ScheduleStates:
    """The schedules of a code location that have a stored state.

    A schedule has none until the daemon has met it, or somebody has switched it.

    Attributes:
        instance: where states are stored.
        location: name of the code location.
    """

    instance: dg.DagsterInstance
    location: str

    def running(self) -> set[str]:
        """Names of schedules that fire."""
        return {state.name for state in self._states() if state.is_running}

    def stopped(self) -> set[str]:
        """Names of schedules that were stopped, by whomever."""
        return {state.name for state in self._states() if not state.is_running}

    def stop(self, name: str, cron: str) -> None:
        """Stop a schedule as the UI's switch does, also one that the daemon has not met yet."""
        self._switch(name, InstigatorStatus.STOPPED, ScheduleInstigatorData(cron))

    def start(self, name: str, cron: str) -> None:
        """Let a schedule fire again, from now on; nothing where it does already."""
        if name in self.stopped():
            data = ScheduleInstigatorData(cron, start_timestamp=time.time())
            self._switch(name, InstigatorStatus.RUNNING, data)

    def reset(self, name: str) -> None:
        """Forget what was stored, so that the schedule is what its definition says: running."""
        for state in self._of(name):
            self.instance.delete_instigator_state(state.instigator_origin_id, state.selector_id)

    def _switch(self, name: str, status: InstigatorStatus, data: ScheduleInstigatorData) -> None:
        for _ in range(_TRIES):
            # Somebody else may store the first state, or forget it, at the same moment.
            with suppress(dg.DagsterInvariantViolationError):
                self._store(name, status, data)
                return
        self._store(name, status, data)

    def _store(self, name: str, status: InstigatorStatus, data: ScheduleInstigatorData) -> None:
        for state in self._of(name):
            self.instance.update_instigator_state(state.with_status(status).with_data(data))
            return
        self.instance.add_instigator_state(
            InstigatorState(self._origin(name), InstigatorType.SCHEDULE, status, data)
        )

    def _of(self, name: str) -> Iterable[InstigatorState]:
        return [state for state in self._states() if state.name == name]

    def _states(self) -> Iterable[InstigatorState]:
        states = self.instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
        return [state for state in states if state.origin.location_name == self.location]

    def _origin(self, name: str) -> RemoteInstigatorOrigin:
        # Dagster finds a state by location, repository and name; how the location is loaded plays no part.
        target = LoadableTargetOrigin(module_name=_DEFINITIONS)
        location = InProcessCodeLocationOrigin(target, location_name=self.location)
        return RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, REPOSITORY), name)


# --- Code servers and run workers -------------------------------------------------------------------------
# A run that creates a source has no web server to ask for a reload, only the code server that launched it.
# And run monitoring asks a launcher whether a run is still worked on, which Dagster's own cannot tell on one
# machine; the types of the answer are not exported.


class UnreachableError(Exception):
    """A code server that a run was launched from does not answer, or has no address."""


def reload_code_server(run: dg.DagsterRun, instance: dg.DagsterInstance, key: str, timeout: int) -> None:
    """Let the code server that a run was launched from take a new snapshot and show it.

    Args:
        run: the run.
        instance: keeps the snapshots.
        key: under which it keeps those of the project folder.
        timeout: seconds that it may take.

    Raises:
        UnreachableError: it has no address, as with a web server that was started alone, or does not answer.
    """
    origin = run.remote_job_origin
    location = origin.repository_origin.code_location_origin if origin else None
    if not isinstance(location, GrpcServerCodeLocationOrigin):
        raise UnreachableError("The run was not launched from a code server.")
    try:
        client = location.create_client()
        refreshed = client.refresh_component_state([key], timeout=timeout)
        if refreshed.serialized_error or not show_snapshots(client, instance):
            client.reload_code(timeout=timeout)
    except DagsterUserCodeUnreachableError as error:
        raise UnreachableError("The code server did not reload.") from error


def fork_runs(modules: Sequence[str]) -> None:
    """Let this process, if it is a code server, fork its runs from one that has imported what they need.

    Dagster starts each with an empty process, which spends two seconds of CPU time on imports.

    Args:
        modules: what runs need; none of them may start a thread or open a connection as it is imported.
    """
    server: Any = sys.modules.get("dagster._grpc.server")
    # Elsewhere the libraries of the system cannot be used after a fork.
    if server is None or sys.platform != "linux":
        return
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(list(modules))
    # The server, which is being made, has chosen another one for itself.
    server.DagsterApiServer._mp_ctx = property(lambda _: forking, lambda _, chosen: None)  # noqa: ARG005, SLF001


def address_of_code_server(run: dg.DagsterRun) -> Mapping[str, str | int] | None:
    """The ``socket``, or ``host`` and ``port``, of the code server that executes a run, if one does."""
    address = run.tags.get(GRPC_INFO_TAG)
    return None if address is None else dict(json.loads(address))


# --- What a run leaves in the event log -------------------------------------------------------------------
# Dagster's SQLite storage opens two databases for every event and waits for the disk in both, so that the
# windows of a day's grid of eleven years take minutes. And it shows every error with the stack of its own
# functions, also one whose message says all there is; what a subprocess has made of an error it passes on.


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


class _WithoutStack(DagsterUserCodeProcessError):
    """Base of errors that Dagster shows by their message alone."""

    def __init__(self, sentence: str) -> None:
        shown = SerializableErrorInfo(sentence, [], type(self).__name__)
        super().__init__(sentence, user_code_process_error_infos=[shown])  # type: ignore[no-untyped-call]


class ForeseenFailure(dg.Failure, _WithoutStack):
    """An end of a step whose reason is all there is to know; it is not tried again.

    Args:
        reason: a sentence or more.
        metadata: shown beside it.
    """

    def __init__(self, reason: str, metadata: Mapping[str, dg.MetadataValue] | None = None) -> None:
        super().__init__(reason, metadata, allow_retries=False)


class Cancellation(dg.DagsterExecutionInterruptedError, _WithoutStack):
    """The end of a step that somebody has cancelled; the message says what stays, and what is left."""


# --- Old runs ---------------------------------------------------------------------------------------------
# Dagster deletes a run with all its events, so that windows which nothing has read since would turn white,
# and leaves its checks, its tags, and on SQLite the file of its events. It cannot say which runs still stand
# for something, nor delete events that belong to no run, such as those that a sensor reports.

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


# --- Runs in the process of a command ---------------------------------------------------------------------
# Dagster starts two processes that follow the output of a run, and has no place to say how.


@contextmanager
def followers_of_logs_without_interrupts() -> Iterator[None]:
    """Within it, the processes that Dagster starts to follow the output of a run take no Ctrl-C.

    A terminal sends it to them as well, and one of them would answer with a stack trace beside the sentence
    that the command has for it. They end with the run, or with its process.
    """
    follow = compute_logs.execute_posix_tail

    @contextmanager
    def shielded(path: str, stream: Any) -> Iterator[Any]:
        with ExitStack() as following:
            # A process inherits what the thread that starts it does not take.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                pids = following.enter_context(follow(path, stream))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield pids

    compute_logs.execute_posix_tail = shielded
    try:
        yield
    finally:
        compute_logs.execute_posix_tail = follow
