"""Import processes that die: ``python -m pipedrive_orchestration_tests.chaos.doomed``.

Reads one `Doom` as JSON per line, forks an import for it that is killed at the moment it names, and answers
with a line that says how the process ended. Forking spares each of them the start of an interpreter.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipedrive_orchestration.importing import Pull, committing, import_source, importer, windows_until
from pipedrive_orchestration.importing.committing import Committer
from pipedrive_orchestration.importing.merging import merge
from pipedrive_orchestration.importing.staging import Stage
from pipedrive_orchestration.importing.typed_pages import TypedPages
from pipedrive_orchestration.pipedrive import paging
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.connection import Connection
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse

MOMENTS = ("fetching", "staging", "typing", "merging", "between commit and cleanup", "any")
"""When a process can be killed; ``any`` is after some time, wherever it is then."""


@dataclass(frozen=True)
class Doom:
    """An import, and the moment it is killed at: the ``nth`` of its kind, or after so many milliseconds."""

    url: str
    token: str
    folder: str
    source: str
    pull: str
    moment: str
    nth: int


class Executioner:
    """Runs doomed imports, one at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, doom: Doom) -> bool:
        """Whether the import was killed, rather than done before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(doom)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer in {"killed", "done"}, f"the import ended otherwise: {answer}"
        return answer == "killed"


@contextmanager
def executioner() -> Iterator[Executioner]:
    """A process that runs doomed imports."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Executioner(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _dying(function: Callable[..., Any], nth: int, *, before: bool = False) -> Callable[..., Any]:
    calls = 0

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if before and calls == nth:
            _die()
        result = function(*given, **named)
        if calls == nth:
            _die()
        return result

    return counted


def _dying_in_a_page(add: Callable[..., Any], nth: int) -> Callable[..., Any]:
    pages = 0

    def counted(stage: Stage, lines: bytes) -> Any:
        nonlocal pages
        pages += 1
        if pages == nth:
            add(stage, lines[: len(lines) // 2])
            _die()
        return add(stage, lines)

    return counted


def _prepare(doom: Doom) -> None:
    _replace(paging, "MAX_PAGE_SIZE", 20)
    _replace(importer, "SECONDS_BETWEEN_COMMITS", 0.2)
    match doom.moment:
        case "fetching":
            _replace(Client, "get", _dying(Client.get, doom.nth, before=True))
        case "staging":
            _replace(Stage, "add", _dying_in_a_page(Stage.add, doom.nth))
        case "typing":
            _replace(TypedPages, "write", _dying(TypedPages.write, doom.nth))
        case "merging":
            _replace(committing, "merge", _dying(merge, doom.nth))
        case "between commit and cleanup":
            _replace(Committer, "commit", _dying(Committer.commit, doom.nth))


def _replace(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def _import(doom: Doom) -> None:
    _prepare(doom)
    source = Source.model_validate_json(doom.source)
    pull = Pull(doom.pull)
    import_source(
        source,
        connection=Connection.of(doom.url, doom.token),
        warehouse=Warehouse(f"{doom.folder}/warehouse.duckdb"),
        staging=Path(doom.folder, "staging"),
        pull=pull,
        windows=windows_until(source, datetime.now(UTC)) if pull is Pull.WINDOW else (),
    )


def _end_of(doom: Doom) -> str:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _import(doom)
            status = 0
        finally:
            os._exit(status)
    if doom.moment == "any":
        time.sleep(doom.nth / 1000)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "killed" if os.WTERMSIG(status) == signal.SIGKILL else f"signal {os.WTERMSIG(status)}"
    return "done" if status == 0 else f"status {status}"


if __name__ == "__main__":
    for line in sys.stdin:
        print(_end_of(Doom(**json.loads(line))), flush=True)  # noqa: T201 - what the other end reads
