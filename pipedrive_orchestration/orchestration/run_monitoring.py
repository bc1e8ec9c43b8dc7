"""Runs that a command executes in its own process, and noticing that a command has ended without a word.

Dagster knows nothing of such a process. One that is killed would leave its run started for ever, and the run
would count against the limit of runs. So a command holds a lock for as long as it lives, its runs carry the
lock's name, and whoever can take the lock knows that the command is gone. The lock is the kernel's: it ends
with the process, whatever ends that, and no other process can be taken for it.
"""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout

from pipedrive_orchestration.services.dagster_internals import (
    CheckRunHealthResult,
    WorkerStatus,
    address_of_code_server,
)
from pipedrive_orchestration.services.run_requests import UNFINISHED

COMMAND_TAG = "pipedrive/command"
"""Of a run: the machine and the lock of the command that executes it."""

GONE = "The command that executed it has ended without a word, as a process does that is killed."


@contextmanager
def running_command(instance: dg.DagsterInstance, state: Path) -> Iterator[Mapping[str, str]]:
    """Lets this process execute runs as long as the block lasts; gives the tags that they have to carry.

    Runs that earlier commands have left are marked as failed.

    Args:
        instance: where runs are kept.
        state: the folder of what Dagster and we remember.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = state / "commands"
    folder.mkdir(parents=True, exist_ok=True)
    path = (folder / f"{uuid.uuid4()}.lock").resolve()
    lock = FileLock(path, thread_local=False)
    lock.acquire(timeout=0)
    try:
        fail_runs_of_gone_commands(instance)
        yield {COMMAND_TAG: json.dumps({"host": socket.gethostname(), "lock": str(path)})}
    finally:
        lock.release()
        path.unlink(missing_ok=True)


def fail_runs_of_gone_commands(instance: dg.DagsterInstance) -> None:
    """Mark the unfinished runs of commands as failed whose process is gone."""
    by_command: dict[str, list[dg.DagsterRun]] = {}
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if COMMAND_TAG in run.tags:
            by_command.setdefault(run.tags[COMMAND_TAG], []).append(run)
    for command, runs in by_command.items():
        if _is_gone(command):
            for run in runs:
                instance.report_run_failed(run, GONE)
            _lock_of(command).unlink(missing_ok=True)


def has_lost_its_command(run: dg.DagsterRun) -> bool:
    """Whether a command executed the run and is gone.

    Of a command on another machine, and of one whose lock is not here, nothing is known.
    """
    return COMMAND_TAG in run.tags and _is_gone(run.tags[COMMAND_TAG])


def _is_gone(command: str) -> bool:
    path = _lock_of(command)
    if json.loads(command)["host"] != socket.gethostname() or not path.exists():
        return False
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return False
    lock.release()
    return True


def _lock_of(command: str) -> Path:
    return Path(json.loads(command)["lock"])


_CONNECT_SECONDS = 2.0


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Dagster's launcher for one machine, which run monitoring can ask whether a run is still worked on."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks :meth:`check_run_worker_health`."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the code server that started a run still listens, or the command that runs it lives."""
        if has_lost_its_command(run):
            return CheckRunHealthResult(WorkerStatus.FAILED, GONE)
        address = address_of_code_server(run)
        if address is None or _listens(address):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "it ended with its code server")


def _listens(address: Mapping[str, str | int]) -> bool:
    try:
        if path := address.get("socket"):
            with socket.socket(socket.AF_UNIX) as end:
                end.settimeout(_CONNECT_SECONDS)
                end.connect(str(path))
        else:
            host, port = str(address["host"]), int(address["port"])
            socket.create_connection((host, port), _CONNECT_SECONDS).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:
        # A server that is merely busy, or a network that is, says nothing of the run.
        return True
    return True
