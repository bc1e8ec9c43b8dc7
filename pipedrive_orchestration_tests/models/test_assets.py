"""Models in Dagster: what is built, what is shown, and what a failing model does to the others."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import httpx
import pytest

from pipedrive_orchestration.models.build import build_models, make_documentation
from pipedrive_orchestration.models.report import kept_report
from pipedrive_orchestration.models.store import project_of
from pipedrive_orchestration.orchestration.context import ProjectContext
from pipedrive_orchestration.orchestration.model.loading import LoadedModels, load_models
from pipedrive_orchestration.orchestration.project_definitions import ProjectSnapshot, build_definitions
from pipedrive_orchestration.services.names import DagsterNames
from pipedrive_orchestration.services.report_page import ReportPage
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.instances import dagster_instance

pytestmark = pytest.mark.filterwarnings(
    # Dagster marks as beta and preview what it calls itself while it resolves definitions.
    "ignore::dagster.BetaWarning",
    "ignore::dagster.PreviewWarning",
)

FULL = bool(os.environ.get("CHAOS_FULL"))

FILES = {
    "sources/pipelines.yaml": """
name: Pipelines
object_type: pipelines
properties: [id, name]
pull_mode: static
""",
    "models/dbt_project.yml": """
name: tiny
profile: tiny
models: {tiny: {+materialized: table}}
""",
    "models/macros/has.sql": "{% macro has(name) %}{{ return(var(name, '') != '') }}{% endmacro %}",
    "models/models/names.sql": "select _id as id, name from {{ source('pipedrive', 'pipelines') }}",
    "models/models/seen.sql": "{{ config(materialized='view') }}\nselect id from {{ ref('names') }}",
    "models/seeds/rates.csv": "rate\n0.5\n",
    "models/models/rated.sql": "select id, rate from {{ ref('names') }} cross join {{ ref('rates') }}",
    "models/models/failing.sql": "select id,\n  nonsense\nfrom {{ ref('names') }}",
    "models/models/below.sql": "select * from {{ ref('failing') }}",
    "models/seeds/quality_rules.csv": "rule,severity,enabled,description\n"
    "more,error,true,There are more\nfewer,warning,true,There are fewer\noff,error,false,Not asked for\n",
    "models/models/data_quality.sql": """
select *, 'deals' as object_type, 'A deal' as name, 'Ada' as owner from (values
  ('more', '1', 48, null), ('more', '2', 1, null), ('fewer', '1', 48, null), ('fewer', '2', 48, 1)
) as findings(rule, object_id, seen, resolved), lateral (select
  '{{ env_var("PIPEDRIVE_AS_OF") if execute }}'::timestamptz - to_hours(seen) as since,
  '{{ env_var("PIPEDRIVE_AS_OF") if execute }}'::timestamptz - to_hours(resolved) as resolved_at)
""",
    "models/models/of_leads.sql": "{{ config(enabled=has('leads')) }}\nselect 1 as one",
    "models/models/models.yml": """
models:
  - name: names
    description: Names of pipelines.
    columns:
      - {name: id, description: The pipeline., data_tests: [unique]}
      - name: name
        data_tests: [{accepted_values: {arguments: {values: [Sales]}, config: {severity: warn}}}]
    config:
      meta:
        chart: {mark: bar, encoding: {x: {field: name}, y: {field: id, type: quantitative}}}
""",
}


QUALITY = ("data_quality", "quality_rules")


@dataclass
class Ran:
    """A run of all models in Dagster, and what was there before and after."""

    settings: Settings
    models: LoadedModels
    definitions: dg.Definitions
    result: dg.ExecuteInProcessResult

    def rows(self, table: str) -> list[tuple[object, ...]]:
        with duckdb.connect(self.settings.warehouse, read_only=True) as connection:
            return connection.execute(f"FROM models.{table}").fetchall()


def laid_out(folder: Path, **more: str) -> Settings:
    for name, content in {**FILES, **more}.items():
        path = folder / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    settings = Settings(
        project=folder / "project", warehouse=str(folder / "data" / "crm.duckdb"), home=folder / "home"
    )
    with Warehouse(settings.warehouse).writing() as connection:
        connection.execute("CREATE SCHEMA pipedrive; CREATE SCHEMA models")
        connection.execute("CREATE TABLE pipedrive.pipelines AS SELECT 1::BIGINT AS _id, 'Sales' AS name")
        connection.execute("INSERT INTO pipedrive.pipelines VALUES (2, 'Renewals')")
        connection.execute("CREATE TABLE models.failing AS SELECT 'of before' AS what")
        connection.execute(
            "CREATE TABLE models._models AS SELECT 'data_quality' AS name, '' AS description, "
            "'{}'::JSON AS columns, NULL::JSON AS chart, $as_of AS as_of",
            {"as_of": datetime.now(UTC) - timedelta(days=3)},
        )
        connection.execute("CREATE TABLE models.gone AS SELECT 'no model any more' AS what")
    return settings


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    settings = laid_out(tmp_path_factory.mktemp("models"))
    project = ProjectContext(settings=settings)
    read = ProjectSnapshot.read(project, None)
    snapshot = ProjectSnapshot.parse(read.content())
    assert snapshot == read
    definitions = build_definitions(snapshot.sources, snapshot.workflows, project, snapshot.models)
    assets = [one for one in definitions.assets or () if isinstance(one, dg.AssetsDefinition)]
    with dagster_instance() as instance:
        result = dg.materialize(
            assets,
            selection=dg.AssetSelection.key_prefixes("models"),
            resources=definitions.resources,
            instance=instance,
            raise_on_error=False,
        )
        yield Ran(settings, snapshot.models, definitions, result)


def materialized(ran: Ran) -> dict[str, dict[str, dg.MetadataValue]]:
    return {
        event.asset_key.path[-1]: dict(event.materialization.metadata)
        for event in ran.result.get_asset_materialization_events()
        if event.asset_key
    }


def test_models_lie_below_the_sources_and_models_that_they_read(ran: Ran) -> None:
    graph = ran.definitions.resolve_asset_graph()
    parents = {
        name: {key.to_user_string() for key in graph.get(dg.AssetKey(["models", name])).parent_keys}
        for name in ("names", "seen", "below")
    }
    assert parents == {
        "names": {"pipedrive/pipelines"},
        "seen": {"models/names"},
        "below": {"models/failing"},
    }


def test_what_can_be_built_is_built_and_what_fails_is_named_with_file_and_line(ran: Ran) -> None:
    assert set(materialized(ran)) == {"names", "seen", "rates", "rated", *QUALITY}
    assert ran.rows("seen") == [(1,), (2,)]
    assert not ran.result.success
    (failure,) = [event for event in ran.result.all_events if event.is_step_failure]
    assert "models/models/failing.sql:2: " in str(failure.step_failure_data.error_display_string)
    assert "nonsense" in str(failure.step_failure_data.error_display_string)


def test_the_table_of_before_stays_where_a_model_fails_and_goes_where_there_is_no_model(ran: Ran) -> None:
    assert ran.rows("failing") == [("of before",)]
    with pytest.raises(duckdb.CatalogException, match="gone"):
        ran.rows("gone")


def test_a_model_shows_its_columns_rows_and_chart(ran: Ran) -> None:
    metadata = materialized(ran)["names"]
    schema = metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchemaMetadataValue)
    columns = [(column.name, column.type, column.description) for column in schema.schema.columns]
    assert columns == [("id", "BIGINT", "The pipeline."), ("name", "VARCHAR", None)]
    assert metadata["dagster/row_count"].value == 2
    assert "Renewals" in str(metadata["preview"].value)
    image = str(metadata["chart"].value).partition("base64,")[2].rstrip(")")
    assert b"Renewals" in base64.b64decode(image)
    with duckdb.connect(ran.settings.warehouse, read_only=True) as connection:
        comment = connection.execute(
            "SELECT comment FROM duckdb_tables() WHERE table_name = 'names'"
        ).fetchone()
    assert comment == ("Names of pipelines.",)


def test_tests_are_checks(ran: Ran) -> None:
    found = {
        check.check_name: (check.passed, check.severity)
        for check in ran.result.get_asset_check_evaluations()
        if not check.check_name.startswith("findings_")
    }
    assert found == {
        "unique_names_id": (True, dg.AssetCheckSeverity.ERROR),
        "accepted_values_names_name__Sales": (False, dg.AssetCheckSeverity.WARN),
    }


def test_each_rule_is_checked_against_the_day_before(ran: Ran) -> None:
    found = {
        check.check_name: (check.passed, check.severity, check.description)
        for check in ran.result.get_asset_check_evaluations()
        if check.check_name.startswith("findings_")
    }
    assert found == {
        "findings_more": (
            False, dg.AssetCheckSeverity.ERROR, "2 findings, 1 the day before; 1 new, 0 gone.",
        ),
        "findings_fewer": (
            True, dg.AssetCheckSeverity.WARN, "1 findings, 2 the day before; 0 new, 1 gone.",
        ),
    }  # fmt: skip


def test_a_model_without_its_source_is_switched_off_and_says_so(ran: Ran) -> None:
    assert [one.name for one in ran.models.assets if one.name == "of_leads"] == []
    (sentence,) = ran.models.switched_off
    assert sentence.startswith("of_leads is switched off: the project has no source of all leads")
    (files,) = [
        spec for spec in ran.definitions.resolve_all_asset_specs() if spec.key == dg.AssetKey("project_files")
    ]
    assert "of\\_leads is switched off" in (files.description or "") or sentence in (files.description or "")


def test_models_follow_what_they_read_and_wait_until_it_is_there(ran: Ran) -> None:
    def requested(cursor: Any) -> tuple[set[str], Any]:
        found = dg.evaluate_automation_conditions(ran.definitions, instance, cursor=cursor)
        keys = {one.key for one in found.results if one.true_subset.size}
        return {key.path[-1] for key in keys if key.path[0] == "models"}, found.cursor

    with dagster_instance() as instance:
        names, cursor = requested(None)
        assert names == set()
        instance.report_runless_asset_event(dg.AssetMaterialization(["pipedrive", "pipelines"]))
        names, cursor = requested(cursor)
        assert names == {"names", "seen", "rated", "failing", "below", "report"}
        assert requested(cursor)[0] == set()


def test_models_are_read_again_only_when_a_file_has_changed(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("dbt is asked again")

    monkeypatch.setattr("pipedrive_orchestration.models.parse.run_dbt", never)
    project = ProjectContext(settings=ran.settings)
    assert ProjectSnapshot.read(project, None).models == ran.models
    (ran.settings.project / "models" / "models" / "seen.sql").touch()
    assert ProjectSnapshot.read(project, None).models == ran.models


def test_the_report_lies_below_what_it_shows_and_is_linked(ran: Ran) -> None:
    key = dg.AssetKey(["models", "report"])
    graph = ran.definitions.resolve_asset_graph()
    assert {one.path[-1] for one in graph.get(key).parent_keys} == {"names", "data_quality"}
    assert graph.get(dg.AssetKey(["models", "names"])).metadata["report"].value == "/report#names"
    assets = [one for one in ran.definitions.assets or () if isinstance(one, dg.AssetsDefinition)]
    with dagster_instance() as instance:
        result = dg.materialize(
            assets, selection=[key], resources=ran.definitions.resources, instance=instance
        )
    (event,) = result.get_asset_materialization_events()
    found = {name: entry.value for name, entry in event.materialization.metadata.items()}
    file = Path(str(found["file"]))
    assert [found[name] for name in ("report", "models", "charts", "rows")] == ["/report", 2, 1, 6]
    assert file.stat().st_mode & 0o077 == 0
    html = file.read_text()
    assert kept_report(file, Warehouse(ran.settings.warehouse)) == html
    assert "There are more" in html

    async def asked(path: str, missing: Path | None = None) -> httpx.Response:
        page = ReportPage(_nothing_else, lambda: missing or file)
        transport = httpx.ASGITransport(page)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path)

    assert asyncio.run(asked("/report")).text == html
    assert asyncio.run(asked("/graphql")).text == "Dagster"
    missing = asyncio.run(asked("/report", file.with_name("nothing")))
    assert (missing.status_code, "materialize" in missing.text) == (404, True)
    with Warehouse(ran.settings.warehouse).writing() as connection:
        connection.execute("UPDATE models._models SET as_of = as_of + INTERVAL 1 SECOND")
    assert kept_report(file, Warehouse(ran.settings.warehouse)) is None


async def _nothing_else(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"Dagster"})


@pytest.mark.skipif(not FULL, reason="make chaos")
def test_a_run_of_one_model_brings_its_seeds_along_and_leaves_the_others(ran: Ran) -> None:
    assets = [one for one in ran.definitions.assets or () if isinstance(one, dg.AssetsDefinition)]
    with dagster_instance() as instance:
        result = dg.materialize(
            assets,
            selection=[dg.AssetKey(["models", "rated"])],
            resources=ran.definitions.resources,
            instance=instance,
        )
    told = {event.asset_key for event in result.get_asset_materialization_events()}
    assert told == {dg.AssetKey(["models", name]) for name in ("rated", "rates", "quality_rules")}
    assert ran.rows("seen") == [(1,), (2,)]


@pytest.mark.skipif(not FULL, reason="make chaos")
def test_files_that_cannot_be_read_are_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    broken = {
        "models/models/broken.sql": "select 1 as one\n\nfrom {{ ref('names') }",
        "models/models/broken.yml": "models:\n  - name: [",
        "models/models/lost.sql": "select * from {{ ref('nowhere') }}",
    }
    settings = laid_out(tmp_path, **broken)
    project = project_of(settings)
    loaded = load_models(settings.project, project.sources, DagsterNames(), tmp_path / "work", "UTC")
    assert {bad.path for bad in loaded.bad_files} == set(broken)
    known = {"names", "seen", "rates", "rated", *QUALITY}
    assert {one.name for one in loaded.assets} == {*known, "failing", "below"}
    warehouse = Warehouse(settings.warehouse)
    report = build_models(project, warehouse, tmp_path / "build")
    assert set(report.swapped) == known
    places = [str(problem).split(" ")[0] for problem in report.problems]
    assert "models/broken.sql:3:" in places
    assert "models/failing.sql:2:" in places
    page = make_documentation(project, warehouse, tmp_path / "build")
    assert b"Names of pipelines." in page.read_bytes()
