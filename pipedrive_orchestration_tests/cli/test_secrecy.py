"""The token stays where the user put it: in no output, no state of Dagster's, no database."""

from __future__ import annotations

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.cli.conftest import PERSONS, Project
from pipedrive_orchestration_tests.cli.searching import files_with

REFUSED = "fedcba9876543210fedcba9876543210fedcba98"


def test_the_token_is_written_nowhere(small: Project, demo: DemoServer) -> None:
    small.write("typos", {**PERSONS, "properties": ["frist_name"]})
    partly = small.execute("import")
    assert partly.code == 2
    assert small.current("all_persons")

    small.connect_to(demo, token=REFUSED)
    refused = small.run("import", "all_persons")
    assert refused.code == 4

    small.reach("http://127.0.0.1:1", demo.token)
    unreachable = small.run("import", "pipelines")
    assert unreachable.code == 1

    for token in (demo.token, REFUSED):
        for ended in (partly, refused, unreachable):
            assert token not in ended.out + ended.err
        found = files_with(token, small.folder)
        assert found - {".env"} == set()
    assert files_with(demo.token, small.folder) == {".env"}, "the search would not find a token"
    states = {path.name for path in (small.folder / ".state").rglob("*") if path.is_file()}
    assert states >= {"runs.db", "index.db"}, "Dagster's state is not where it was searched"
