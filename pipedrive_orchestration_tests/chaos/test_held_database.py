"""A database that somebody else holds for long: imports wait and say for whom, callers are told to return."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import dagster as dg
import httpx
from rich.console import Console

from pipedrive_orchestration.cli.output import ShownWait
from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.sources import InMemoryKeyValues, SourceStore
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.waits import Wait, telling_of_waits
from pipedrive_orchestration_tests.api.serving import running_api
from pipedrive_orchestration_tests.chaos.sizes import FULL
from pipedrive_orchestration_tests.cli.conftest import Project, project, small
from pipedrive_orchestration_tests.warehouse.processes import let_go, python, wait_until_ready

__all__ = ["project", "small"]

HELD_SECONDS = 60.0 if FULL else 1.0
"""How long an import waits."""

PATIENCE_SECONDS = 10.0 if FULL else 0.3
"""Of the API; the former is what it has in earnest."""

CALLERS = 8
"""Of the API at once: one after the other they would wait for too long."""

HOLDER = """
    import sys, duckdb
    connection = duckdb.connect(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held(database: Path) -> Iterator[Popen[str]]:
    """Another program has the database open, and knows nothing of our lock.

    It leaves when an import in this process has waited for it long enough.
    """
    with python(HOLDER, database) as holder:
        wait_until_ready(holder)

        def leave(wait: Wait | None) -> None:
            if wait is not None and wait.seconds >= HELD_SECONDS:
                let_go(holder)
                holder.wait()

        with telling_of_waits(leave):
            yield holder


def last_run(instance: dg.DagsterInstance) -> tuple[dg.DagsterRunStatus, list[str]]:
    """How it ended, and what its log says."""
    (run,) = instance.get_runs(limit=1)
    return run.status, [entry.user_message for entry in instance.all_logs(run.run_id)]


def test_an_import_waits_says_for_whom_and_callers_are_told_to_return(
    small: Project, demo: DemoServer
) -> None:
    small.bring("pipelines", demo)
    variables = {"PIPEDRIVE_API_URL": demo.url, "PIPEDRIVE_API_TOKEN": demo.token}
    choices: dict[str, Any] = {"warehouse": Warehouse(str(small.database)), "patience": PATIENCE_SECONDS}
    (small.folder / "instance").mkdir()
    with (
        dg.instance_for_test(temp_dir=str(small.folder / "instance")) as instance,
        running_api(small.folder, instance, variables, **choices) as api,
    ):
        (source,) = (
            one
            for one in SourceStore(small.folder / "project", InMemoryKeyValues()).load().sources
            if one.slug == "pipelines"
        )
        path = f"/sources/{source.id}/data"
        with held(small.database) as holder, ThreadPoolExecutor(CALLERS) as callers:
            called = time.monotonic()
            answers = [callers.submit(api.get, path) for _ in range(CALLERS)]
            waits = [timed(answer.result, called) for answer in answers]
            began = time.monotonic()
            # With a pull that is given, nothing but the run itself needs the database.
            ended = small.run("import", "pipelines", "--pull", "changes", "--json")
            waited = time.monotonic() - began
        assert all(seconds < 2 * PATIENCE_SECONDS + 1 for _, seconds in waits), "they wait at the same time"
        for answer, _ in waits:
            assert_told_to_return(answer, holder.pid)
        assert api.get(path).status_code == 200
        status, messages = last_run(instance)
    assert ended.code == 0, ended.err
    assert waited > HELD_SECONDS
    said = f"warehouse.duckdb, which is in use by another program ({python_program()}, PID {holder.pid})"
    assert ended.err.startswith("Waiting for ")
    assert ended.err.count(said) == 1, "one line is enough where nobody watches"
    assert status is dg.DagsterRunStatus.SUCCESS
    assert any(said in message for message in messages)


def python_program() -> str:
    return str(Path(sys.executable).resolve())


def timed(result: object, since: float) -> tuple[httpx.Response, float]:
    assert callable(result)
    answer = result()
    assert isinstance(answer, httpx.Response)
    return answer, time.monotonic() - since


def assert_told_to_return(answer: httpx.Response, pid: int) -> None:
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert f"PID {pid}" in answer.json()["message"]


def test_a_person_who_watches_sees_a_wait_as_long_as_it_lasts() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    shown = ShownWait(console)
    for seconds in (1.0, 2.0):
        shown(Wait("data/warehouse.duckdb", "another program (duckdb, PID 7)", seconds, 120.0))
    assert console._live_stack, "nothing is shown"
    shown(None)
    assert not console._live_stack
    assert isinstance(console.file, io.StringIO)
    assert "Waiting for data/warehouse.duckdb, which is in use by another program" in console.file.getvalue()
