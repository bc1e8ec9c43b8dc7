"""The shipped models say of a random history what plain loops over the history say."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from pipedrive_orchestration.models.build import BuildReport, build_models
from pipedrive_orchestration.models.dbt_project import DbtProject
from pipedrive_orchestration.models.report import Selection, make_report
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.importing.imports import source
from pipedrive_orchestration_tests.models import by_hand as hand
from pipedrive_orchestration_tests.models.by_hand import fill_by_hand, run_models
from pipedrive_orchestration_tests.models.company import Company, company, fill
from pipedrive_orchestration_tests.models.oracle import Oracle, days

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
    compiled: dict[str, str] = field(default_factory=dict)

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
    target = folder / "work/project/target/compiled/pipedrive_models/models"
    ran = [one.name for one in report.results if one.kind == "model"]
    compiled = {name: (target / f"{name}.sql").read_text() for name in ran}
    return Built(made, folder, report, project, compiled)


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


class Page(HTMLParser):
    """The cells of every table of a page, by the section that it stands in, and every address."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.addresses: list[str] = []
        self._section, self._is_cell = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [given[name] or "" for name in ("src", "href") if name in given]
        if tag == "section":
            self._section = given["id"] or ""
            self.tables[self._section] = []
        elif tag == "tr":
            self.tables[self._section].append([])
        elif tag in ("td", "th"):
            self._is_cell = True
            self.tables[self._section][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_cell = self._is_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._is_cell:
            self.tables[self._section][-1][-1] += data


def test_the_report_shows_what_the_tables_hold_and_fetches_nothing(built: Built) -> None:
    html = make_report(built.warehouse, report_zone=ZONE).html
    page = Page(html)
    head, *rows = page.tables["pipeline_board"]
    shown = [dict(zip(head, row, strict=True)) for row in rows]
    expected = [
        (
            row["pipeline"],
            row["stage"],
            row["currency"] or "",
            f"{row['open_deals']:,}",
            f"{row['value']:,.2f}",
        )
        for row in built.rows("pipeline_board")
    ]
    found = [
        (row["pipeline"], row["stage"], row["currency"], row["open deals"], row["value"]) for row in shown
    ]
    assert sorted(found) == sorted(expected)
    assert list(page.tables)[:3] == ["pipeline_board", "sales_report", "contacts_with_organizations"]
    assert [one for one in page.addresses if not one.startswith(("#", "data:image/svg+xml;base64,"))] == []
    assert "<script" not in html
    assert len(html) < 5_000_000
    assert "idle for more days than the stage allows" in html
    assert ZONE in html


def test_the_report_can_be_of_a_pipeline_and_some_days(built: Built) -> None:
    first, last = date(2026, 1, 1), date(2026, 4, 30)
    page = Page(make_report(built.warehouse, Selection(first, last, pipeline="Renewals")).html)
    head, *rows = page.tables["sales_report"]
    expected = [
        row for row in built.rows("sales_report")
        if row["pipeline"] == "Renewals" and first <= row["month"] <= last
    ]  # fmt: skip
    assert len(rows) == len(expected) > 0
    assert {row[head.index("pipeline")] for row in rows} == {"Renewals"}


def test_findings_are_those_of_the_rules(built: Built) -> None:
    made, oracle = built.company, Oracle(built.company, ZONE)
    open_deals = [deal for deal in oracle.kept if deal.last["status"] == "open"]
    planned = {one["deal_id"] for one in made.activities.values() if not one["done"]}
    mails = Counter(
        mail for person in made.persons.values() for mail in {one["value"] for one in person["emails"]}
    )
    expected = {
        "deal_without_next_activity": {str(deal.id) for deal in open_deals if deal.id not in planned},
        "expected_close_in_the_past": {
            str(deal.id) for deal in open_deals
            if deal.last["expected_close_date"] and deal.last["expected_close_date"] < oracle.today
        },
        "deal_without_contact": {str(d.id) for d in open_deals if d.person_id is None and d.org_id is None},
        "deal_without_value": {str(deal.id) for deal in open_deals if not deal.last["value"]},
        "deal_of_deactivated_owner": {str(deal.id) for deal in open_deals if deal.last["owner_id"] == 3},
        "lost_without_reason": {
            str(deal.id) for deal, state, _ in oracle.closed()
            if state["status"] == "lost" and state["lost_reason"] is None
        },
        "person_without_email_and_phone": {
            str(key) for key, person in made.persons.items() if not person["emails"] and not person["phones"]
        },
        "same_email": {
            str(key) for key, person in made.persons.items()
            if any(mails[one["value"]] > 1 for one in person["emails"])
        },
        "same_organization_name": {
            str(key) for key, one in made.organizations.items()
            if one["name"].startswith(("Acme", "ACME", "Bolt")) and sum(
                other["name"][:4].lower() == one["name"][:4].lower() for other in made.organizations.values()
            ) > 1
        },
        "dangling_reference": {str(deal.id) for deal in oracle.kept if deal.person_id == 21},
        "deal_too_long_in_stage": {
            str(deal.id) for deal in open_deals
            if (usual := oracle.usual_stay(deal.last["stage_id"])) is not None
            and days(made.now - (deal.moves[-1] if deal.moves else deal.added)) > 3 * usual
        },
        "overdue_activities_of_owner": {
            str(one["owner_id"]) for one in made.activities.values()
            if not one["done"] and one["due_date"] < oracle.today
        },
        "deal_without_activity": {
            str(deal.id) for deal in open_deals
            if (made.now - max([deal.added, *_done(made, deal.id)])).total_seconds() > 14 * 86400
        },
    }  # fmt: skip
    found: dict[str, set[str]] = {rule: set() for rule in expected}
    for row in built.rows("data_quality"):
        assert row["since"] == PRESENT
        assert row["resolved_at"] is None
        if row["rule"] in expected:
            found[row["rule"]].add(row["object_id"])
    assert found == expected
    assert sum(map(len, found.values())) > 20


def test_a_build_goes_on_from_the_one_before_and_ends_as_if_it_had_not(built: Built, tmp_path: Path) -> None:
    file, of_before = built.folder / "warehouse.duckdb", tmp_path / "before.duckdb"
    shutil.copyfile(file, of_before)
    sides = "FROM models.deal_versions", built.compiled["deal_versions"]
    before = {row["deal_id"]: row["input_hash"] for row in built.rows("deal_versions")}
    try:
        changed = _go_on(later := replace(built), Random(built.company.seed))
        # In the same folder, since dbt reads all files anew in another one.
        report = build_models(
            later.project,
            later.warehouse,
            later.folder / "work",
            select=["deal_versions"],
            clock=lambda: PRESENT,
        )
        assert [str(problem) for problem in report.problems] == []
        after = {row["deal_id"]: row["input_hash"] for row in later.rows("deal_versions")}
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for one, other in (sides, sides[::-1]):
                assert connection.execute(f"({one}) EXCEPT ALL ({other})").fetchall() == []
    finally:
        of_before.replace(file)
    differing = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert differing
    assert differing <= changed


@pytest.mark.skipif(not os.environ.get("CHAOS_FULL"), reason="make chaos")
def test_builds_that_go_on_and_builds_from_the_start_end_alike(built: Built, tmp_path: Path) -> None:
    rng, ongoing = Random(built.company.seed), _elsewhere(built, tmp_path / "ongoing")
    for step in range(2):
        _go_on(ongoing, rng)
        now = PRESENT + timedelta(hours=step)
        anew = _elsewhere(ongoing, tmp_path / f"anew{step}")
        with anew.warehouse.writing() as connection:
            connection.execute("UPDATE models._models SET basis = 'of other files' WHERE basis IS NOT NULL")
        for one in (ongoing, anew):
            report = build_models(
                one.project, one.warehouse, one.folder / "work", clock=partial(_same_as, now)
            )
            assert [str(problem) for problem in report.problems] == []
        for model, key in {
            **KEYS,
            "deal_versions": ("deal_id", "version_nr"),
            "data_quality": ("finding_id",),
        }.items():
            found, expected = (
                {tuple(row[name] for name in key): row for row in one.rows(model)} for one in (ongoing, anew)
            )
            assert found.keys() == expected.keys(), model
            wrong = {
                (model, key, name): (value, found[key][name])
                for key, row in expected.items()
                for name, value in row.items()
                if not _same(value, found[key][name])
            }
            assert wrong == {}


def _same_as(instant: datetime) -> datetime:
    return instant


def _elsewhere(built: Built, folder: Path) -> Built:
    """The same in another folder."""
    shutil.copytree(built.folder, folder)
    return replace(built, folder=folder)


def _go_on(built: Built, rng: Random) -> set[int]:
    """What an account becomes in which some deals have another history, some are new and some are gone.

    Returns:
        The deals of which anything is not as it was.
    """
    others = {deal.id: deal for deal in company(rng.randrange(1_000_000), PRESENT, deals=66).deals}
    deals = {deal.id: deal for deal in built.company.deals}
    changed = {*rng.sample(sorted(deals), 8), *(others.keys() - deals.keys())}
    gone = set(rng.sample(sorted(deals.keys() - changed), 2))
    deals = {key: deal for key, deal in deals.items() if key not in gone}
    deals |= {key: others[key] for key in sorted(changed)}
    built.company = replace(built.company, deals=[deals[key] for key in sorted(deals)])
    with built.warehouse.writing() as connection:
        for schema in ("pipedrive", "pipedrive_history", "import_ledger"):
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
        fill(connection, built.company)
    return changed | gone


@pytest.fixture(scope="module")
def by_hand(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The models of the cases that were made by hand, by the SQL that dbt has compiled."""
    file = tmp_path_factory.mktemp("by_hand") / "warehouse.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            f"SET TimeZone = 'UTC'; CREATE SCHEMA models; ATTACH '{built.folder}/warehouse.duckdb' AS seeds"
        )
        for seed in ("currency_rates", "quality_rules"):
            connection.execute(f"CREATE TABLE models.{seed} AS FROM seeds.models.{seed}")
        connection.execute("DETACH seeds")
        fill_by_hand(connection)
        run_models(connection, built.compiled)
        yield connection


BY_HAND: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "a deal that was reopened is not won": (
        "SELECT won, lost, owner_id FROM models.sales_report WHERE currency = 'EUR' AND month = '2026-04-01' "
        "AND owner_id <> 2 AND pipeline_id = 1 ORDER BY owner_id",
        # The one that was won at half past midnight by the clocks of the zone, and by its owner of then.
        [(1, 0, 1), (1, 0, 4)],
    ),
    "sums of what has no rate are empty in the base currency": (
        "SELECT won_value, won_value_base FROM models.sales_report WHERE currency = 'CHF'",
        [(Decimal(50), None)],
    ),
    "a deal whose currency changes leaves one and enters the other": (
        "SELECT currency, moved_in, moved_out FROM models.pipeline_waterfall WHERE moved_in + moved_out > 0 "
        "ORDER BY ALL",
        [("EUR", 0, Decimal(100)), ("USD", Decimal(120), 0)],
    ),
    "a deleted deal is counted once, as deleted, and in no other figure": (
        "SELECT (SELECT sum(deleted) FROM models.pipeline_waterfall), left_by, "
        f"(SELECT count(*) FROM models.deals_named WHERE deal_id = {hand.DELETED}) "
        f"FROM models.deal_stage_history WHERE deal_id = {hand.DELETED}",
        [(Decimal(100), "deleted", 0)],
    ),
    "a merged deal is in nothing": (
        f"SELECT count(*) FROM models.deal_versions WHERE deal_id = {hand.MERGED}",
        [(0,)],
    ),
    "an archived deal is in, with a flag": (
        f"SELECT is_archived, status FROM models.deals_named WHERE deal_id = {hand.ARCHIVED}",
        [(True, "open")],
    ),
    "the probability is the deal's, else the stage's where the pipeline has it on, else all": (
        "SELECT deal_id, weighted_value::INT FROM models.deals_named WHERE deal_id IN "
        f"({hand.BY_STAGE}, {hand.BY_DEAL}, {hand.BY_NOTHING}) ORDER BY 1",
        [(hand.BY_STAGE, 80), (hand.BY_DEAL, 50), (hand.BY_NOTHING, 200)],
    ),
    "a slip is a move to a later date, counted once for each": (
        "SELECT slipped_deals, slips, slipped_days FROM models.forecast WHERE slips > 0",
        [(1, 2, 34)],
    ),
    "the next stage was reached if one of a higher order was entered later": (
        "SELECT stage_id, entries, reached_next, back, lost FROM models.stage_conversion "
        "WHERE month = '2026-03-01' AND pipeline_id = 1 AND stage_id > 11 ORDER BY stage_id",
        [(12, 2, 1, 0, 1), (13, 1, 0, 1, 0)],
    ),
    "a deal that never moved was open in its stage until it was closed": (
        f"SELECT stage_id, days, left_by FROM models.deal_stage_history WHERE deal_id = {hand.RESTING}",
        [(11, 50.0, "lost")],
    ),
    "a ratio over nothing is empty": (
        "SELECT DISTINCT win_rate FROM models.leaderboard WHERE won + lost = 0",
        [(None,)],
    ),
    "a stage without deals is on the board": (
        "SELECT open_deals, value FROM models.pipeline_board WHERE stage_id = 14",
        [(0, Decimal(0))],
    ),
}

FOUND_BY_HAND = {
    "deal_without_owner": {hand.OWNERLESS},
    "closed_without_close_time": {hand.TIMELESS},
    "deal_too_long_in_stage": {hand.STUCK},
    "deal_of_deactivated_owner": {hand.ORPHANED},
    "deal_without_value": {hand.WORTHLESS},
    "deal_without_contact": {hand.UNKNOWN},
    "expected_close_in_the_past": {hand.LATE},
    "dangling_reference": {hand.DANGLING},
    "lost_without_reason": {hand.THERE_AND_BACK},
    "deal_without_activity": {hand.REOPENED, hand.EXCHANGED, hand.ARCHIVED, hand.SLIPPED, hand.STUCK},
    "person_without_email_and_phone": {1, 2},
    "same_email": {3, 4},
    "same_organization_name": {1, 2},
    "overdue_activities_of_owner": {1},
}


@pytest.mark.parametrize("rule", BY_HAND)
def test_a_case_by_hand_says_what_the_rule_says(by_hand: duckdb.DuckDBPyConnection, rule: str) -> None:
    sql, expected = BY_HAND[rule]
    assert by_hand.execute(sql).fetchall() == expected


@pytest.mark.parametrize("rule", FOUND_BY_HAND)
def test_a_rule_of_data_quality_finds_what_was_made_for_it(
    by_hand: duckdb.DuckDBPyConnection, rule: str
) -> None:
    found = by_hand.execute(
        "SELECT object_id::INT FROM models.data_quality WHERE rule = ?", [rule]
    ).fetchall()
    assert {key for (key,) in found} == FOUND_BY_HAND[rule]


def test_a_deal_with_something_planned_has_a_next_activity(by_hand: duckdb.DuckDBPyConnection) -> None:
    found = by_hand.execute(
        "SELECT deal_id FROM models.deals_named WHERE status = 'open' AND deal_id::VARCHAR NOT IN "
        "(SELECT object_id FROM models.data_quality WHERE rule = 'deal_without_next_activity')"
    ).fetchall()
    assert found == [(hand.ATTENDED,)]


@pytest.mark.skipif(not os.environ.get("CHAOS_FULL"), reason="make chaos")
def test_what_is_not_imported_is_neither_guessed_nor_missed(tmp_path: Path) -> None:
    made = company(2, PRESENT)
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"))
    with warehouse.writing() as connection:
        fill(connection, made, changes=False)
        connection.execute("DROP TABLE pipedrive.all_activities")
    without_leads = {kind: slug for kind, slug in WHOLE.items() if kind != "leads"}
    project = DbtProject.of(PROJECT, sources_of(**without_leads), ZONE)
    report = build_models(project, warehouse, tmp_path / "work", clock=lambda: PRESENT)
    assert [str(problem) for problem in report.problems] == []
    assert [one.name for one in report.switched_off] == ["lead_conversion"]
    first = Built(made, tmp_path, report, project)
    # What was changed before the first import without being told of is not known, and no day says it.
    versions = {row["deal_id"]: row for row in first.rows("deal_versions") if row["version_nr"] == 1}
    unknown = [row["known_from"] for row in versions.values() if row["known_from"] > row["add_time"]]
    assert unknown
    known_from = max(unknown)
    assert {row["known_from"] for row in first.rows("pipeline_daily")} == {known_from}
    oracle = Oracle(made, ZONE)
    assert min(row["day"] for row in first.rows("pipeline_daily")) >= oracle.day(known_from)
    expected = {key: row for key, row in oracle.pipeline_daily().items() if key[0] >= oracle.day(known_from)}
    found = {tuple(row[name] for name in KEYS["pipeline_daily"]): row for row in first.rows("pipeline_daily")}
    assert {key: found[key]["value"] for key in expected} == {
        key: row["value"] for key, row in expected.items()
    }

    open_before = {row["finding_id"]: row for row in first.rows("data_quality")}
    mended = next(row["object_id"] for row in open_before.values() if row["rule"] == "deal_without_value")
    with warehouse.writing() as connection:
        connection.execute("UPDATE pipedrive.all_deals SET value = 5 WHERE _id = ?", [int(mended)])
    later = PRESENT + timedelta(hours=1)
    build_models(project, warehouse, tmp_path / "work", clock=lambda: later)
    after = {row["finding_id"]: row for row in first.rows("data_quality")}
    resolved = {(row["rule"], row["object_id"]) for row in after.values() if row["resolved_at"] == later}
    assert ("deal_without_value", mended) in resolved
    assert open_before.keys() <= after.keys()
    assert {row["since"] for key, row in after.items() if key in open_before} == {PRESENT}


def _done(made: Company, deal_id: int) -> list[datetime]:
    return [
        one["marked_as_done_time"]
        for one in made.activities.values()
        if one["deal_id"] == deal_id and one["done"]
    ]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float | Decimal) and isinstance(other, float | Decimal | int):
        # Money is exact, ratios and times are not.
        return (
            one == other
            if isinstance(one, Decimal)
            else float(other) == pytest.approx(one, rel=1e-9, abs=1e-9)
        )
    return bool(one == other)
