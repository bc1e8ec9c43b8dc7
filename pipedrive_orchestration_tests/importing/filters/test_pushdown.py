"""What Pipedrive filters by itself: fewer tokens, the same rows, and nothing that left goes unseen."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import ImportReport
from pipedrive_orchestration.importing.definition import differ_only_in_values, fingerprint_of
from pipedrive_orchestration.importing.filters.compile import select
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.fields import read_fields
from pipedrive_orchestration.sources import FilterGroup, Source, SourceBody
from pipedrive_orchestration.sources.model import id_of_slug
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.filters.demo_truth import ONE_WINDOW, members

Leaf = dict[str, Any]


def trial_of(demo: DemoServer, folder: Path) -> Trial:
    folder.mkdir()
    return Trial(demo, folder)


Imported = tuple[set[str], list[dict[str, str]], ImportReport]


def filtered(trial: Trial, filters: Any, object_type: str = "deals", **options: Any) -> Source:
    group = FilterGroup.model_validate(filters)
    return trial.source(object_type, properties=("id",), filters=group, options=ONE_WINDOW | options)


def imported(trial: Trial, object_type: str, filters: Any) -> Imported:
    """Current ids, the queries of the object type's lists, and the report."""
    source = filtered(trial, filters, object_type)
    asked = len(trial.demo.account.requests)
    report = trial.windows(source)
    queries = [
        dict(request.query)
        for request in trial.demo.account.requests[asked:]
        if request.path.endswith("/" + object_type) and request.query.get("limit") != "1"
    ]
    current = {record_id for record_id, row in trial.rows(source).items() if row["_is_current"]}
    return current, queries, report


def linked(demo: DemoServer, object_type: str, key: str, named_by: str | None) -> tuple[Any, Any]:
    """A value that some live record has, and the only name of what it stands for (else itself)."""
    live = [one for one in demo.account.records(object_type) if not one.get("is_deleted")]
    values = [one[key] for one in live if one[key] is not None and not one.get("is_archived")]
    if named_by is None:
        return values[0], values[0]
    named = [one for one in demo.account.records(named_by) if not one.get("is_deleted")]
    names = Counter(one["name"].casefold() for one in named)
    by_id = {one["id"]: one["name"] for one in named if names[one["name"].casefold()] == 1}
    return next((value, by_id[value]) for value in values if value in by_id)


CASES: list[tuple[str, str, str | None]] = [
    ("deals", "owner_id", "users"),
    ("deals", "pipeline_id", "pipelines"),
    ("deals", "org_id", None),
    ("deals", "org_id", "organizations"),
    ("deals", "person_id", "persons"),
    ("deals", "id", None),
    ("persons", "owner_id", None),
    ("persons", "org_id", None),
    ("persons", "id", None),
    ("organizations", "owner_id", "users"),
    ("activities", "owner_id", None),
    ("activities", "deal_id", None),
    ("activities", "done", None),
    ("products", "owner_id", None),
    ("leads", "owner_id", None),
    ("leads", "organization_id", "organizations"),
    ("notes", "user_id", None),
]
FEW = [
    ("deals", "pipeline_id", "pipelines"),
    ("deals", "id", None),
    ("persons", "org_id", None),
    ("organizations", "owner_id", "users"),
    ("activities", "done", None),
    ("leads", "organization_id", "organizations"),
    ("notes", "user_id", None),
]
"""Every list, and every way in which a property is pushed down."""


@pytest.mark.parametrize(("object_type", "key", "named_by"), sample(CASES, *FEW))
def test_the_rows_are_those_of_a_filter_that_cannot_be_pushed_down(
    demo: DemoServer, tmp_path: Path, object_type: str, key: str, named_by: str | None
) -> None:
    value, given = linked(demo, object_type, key, named_by)
    pushed: Leaf = {"variable": key, "condition": "in", "values": [given]}
    held = {"operator": "OR", "conditions": [pushed, pushed]}
    ours, queries, report = imported(
        trial_of(demo, tmp_path / "pushed"), object_type, {"conditions": [pushed]}
    )
    theirs, plain, _ = imported(trial_of(demo, tmp_path / "held"), object_type, held)
    assert ours == theirs != set()
    written = str(value).lower() if isinstance(value, bool) else str(value)
    parameter = "ids" if key == "id" else key
    assert queries[0][parameter] == written
    assert parameter not in plain[0]
    told = f"Pipedrive itself filtered by {parameter}={written}: "
    assert [note for note in report.notes if note.startswith(told)]


EVERY = "open,won,lost,deleted"
"""The statuses that windows of deals are read with: a deleted deal can be a row that is archived here."""

STATUSES: list[tuple[list[Leaf], dict[str, str]]] = [
    ([{"variable": "status", "values": ["open"]}], {"status": "open,deleted"}),
    ([{"variable": "status", "values": ["Won", "lost"]}], {"status": "won,lost,deleted"}),
    ([{"variable": "status", "condition": "not equals", "value": "open"}], {}),
    ([{"variable": "status", "values": ["open", "deleted"]}], {}),
    ([{"variable": "status", "value": "open"}, {"variable": "value", "condition": ">", "value": 9000}],
     {"status": "open,deleted"}),
    ([{"operator": "OR", "conditions": [{"variable": "status", "value": "open"}]}],
     {"status": "open,deleted"}),
    ([{"operator": "OR", "conditions": [{"variable": "status", "value": "open"},
                                       {"variable": "value", "condition": ">", "value": 9000}]}], {}),
    ([{"variable": "owner_id", "values": [1, 2]}], {}),
    ([{"variable": "owner_id", "value": 0}], {}),
    ([{"variable": "owner_id", "value": 7, "variable_type": "number"}], {}),
]  # fmt: skip


@pytest.mark.parametrize(("conditions", "restrictions"), STATUSES)
def test_only_what_every_member_satisfies_is_pushed_down(
    demo: DemoServer, tmp_path: Path, conditions: list[Leaf], restrictions: dict[str, str]
) -> None:
    filters = {"conditions": conditions}
    current, queries, _ = imported(trial_of(demo, tmp_path / "one"), "deals", filters)
    pushed = {"status": EVERY} | restrictions
    assert {key: queries[0][key] for key in ("status", "owner_id") if key in queries[0]} == pushed
    assert current == members(demo.account, "deals", filters)


OPEN = {"conditions": [{"variable": "status", "value": "open"}]}


@pytest.mark.usefixtures("small_pages")
def test_tokens_are_saved_and_said(demo: DemoServer, tmp_path: Path) -> None:
    lost: list[Leaf] = [{"variable": "status", "value": "lost"}]
    lost.append({"variable": "owner_id", "value": linked(demo, "deals", "owner_id", None)[0]})
    held = {"operator": "OR", "conditions": [{"conditions": lost}, {"conditions": lost}]}
    _, _, report = imported(trial_of(demo, tmp_path / "pushed"), "deals", {"conditions": lost})
    _, _, without = imported(trial_of(demo, tmp_path / "held"), "deals", held)
    assert report.tokens < without.tokens
    (note,) = [note for note in report.notes if note.startswith("Pipedrive itself filtered by status=lost")]
    assert f"{report.tokens:,} tokens were spent, where reading every record would have cost" in note
    assert not any("Pipedrive itself" in note for note in without.notes)


def test_what_left_is_seen_by_a_window_pull_and_by_a_changes_pull(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = filtered(trial, OPEN)
    trial.windows(source)
    first, second, third = sorted(trial.rows(source), key=int)[:3]
    for pull, leaver, status in ((trial.windows, first, "won"), (trial.changes, second, "lost")):
        trial.demo.write("PATCH", f"/api/v2/deals/{leaver}", {"status": status})
        asked = len(trial.demo.account.requests)
        assert pull(source).rows.removed == 1
        assert trial.rows(source)[leaver]["_removal"] == "left_segment"
        lists = [
            request.query.get("status")
            for request in trial.demo.account.requests[asked:]
            if request.path == "/api/v2/deals"
        ]
        assert ("open,deleted" in lists) == (pull == trial.windows)
    trial.demo.write("DELETE", f"/api/v2/deals/{third}")
    trial.windows(source)
    assert trial.rows(source)[third]["_removal"] == "deleted"


def test_after_a_change_of_the_filter_everything_is_read(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = filtered(trial, OPEN)
    trial.windows(source)
    won = FilterGroup.model_validate({"conditions": [{"variable": "status", "value": "won"}]})
    asked = len(trial.demo.account.requests)
    trial.changes(source.model_copy(update={"filters": won}))
    requests = [one for one in trial.demo.account.requests[asked:] if one.path == "/api/v2/deals"]
    assert not any(one.query.get("status") == "won,deleted" or "ids" in one.query for one in requests)


def test_archived_members_are_asked_for_alike(demo: DemoServer, tmp_path: Path) -> None:
    trial = trial_of(demo, tmp_path / "archived")
    source = filtered(trial, OPEN, include_archived=True)
    asked = len(demo.account.requests)
    trial.windows(source)
    archived = [one for one in demo.account.requests[asked:] if one.path == "/api/v2/deals/archived"]
    assert {one.query["status"] for one in archived} == {"open,deleted"}
    records = demo.account.records("deals")
    wanted = {str(one["id"]) for one in records if one["status"] == "open" and not one["is_deleted"]}
    assert set(trial.rows(source)) == wanted


@pytest.mark.parametrize(
    ("named", "same", "another"),
    [
        ("today", "2026-11-21T23:59:59", "2026-11-22T00:00:00"),
        ("this_week", "2026-11-22T23:59:59", "2026-11-23T00:00:00"),
        ("last_month", "2026-11-30T23:59:59", "2026-12-01T00:00:00"),
        ("3_months_ago", "2026-11-21T18:00:00", "2026-11-22T00:00:00"),
        ("2026-11-01", "2027-11-21T00:00:00", None),
    ],
)
def test_a_watermark_holds_until_a_date_stands_for_something_else(
    fresh_demo: FreshDemo, named: str, same: str, another: str | None
) -> None:
    demo = fresh_demo()
    leaf: Leaf = {"variable": "add_time", "condition": "greater than", "value": named}
    body = SourceBody.parse(
        {"name": "Moving", "object_type": "deals", "properties": ["id"], "pull_mode": "static",
         "filters": {"conditions": [leaf]}}
    )  # fmt: skip
    source = Source(
        **dict(body), slug="moving", id=id_of_slug("moving"), created_at=datetime(2026, 11, 1, tzinfo=UTC)
    )

    async def fingerprints(*instants: str) -> list[str]:
        return [await fingerprint(instant) for instant in instants]

    async def fingerprint(instant: str) -> str:
        with demo.account.clock.at(datetime.fromisoformat(instant).replace(tzinfo=UTC)):
            async with Client(Connection.of(demo.url, demo.token)) as client:
                fields = (await read_fields(client, source.type)).fields
                return fingerprint_of(source, await select(client, source, fields))

    morning, later, *changed = asyncio.run(
        fingerprints("2026-11-21T06:00:00", same, *([another] if another else []))
    )
    assert morning == later
    assert morning not in changed
    assert all(differ_only_in_values(morning, one) for one in changed)


def updated(condition: str, *values: str) -> Leaf:
    return {"variable": "update_time", "condition": condition, "values": list(values)}


BOUNDS: list[tuple[list[Leaf], str | None, str | None]] = [
    ([updated("after", "2026-03-01")], "2026-03-02T00:00:00Z", None),
    ([updated(">", "2026-03-01T12:00:00Z")], "2026-03-01T12:00:00Z", None),
    ([updated("gte", "2026-03-01")], "2026-03-01T00:00:00Z", None),
    ([updated("is between", "2026-02-01", "2026-04-01")], "2026-02-01T00:00:00Z", "2026-04-02T00:00:00Z"),
    ([updated("equals", "2026-03-05")], "2026-03-05T00:00:00Z", "2026-03-06T00:00:00Z"),
    ([updated("after", "last_month")], "2026-05-01T00:00:00Z", None),
    ([updated("equals", "last_month")], "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"),
    ([updated("is between", "2026-02-01", "tomorrow")], "2026-02-01T00:00:00Z", None),
    ([updated("gte", "2026-02-01"), updated("gte", "2026-03-01")], "2026-03-01T00:00:00Z", None),
    ([updated("gte", "2026-02-01"), updated("before", "2026-03-01")],
     "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
    ([{"operator": "AND", "conditions": [updated("gte", "2026-02-01")]}], "2026-02-01T00:00:00Z", None),
    ([updated("before", "2026-03-01")], None, "2026-03-01T00:00:00Z"),
    ([updated("<=", "2026-03-01T12:00:00Z")], None, "2026-03-01T12:00:01Z"),
    ([updated("in", "2026-02-01", "2026-04-01")], "2026-02-01T00:00:00Z", "2026-04-02T00:00:00Z"),
    ([{"operator": "OR", "conditions": [updated("equals", "2026-02-01"), updated("gte", "2026-03-01")]}],
     "2026-02-01T00:00:00Z", None),
    ([updated("gte", "2026-03-01") | {"variable_type": "date"}], "2026-03-01T00:00:00Z", None),
    ([updated("not equals", "2026-03-01")], None, None),
    ([updated("is not empty")], None, None),
    ([{"operator": "OR", "conditions": [updated("gte", "2026-02-01"), updated("before", "2025-01-01")]}],
     None, None),
    ([{"operator": "OR", "conditions": [updated("gte", "2026-02-01"), updated("is empty")]}], None, None),
    ([{"variable": "add_time", "condition": "after", "value": "2026-03-01"}], None, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("object_type", "conditions", "since", "until"),
    sample(
        [(name, *bound) for name in ("deals", "leads") for bound in BOUNDS],
        *(("leads" if number % 3 == 0 else "deals", *bound) for number, bound in enumerate(BOUNDS)),
    ),
)
def test_bounds_of_the_update_time_become_those_of_the_list(
    demo: DemoServer,
    tmp_path: Path,
    object_type: str,
    conditions: list[Leaf],
    since: str | None,
    until: str | None,
) -> None:
    """CASES A22. A list of leads, and one without a lower bound, is left where its upper bound is passed."""
    filters = {"conditions": conditions}
    current, queries, report = imported(trial_of(demo, tmp_path / "one"), object_type, filters)
    assert queries[0].get("updated_since") == since
    if object_type == "deals" and since is not None:
        assert queries[0].get("updated_until") == until
    assert current == members(demo.account, object_type, filters)
    told = [note for note in report.notes if note.startswith("Pipedrive itself filtered by updated_")]
    assert len(told) == bool(since or until)
    assert all((f"updated_since={since}" in one) == (since is not None) for one in told)
    assert all((f"updated_until={until}" in one) == (until is not None) for one in told)


@pytest.mark.parametrize("object_type", sample(["deals", "leads"], "leads"))
def test_an_upper_bound_alone_spares_what_was_changed_later(
    demo: DemoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, object_type: str
) -> None:
    monkeypatch.setattr("pipedrive_orchestration.pipedrive.pagination.MAX_PAGE_SIZE", 5)
    times = sorted(str(one["update_time"]) for one in demo.account.records(object_type))
    bound = updated("before", times[len(times) // 8][:10])
    spent = []
    for number, conditions in enumerate(([bound], [])):
        trial = trial_of(demo, tmp_path / str(number))
        _, _, report = imported(trial, object_type, {"conditions": conditions})
        spent.append(report.tokens)
    assert spent[0] < spent[1]


def test_bounds_that_leave_nothing_read_nothing(demo: DemoServer, tmp_path: Path) -> None:
    filters = {"conditions": [updated("gte", "2026-03-01"), updated("before", "2026-02-01")]}
    current, queries, report = imported(trial_of(demo, tmp_path / "none"), "deals", filters)
    # What was changed since the pull began may have been a member.
    assert (current, len(queries), report.rows.read) == (set(), 1, 0)


@pytest.mark.parametrize(
    ("object_type", "path"),
    sample([("deals", "/api/v2/deals"), ("leads", "/v1/leads")], ("deals", "/api/v2/deals")),
)
def test_what_moves_past_an_upper_bound_leaves(fresh_trial: FreshTrial, object_type: str, path: str) -> None:
    trial = fresh_trial()
    filters = {"conditions": [updated("before", "today")]}
    source = filtered(trial, filters, object_type)
    trial.windows(source)
    inside = sorted(one for one, row in trial.rows(source).items() if row["_is_current"])
    trial.demo.write("PATCH", f"{path}/{inside[0]}", {"title": "Changed today"})
    trial.demo.write("DELETE", f"{path}/{inside[1]}")
    trial.windows(source)
    rows = trial.rows(source)
    assert rows[inside[0]]["_removal"] == "left_segment"
    assert rows[inside[1]]["_removal"] == "deleted"
    current = {one for one, row in rows.items() if row["_is_current"]}
    assert current == members(trial.demo.account, object_type, filters) == set(inside[2:])
    # A day later it was changed yesterday.
    trial.demo.account.clock.advance(timedelta(days=1))
    trial.changes(source)
    assert trial.rows(source)[inside[0]]["_is_current"]


@pytest.mark.parametrize(
    ("object_type", "include_archived"),
    sample([("deals", False), ("deals", True), ("leads", True), ("notes", False)], ("leads", True)),
)
def test_what_falls_behind_a_moving_bound_leaves(
    fresh_trial: FreshTrial, object_type: str, include_archived: bool
) -> None:
    trial = fresh_trial()
    filters = {"conditions": [updated("after", "3_months_ago")]}
    source = filtered(trial, filters, object_type, include_archived=include_archived)
    trial.windows(source)
    victims = iter(sorted(one for one, row in trial.rows(source).items() if row["_is_current"]))
    path = "/api/v2/deals" if object_type == "deals" else f"/v1/{object_type}"
    for pull in (trial.changes, trial.windows):
        trial.demo.account.clock.advance(timedelta(days=20))
        live = {
            str(one["id"]) for one in trial.demo.account.records(object_type) if not one.get("is_archived")
        }
        trial.demo.write("DELETE", f"{path}/{next(one for one in victims if one in live)}")
        asked = len(trial.demo.account.requests)
        report = pull(source)
        requests = trial.demo.account.requests[asked:]
        first = next(one for one in requests if one.path == path and one.query["limit"] != "1")
        assert "updated_since" in first.query
        assert any(note.startswith("Pipedrive itself filtered by updated_since=") for note in report.notes)
        current = {one: row for one, row in trial.rows(source).items() if row["_is_current"]}
        inside = members(trial.demo.account, object_type, filters)
        assert {one for one, row in current.items() if not row["_is_archived"]} == inside
        bound = datetime.fromisoformat(first.query["updated_since"])
        assert all(row["_update_time"] >= bound for row in current.values())
    assert "left_segment" in {row["_removal"] for row in trial.rows(source).values()}


def test_a_window_before_the_bound_is_not_asked_for(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source(
        "deals",
        properties=("id",),
        filters=FilterGroup.model_validate({"conditions": [updated("after", "2026-04-01")]}),
        options={"include_archived": True},
    )
    asked = len(trial.demo.account.requests)
    trial.windows(source, trial.all_windows(source)[:3])
    lists = [one for one in trial.demo.account.requests[asked:] if one.path.startswith("/api/v2/deals")]
    # What was changed since the pull began may have been a member of theirs.
    assert len([one for one in lists if one.query.get("limit") != "1"]) == 1
    assert trial.rows(source) == {}
    assert trial.ask("SELECT count(*) FROM import_ledger.windows") == [(3,)]
