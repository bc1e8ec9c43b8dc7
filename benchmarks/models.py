# ruff: noqa: E501 - SQL of tables
"""Builds of the shipped models, first and after a hundred changes: ``python -m benchmarks.models``.

The account has 50,000 deals with 400,000 changes, 100,000 persons, 30,000 organizations and 300,000
activities, as rows that imports would have left. Takes two minutes.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from pipedrive_orchestration.models.build import BuildReport, build_models
from pipedrive_orchestration.models.dbt_project import TYPES, DbtProject
from pipedrive_orchestration.models.report import make_report
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.sources.model import id_of_slug
from pipedrive_orchestration.warehouse import Warehouse

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
FIRST_IMPORT = NOW - timedelta(days=60)
PROJECT = Path(__file__).parents[1] / "project"

SYSTEM = (
    "true AS _is_current, false AS _is_archived, NULL::VARCHAR AS _removal, NULL::TIMESTAMPTZ AS _removed_at, "
    f"'{FIRST_IMPORT}'::TIMESTAMPTZ AS _first_imported_at"
)

ACCOUNT = """
SELECT setseed(0.5);
CREATE SCHEMA pipedrive; CREATE SCHEMA pipedrive_history; CREATE SCHEMA import_ledger;
CREATE TABLE pipedrive.users AS SELECT i AS _id, 'User ' || i AS name, 'u' || i || '@example.com' AS email,
  i % 9 <> 0 AS active_flag, {system} FROM range(1, 51) AS r(i);
CREATE TABLE pipedrive.pipelines AS SELECT i AS _id, 'Pipeline ' || i AS name, i AS order_nr,
  i % 2 = 0 AS is_deal_probability_enabled, {system} FROM range(1, 5) AS r(i);
CREATE TABLE pipedrive.stages AS SELECT i AS _id, 'Stage ' || i AS name, (i - 1) // 6 + 1 AS pipeline_id,
  (i - 1) % 6 + 1 AS order_nr, 10 + 15 * ((i - 1) % 6) AS deal_probability, i % 3 = 0 AS is_deal_rot_enabled,
  30 AS days_to_rotten, {system} FROM range(1, 25) AS r(i);
CREATE TABLE pipedrive.organizations AS SELECT i AS _id, 'Organization ' || (i * 29 // 30) AS name,
  NULL::JSON AS address, i % 50 + 1 AS owner_id, {system} FROM range(1, {organizations} + 1) AS r(i);
CREATE TABLE pipedrive.persons AS SELECT i AS _id, 'Person ' || i AS name,
  [{{'value': 'p' || (i * 97 // 100) || '@example.com', 'label': 'work', 'primary': true}}] AS emails,
  [{{'value': '+49 ' || i, 'label': 'work', 'primary': true}}] AS phones,
  i % {organizations} + 1 AS org_id, i % 50 + 1 AS owner_id, {system} FROM range(1, {persons} + 1) AS r(i);
CREATE TABLE pipedrive.activities AS SELECT i AS _id, 'Activity ' || i AS subject,
  ['call', 'meeting', 'task'][i % 3 + 1] AS type, done, ('{now}'::TIMESTAMP - to_days(age - 7))::DATE AS due_date,
  i % 50 + 1 AS owner_id, (i * 7919) % {deals} + 1 AS deal_id, i % {persons} + 1 AS person_id,
  NULL::VARCHAR AS lead_id, CASE WHEN done THEN '{now}'::TIMESTAMPTZ - to_days(age) END AS marked_as_done_time, {system}
  FROM (SELECT i, random() < 0.85 AS done, (random() * 1500)::INT AS age FROM range(1, {activities} + 1) AS r(i));
CREATE TABLE pipedrive.leads AS SELECT uuid() AS _id, 'Lead ' || i AS title, i % 50 + 1 AS owner_id,
  ['API', 'Import', 'Form'][i % 3 + 1] AS origin, i % 4 AS channel,
  '{now}'::TIMESTAMPTZ - to_days((random() * 1500)::INT) AS add_time, {system} FROM range(1, 5001) AS r(i);
CREATE TABLE begun AS SELECT i AS deal_id, (i % 4) + 1 AS pipeline_id, i % 50 + 1 AS owner_id,
  ['EUR', 'USD', 'GBP'][i % 3 + 1] AS currency, ['open', 'won', 'lost', 'lost'][i % 4 + 1] AS outcome,
  '{now}'::TIMESTAMPTZ - to_seconds((86400 * 70 + random() * 86400 * 1500)::BIGINT) AS add_time,
  (random() * 60 + 5) * 86400 AS pace FROM range(1, {deals} + 1) AS r(i);
CREATE TABLE pipedrive.deal_changes AS SELECT deal_id || ':' || n AS _id, deal_id AS _parent_id,
  add_time + to_seconds((n * pace / 8)::BIGINT) AS time, {system},
  CASE n WHEN 4 THEN 'value' WHEN 6 THEN 'user_id' WHEN 8 THEN CASE outcome WHEN 'open' THEN 'expected_close_date'
    ELSE 'status' END ELSE 'stage_id' END AS field_key,
  CASE n WHEN 4 THEN '900' WHEN 6 THEN '7' WHEN 8 THEN CASE outcome WHEN 'open' THEN '2026-01-01' ELSE 'open' END
    ELSE ((pipeline_id - 1) * 6 + least(n, 5))::VARCHAR END AS old_value,
  NULL::VARCHAR AS new_value
  FROM begun, range(1, {each} + 1) AS r(n);
CREATE TABLE pipedrive.deals AS SELECT deal_id AS _id, 'Deal ' || deal_id AS title, (100 + deal_id % 9000)::DOUBLE AS value,
  currency, outcome AS status, pipeline_id, (pipeline_id - 1) * 6 + 6 AS stage_id, deal_id % {persons} + 1 AS person_id,
  deal_id % {organizations} + 1 AS org_id, owner_id, []::BIGINT[] AS label_ids, NULL::DOUBLE AS probability,
  CASE WHEN outcome = 'lost' THEN ['Price', 'Timing', NULL][deal_id % 3 + 1] END AS lost_reason,
  (add_time + to_days(90))::DATE AS expected_close_date,
  CASE WHEN outcome = 'won' THEN add_time + to_seconds(pace::BIGINT) END AS won_time,
  CASE WHEN outcome = 'lost' THEN add_time + to_seconds(pace::BIGINT) END AS lost_time,
  add_time + to_seconds((7 * pace / 8)::BIGINT) AS stage_change_time, add_time,
  add_time + to_seconds(pace::BIGINT) AS _update_time, NULL::VARCHAR AS source_lead_id, NULL::VARCHAR AS origin,
  NULL::VARCHAR AS channel, NULL::BIGINT AS next_activity_id, {system} FROM begun;
CREATE TABLE pipedrive_history.deals AS SELECT * EXCLUDE (_is_current, _removal, _removed_at, _first_imported_at),
  _update_time AS _valid_from, NULL::TIMESTAMPTZ AS _valid_to FROM pipedrive.deals;
DROP TABLE begun;
"""

CHANGED = """
CREATE TEMP TABLE changed AS SELECT _id FROM pipedrive.deals WHERE status = 'open' ORDER BY hash(_id) LIMIT 100;
UPDATE pipedrive_history.deals SET _valid_to = $now WHERE _valid_to IS NULL AND _id IN (FROM changed);
UPDATE pipedrive.deals SET value = value + 1, _update_time = $now WHERE _id IN (FROM changed);
INSERT INTO pipedrive_history.deals BY NAME SELECT * EXCLUDE (_is_current, _removal, _removed_at,
  _first_imported_at), $now::TIMESTAMPTZ AS _valid_from, NULL::TIMESTAMPTZ AS _valid_to FROM pipedrive.deals
  WHERE _id IN (FROM changed);
DROP TABLE changed;
"""


def fill(connection: duckdb.DuckDBPyConnection, size: int) -> None:
    """Write the tables of an account, a thousandth of whose deals are ``size``."""
    sizes = {"deals": 50, "persons": 100, "organizations": 30, "activities": 300}
    counts = {name: thousands * size for name, thousands in sizes.items()}
    connection.execute(ACCOUNT.format(system=SYSTEM, now=NOW, each=8, **counts))


def change(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Change a hundred deals."""
    for statement in CHANGED.split(";\n"):
        if statement.strip():
            connection.execute(statement, {"now": now} if "$now" in statement else {})


def sources() -> list[Source]:
    """A whole source of each type, with its name."""
    return [
        Source.model_validate({
            "slug": name, "id": id_of_slug(name), "created_at": NOW, "name": name, "object_type": name,
            "properties": ("id",), "pull_mode": "static",
        })
        for name in TYPES
    ]  # fmt: skip


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=1000, help="a thousandth of what is measured")
    parser.add_argument("--models", action="store_true", help="the seconds of each model too")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warehouse = Warehouse(str(folder / "crm.duckdb"))
        with warehouse.writing() as connection:
            fill(connection, chosen.size)
        project = DbtProject.of(PROJECT, sources())
        print("| build | seconds | CPU s | peak MB so far | swap s |\n|---|---|---|---|---|")
        for nr, what in enumerate(("first", "nothing changed", "100 deals changed")):
            now = NOW + timedelta(hours=nr)
            if "deals" in what:
                with warehouse.writing() as connection:
                    change(connection, now - timedelta(minutes=30))
            report = measured(what, project, warehouse, folder / "work", now)
            for one in sorted(report.results, key=lambda one: -one.seconds)[: 12 if chosen.models else 0]:
                print(f"  {one.seconds:6.2f} {one.kind} {one.name}")
        began = time.process_time()
        page = make_report(warehouse)
        print(f"\nreport: {time.process_time() - began:.1f} CPU s, {len(page.html.encode()) / 1e6:.2f} MB")


def measured(what: str, project: DbtProject, warehouse: Warehouse, work: Path, now: datetime) -> BuildReport:
    """Build, and print how long that took."""
    began, cpu = time.monotonic(), _cpu()
    report = build_models(project, warehouse, work, clock=lambda: now)
    for problem in report.problems:
        print(problem)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF))
    print(
        f"| {what} | {time.monotonic() - began:.1f} | {_cpu() - cpu:.1f} | {peak / 1024:.0f} | "
        f"{report.swap_seconds:.1f} |",
        flush=True,
    )
    return report


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
