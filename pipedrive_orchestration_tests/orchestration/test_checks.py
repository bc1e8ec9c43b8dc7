from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from pipedrive_orchestration.importing import windows_until
from pipedrive_orchestration.orchestration import build_source_asset
from pipedrive_orchestration.sources import Options, Source
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.orchestration.conftest import new_source

LATER = f"TIMESTAMPTZ '{PRESENT + timedelta(hours=1)}'"
SHORT = {"options": {"partitions_start": f"{PRESENT - timedelta(days=45):%Y-%m}"}}


def young(**changes: Any) -> Source:
    return new_source(**{**SHORT, **changes})


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


def write(resources: dict[str, Any], sql: str) -> None:
    with duckdb.connect(resources["warehouse"].database) as connection:
        connection.execute(sql)


def test_after_an_import_every_check_has_passed(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    evaluations = imported(young(), instance, resources)
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
    assert "freshness" not in imported(young(pull_mode="static"), instance, resources)


@pytest.mark.usefixtures("from_the_present")
def test_a_pull_that_has_not_read_everything_compares_no_counts(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    assert "count_reconciliation" not in imported(young(), instance, resources, pull="changes")
    counted = imported(young(), instance, resources)["count_reconciliation"]
    changed = imported(young(), instance, resources, pull="changes")
    for later in (changed, checked(young(), instance, resources)):
        assert later["count_reconciliation"].metadata == counted.metadata, "the last verdict stays"


def test_a_window_that_was_read_otherwise_or_long_ago_shows(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    imported(young(), instance, resources)
    newest = '(SELECT max("window") FROM import_ledger.windows)'
    write(resources, f"UPDATE import_ledger.windows SET definition = '{{}}' WHERE \"window\" = {newest}")
    write(resources, "UPDATE import_ledger.windows SET pull_started_at = pull_started_at - INTERVAL 9 DAY")
    found = checked(young(), instance, resources)
    failed = {name: evaluation for name, evaluation in found.items() if not evaluation.passed}
    assert set(failed) == {"matches_definition", "windows_reconciled"}
    assert failed["matches_definition"].metadata["deviating"] == dg.MetadataValue.int(1)
    assert "9 days ago" in str(failed["windows_reconciled"].description)
    never = young(options=Options(reconcile="never"))
    assert checked(never, instance, resources)["windows_reconciled"].passed


def test_checks_run_by_themselves_see_what_is_wrong(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    imported(young(), instance, resources)
    assert all(evaluation.passed for evaluation in checked(young(), instance, resources).values())

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
    evaluations = checked(young(), instance, resources)
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
    instance: dg.DagsterInstance, resources: dict[str, Any], tmp_path: Path
) -> None:
    imported(young(), instance, resources)
    shutil.copy(resources["warehouse"].database, tmp_path / "as_imported")
    for drift, shown in DRIFTS.items():
        shutil.copy(tmp_path / "as_imported", resources["warehouse"].database)
        write(resources, drift)
        evaluation = checked(young(), instance, resources)["schema_drift"]
        assert evaluation.passed is (shown is None), drift
        if shown:
            assert shown in str(evaluation.metadata["drifted"].value)


def test_rows_that_no_record_stands_behind_break_the_count(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    imported(young(), instance, resources)
    # A row of a future that no pull of windows looks into stays where it is.
    write(
        resources,
        "INSERT INTO pipedrive.all_deals BY NAME SELECT 0 AS _id, true AS _is_current, "
        f"TIMESTAMPTZ '2099-01-01' AS _update_time, {LATER} + INTERVAL 1 DAY AS _imported_at",
    )
    evaluation = imported(young(), instance, resources)["count_reconciliation"]
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN
    assert "records were read" in (evaluation.description or "")


def test_of_a_filtered_source_fewer_rows_than_records_are_right(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    won = {"conditions": [{"variable": "status", "condition": "equals", "values": ["won"]}]}
    evaluation = imported(young(filters=won), instance, resources)["count_reconciliation"]
    assert evaluation.passed


def test_without_a_warehouse_nothing_is_said(instance: dg.DagsterInstance, resources: dict[str, Any]) -> None:
    assert checked(young(), instance, resources) == {}
