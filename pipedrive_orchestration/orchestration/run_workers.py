"""Starting runs on this machine, and noticing that one's process is gone and nobody is left to tell.

A code server tells when a process of its own ends. After a power cut it is gone as well: the run would count
as started for ever, and the limit of one run per source would keep every later run of it waiting. A command
that executes runs itself has no code server to begin with.
"""

from __future__ import annotations

import json
import socket

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from pipedrive_orchestration.orchestration.commands import GONE, has_lost_its_command

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
        address = run.tags.get(GRPC_INFO_TAG)
        if address is None or _listens(json.loads(address)):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "it ended with its code server")


def _listens(address: dict[str, str | int]) -> bool:
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
