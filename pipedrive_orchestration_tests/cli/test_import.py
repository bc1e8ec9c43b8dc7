"""``import``: what it brings, what it says, and how it goes on after what it cannot do."""

from __future__ import annotations

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.chaos.sizes import in_full
from pipedrive_orchestration_tests.cli.conftest import PERSONS, PIPELINES, Ended, Project


def ids(demo: DemoServer, object_type: str) -> set[int]:
    return {record["id"] for record in demo.account.records(object_type) if not record["is_deleted"]}


def line_of(ended: Ended, slug: str) -> list[str]:
    """The cells of a source's line in the table."""
    (line,) = [line for line in ended.out.splitlines() if line.startswith(f"│ {slug} ")]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_the_first_import_brings_everything_and_the_next_only_changes(
    small: Project, demo: DemoServer
) -> None:
    first = small.run("import")
    persons = ids(demo, "persons")
    assert (first.code, first.err) == (0, "")
    assert line_of(first, "all_persons")[1:4] == ["window", str(len(persons)), str(len(persons))]
    assert "Database: ./data/warehouse.duckdb" in first.out
    assert (small.current("all_persons"), small.current("pipelines")) == (persons, ids(demo, "pipelines"))

    second = small.run("import")
    assert second.code == 0
    assert line_of(second, "all_persons")[1:4] == ["changes", str(len(persons)), "0"]
    assert small.current("all_persons") == persons


def test_the_pull_can_be_chosen(small: Project, demo: DemoServer) -> None:
    small.bring("all_persons", demo)
    assert line_of(small.run("import", "all_persons", "--pull", "window"), "all_persons")[1] == "window"
    refused = small.run("import", "--pull", "everything")
    assert refused.code == 2
    assert "'window'" in refused.err


def test_a_static_source_is_imported_once_unless_asked(small: Project, demo: DemoServer) -> None:
    small.write("all_persons", {**PERSONS, "pull_mode": "static"})
    assert line_of(small.run("import", "all_persons"), "all_persons")[1] == "window"
    again = small.run("import", "all_persons")
    assert again.code == 0
    assert line_of(again, "all_persons")[1:3] == ["once, done", str(len(ids(demo, "persons")))]
    asked = small.run("import", "all_persons", "--pull", "window")
    assert line_of(asked, "all_persons")[1] == "window"


def test_an_unknown_slug_is_answered_with_near_ones_and_imports_nothing(small: Project) -> None:
    ended = small.run("import", "pipelines", "all_person")
    assert (ended.code, ended.out) == (2, "")
    assert "`all_person`" in ended.err
    assert "Did you mean `all_persons`?" in ended.err
    assert not small.database.exists()


def test_bad_files_are_shown_and_keep_nothing_else_from_importing(small: Project, demo: DemoServer) -> None:
    small.write("broken", "name: x: y\n")
    small.write("wrong", {**PIPELINES, "object_type": "pipeline", "shedule": "@daily"})
    small.write("twice.yaml", PIPELINES)
    small.write("twice.yml", PIPELINES)
    ended = small.run("import")
    assert ended.code == 2
    assert small.tables() == {"all_persons", "pipelines"}
    assert small.current("all_persons") == ids(demo, "persons")
    for said in (
        "sources/broken.yaml:\n  line 1, column 8: This is not YAML",
        "sources/wrong.yaml:\n",
        "`pipeline` is not an object type. Did you mean `pipelines`",
        "shedule",
        "sources/twice.yaml:\n  slug: twice.yaml and twice.yml would be one source",
        "sources/twice.yml:\n",
    ):
        assert said in ended.out


def test_a_bad_file_that_is_asked_for_is_shown_with_its_name(small: Project) -> None:
    small.write("broken", "name: x: y\n")
    ended = small.run("import", "broken")
    assert ended.code == 2
    assert ended.out.startswith("project/sources/broken.yaml:\n  line 1, column 8: This is not YAML")
    other = small.run("import", "pipelines")
    assert (other.code, "broken" in other.out) == (0, False)


@in_full
def test_an_unknown_property_fails_its_source_alone(small: Project) -> None:
    small.write("typos", {**PERSONS, "properties": ["id", "frist_name", "emals"]})
    ended = small.run("import")
    assert ended.code == 2
    (said,) = [line for line in ended.out.splitlines() if line.startswith("typos: ")]
    assert "'frist_name' (did you mean first_name" in said
    assert "'emals' (did you mean emails" in said
    assert line_of(ended, "typos")[1] == "failed"
    assert small.tables() == {"all_persons", "pipelines"}


def test_a_project_folder_that_is_not_there_is_said(project: Project, demo: DemoServer) -> None:
    project.connect_to(demo)
    (project.folder / "project" / "sources").rmdir()
    ended = project.run("import")
    assert ended.code == 2
    assert "There is no folder project/sources" in ended.out


class TestUnusableDatabase:
    """Nothing is written into a database that cannot be used, and one paragraph says what to do."""

    def test_read_only(self, small: Project, demo: DemoServer) -> None:
        small.bring("pipelines", demo)
        before = small.database.read_bytes()
        small.database.chmod(0o444)
        ended = small.run("import", "pipelines", "--pull", "window")
        assert ended.code == 1
        (said,) = [line for line in ended.out.splitlines() if line.startswith("pipelines: ")]
        assert "read-only" in said
        assert "PIPEDRIVE_WAREHOUSE" in said
        assert small.database.read_bytes() == before

    @pytest.mark.parametrize("damage", ["not a database", "cut"])
    def test_corrupt(self, small: Project, demo: DemoServer, damage: str) -> None:
        small.bring("pipelines", demo)
        content = small.database.read_bytes()
        damaged = content[: len(content) // 3] if damage == "cut" else damage.encode() * 5_000
        small.database.write_bytes(damaged)
        ended = small.run("import")
        assert ended.code == 1
        said = ended.err + ended.out
        assert "warehouse.duckdb" in said
        assert "set PIPEDRIVE_WAREHOUSE to use another" in said
        assert "Traceback" not in said
        assert small.database.read_bytes() == damaged


def test_a_grid_that_begins_in_the_future_is_a_sentence(project: Project, demo: DemoServer) -> None:
    project.write("all_persons", {**PERSONS, "options": {"partitions_start": "2099-01"}})
    project.connect_to(demo)
    ended = project.run("import", "all_persons", "--pull", "window")
    assert ended.code == 2
    assert "options.partitions_start, 2099-01, is still to come" in ended.out + ended.err
