"""Models on a lake: built beside a file of its last commit, and swapped in by one commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipedrive_orchestration.models.build import build_models
from pipedrive_orchestration.models.dbt_project import DbtProject
from pipedrive_orchestration.models.report import make_report
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.extensions import packaged_extension
from pipedrive_orchestration_tests.models.test_interruptions import FILES, _Tiny

DESCRIBED = """
models:
  - name: both
    description: How many rows there are.
    columns: [{name: one, description: Of the first table., data_tests: [not_null]}]
    config:
      meta: {chart: {mark: bar, encoding: {x: {field: one}, y: {field: two, type: quantitative}}}}
"""


@pytest.mark.skipif(packaged_extension("ducklake") is None, reason="make test-duckdb installs DuckLake")
def test_models_are_built_on_a_lake_and_shown(tmp_path: Path) -> None:
    for name, content in {**FILES, "models/models.yml": DESCRIBED}.items():
        path = tmp_path / "project" / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    warehouse = Warehouse(f"ducklake:{tmp_path / 'crm.ducklake'}")
    project: DbtProject = _Tiny.of(tmp_path / "project", [])
    with warehouse.writing() as connection:
        connection.execute("CREATE SCHEMA pipedrive")
        for name in ("one", "two"):
            connection.execute(f"CREATE TABLE pipedrive.{name} AS SELECT 1 AS i")
    for expected in (1, 2):
        report = build_models(project, warehouse, tmp_path / "work")
        assert [str(problem) for problem in report.problems] == []
        with warehouse.reading() as connection:
            assert connection.execute("FROM models.both").fetchall() == [(expected, expected)]
        with warehouse.writing() as connection:
            for name in ("one", "two"):
                connection.execute(f"INSERT INTO pipedrive.{name} VALUES (2)")
    made = make_report(warehouse)
    assert (made.models, made.charts) == (("both",), 1)
    assert "How many rows there are." in made.html
