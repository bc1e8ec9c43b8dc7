"""API processes that die: ``python -m pipedrive_orchestration_tests.chaos.killed_api FOLDER URL TOKEN``.

For each line that it reads it kills the API that runs, if one does, forks a new one for the project in the
folder, and answers with its address. Forking spares each of them the start of an interpreter.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from pipedrive_orchestration.api.app import create_app
from pipedrive_orchestration.api.dependencies import ApiContext
from pipedrive_orchestration.services.deployment import Deployment
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.api.serving import NOBODY
from pipedrive_orchestration_tests.chaos.obeying import obeying


class KilledApi:
    """An API that can be killed and started again on the same folder."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._pid = 0

    def start(self) -> str:
        """The address of a new API; the one before it is killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        pid, address = self._process.stdout.readline().split()
        self._pid = int(pid)
        return address

    def kill(self) -> None:
        """At once, whatever it is doing."""
        os.kill(self._pid, signal.SIGKILL)


@contextmanager
def killed_api(folder: Path, url: str, token: str) -> Iterator[KilledApi]:
    """Programs that can start an API of the project in ``folder``, with an account."""
    with obeying(__name__, str(folder), url, token) as process:
        yield KilledApi(process)


def _serve(listener: socket.socket, folder: Path, variables: dict[str, str]) -> None:
    settings = Settings.from_variables(
        variables
        | {
            "PIPEDRIVE_PROJECT": str(folder / "project"),
            "PIPEDRIVE_WAREHOUSE": str(folder / "warehouse.duckdb"),
            "PIPEDRIVE_DAGSTER_URL": NOBODY,
            "DAGSTER_HOME": str(folder),
        }
    )
    served = ApiContext(
        Deployment.from_settings(settings),
        Warehouse.from_settings(settings),
        settings,
        None,
        requests_per_minute=100_000,
    )
    config = uvicorn.Config(
        create_app(served), log_level="critical", access_log=False, lifespan="off", ws="none"
    )
    uvicorn.Server(config).run(sockets=[listener])


def _fork(folder: Path, variables: dict[str, str]) -> tuple[int, str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(20)
        child = os.fork()
        if child == 0:
            try:
                _serve(listener, folder, variables)
            finally:
                os._exit(1)
        return child, f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _main(folder: Path, url: str, token: str) -> None:
    child = 0
    for _ in sys.stdin:
        if child:
            _end(child)
        child, address = _fork(folder, {"PIPEDRIVE_API_URL": url, "PIPEDRIVE_API_TOKEN": token})
        print(child, address, flush=True)  # noqa: T201 - what the other end reads
    if child:
        _end(child)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
