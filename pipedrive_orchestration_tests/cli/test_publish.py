"""``publish``, and the copy that a command leaves behind where the environment asks for one."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.warehouse.storage import format_for, format_of
from pipedrive_orchestration_tests.cli.conftest import PIPELINES, Project


def imports_in(copy: Path) -> int:
    """How many imports a copy tells of."""
    with duckdb.connect(str(copy), read_only=True) as connection:
        counted = connection.execute("SELECT count(*) FROM import_ledger.imports").fetchone()
    return int(counted[0]) if counted else 0


def test_publish_says_where_and_how_large_the_copy_is(project: Project, demo: DemoServer) -> None:
    copy = project.folder / "data" / "published.duckdb"
    assert project.run("publish", "data/published.duckdb").code == 1
    project.write("pipelines", PIPELINES)
    project.bring("pipelines", demo)
    ended = project.run("publish", "data/published.duckdb", "--json")
    told = json.loads(ended.out)
    assert told.pop("published_at")
    assert told == {
        "database": "./data/warehouse.duckdb",
        "published_copy": str(copy),
        "published_bytes": copy.stat().st_size,
    }
    assert imports_in(copy) == 1


def test_publish_wants_to_know_where(project: Project) -> None:
    ended = project.run("publish")
    assert ended.code == 2
    assert "PIPEDRIVE_PUBLISH" in ended.err


def test_an_import_leaves_a_copy_with_all_that_it_held_back(project: Project, demo: DemoServer) -> None:
    project.connect_to(demo)
    with (project.folder / ".env").open("a") as file:
        file.write("PIPEDRIVE_PUBLISH=data/published.duckdb\nPIPEDRIVE_PUBLISH_EVERY=3600\n")
    for slug in ("pipelines", "stages"):
        project.write(slug, PIPELINES | {"object_type": slug, "name": slug})
    ended = project.run("import")
    assert ended.code == 0
    copy = project.folder / "data" / "published.duckdb"
    assert f"Published copy: {copy}" in ended.out
    assert imports_in(copy) == 2


def test_publish_converts_on_the_way(project: Project, demo: DemoServer) -> None:
    project.write("pipelines", PIPELINES)
    project.bring("pipelines", demo)
    copy = project.folder / "data" / "published.duckdb"
    assert project.run("publish", str(copy), "--storage-version", "v1.5.0").code == 0
    assert imports_in(copy) == 1
    assert format_of(copy) == format_for("v1.5.0") != format_of(project.database)
    ended = project.run("publish", str(copy), "--storage-version", "v0.0.1")
    assert (ended.code, ended.out) == (2, "")
    assert "v0.0.1" in ended.err
