"""A command that is killed while it applies a plan: the next one goes on, and nothing is made twice."""

from __future__ import annotations

import json
import signal
import subprocess
from random import Random

from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.chaos.sizes import SEED, in_full
from pipedrive_orchestration_tests.cli.conftest import COMMAND, PERSONS, Project, project
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.orchestration.live import wait_for

__all__ = ["project"]

NEW = 150
KILLS = 4


@in_full
def test_an_application_that_is_killed_makes_every_record_once(
    project: Project, fresh_demo: FreshDemo
) -> None:
    rng = Random(SEED)
    account = fresh_demo(scale=0.005, latency_ms=30)
    project.write("all_persons", PERSONS | {"properties": ["name", "emails"]})
    project.connect_to(account)
    project.bring("all_persons", account)
    with (project.folder / ".env").open("a") as file:
        file.write("PIPEDRIVE_ALLOW_WRITES=true\n")
    # Many are called alike, so that only their addresses tell them apart.
    rows = "".join(f"new{n}@example.com,New {n % 5}\n" for n in range(NEW))
    (project.folder / "new.csv").write_text(f"email,name\n{rows}")
    planned = project.run(
        "write", "plan", "--file", "new.csv", "--type", "persons", "--match", "email", "--json"
    )
    plan = json.loads(planned.out)
    assert plan["creates"] == NEW

    def made() -> list[str]:
        return [
            one["emails"][0]["value"]
            for one in account.account.records("persons")
            if one["name"].startswith("New ") and one["emails"]
        ]

    for _ in range(KILLS):
        wanted = len(made()) + rng.randint(1, NEW // (KILLS + 1))
        arguments = [COMMAND, "write", "apply", "--plan", plan["plan_id"]]
        with subprocess.Popen(arguments, cwd=project.folder) as command:
            wait_for("records", lambda: len(made()) >= wanted, seconds=90, pause=0.005)  # noqa: B023 - asked at once
            command.send_signal(signal.SIGKILL)
        FIGURES["applications killed"] += 1
    applied = json.loads(project.run("write", "apply", "--plan", plan["plan_id"], "--json").out)
    assert applied["counts"] == {"done": NEW}
    assert sorted(made()) == sorted(f"new{n}@example.com" for n in range(NEW))
