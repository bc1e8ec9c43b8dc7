"""What a run says of itself: true after whatever end, and never the reason of one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from pipedrive_orchestration.importing import ImportEvent, WindowReport, load, windows_until
from pipedrive_orchestration.orchestration import PipedriveResource, build_source_asset
from pipedrive_orchestration.orchestration.in_process import listening
from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration.services.names import DEFAULT_NAMES
from pipedrive_orchestration.services.run_requests import MANY_WINDOWS, request_of_first_import
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.chaos.sizes import DAYS_OF_WINDOWS, FIELDS, in_full
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.importing.accounts import account, deal, field, options
from pipedrive_orchestration_tests.importing.canned import TOKEN, page, serving
from pipedrive_orchestration_tests.importing.test_field_types import NESTED, TEXTS
from pipedrive_orchestration_tests.orchestration.conftest import new_source, young_source
from pipedrive_orchestration_tests.orchestration.test_assets import (
    ALL,
    failure,
    materializations,
    rows,
    run,
    totals,
)

POOR = 420
"""Tokens a day that pay for a part of an account of scale 0.3, read in small pages."""


def run_all(
    configured: Source, instance: dg.DagsterInstance, resources: dict[str, Any], **config: Any
) -> dg.ExecuteInProcessResult:
    """Materialises all windows of a source."""
    first, *_, last = [window.key for window in windows_until(configured, PRESENT)]
    return run(configured, instance, resources, (first, last), **config)


def states(asset: dg.AssetsDefinition, instance: dg.DagsterInstance) -> tuple[set[str], set[str]]:
    """The windows that Dagster shows as materialised, and those that it shows as failed."""
    status = get_and_update_asset_status_cache_value(instance, asset.key, asset.partitions_def)
    assert status is not None
    assert asset.partitions_def is not None
    return (
        set(status.deserialize_materialized_partition_subsets(asset.partitions_def).get_partition_keys()),
        set(status.deserialize_failed_partition_subsets(asset.partitions_def).get_partition_keys()),
    )


def logged(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> list[str]:
    """The lines that a run has logged itself."""
    return [entry.user_message for entry in instance.all_logs(result.run_id) if not entry.is_dagster_event]


def verdicts(asset: dg.AssetsDefinition, instance: dg.DagsterInstance) -> dict[str, bool | None]:
    """Whether each check of a source has passed as Dagster shows it; None where a run left it unevaluated."""
    found: dict[str, bool | None] = {}
    for key in asset.check_keys:
        record = instance.get_latest_asset_check_evaluation_record(key)
        assert record is not None
        is_said = record.status is not AssetCheckExecutionRecordStatus.PLANNED
        found[key.name] = record.status is AssetCheckExecutionRecordStatus.SUCCEEDED if is_said else None
    return found


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports that commit after every few records."""
    monkeypatch.setattr(load, "SECONDS_BETWEEN_COMMITS", 0.0)
    monkeypatch.setattr(pagination, "MAX_PAGE_SIZE", 20)


def cancels_after_a_commit(event: ImportEvent) -> None:
    if isinstance(event, WindowReport) and event.window is not None:
        raise KeyboardInterrupt


@pytest.mark.usefixtures("small_commits")
def test_windows_that_were_cancelled_then_failed_then_read_are_all_green(
    instance: dg.DagsterInstance, resources: dict[str, Any], fresh_demo: FreshDemo
) -> None:
    poor = fresh_demo(scale=0.3, daily_tokens=POOR)
    resources["pipedrive"] = PipedriveResource(url=poor.url, token=poor.token)
    asset = build_source_asset(new_source())
    with listening(cancels_after_a_commit):
        cancelled = run(new_source(), instance, resources, ALL)
    first, red = states(asset, instance)
    assert first
    assert len(first | red) == 25
    assert failure(cancelled) == (
        f"Cancelled. {len(first)} of 25 windows are committed and stay; the next run of the same windows "
        f"reads the {25 - len(first)} that are left."
    )

    green = first
    ends: list[dg.ExecuteInProcessResult] = []
    while not ends or not ends[-1].success:
        ends.append(run(new_source(), instance, resources, ALL))
        before = green
        green, red = states(asset, instance)
        assert green >= before
        assert red.isdisjoint(green)
        poor.account.clock.advance(timedelta(days=1))
        assert len(ends) < 9
    *failed, result = ends
    assert failed
    assert "daily token budget" in failure(failed[0])
    assert (len(green), red) == (25, set())
    goes_on = f"{len(before)} of 25 windows are committed already"
    (said,) = (number for number, line in enumerate(logged(result, instance)) if goes_on in line)
    assert said < 3, "it is said when it is known, not at the end"
    newest = totals(result, instance)
    current = rows(resources, "SELECT count(*) FROM pipedrive.all_deals WHERE _is_current")
    assert current == [(newest["dagster/row_count"],)]
    assert 0 < newest["resumed_windows"] < 25
    assert {key for key, _ in materializations(result, instance)} == green


@pytest.mark.usefixtures("small_commits")
def test_a_failure_that_was_foreseen_is_a_sentence_without_a_stack(
    instance: dg.DagsterInstance, resources: dict[str, Any], fresh_demo: FreshDemo
) -> None:
    poor = fresh_demo(scale=0.3, daily_tokens=POOR)
    resources["pipedrive"] = PipedriveResource(url=poor.url, token=poor.token)
    result = run(new_source(), instance, resources, ALL)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    error = event.step_failure_data.error
    assert error is not None
    assert (error.stack, error.cause) == ([], None)
    assert len(error.message.splitlines()) == 1
    assert error.message.startswith("The account's daily token budget")
    assert any("of 25 windows are committed and stay" in line for line in logged(result, instance))


def test_checks_keep_their_verdict_while_pipedrive_cannot_be_reached(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    reachable = resources["pipedrive"]
    unconnected = {**resources, "pipedrive": PipedriveResource(url=reachable.url, token="")}
    asset = build_source_asset(young_source())
    assert "User is not connected" in failure(run_all(young_source(), instance, unconnected))
    assert set(verdicts(asset, instance).values()) == {True}, "nothing was imported, so nothing is wrong"
    assert run_all(young_source(), instance, resources).success
    before = verdicts(asset, instance)
    assert not run_all(young_source(), instance, unconnected).success
    assert verdicts(asset, instance) == before


ODD_LABELS = [
    "Same", "Same", "same", "line\nbreak\r\n", "\ud83d", "x" * 5_000, "", " ", "| a | b |", "<img src=x>",
    "\x00", "\u202egnp", "_id", "ﷺ" * 300, "NaN", "---", "`", "{{ x }}",
]  # fmt: skip


def test_hundreds_of_fields_of_all_types_and_odd_names_do_not_fail_a_run(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    kinds = [*NESTED, *TEXTS, "json", "of_the_future"]
    keys = [f"{number:040x}" for number in range(FIELDS)]
    kind_of = {key: kinds[number % len(kinds)] for number, key in enumerate(keys)}
    fields = [
        field(
            key,
            kind,
            label=ODD_LABELS[number % len(ODD_LABELS)],
            options=options(_7="Hot", _8="\ud83d") if kind in ("enum", "set") else None,
        )
        for number, (key, kind) in enumerate(kind_of.items())
    ]
    texts = ["x" * 200_000, "\ud83d", "a\x00b", "line\nbreak", ""]
    odd: Mapping[str, list[Any]] = {
        "date": ["9999-12-31", "0001-01-01", "NaN"],
        "double": [1e308, -0.0, "NaN"],
        "json": [{"a": [{"b": [None, {"c": "\ud83d"}]}]}],
    }

    def value(number: int, key: str) -> Any:
        kind = kind_of[key]
        if kind in NESTED and number % 3 == 0:
            return NESTED[kind][1]
        usual: list[Any] = [*texts] if kind in TEXTS else [None]
        choices = odd.get(kind, usual)
        return choices[number % len(choices)]

    found = [
        deal(number, {key: value(number, key) for key in keys[number % 7 :: 7]}) for number in range(1, 142)
    ]
    wide = young_source(properties=["id", "title", *keys], name="x" * 5_000)
    listed = {"success": True, "data": fields, "additional_data": {"next_cursor": None}}
    with serving({**account("deals", found), "/api/v2/dealFields": page(listed)}) as served:
        resources["pipedrive"] = PipedriveResource(url=served.url, token=TOKEN)
        result = run_all(wide, instance, resources)
    assert result.success, failure(result)
    newest = totals(result, instance)
    assert newest["dagster/row_count"] == 141
    assert len(newest["dagster/column_schema"].columns) > FIELDS
    assert "more columns" in newest["preview"]
    assert newest["quarantined"] > 0
    assert any(f"{newest['quarantined']:,} values did not fit" in line for line in logged(result, instance))


@in_full
def test_a_listener_that_fails_does_not_fail_a_run(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    def fails(event: ImportEvent) -> None:
        raise ZeroDivisionError(type(event).__name__)

    with listening(fails):
        result = run(new_source(), instance, resources, ALL)
    assert result.success
    assert "The signs of progress are left out: Estimate" in logged(result, instance)


@in_full
def test_a_look_at_a_damaged_table_is_left_out_with_a_warning(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    """The view under labels is somebody's table, so that neither the preview nor a new view can be made."""
    stages = new_source(object_type="stages", properties=["id", "name"], slug="stages")
    assert run(stages, instance, resources).success
    with resources["warehouse"].warehouse().writing() as connection:
        connection.execute("DROP VIEW pipedrive_labeled.stages")

    def breaks(event: ImportEvent) -> None:
        if isinstance(event, WindowReport):
            with resources["warehouse"].warehouse().writing() as connection:
                connection.execute("DROP VIEW pipedrive_labeled.stages")

    with listening(breaks):
        result = run(stages, instance, resources)
    assert result.success
    assert "preview" not in totals(result, instance)
    assert (
        len([line for line in logged(result, instance) if "The rows of the preview are left out" in line])
        == 1
    )


def daily(**changes: Any) -> Source:
    start = f"{PRESENT - timedelta(days=DAYS_OF_WINDOWS):%Y-%m}"
    return new_source(options={"partitions": "daily", "partitions_start": start}, **changes)


def test_many_windows_are_read_in_one_run_that_names_none(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    many = daily(pull_mode="static")
    keys = [window.key for window in windows_until(many, PRESENT)]
    assert len(keys) > 2 * MANY_WINDOWS
    request = request_of_first_import(many, PRESENT, instance, DEFAULT_NAMES, "")
    assert not any("partition" in tag for tag in request.tags)
    asset = build_source_asset(many)
    result = dg.materialize([asset], instance=instance, resources=resources, tags=request.tags)
    planned = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    assert len(planned) == 1, "a run that names its windows plans each of them, which takes a minute"
    assert logged(result, instance)[0] == f"Reads {len(keys):,} windows ({keys[0]} to {keys[-1]}) of deals."
    assert instance.get_materialized_partitions(asset.key) == set(keys)
    events = materializations(result, instance)
    assert len(events) == len(keys)
    assert events[-1][0] == keys[-1]
    assert sum("dagster/column_schema" in metadata for _, metadata in events) == 1
    assert verdicts(asset, instance)["unique_ids"]


def test_a_backfill_of_many_windows_is_several_runs() -> None:
    assert build_source_asset(daily()).backfill_policy == dg.BackfillPolicy.multi_run(MANY_WINDOWS)
    assert build_source_asset(new_source()).backfill_policy == dg.BackfillPolicy.single_run()


def test_windows_are_chosen_by_the_config_of_a_run_that_names_none(
    instance: dg.DagsterInstance, resources: dict[str, Any]
) -> None:
    asset = build_source_asset(new_source())
    first, last = [window.key for window in windows_until(new_source(), PRESENT)][-4:-2]
    config = {"windows": {"first": first[: len("2026-08")], "last": last}}
    result = dg.materialize(
        [asset],
        instance=instance,
        resources=resources,
        run_config={"ops": {asset.op.name: {"config": config}}},
    )
    assert [key for key, _ in materializations(result, instance)] == [first, last]


def test_an_import_says_in_words_what_it_did_and_shows_what_is_gone(
    instance: dg.DagsterInstance, resources: dict[str, Any], fresh_demo: FreshDemo
) -> None:
    demo = fresh_demo()
    resources["pipedrive"] = PipedriveResource(url=demo.url, token=demo.token)
    persons = young_source(object_type="persons", properties=["name", "org_name"], slug="persons")
    assert run_all(persons, instance, resources).success
    alive = [one for one in demo.account.records("persons") if not one["is_deleted"]]
    gone, renamed = alive[0], alive[1]
    demo.account.clock.advance(timedelta(minutes=10))
    with httpx.Client(base_url=demo.url, headers={"x-api-token": demo.token}) as client:
        client.delete(f"/api/v2/persons/{gone['id']}").raise_for_status()
        client.patch(f"/api/v2/persons/{renamed['id']}", json={"name": "Zoë New"}).raise_for_status()
    newest = totals(run_all(persons, instance, resources, pull="changes"), instance)
    assert newest["summary"] == "1 changed, 1 deleted"
    assert next(iter(newest)) == "summary"
    header, _, *rows = newest["removed_rows"].splitlines()
    assert header == "| id | name | reason | removed (UTC) |"
    (row,) = rows
    assert row.startswith(f"| {gone['id']} | ")
    assert "| deleted |" in row
    header, _, first, *others = newest["preview"].splitlines()
    assert header.startswith("| Name | Organization")
    assert first.startswith("| Zoë New | "), "the newest change comes first"
    assert len(others) == 19
    assert newest["rows_over_windows"].startswith("![Rows by the month")
    domain = demo.account.me["company_domain"]
    assert newest["in_pipedrive"] == f"https://{domain}.pipedrive.com/persons/list"


def test_an_import_of_deals_says_how_many_were_won_and_lost(
    instance: dg.DagsterInstance, resources: dict[str, Any], fresh_demo: FreshDemo
) -> None:
    demo = fresh_demo()
    resources["pipedrive"] = PipedriveResource(url=demo.url, token=demo.token)
    is_open = {"conditions": [{"variable": "status", "condition": "equals", "values": ["open"]}]}
    everything = young_source(slug="everything", properties=["title", "status"])
    unwon = young_source(slug="unwon", properties=["title", "status"], filters=is_open)
    nameless = young_source(slug="nameless", properties=["title"])
    sources = (everything, unwon, nameless)
    for source in sources:
        assert run_all(source, instance, resources).success
    listed = [one for one in demo.account.records("deals") if one["status"] == "open"]
    first, second, third, *_ = (
        one["id"] for one in listed if not one["is_deleted"] and not one["is_archived"]
    )
    demo.account.clock.advance(timedelta(minutes=10))
    with httpx.Client(base_url=demo.url, headers={"x-api-token": demo.token}) as client:
        for deal_id, status in ((first, "won"), (second, "won"), (third, "lost")):
            client.patch(f"/api/v2/deals/{deal_id}", json={"status": status}).raise_for_status()
    told = [totals(run_all(source, instance, resources, pull="changes"), instance) for source in sources]
    assert [metadata["summary"] for metadata in told] == [
        "3 changed, 2 won, 1 lost",
        "3 left by the filter, 2 won, 1 lost",
        "3 changed",
    ]
