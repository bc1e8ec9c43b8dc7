from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import windows_until
from pipedrive_orchestration.orchestration import (
    PipedriveResource,
    WarehouseResource,
    build_source_asset,
)
from pipedrive_orchestration.sources import Options, Source
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.instances import dagster_instance
from pipedrive_orchestration_tests.orchestration.conftest import young_source

LATER = f"TIMESTAMPTZ '{PRESENT + timedelta(hours=1)}'"


def imported(
    configured: Source, instance: dg.DagsterInstance, resources: dict[str, Any], **config: Any
) -> dict[str, dg.AssetCheckEvaluation]:
    """Imports all windows; returns what the checks say by name."""
    asset = build_source_asset(configured)
    keys = [window.key for window in windows_until(configured, datetime.now(UTC))]
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    result = dg.materialize(
        [asset],
        instance=instance,
        resources=resources,
        tags=tags if configured.type.partitioned else None,
        run_config={"ops": {asset.op.name: {"config": config}}},
    )
    return by_name(result)


def checked(
    configured: Source, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> dict[str, dg.AssetCheckEvaluation]:
    """Runs the checks alone, as a click on "Execute" does; returns what they say by name."""
    asset = build_source_asset(configured)
    result = dg.materialize(
        [asset],
        instance=instance,
        resources=resources,
        selection=dg.AssetSelection.checks_for_assets(asset),
    )
    assert not result.get_asset_materialization_events()
    return by_name(result)


def by_name(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    assert result.success
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


@pytest.fixture(scope="module")
def warehouse_as_imported(demo: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database after an import of all windows; tests work on copies."""
    folder = tmp_path_factory.mktemp("imported")
    resources = {
        "pipedrive": PipedriveResource(url=demo.url, token=demo.token),
        "warehouse": WarehouseResource(database=str(folder / "warehouse.duckdb")),
    }
    with dagster_instance() as instance:
        imported(young_source(), instance, resources)
    return folder / "warehouse.duckdb"


@pytest.fixture
def imported_resources(resources: dict[str, Any], warehouse_as_imported: Path) -> dict[str, Any]:
    """The resources, after an import of all windows of which this test's instance knows nothing."""
    shutil.copy(warehouse_as_imported, resources["warehouse"].database)
    return resources


def write(resources: dict[str, Any], sql: str) -> None:
    with duckdb.connect(resources["warehouse"].database) as connection:
        connection.execute(sql)


def test_after_an_import_every_check_has_passed(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    evaluations = imported(young_source(), instance, resources)
    assert set(evaluations) == {
        "unique_ids", "quarantine_empty", "schema_drift", "freshness", "count_reconciliation",
        "matches_definition", "windows_reconciled",
    }  # fmt: skip
    assert [name for name, evaluation in evaluations.items() if not evaluation.passed] == []
    counted = evaluations["count_reconciliation"].metadata
    assert counted["records_read"] == counted["rows_current"] != dg.MetadataValue.int(0)


def test_a_static_source_has_no_schedule_to_be_late_for(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    assert "freshness" not in imported(young_source(pull_mode="static"), instance, resources)


@pytest.mark.usefixtures("from_the_present")
def test_a_pull_that_has_not_read_everything_compares_no_counts(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    assert "count_reconciliation" not in imported(young_source(), instance, resources, pull="changes")
    counted = imported(young_source(), instance, resources)["count_reconciliation"]
    changed = imported(young_source(), instance, resources, pull="changes")
    for later in (changed, checked(young_source(), instance, resources)):
        assert later["count_reconciliation"].metadata == counted.metadata, "the last verdict stays"


def test_a_window_that_was_read_otherwise_or_long_ago_shows(
    instance: dg.DagsterInstance, imported_resources: dict[str, Any]
) -> None:
    resources = imported_resources
    newest = '(SELECT max("window") FROM import_ledger.windows)'
    write(resources, f"UPDATE import_ledger.windows SET definition = '{{}}' WHERE \"window\" = {newest}")
    write(resources, "UPDATE import_ledger.windows SET pull_started_at = pull_started_at - INTERVAL 9 DAY")
    found = checked(young_source(), instance, resources)
    failed = {name: evaluation for name, evaluation in found.items() if not evaluation.passed}
    assert set(failed) == {"matches_definition", "windows_reconciled"}
    assert failed["matches_definition"].metadata["deviating"] == dg.MetadataValue.int(1)
    assert "9 days ago" in str(failed["windows_reconciled"].description)
    never = young_source(options=Options(reconcile="never"))
    assert checked(never, instance, resources)["windows_reconciled"].passed


def test_checks_run_by_themselves_see_what_is_wrong(
    instance: dg.DagsterInstance, imported_resources: dict[str, Any]
) -> None:
    resources = imported_resources
    assert all(evaluation.passed for evaluation in checked(young_source(), instance, resources).values())

    write(resources, "INSERT INTO pipedrive.all_deals SELECT * FROM pipedrive.all_deals LIMIT 2")
    write(
        resources,
        "INSERT INTO import_ledger.quarantine VALUES "
        f"('all_deals', '1', 'value', 'double', 'secret value', 'not a number', NULL, {LATER})",
    )
    write(
        resources,
        f"UPDATE import_ledger.watermarks SET by_our_clock = {LATER} - INTERVAL 2 DAY",
    )
    evaluations = checked(young_source(), instance, resources)
    assert not evaluations["unique_ids"].passed
    assert evaluations["unique_ids"].severity is dg.AssetCheckSeverity.ERROR
    assert evaluations["unique_ids"].description == "2 rows share their id with another one."
    assert not evaluations["quarantine_empty"].passed
    assert evaluations["quarantine_empty"].severity is dg.AssetCheckSeverity.WARN
    table = str(evaluations["quarantine_empty"].metadata["quarantined"].value)
    assert "| value | double | not a number | 1 |" in table
    assert "secret value" not in table
    assert not evaluations["freshness"].passed
    assert evaluations["freshness"].severity is dg.AssetCheckSeverity.ERROR


TITLE = "FROM import_ledger.fields WHERE key = 'title'"
DRIFTS = {
    f"UPDATE import_ledger.fields SET valid_to = {LATER} WHERE key = 'title'": "gone at Pipedrive",
    f"INSERT INTO import_ledger.fields SELECT * REPLACE ('enum' AS field_type, {LATER} AS valid_from) "
    f"{TITLE}":
        "was varchar, is enum",
    f"INSERT INTO import_ledger.fields SELECT * REPLACE ('New' AS label, {LATER} AS valid_from) "
    f"{TITLE}": None,
    f"UPDATE import_ledger.fields SET valid_to = {LATER} WHERE key = 'currency'": None,
}  # fmt: skip


def test_drift_is_a_property_that_is_gone_or_has_another_type(
    instance: dg.DagsterInstance, resources: dict[str, Any], warehouse_as_imported: Path
) -> None:
    for drift, shown in DRIFTS.items():
        shutil.copy(warehouse_as_imported, resources["warehouse"].database)
        write(resources, drift)
        evaluation = checked(young_source(), instance, resources)["schema_drift"]
        assert evaluation.passed is (shown is None), drift
        if shown:
            assert shown in str(evaluation.metadata["drifted"].value)


def test_rows_that_no_record_stands_behind_break_the_count(
    instance: dg.DagsterInstance, imported_resources: dict[str, Any]
) -> None:
    resources = imported_resources
    # A row of a future that no pull of windows looks into stays where it is.
    write(
        resources,
        "INSERT INTO pipedrive.all_deals BY NAME SELECT 0 AS _id, true AS _is_current, "
        f"TIMESTAMPTZ '2099-01-01' AS _update_time, {LATER} + INTERVAL 1 DAY AS _imported_at",
    )
    evaluation = imported(young_source(), instance, resources)["count_reconciliation"]
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN
    assert "records were read" in (evaluation.description or "")


def test_of_a_filtered_source_fewer_rows_than_records_are_right(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    won = {"conditions": [{"variable": "status", "condition": "equals", "values": ["won"]}]}
    evaluation = imported(young_source(filters=won), instance, resources)["count_reconciliation"]
    assert evaluation.passed


def test_without_a_warehouse_nothing_is_said(instance: dg.DagsterInstance, resources: dict[str, Any]) -> None:
    assert checked(young_source(), instance, resources) == {}
