"""What a person who watches an import sees, also where they end it with Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import threading
import time
from datetime import UTC, datetime

import pytest
from rich.console import Console

from pipedrive_orchestration.cli.progress import ImportProgress
from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import Estimate, Progress, RowCounts, Window, WindowReport, load
from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration_tests.cli.conftest import PERSONS, PIPELINES, Project
from pipedrive_orchestration_tests.cli.test_import import ids
from pipedrive_orchestration_tests.conftest import FreshDemo


def _press_ctrl_c_once_asked_for(path: str, times: int, account: DemoServer) -> threading.Thread:
    def press() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if sum(request.path == path for request in account.account.requests) >= times:
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.01)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def test_ctrl_c_leaves_what_is_committed_and_says_what_is_left(
    project: Project, fresh_demo: FreshDemo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "SECONDS_BETWEEN_COMMITS", 0.0)
    monkeypatch.setattr(pagination, "MAX_PAGE_SIZE", 5)
    account = fresh_demo(latency_ms=100)
    project.write("all_persons", {**PERSONS, "options": {}})
    project.write("pipelines", PIPELINES)
    project.connect_to(account)
    pressing = _press_ctrl_c_once_asked_for("/api/v2/persons", 9, account)
    ended = project.run("import")
    pressing.join()
    assert (ended.code, ended.out) == (130, "")
    said = re.match(
        r"Broken off at all_persons: (\d+) windows are committed and stay; (\d+) are left, (\S+) to (\S+)\. "
        r"Run the command again to go on from there\. Not begun: pipelines\.\n",
        ended.err,
    )
    assert said, ended.err
    committed, left = int(said[1]), int(said[2])
    with project.opened() as connection:
        (stored,) = connection.execute("SELECT count(*) FROM import_ledger.windows").fetchone() or (0,)
    assert stored >= committed > 0
    assert left > 0
    rows = len(project.current("all_persons"))
    for command in ("list", "status"):
        told = json.loads(project.run(command, "--json").out)["sources"]
        assert {one["source"]: one["rows"] for one in told} == {"all_persons": rows, "pipelines": 0}
    assert rows > 0
    again = project.run("import")
    assert again.code == 0
    assert f"{stored} of {committed + left} windows are committed already" in " ".join(again.out.split())
    assert project.current("all_persons") == ids(account, "persons")


def _watched(seconds: float, *, terminal: bool) -> tuple[str, ImportProgress]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=140, color_system=None)
    window = Window("2026-11-01", None, datetime(2026, 12, 1, tzinfo=UTC))
    with ImportProgress(console) as progress:
        progress.begin("1/2 all_deals")
        progress(Estimate(tokens=400, daily_tokens_left=9_000))
        time.sleep(seconds)
        progress(Progress(pages=3, records=1_500, requests=4, tokens=40, reached=None))
        progress(WindowReport(window, RowCounts(), 1, 10, 100, 0.1))
        progress.begin("2/2 pipelines")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue(), progress


def test_what_takes_over_a_second_shows_records_tokens_and_time_left() -> None:
    shown, progress = _watched(1.05, terminal=True)
    assert "1/2 all_deals" in shown
    assert "1,500 records, 40 of about 400 tokens" in shown
    assert re.search(r"about 0:00:(09|1\d) left", shown)
    assert progress.committed == []


@pytest.mark.parametrize(("seconds", "terminal"), [(0.0, True), (1.05, False)])
def test_what_is_quick_or_goes_to_a_file_shows_nothing(seconds: float, terminal: bool) -> None:
    assert _watched(seconds, terminal=terminal)[0] == ""
