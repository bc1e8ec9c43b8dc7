"""The swap of what was built: all of it or nothing, and never under the eyes of a reader."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipedrive_orchestration.models import build
from pipedrive_orchestration.models.dbt import OK, Outcome, Result, _line_of
from pipedrive_orchestration.models.errors import ModelsError
from pipedrive_orchestration.models.store import new_model
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.clocks import PRESENT


def outcome_of(*names: str) -> Outcome:
    nodes = {
        f"model.tiny.{name}": {
            "name": name,
            "alias": name,
            "schema": "models",
            "resource_type": "model",
            "config": {"materialized": "table"},
            "description": f"About {name}.",
            "columns": {"generation": {"description": "When it was built."}},
        }
        for name in names
    }
    results = tuple(Result(unique_id, OK, None, 0, is_warning=False, seconds=0.1) for unique_id in nodes)
    return Outcome(results, {"nodes": nodes}, ())


def built(path: Path, generation: int) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA models")
        for name in ("one", "two"):
            connection.execute(f"CREATE TABLE models.{name} AS SELECT {generation} AS generation")
    return path


def swap(warehouse: Warehouse, copy: Path, outcome: Outcome) -> None:
    build._swap(warehouse, build._Made(copy, outcome, PRESENT, "files", goes_on=False), keep_others=False)


def test_a_swap_that_breaks_off_leaves_the_models_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Warehouse(str(tmp_path / "crm.duckdb"))
    outcome = outcome_of("one", "two")
    swap(warehouse, built(tmp_path / "first.duckdb", 1), outcome)
    replace = build._replace

    def die_at_the_second(
        connection: duckdb.DuckDBPyConnection, node: Mapping[str, Any], database: str
    ) -> None:
        if node["name"] == "two":
            raise KeyboardInterrupt
        replace(connection, node, database)

    monkeypatch.setattr(build, "_replace", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        swap(warehouse, built(tmp_path / "second.duckdb", 2), outcome)
    monkeypatch.undo()
    assert generations(warehouse) == {"one": 1, "two": 1}
    swap(warehouse, built(tmp_path / "third.duckdb", 3), outcome)
    assert generations(warehouse) == {"one": 3, "two": 3}


def generations(warehouse: Warehouse) -> dict[str, int]:
    with warehouse.reading() as connection:
        return {name: value(connection, name) for name in ("one", "two")}


def value(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    row = connection.execute(f"SELECT generation FROM models.{name}").fetchone()
    assert row is not None
    return int(row[0])


def test_only_a_file_of_this_machine_or_a_lake_is_copied() -> None:
    with (
        pytest.raises(ModelsError, match="is neither"),
        build._copy_of(Warehouse("md:crm")),
    ):
        pass


def test_a_copy_is_taken_away_and_so_is_what_a_killed_build_left(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path / "crm.duckdb"))
    with warehouse.writing() as connection:
        connection.execute("CREATE TABLE rows AS SELECT 1 AS one")
    left = tmp_path / ".crm.duckdb.models" / "crm.duckdb.wal"
    left.parent.mkdir()
    left.touch()
    with build._copy_of(warehouse) as copy:
        assert not left.exists()
        assert copy.name == "crm.duckdb"
        assert copy.stat().st_mode & 0o077 == 0
        # Imports go on while dbt works.
        with warehouse.with_patience(0.1).writing() as connection:
            connection.execute("INSERT INTO rows VALUES (2)")
        with duckdb.connect(str(copy)) as connection:
            assert connection.execute("FROM rows").fetchall() == [(1,)]
    assert not copy.exists()


def test_a_new_model_begins_with_an_example_and_takes_no_others_place(tmp_path: Path) -> None:
    (tmp_path / "models" / "models").mkdir(parents=True)
    (tmp_path / "models" / "dbt_project.yml").touch()
    made = new_model(tmp_path, "lead_scores")
    assert "lead_scores" in made.description.read_text()
    with pytest.raises(ModelsError, match="already"):
        new_model(tmp_path, "lead_scores")
    with pytest.raises(ModelsError, match="cannot be the name"):
        new_model(tmp_path, "Lead scores")


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ('Binder Error: Referenced column "nonsense" not found. Candidate bindings: "name"', 2),
        ('Parser Error: syntax error at or near ")"\nLINE 89:   from somewhere)\n    ^', 3),
        ("Conversion Error: cannot cast", None),
        ('Binder Error: "id" is there twice', None),
    ],
)
def test_the_line_is_that_of_the_file_and_not_of_what_it_was_compiled_to(
    tmp_path: Path, message: str, line: int | None
) -> None:
    file = tmp_path / "model.sql"
    file.write_text("select id,\n  nonsense\nfrom somewhere)\nwhere id = 1\n")
    assert _line_of(message, file) == line
