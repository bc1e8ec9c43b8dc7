"""``import --json`` and the choice of windows."""

from __future__ import annotations

import json

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.cli.conftest import PERSONS, WINDOWS, Project
from pipedrive_orchestration_tests.cli.test_import import ids


def test_a_program_reads_what_was_imported(small: Project, demo: DemoServer) -> None:
    before = len(demo.account.requests)
    ended = small.run("import", "all_persons", "--json")
    told = json.loads(ended.out)
    asked = demo.account.requests[before:]
    count = len(ids(demo, "persons"))
    assert (ended.code, told["source"], told["pull"], told["state"]) == (
        0,
        "all_persons",
        "window",
        "imported",
    )
    assert told["rows"] == {"read": count, "inserted": count, "updated": 0, "removed": 0, "current": count}
    assert len(told["windows"]) == WINDOWS
    assert (told["requests"], told["tokens"]) == (len(asked), sum(request.tokens for request in asked))
    assert told["tokens"] > 0
    assert told["seconds"] > 0
    assert told["watermark"] is not None


def test_all_sources_are_a_list_and_failures_say_why(small: Project) -> None:
    small.write("broken", {**PERSONS, "properties": ["id", "nme"]})
    ended = small.run("import", "--json")
    told = {entry["source"]: entry for entry in json.loads(ended.out)}
    assert {slug: entry["state"] for slug, entry in told.items()} == {
        "all_persons": "imported",
        "broken": "failed",
        "pipelines": "imported",
    }
    assert "did you mean name" in told["broken"]["error"]
    assert ended.code == 2


def test_windows_are_chosen_by_month(small: Project) -> None:
    newest = json.loads(small.run("import", "all_persons", "--json").out)["windows"][-2:]
    ended = small.run("import", "all_persons", "--from", newest[0][:7], "--to", newest[1][:7], "--json")
    told = json.loads(ended.out)
    assert (told["pull"], told["windows"], told["rows"]["inserted"]) == ("window", newest, 0)
    missed = small.run("import", "all_persons", "--from", "2099-01")
    assert missed.code == 2
    assert "its windows go from" in missed.out
