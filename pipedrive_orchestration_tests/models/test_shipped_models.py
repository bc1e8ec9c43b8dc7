"""The shipped models say of a random history what plain loops over the history say."""

from __future__ import annotations

import os
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.models.build import BuildReport, build_models
from pipedrive_orchestration.models.dbt_project import DbtProject
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.importing.imports import source
from pipedrive_orchestration_tests.models.company import Company, company, fill
from pipedrive_orchestration_tests.models.oracle import Oracle

PROJECT = Path(__file__).parents[2] / "project"
ZONE = "Europe/Berlin"
SEEDS = range(12) if os.environ.get("CHAOS_FULL") else [1]

WHOLE = {
    "deals": "all_deals",
    "persons": "all_persons",
    "organizations": "all_organizations",
    "activities": "all_activities",
    "leads": "leads_once",
    "pipelines": "pipelines",
    "stages": "stages",
    "users": "users",
}

KEYS = {
    "deal_stage_history": ("deal_id", "stay_nr"),
    "stage_conversion": ("pipeline_id", "stage_id", "month"),
    "deals_named": ("deal_id",),
    "contacts_with_organizations": ("person_id",),
    "pipeline_board": ("pipeline_id", "stage_id", "currency"),
    "pipeline_daily": ("day", "pipeline_id", "stage_id", "currency"),
    "pipeline_waterfall": ("month", "pipeline_id", "currency"),
    "sales_report": ("month", "pipeline_id", "owner_id", "currency"),
    "sales_velocity": ("month", "pipeline_id", "currency"),
    "forecast": ("month", "pipeline_id", "currency"),
    "leaderboard": ("month", "owner_id"),
    "activity_report": ("week", "owner_id", "type"),
    "lost_reasons": ("month", "reason", "stage_id", "currency"),
    "lead_conversion": ("month", "origin", "channel"),
}


def sources_of(**slugs: str) -> list[Source]:
    return [source(kind, ["id"], slug=slug) for kind, slug in slugs.items()]


@dataclass
class Built:
    """A company, the warehouse of its models, and the report of their build."""

    company: Company
    folder: Path
    report: BuildReport
    project: DbtProject

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(str(self.folder / "warehouse.duckdb"))

    def rows(self, model: str) -> list[dict[str, Any]]:
        with self.warehouse.reading() as connection:
            cursor = connection.execute(f"FROM models.{model}")
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


@pytest.fixture(scope="module", params=SEEDS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("models")
    made = company(request.param, PRESENT)
    warehouse = Warehouse(str(folder / "warehouse.duckdb"))
    with warehouse.writing() as connection:
        fill(connection, made)
    project = _Project.of(PROJECT, sources_of(**WHOLE), ZONE)
    report = build_models(project, warehouse, folder / "work", clock=lambda: PRESENT)
    return Built(made, folder, report, project)


class _Project(DbtProject):
    """The project, with a source of changes whether or not there is such an object type."""

    @property
    def variables(self) -> dict[str, str]:
        return {**super().variables, "deal_changes": "deal_changes"}

    def listed_sources(self) -> dict[str, Any]:
        listed = super().listed_sources()
        tables = listed["sources"][0]["tables"]
        if not any(table["name"] == "deal_changes" for table in tables):
            tables.append({"name": "deal_changes"})
        return listed


def test_everything_is_built_and_every_test_passes(built: Built) -> None:
    assert [str(problem) for problem in built.report.problems] == []
    assert {*KEYS, "deal_versions", "data_quality"} <= set(built.report.swapped)
    assert built.report.switched_off == ()


@pytest.mark.parametrize("model", KEYS)
def test_a_model_says_what_a_second_computation_says(built: Built, model: str) -> None:
    expected = getattr(Oracle(built.company, ZONE), model)()
    found = {tuple(row[name] for name in KEYS[model]): row for row in built.rows(model)}
    if model == "pipeline_daily":
        found = {key: row for key, row in found.items() if row["open_deals"] or row["value"]}
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert len(found) > 1
    wrong = {
        (key, name): (value, found[key][name])
        for key, row in expected.items()
        for name, value in row.items()
        if not _same(value, found[key][name])
    }
    assert wrong == {}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float | Decimal) and isinstance(other, float | Decimal | int):
        # Money is exact, ratios and times are not.
        return (
            one == other
            if isinstance(one, Decimal)
            else float(other) == pytest.approx(one, rel=1e-9, abs=1e-9)
        )
    return bool(one == other)
