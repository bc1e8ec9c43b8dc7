"""``status`` of all sources: what it shows of each, and what it says to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.services.deployment import deployed
from pipedrive_orchestration.services.overview import DAYS, read_overview
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.cli.conftest import PIPELINES, Project


def test_sources_that_were_never_imported_have_nothing_to_show(small: Project) -> None:
    small.write("broken", "name: [")
    ended = small.run("status", "--json")
    assert ended.code == 0
    told = json.loads(ended.out)
    assert told["summary"] == "2 sources, all well; 1 file left out"
    assert [(one["source"], one["status"], one["rows"]) for one in told["sources"]] == [
        ("all_persons", "active", 0),
        ("pipelines", "active", 0),
    ]
    assert told["bad_files"] == ["project/sources/broken.yaml"]


def test_rows_changes_tokens_and_failures(project: Project, demo: DemoServer) -> None:
    project.write("pipelines", PIPELINES)
    project.connect_to(demo)
    assert project.run("import").code == 0
    rows = len(project.current("pipelines"))
    (told,) = json.loads(project.run("status", "--json").out)["sources"]
    assert (told["rows"], told["rows_changed"][-1], sum(told["rows_changed"])) == (rows, rows, rows)
    assert len(told["rows_changed"]) == len(told["tokens"]) == DAYS
    assert told["tokens"][-1] > 0
    assert (told["last_failure"], told["remedies"], told["late_seconds"]) == (None, [], 0)
    shown = project.run("status").out
    assert shown.startswith("1 source, all well.")
    assert "█" in shown
    assert "saved" not in shown

    with deployed(Settings(home=project.folder)) as deployment:
        (source,) = deployment.store.load().sources
        now = datetime.now(UTC)
        # A tick may be evaluated again.
        for tick in (now, now, now.replace(microsecond=(now.microsecond + 1) % 1_000_000)):
            deployment.store.left_out_pulls.count(source.id, tick)
    assert project.run("import").code == 0
    before = told["tokens"][-1]
    (told,) = json.loads(project.run("status", "--json").out)["sources"]
    assert told["tokens_saved"][-1] == sum(told["tokens_saved"]) == 2 * (told["tokens"][-1] - before) > 0
    assert "saved" in project.run("status").out

    project.write("pipelines", PIPELINES | {"properties": ["id", "nmae"]})
    assert project.run("import").code == 2
    (told,) = json.loads(project.run("status", "pipelines", "--json").out)["sources"]
    assert told["rows"] == rows
    assert "no field 'nmae'" in told["last_failure"]["reason"]
    ended = project.run("status")
    assert ended.out.startswith("1 source, 1 to look at.")
    assert "pipelines: Its last run failed: " in ended.out
    assert "did you mean name?" in ended.out


@in_full
def test_a_source_whose_ticks_do_not_come_is_late(project: Project, demo: DemoServer) -> None:
    project.write("pipelines", PIPELINES | {"schedule": "*/15 * * * *"})
    project.connect_to(demo)
    assert project.run("import").code == 0
    later = datetime.now(UTC) + timedelta(days=2)
    with deployed(Settings(home=project.folder)) as deployment:
        overview = read_overview(deployment, project.warehouse, later)
    (source,) = overview.sources
    late = source.late_at(overview.at)
    assert late is not None
    assert timedelta(days=2) > late > timedelta(days=2, minutes=-15)
    (trouble,) = source.troubles
    assert "has not brought its changes" in trouble.text
    assert "pipedrive-orchestration import pipelines" in trouble.text
    # What was imported two days ago is not today's.
    assert (source.changes[-1], source.changes[-3]) == (0, sum(source.changes))
