from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import windows_until
from pipedrive_orchestration.orchestration import (
    PipedriveResource,
    build_source_asset,
    build_source_schedule,
)
from pipedrive_orchestration.orchestration.source.table_metadata import markdown_table
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.chaos.sizes import in_full, sample
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.orchestration.conftest import new_source, source

_FIRST, *_, _CURRENT = [window.key for window in windows_until(new_source(), PRESENT)]
ALL = (_FIRST, _CURRENT)
NEWEST = (_CURRENT, _CURRENT)


def run(
    configured: Source,
    instance: dg.DagsterInstance,
    resources: dict[str, Any],
    windows: tuple[str, str] | None = None,
    **config: Any,
) -> dg.ExecuteInProcessResult:
    """Materialises a source as the UI would: for a range of partitions, with or without config."""
    first, last = windows or (None, None)
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    asset = build_source_asset(configured)
    return dg.materialize(
        [asset],
        instance=instance,
        resources=resources,
        tags={tag: key for tag, key in tags.items() if key},
        run_config={"ops": {asset.op.name: {"config": config}}} if config else None,
        raise_on_error=False,
    )


def materializations(
    result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance
) -> list[tuple[str | None, Mapping[str, Any]]]:
    """Partition and metadata of every materialisation that a run has left in the event log."""
    entries = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.asset_materialization for entry in entries if entry.asset_materialization]
    return [
        (event.partition, {key: value.value for key, value in event.metadata.items()}) for event in events
    ]


def totals(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> Mapping[str, Any]:
    """Metadata of the newest event of a run, which sums it up."""
    return materializations(result, instance)[-1][1]


def failure(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    error = event.step_failure_data.error
    assert error is not None
    return error.message


def rows(resources: dict[str, Any], sql: str) -> list[tuple[Any, ...]]:
    with resources["warehouse"].get_connection() as connection:
        return list(connection.execute(sql).fetchall())


def test_the_asset_of_a_source_says_what_it_is() -> None:
    configured = source(options={"owners": ["team:crm", "someone@example.com"]}, expiration_date="2027-12-31")
    asset = build_source_asset(configured)
    (spec,) = asset.specs
    assert spec.key == dg.AssetKey(["pipedrive", "all_deals"])
    assert spec.group_name == "deals"
    assert {"pipedrive", "duckdb"} == spec.kinds
    assert spec.owners == ["team:crm", "someone@example.com"]
    assert "All deals" in (spec.description or "")
    assert "`*/15 * * * *` (UTC) until 2027-12-31" in (spec.description or "")
    assert spec.metadata["dagster/table_name"].value == "pipedrive.all_deals"
    assert spec.metadata["body"].data == configured.body
    assert asset.backfill_policy == dg.BackfillPolicy.single_run()


def test_every_window_is_reported_once_with_its_figures(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    result = run(new_source(), instance, resources, ALL)
    assert result.success
    events = materializations(result, instance)
    assert len(events) == 25
    assert [key for key, _ in events] == sorted(instance.get_materialized_partitions(
        dg.AssetKey(["pipedrive", "all_deals"])))  # fmt: skip
    (count,) = rows(resources, "SELECT count(*) FROM pipedrive.all_deals")[0]
    assert sum(metadata["window_rows_inserted"] for _, metadata in events) <= count
    assert not any("rows_inserted" in metadata for _, metadata in events[:-1])
    key, metadata = events[-1]
    assert key == NEWEST[0]
    assert metadata["dagster/partition_row_count"] == metadata["window_rows_read"]
    assert metadata["dagster/table_name"] == "pipedrive.all_deals"
    assert metadata["pull"] == "window"
    assert metadata["seconds"] > 0
    columns = {column.name: column for column in metadata["dagster/column_schema"].columns}
    assert columns["value"].type == "DOUBLE"
    assert columns["title"].description == "Title (varchar)"
    assert metadata["preview"].startswith("| ID | Title | Value | Status | ")
    assert re.fullmatch(
        r"!\[Rows by the month [^\]]+\]\(data:image/svg\+xml;base64,[\w+/=]+\)", metadata["rows_over_windows"]
    )
    assert metadata["summary"] == f"{count:,} added"
    assert metadata["dagster/row_count"] == count
    assert metadata["rows_inserted"] == count
    assert metadata["requests"] > 0
    assert metadata["tokens"] >= 10


def test_a_pull_of_changes_reports_the_windows_it_reaches_over(
    demo: DemoServer, instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    young = new_source(created_at=PRESENT - timedelta(days=2))
    first, *_, before, current = [window.key for window in windows_until(young, PRESENT)]
    assert run(young, instance, resources, (first, current)).success
    result = run(young, instance, resources, (before, current), pull="changes")
    assert result.success
    (older, about_older), (newest, about_newest) = materializations(result, instance)
    assert (older, newest) == (before, current)
    assert about_older["pull"] == about_newest["pull"] == "changes"
    at_pipedrive = demo.account.clock.now()
    assert about_newest["watermark"] == pytest.approx(at_pipedrive.timestamp(), abs=3_600)
    assert about_newest["tokens"] >= 10
    assert "tokens" not in about_older
    assert about_newest["summary"] == "nothing changed"
    assert "rows_over_windows" not in about_newest


@in_full
def test_a_pull_of_changes_that_has_to_read_everything_reports_every_window_once(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    old = new_source(created_at=PRESENT - timedelta(days=300))
    keys = [window.key for window in windows_until(old, PRESENT)]
    assert run(old, instance, resources, (keys[-1], keys[-1]), pull="changes").success
    changed = old.model_copy(update={"properties": ("id", "title", "currency")})
    result = run(changed, instance, resources, (keys[-1], keys[-1]), pull="changes")
    assert result.success
    assert [key for key, _ in materializations(result, instance)] == keys
    assert "full pull" in totals(result, instance)["notes"]


@pytest.mark.parametrize(
    ("days", "heals_by"), sample([(20, "a pull of changes"), (62, "full pull")], (62, "full pull"))
)
def test_the_first_tick_after_a_pause_heals_it(
    demo: DemoServer, instance: dg.DagsterInstance, resources: dict[str, Any], days: int, heals_by: str
) -> None:
    stopped_at = demo.account.clock.now() - timedelta(days=days)
    paused = new_source(created_at=PRESENT - timedelta(days=days + 1))
    keys = [window.key for window in windows_until(paused, PRESENT)]
    assert run(paused, instance, resources, (keys[0], keys[-1])).success
    with resources["warehouse"].warehouse().writing() as connection:
        connection.execute("UPDATE import_ledger.watermarks SET watermark = ?", [stopped_at])
        connection.execute("DELETE FROM pipedrive.all_deals WHERE _update_time > ?", [stopped_at])
        before = connection.execute("SELECT count(*) FROM pipedrive.all_deals").fetchone()

    asset = build_source_asset(paused)
    schedule = build_source_schedule(paused, asset)
    assert schedule is not None
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=PRESENT) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    result = dg.materialize(
        [asset], instance=instance, resources=resources, tags=request.tags, run_config=request.run_config
    )
    counted = totals(result, instance)
    assert ("full pull" in counted.get("notes", "")) is (heals_by == "full pull")
    (watermark,) = rows(resources, "SELECT watermark FROM import_ledger.watermarks")
    assert watermark[0] - demo.account.clock.now() > timedelta(hours=-1)
    assert before is not None
    assert counted["dagster/row_count"] > before[0]


def test_a_snapshot_is_one_materialisation(instance: dg.DagsterInstance, resources: dict[str, Any]) -> None:
    configured = new_source(object_type="stages", slug="stages", properties=["id", "name"])
    result = run(configured, instance, resources)
    assert result.success
    ((partition, metadata),) = materializations(result, instance)
    assert partition is None
    assert metadata["rows_inserted"] == metadata["dagster/row_count"] > 0


def test_windows_that_were_committed_stay_green_when_the_run_fails(
    instance: dg.DagsterInstance, resources: dict[str, Any], fresh_demo: FreshDemo
) -> None:
    rich = fresh_demo(scale=0.3)
    resources["pipedrive"] = PipedriveResource(url=rich.url, token=rich.token)
    needed = totals(run(new_source(slug="rich"), instance, resources, ALL), instance)["tokens"]
    poor = fresh_demo(scale=0.3, daily_tokens=needed - 10)  # too few for the last page
    resources["pipedrive"] = PipedriveResource(url=poor.url, token=poor.token)
    asset = build_source_asset(new_source())
    result = run(new_source(), instance, resources, ALL)
    assert not result.success
    assert "daily token budget" in failure(result)
    status = get_and_update_asset_status_cache_value(instance, asset.key, asset.partitions_def)
    assert status is not None
    assert asset.partitions_def is not None
    green = set(status.deserialize_materialized_partition_subsets(asset.partitions_def).get_partition_keys())
    red = set(status.deserialize_failed_partition_subsets(asset.partitions_def).get_partition_keys())
    assert green
    assert red
    assert green.isdisjoint(red)
    assert len(green | red) == 25
    assert green == {key for key, _ in materializations(result, instance)}
    whole = 'SELECT source, "window" FROM import_ledger.windows WHERE read_until IS NULL ORDER BY 2'
    committed = rows(resources, whole)
    assert sorted(green) == [key for slug, key in committed if slug == "all_deals" and key]


def test_a_run_may_deviate_from_the_body(instance: dg.DagsterInstance, resources: dict[str, Any]) -> None:
    assert run(new_source(), instance, resources, NEWEST, properties=["id", "currency"]).success
    names = [name for name, *_ in rows(resources, "DESCRIBE pipedrive.all_deals")]
    assert "currency" in names
    assert "title" not in names


def test_a_run_that_deviates_says_so(instance: dg.DagsterInstance, resources: dict[str, Any]) -> None:
    """CASES B7. The check and the healing: `test_checks.py`, `exactness/test_doubt.py`."""
    won = {"conditions": [{"variable": "status", "values": ["won"]}]}
    as_it_is = run(new_source(), instance, resources, NEWEST, pull="window")
    deviating = run(new_source(), instance, resources, NEWEST, filters=won, properties=["id"])
    told = [
        [entry.user_message for entry in instance.all_logs(result.run_id) if entry.level == logging.WARNING]
        for result in (as_it_is, deviating)
    ]
    assert told[0] == []
    assert told[1][0].startswith("This run deviates from its source in properties, filters: ")
    tags = [instance.get_run_by_id(result.run_id).tags for result in (as_it_is, deviating)]  # type: ignore[union-attr]
    assert [one.get("pipedrive/deviates_in") for one in tags] == [None, "properties, filters"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"object_type": "persons"}, "object_type: Was fixed"),
        ({"options": {"partitions": "daily"}}, "options.partitions: Was fixed"),
        ({"properties": []}, "properties: Must not be empty"),
        ({"schedule": "* *"}, "schedule: .* has 2 fields"),
        ({"filters": {"conditions": [{"values": [1]}]}}, r"filters.conditions\[0\].variable: This field"),
    ],
)
def test_a_config_that_is_no_body_fails_with_its_problems(
    instance: dg.DagsterInstance, resources: dict[str, Any], config: dict[str, Any], message: str
) -> None:
    result = run(new_source(), instance, resources, NEWEST, **config)
    assert not result.success
    assert re.search(message, failure(result))


@pytest.mark.parametrize("config", [{"propertes": []}, {"pull": "all"}, {"options": {"partition": "daily"}}])
def test_a_config_of_the_wrong_shape_is_refused_before_the_run(
    instance: dg.DagsterInstance, resources: dict[str, Any], config: dict[str, Any]
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        run(new_source(), instance, resources, NEWEST, **config)


def test_a_missing_or_refused_token_fails_clearly_and_is_never_shown(
    instance: dg.DagsterInstance, resources: dict[str, Any], demo: DemoServer, tmp_path: Path
) -> None:
    secret = "0123456789abcdef0123456789abcdef01234567"
    for token in ("", secret):
        resources["pipedrive"] = PipedriveResource(url=demo.url, token=token)
        result = run(new_source(), instance, resources, NEWEST)
        assert not result.success
        assert "User is not connected to 'pipedrive'." in failure(result)
        assert secret not in "".join(str(record) for record in instance.all_logs(result.run_id))
    assert secret not in repr(resources["pipedrive"])
    assert not (tmp_path / "warehouse.duckdb").exists()


def test_the_resource_closes_its_connection_when_the_block_raises(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    assert run(new_source(object_type="stages", properties=["id"]), instance, resources).success
    with pytest.raises(duckdb.Error), resources["warehouse"].get_connection() as connection:
        connection.execute("SELECT * FROM nowhere")
    with duckdb.connect(resources["warehouse"].database) as writer:
        writer.execute("CREATE TABLE free (x INTEGER)")


def test_no_cell_breaks_out_of_its_table() -> None:
    table = markdown_table(["a|b"], [["x\n| y |"], [None], ["<img src=x>"], ["z" * 200]])
    assert len(table.splitlines()) == 6
    assert all(line.count("|") - line.count(r"\|") == 2 for line in table.splitlines())
    assert r"\<img src=x\>" in table
    assert "…" in table
