"""``demo`` twice in a fresh checkout: first everything, then only what changed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from pipedrive_orchestration.importing import windows_until
from pipedrive_orchestration.services.names import DEFAULT_NAMES
from pipedrive_orchestration.sources import InMemoryKeyValues, Source, SourceStore
from pipedrive_orchestration_tests.chaos.sizes import FULL
from pipedrive_orchestration_tests.end_to_end.conftest import (
    COMMAND,
    SCALE,
    clean_environment,
    demo_account_of,
)
from pipedrive_orchestration_tests.exactness.truth import differences

OPEN_DEALS = "SELECT _id FROM pipedrive.open_deals WHERE _is_current"
KEPT = {"all_persons", "open_deals", "leads_once", "stages"}
"""Sources of each kind, and the one of the workflow: with windows, with a filter, static, without windows."""
OBJECT_TYPES = {
    "persons", "organizations", "deals", "activities", "leads", "pipelines", "stages", "users",
    "deal_products", "files", "projects",
}  # fmt: skip


def test_the_demo_brings_everything_and_then_the_changes(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources: Sequence[Source] = SourceStore(checkout / "project", InMemoryKeyValues()).load().sources
    assert {source.object_type for source in sources} == OBJECT_TYPES
    if not FULL:
        sources = kept(checkout, sources)
    first = demo(checkout)
    total = sum(rows_of_table(first).values())
    assert f"Imported everything: {total:,} rows." in first
    assert all(read > 0 for read in rows_of_table(first).values())
    assert exact_tables(checkout, sources)
    persons = rows_of_table(first)["all_persons"]
    assert f"workflows.outreach: {persons:,} rows" in first
    assert runs_of_workflow(checkout) == {("backfill", "complete"): persons}
    runs = len(sources) + 1
    assert ended_runs(checkout, monkeypatch) == {"SUCCESS": runs}, "and the workflow's own"

    # What it takes the other sources for was seen the first time.
    sources = kept(checkout, sources)
    second = demo(checkout)
    assert "Since the last time: 3 persons added" in second
    changed = re.search(r"Pulled only changes: (\d+) rows changed\.", second)
    assert changed is not None
    assert 0 < int(changed[1]) < total / 4
    active = [source for source in sources if source.pull_mode == "active"]
    assert exact_tables(checkout, active)
    assert runs_of_workflow(checkout)["new", "complete"] >= 3
    assert ended_runs(checkout, monkeypatch) == {"SUCCESS": runs + len(active) + 1}
    assert not unmaterialized(checkout, sources, monkeypatch)
    assert all(pulls == {"window", "changes"} for pulls in pulls_of_windows(checkout, active, monkeypatch))


def kept(checkout: Path, sources: Sequence[Source]) -> Sequence[Source]:
    """The sources of each kind, after the files of the others are gone."""
    for file in (checkout / "project" / "sources").iterdir():
        if file.stem not in KEPT:
            file.unlink()
    return [source for source in sources if source.slug in KEPT]


def demo(checkout: Path) -> str:
    ended = subprocess.run(
        [COMMAND, "demo", "--scale", SCALE],
        cwd=checkout, env=clean_environment(), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    return ended.stdout


def rows_of_table(said: str) -> dict[str, int]:
    """Rows by source, as the table of a demo shows them."""
    lines = re.findall(r"^│ (\w+) +│ (?:window|changes|once, done) +│ +([\d,]+) │", said, re.MULTILINE)
    return {slug: int(rows.replace(",", "")) for slug, rows in lines}


def without_derived(source: Source) -> Source:
    """The source without properties that Pipedrive derives on request, which no record holds."""
    derived = source.type.include_fields
    kept = tuple(key for key in source.properties if key not in derived)
    return source.model_copy(update={"properties": kept})


def exact_tables(checkout: Path, sources: Sequence[Source]) -> bool:
    """Whether every source's table equals the account, row by row and cell by cell."""
    database = duckdb.connect(str(checkout / "data" / "demo" / "warehouse.duckdb"), read_only=True)
    with demo_account_of(checkout) as account, closing(database) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = {
            source.slug: differences(connection, account, without_derived(source))
            for source in sources
            if source.filters is None and source.type.parent is None
        }
        open_deals = {row[0] for row in connection.execute(OPEN_DEALS).fetchall()}
        truth = {deal["id"] for deal in account.records("deals") if is_open(deal)}
    assert not any(found.values()), found
    assert open_deals == truth != set()
    return True


def is_open(deal: dict[str, Any]) -> bool:
    """Whether the template's filtered source holds the deal."""
    return deal["status"] == "open" and not deal["is_deleted"] and not deal["is_archived"]


@contextmanager
def instance_of(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.chdir(checkout)  # paths in dagster.yaml are relative
    with dg.DagsterInstance.from_config(str(checkout)) as instance:
        yield instance


def runs_of_workflow(checkout: Path) -> dict[tuple[str, str], int]:
    """How many runs the template's workflow has queued, by what they were queued for and their status."""
    with duckdb.connect(str(checkout / "data" / "demo" / "warehouse.duckdb"), read_only=True) as connection:
        counted = connection.execute(
            "SELECT trigger, status, count(*) FROM workflows._runs WHERE workflow = 'outreach' GROUP BY ALL"
        ).fetchall()
    return {(trigger, status): count for trigger, status, count in counted}


def ended_runs(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many runs Dagster knows, by status."""
    with instance_of(checkout, monkeypatch) as instance:
        statuses = [record.dagster_run.status.value for record in instance.get_run_records()]
    return {status: statuses.count(status) for status in statuses}


def unmaterialized(
    checkout: Path, sources: Sequence[Source], monkeypatch: pytest.MonkeyPatch
) -> dict[str, set[str]]:
    """Windows that are not green, by source; of a snapshot its slug if it never was materialised."""
    missing: dict[str, set[str]] = {}
    with instance_of(checkout, monkeypatch) as instance:
        for source in sources:
            key = DEFAULT_NAMES.asset_key(source.slug)
            if source.type.partitioned:
                wanted = {window.key for window in windows_until(source, datetime.now(UTC))}
                missing[source.slug] = wanted - instance.get_materialized_partitions(key)
            elif instance.get_latest_materialization_event(key) is None:
                missing[source.slug] = {source.slug}
    return {slug: keys for slug, keys in missing.items() if keys}


def pulls_of_windows(
    checkout: Path, sources: list[Source], monkeypatch: pytest.MonkeyPatch
) -> Iterator[set[str]]:
    """By which pulls each source's windows were last brought: old ones keep what is known of them."""
    with instance_of(checkout, monkeypatch) as instance:
        for source in sources:
            if source.type.partitioned:
                records = instance.fetch_materializations(
                    DEFAULT_NAMES.asset_key(source.slug), limit=100
                ).records
                last = {record.partition_key: record for record in reversed(records)}
                events = [record.asset_materialization for record in last.values()]
                yield {str(event.metadata["pull"].value) for event in events if event}
