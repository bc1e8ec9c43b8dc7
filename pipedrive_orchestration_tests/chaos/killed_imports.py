"""Import processes that die: ``python -m pipedrive_orchestration_tests.chaos.killed_imports``.

Reads one `KilledImport` as JSON per line, forks an import for it that is killed at the moment it names, and
answers with a line that says how the process ended. Forking spares each of them the start of an interpreter.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import duckdb

from pipedrive_orchestration.importing import Pull, import_source, load, windows_until
from pipedrive_orchestration.importing.staging import StagingFolder
from pipedrive_orchestration.importing.transform import Transform
from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.chaos.obeying import obeying
from pipedrive_orchestration_tests.clocks import Ticks

MOMENTS = {
    "between commit and cleanup": 3, "merging": 100, "committing": 3, "staging": 8, "typing": 3, "asking": 20,
    "answered": 20, "cleaning up": 1, "any": 1,
}  # fmt: skip
"""When a process can be killed, and up to which one of its kind: the request, the page, the statement.

``committing`` is while DuckDB writes a transaction and closes the file, ``any`` wherever it is after a time.
"""

PAGE_SIZE = 5
"""Records on a page, so that a small account has many."""


@dataclass(frozen=True)
class KilledImport:
    """An import and the moment it is killed at.

    Attributes:
        nth: which one of the moment's kind.
        after: milliseconds, for the moments that are a time.
        began: the importer's time, in ISO form.
        page_size: records on a page.
    """

    url: str
    token: str
    folder: str
    source: str
    pull: str
    moment: str
    nth: int
    after: float
    began: str
    page_size: int = PAGE_SIZE


class ImportKiller:
    """Runs imports that are killed, one at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.missed = 0

    def kill(self, killed: KilledImport) -> None:
        """Import and kill, earlier where the import was done before its moment came, until one is killed."""
        while not self._run(killed):
            self.missed += 1
            if killed.nth > 1 or killed.after > 0.1:
                killed = replace(killed, nth=max(1, killed.nth // 2), after=killed.after / 2)
            else:
                # Where nothing has changed, nothing is staged and typed.
                assert killed.pull == "changes", f"the import never comes to {killed.moment}"
                killed = replace(killed, pull="window")

    def _run(self, killed: KilledImport) -> bool:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(killed)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer in {"killed", "done"}, f"the import ended otherwise: {answer}"
        return answer == "killed"


@contextmanager
def import_killer() -> Iterator[ImportKiller]:
    """A process that runs imports that are killed."""
    with obeying(__name__) as process:
        yield ImportKiller(process)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Countdown:
    """Calls what ends it at the nth call."""

    def __init__(self, nth: int, end: Callable[[], None] = _die) -> None:
        self._left = nth
        self._end = end

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._end()


class _CountedStatements:
    """A connection that counts down with each statement."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, countdown: _Countdown) -> None:
        self._connection = connection
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, *given: Any) -> Any:
        self._countdown()
        return self._connection.execute(*given)


def _prepare(killed: KilledImport) -> None:
    _put(pagination, "MAX_PAGE_SIZE", killed.page_size)
    _put(load, "SECONDS_BETWEEN_COMMITS", 0.0)
    countdown = _Countdown(killed.nth)
    match killed.moment:
        case "asking":
            _put(Client, "get", _counted(Client.get, before=countdown))
        case "answered":
            _put(Client, "_answer", _counted_answers(Client._answer, countdown))
        case "staging":
            _put(StagingFolder, "add", _dying_in_a_page(StagingFolder.add, killed.nth))
        case "typing":
            _put(Transform, "write", _counted(Transform.write, after=countdown))
        case "merging":
            _put(Warehouse, "writing", _writing(lambda one: _CountedStatements(one, countdown)))
        case "committing":
            soon = threading.Timer(killed.after / 1000, _die)
            _put(Warehouse, "writing", _writing(at_its_end=_Countdown(killed.nth, soon.start)))
        case "between commit and cleanup":
            _put(Warehouse, "writing", _writing(afterwards=countdown))
        case "cleaning up":
            _put(shutil, "rmtree", _half_removed)


def _put(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def _nothing() -> None:
    pass


def _counted(
    function: Callable[..., Any],
    *,
    before: Callable[[], None] = _nothing,
    after: Callable[[], None] = _nothing,
) -> Callable[..., Any]:
    def counted(*given: Any, **named: Any) -> Any:
        before()
        result = function(*given, **named)
        after()
        return result

    return counted


def _counted_answers(answer: Callable[..., Any], countdown: _Countdown) -> Callable[..., Any]:
    async def counted(*given: Any) -> Any:
        result = await answer(*given)
        countdown()
        return result

    return counted


def _dying_in_a_page(add: Callable[..., Any], nth: int) -> Callable[..., Any]:
    numbers = count(1)

    def counted(folder: StagingFolder, lines: bytes, parent: str | None = None) -> Any:
        if next(numbers) == nth:
            add(folder, lines[: len(lines) // 2], parent)
            _die()
        return add(folder, lines, parent)

    return counted


def _half_removed(folder: Path, **_how: Any) -> None:
    for path in sorted(filter(Path.is_file, Path(folder).rglob("*")))[::2]:
        path.unlink()
    _die()


def _writing(
    seen: Callable[[duckdb.DuckDBPyConnection], Any] = lambda connection: connection,
    at_its_end: Callable[[], None] = _nothing,
    afterwards: Callable[[], None] = _nothing,
) -> Callable[..., Any]:
    original = Warehouse.writing

    @contextmanager
    def writing(warehouse: Warehouse) -> Iterator[Any]:
        with original(warehouse) as connection:
            yield seen(connection)
            at_its_end()
        afterwards()

    return writing


def _import(killed: KilledImport) -> None:
    _prepare(killed)
    source = Source.model_validate_json(killed.source)
    pull, began = Pull(killed.pull), datetime.fromisoformat(killed.began)
    import_source(
        source,
        connection=Connection.of(killed.url, killed.token),
        warehouse=Warehouse(f"{killed.folder}/warehouse.duckdb"),
        staging=Path(killed.folder, "staging"),
        pull=pull,
        windows=windows_until(source, began) if pull is Pull.WINDOW else (),
        clock=Ticks(lambda: began),
    )


def _end_of(killed: KilledImport) -> str:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _import(killed)
            status = 0
        finally:
            os._exit(status)
    if killed.moment == "any":
        time.sleep(killed.after / 1000)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "killed" if os.WTERMSIG(status) == signal.SIGKILL else f"signal {os.WTERMSIG(status)}"
    return "done" if status == 0 else f"status {status}"


if __name__ == "__main__":
    for line in sys.stdin:
        print(_end_of(KilledImport(**json.loads(line))), flush=True)  # noqa: T201 - what the other end reads
