"""APIs killed while they write: what a call has done is whole or not there, and it can be sent again."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random
from shutil import copy
from typing import Any

import httpx

from pipedrive_orchestration.sources import InMemoryKeyValues, SourceStore
from pipedrive_orchestration_tests.api.serving import OUTREACH, STAGES
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.killed_api import KilledApi, killed_api
from pipedrive_orchestration_tests.chaos.sizes import APIS, SEED, in_full
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 0.12
MAPPING = {"input.email": "emails", "input.first_name": "first_name"}

Call = Callable[[httpx.Client], httpx.Response]


class Project:
    """A project with a source of persons, whose rows are there, and a workflow to sync them to."""

    def __init__(self, trial: Trial) -> None:
        self.folder = trial.folder
        self.store = SourceStore(trial.folder / "project", InMemoryKeyValues())
        (self.store.project / "workflows").mkdir(parents=True)
        (self.store.project / "workflows" / "outreach.yaml").write_text(OUTREACH)
        copy(ROOT / "dagster.yaml", trial.folder)
        self.store.folder.mkdir()
        (self.store.folder / "persons.yaml").write_text(
            "{name: Persons, object_type: persons, properties: [emails, first_name], "
            'pull_mode: active, schedule: "@daily"}'
        )
        self.persons = self.store.load().find("persons")
        trial.windows(self.persons)

    def calls(self, client: httpx.Client) -> dict[str, Call]:
        """What writes: a file, a schedule's state, a file's move, and rows."""
        made = [one["source_instance_id"] for one in listed(client) if one["slug"].startswith("stages")]
        workflow = data_of(client.get("/workflows"))[0]["workflow_id"]
        sync = {"workflow_id": workflow, "field_mapping": MAPPING}
        calls: dict[str, Call] = {
            "create": lambda client: client.post("/sources/import_from_pipedrive", json=STAGES),
            "pause": lambda client: client.patch(
                f"/sources/{self.persons.id}/status", json={"status": "paused"}
            ),
            "sync": lambda client: client.post(f"/sources/{self.persons.id}/sync", json=sync),
        }
        if made:
            calls["delete"] = lambda client: client.delete(f"/sources/{made[0]}")
        return calls


def data_of(answer: httpx.Response) -> Any:
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["data"]


def listed(client: httpx.Client) -> list[dict[str, Any]]:
    return list(data_of(client.get("/sources")))


def client_of(api: KilledApi) -> httpx.Client:
    return httpx.Client(base_url=api.start(), timeout=60)


@in_full
def test_an_api_that_is_killed_while_it_writes(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.005)
    project, rng = Project(trial), Random(SEED)
    rows = sum(row["_is_current"] for row in trial.rows(project.persons).values())
    with (
        killed_api(trial.folder, trial.demo.url, trial.demo.token) as api,
        ThreadPoolExecutor(1) as background,
    ):
        for _ in range(APIS):
            with client_of(api) as client:
                calls = project.calls(client)
                name = rng.choice(sorted(calls))
                before = {one["slug"] for one in listed(client)}
                calling = background.submit(calls[name], client)
                time.sleep(rng.uniform(0, LONGEST_SECONDS))
                api.kill()
                with suppress(httpx.TransportError):
                    data_of(calling.result(timeout=30))
                    FIGURES["APIs killed after their answer"] += 1
            FIGURES[f"APIs killed at a call: {name}"] += 1
            assert project.store.load().bad_files == ()
            with client_of(api) as client:
                assert len({one["slug"] for one in listed(client)} - before) <= (name == "create")
                data_of(calls[name](client))
        with client_of(api) as client:
            data_of(project.calls(client)["sync"](client))
    queued = trial.ask(
        "SELECT count(*), count(DISTINCT _record_id), (SELECT count(*) FROM workflows._rejected) "
        "FROM workflows.outreach"
    )
    ((synced, distinct, rejected),) = queued
    assert synced == distinct
    assert synced + rejected == rows
