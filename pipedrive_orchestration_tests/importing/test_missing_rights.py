"""A right that is missing costs what it is needed for, and no more; odd definitions likewise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration_tests.importing.accounts import UPDATED, account, deal, field, options
from pipedrive_orchestration_tests.importing.canned import DENIED, Answer, Reply, found_by_ids, serving
from pipedrive_orchestration_tests.importing.imports import quarantine, query, rows, run, source

HOT = "f" * 40
LATER = "2026-01-02T03:04:06Z"


def persons(*ids: int) -> Reply:
    """Those persons, also where they are looked up by their ids."""
    return found_by_ids(*({"id": one, "name": f"P{one}", "update_time": UPDATED} for one in ids))


def recents(*entries: dict[str, Any]) -> Reply:
    pagination = {"start": 0, "limit": 500, "more_items_in_collection": False}
    body = {"success": True, "data": list(entries), "additional_data": {"pagination": pagination}}
    return lambda _: Answer(body)


def test_activities_come_without_the_scope_of_their_field_list(tmp_path: Path) -> None:
    found = [{"id": 1, "subject": "Call", "done": True, "update_time": UPDATED}]
    with serving(account("activities", found) | {"/api/v2/activityFields": lambda _: DENIED}) as served:
        report = run(source("activities", ["subject", "done"]), served.connection, tmp_path)
    assert rows(tmp_path, "activities")[1]["subject"] == "Call"
    assert any("scope admin" in note for note in report.notes)


def test_custom_fields_keep_what_is_known_of_them_when_their_list_may_no_longer_be_read(
    tmp_path: Path,
) -> None:
    fields = [field(HOT, "enum", "Hot", options=options(_7="Yes", _8="No"))]
    what = source("deals", ["title", HOT])
    with serving(account("deals", [deal(1, {HOT: 7})], fields)) as served:
        run(what, served.connection, tmp_path)
    moved = account("deals", [deal(1, {HOT: 8}, update_time=LATER)], fields)
    with serving(moved | {"/api/v2/dealFields": lambda _: DENIED}) as served:
        report = run(what, served.connection, tmp_path)
    assert rows(tmp_path, "deals")[1][HOT] == 8
    assert query(tmp_path, 'SELECT "Hot" FROM pipedrive_labeled.deals') == [("No",)]
    assert quarantine(tmp_path) == []
    assert any("may not be read" in note for note in report.notes)


def test_custom_fields_of_which_nothing_is_known_come_as_json(tmp_path: Path) -> None:
    denied = account("deals", [deal(1, {HOT: {"value": 5, "currency": "EUR"}})])
    with serving(denied | {"/api/v2/dealFields": lambda _: DENIED}) as served:
        run(source("deals", ["title", HOT]), served.connection, tmp_path)
    assert json.loads(rows(tmp_path, "deals")[1][HOT]) == {"value": 5, "currency": "EUR"}


def test_an_odd_definition_keeps_the_column_of_a_field_that_was_understood_before(tmp_path: Path) -> None:
    understood = field(HOT, "set", "Hot", options=options(_7="Yes", _8="No"))
    what = source("deals", ["title", HOT])
    with serving(account("deals", [deal(1, {HOT: [7]})], [understood])) as served:
        run(what, served.connection, tmp_path)
    odd = account("deals", [deal(1, {HOT: [7, 8]}, update_time=LATER)], [understood | {"field_type": None}])
    with serving(odd) as served:
        report = run(what, served.connection, tmp_path)
    assert rows(tmp_path, "deals")[1][HOT] == [7, 8]
    assert any(HOT in note and "odd" in note for note in report.notes)


def test_deletions_without_a_record_are_looked_up(tmp_path: Path) -> None:
    what = source("persons", ["name"])
    with serving(account("persons", []) | {"/api/v2/persons": persons(1, 2, 3)}) as served:
        run(what, served.connection, tmp_path)
    named = [{"item": "person", "id": one, "data": None} for one in (2, 3, 99)]
    gone = {"/api/v2/persons": persons(1, 3), "/v1/recents": recents(*named)}
    with serving(account("persons", []) | gone) as served:
        report = run(what, served.connection, tmp_path, pull=Pull.CHANGES)
        looked_up = [asked.query["ids"] for asked in served.asked if "ids" in asked.query]
    assert {number: row["_removal"] for number, row in rows(tmp_path, "persons").items()} == {
        1: None,
        2: "deleted",
        3: None,
    }
    assert looked_up == ["2,3"]
    assert report.rows.removed == 1


def test_changes_come_without_the_recents_feed(tmp_path: Path) -> None:
    what = source("persons", ["name"])
    with serving(account("persons", []) | {"/api/v2/persons": persons(1)}) as served:
        run(what, served.connection, tmp_path)
    denied = {"/api/v2/persons": persons(1, 2), "/v1/recents": lambda _: DENIED}
    with serving(account("persons", []) | denied) as served:
        report = run(what, served.connection, tmp_path, pull=Pull.CHANGES)
    assert set(rows(tmp_path, "persons")) == {1, 2}
    assert report.watermark is not None
    assert any("recents:read" in note for note in report.notes)
