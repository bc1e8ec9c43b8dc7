"""A disk that is full, a database that others hold, an account that dies: what is left is right."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import copy

import pytest

from pipedrive_orchestration.demo import DemoServer, OddAnswers, Settings
from pipedrive_orchestration.demo.deliveries import Deliveries
from pipedrive_orchestration.demo.server import api_of
from pipedrive_orchestration.importing import ImportEvent, Progress, run
from pipedrive_orchestration.pipedrive.client import Client, Patience
from pipedrive_orchestration.pipedrive.errors import Unavailable
from pipedrive_orchestration_tests.chaos.enduring import assert_clear, assert_right
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.warehouse.processes import let_go, python, wait_until_ready

SCALE = 0.02


def own_mounts() -> bool:
    """Whether this system lets a process have mounts of its own."""
    try:
        return subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@in_full
@pytest.mark.skipif(not own_mounts(), reason="needs unshare and user namespaces for a small disk")
def test_a_full_disk(tmp_path: Path) -> None:
    program = "pipedrive_orchestration_tests.chaos.full_disk"
    ended = subprocess.run(
        ["unshare", "-rm", sys.executable, "-m", program, tmp_path],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    stories = json.loads(ended.stdout)
    for error in stories["staging"]["errors"]:
        assert error.startswith("StagingError: Pages cannot be staged in "), error
        assert "No space left on device. Free some space" in error
    for error in stories["merging"]["errors"]:
        assert error.startswith("WarehouseError: The disk of "), error
        assert "nothing of this step was written. Free some space" in error
    assert stories["staging"]["statuses"] == ["succeeded", "failed", "failed"]
    for story in stories.values():
        assert story["differences"] == []
        assert story["left"] == []


HOLDER = """
    import select, sys, time, duckdb

    holds = 0
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        try:
            with duckdb.connect(sys.argv[1], read_only=holds % 2 == 1) as held:
                held.sql("SELECT count(*) FROM duckdb_tables()").fetchall()
                time.sleep(0.3)
        except duckdb.Error:
            continue  # the import has it
        holds += 1
        print(holds, flush=True)
"""
"""Opens the database again and again, now as a reader and now to write, and knows nothing of our lock."""


@in_full
@pytest.mark.usefixtures("small_pages")
def test_a_database_that_others_hold_again_and_again(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source("persons")
    trial.changes(source)
    with python(HOLDER, trial.folder / "warehouse.duckdb") as holder:
        wait_until_ready(holder)
        trial.windows(source)
        Churn(trial.demo, seed=1).steps(10)
        trial.changes(source)
        let_go(holder)
        output, errors = holder.communicate(timeout=10)
        assert int(output.split()[-1]) > 1, errors
    assert_right(trial, source)


@contextmanager
def account_process(journal: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo account as a process, and its address."""
    command = [sys.executable, "-m", "pipedrive_orchestration.demo", "--journal", str(journal)]
    command += ["--port", str(port), "--scale", str(SCALE), "--burst", "0", "--latency-ms", "40"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split()[0].removeprefix("PIPEDRIVE_API_URL=")
        finally:
            process.kill()


def same_account(url: str, journal: Path) -> DemoServer:
    """The account that answers there, as this process can look into it."""
    settings = Settings(scale=SCALE, journal=Path(copy(journal, journal.with_suffix(".copy"))))
    api = api_of(settings)
    assert api.journal is not None
    api.journal.close()
    account = api.account
    odd = OddAnswers(api, account.clock.now)
    return DemoServer(
        url, settings.token, account, api.limits, None, api.oauth, odd, Counter(), Deliveries(account)
    )


@in_full
@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("page", [1, 2, 3])
def test_an_account_that_is_killed_during_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    short = Patience(deadline=0.5, first_deadline=5.0, attempt=1.0)
    monkeypatch.setattr(run, "Client", partial(Client, patience=short))
    journal = tmp_path / "journal"
    with account_process(journal) as (process, url):
        trial = Trial(same_account(url, journal), tmp_path)
        source = trial.source("persons")

        def kill(event: ImportEvent) -> None:
            if isinstance(event, Progress) and event.pages == page:
                process.send_signal(signal.SIGKILL)

        with pytest.raises(Unavailable) as caught:
            trial.windows(source, listener=kill)
        assert_clear(caught.value, trial)
    with account_process(journal, port=int(url.rpartition(":")[2])):
        report = trial.windows(source)
        assert page < 2 or any("goes on with" in note for note in report.notes)
        FIGURES["accounts killed in an import"] += 1
        trial.changes(source)
        assert_right(trial, source)
