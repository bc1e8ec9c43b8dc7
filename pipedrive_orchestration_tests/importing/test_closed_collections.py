"""A collection that the plan, an add-on or a right does not open: skipped, said why, and taken up again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration.pipedrive.errors import Refused
from pipedrive_orchestration_tests.importing.accounts import account
from pipedrive_orchestration_tests.importing.canned import DENIED, Answer, page, records, serving
from pipedrive_orchestration_tests.importing.imports import query, rows, run, source

CLOSED = Answer({"success": False, "error": "Upgrade your plan"}, 402)
PROJECT = {"id": 1, "title": "Roof", "update_time": "2026-01-02T03:04:05.678Z"}


def test_a_closed_collection_is_skipped_and_keeps_its_rows(tmp_path: Path) -> None:
    what = source("projects", ["title"])
    with serving(account("projects", [PROJECT])) as served:
        before = run(what, served.connection, tmp_path, pull=Pull.CHANGES)
    closed = {path: lambda _: CLOSED for path in ("/api/v2/projects", "/api/v2/projectFields")}
    with serving(account("projects", []) | closed) as served:
        report = run(what, served.connection, tmp_path, pull=Pull.CHANGES)
    assert report.skipped is not None
    assert report.skipped in report.notes
    assert "the Projects add-on" in report.skipped
    assert "402 (Upgrade your plan)" in report.skipped
    assert (report.rows.current, report.rows.removed, report.watermark) == (1, 0, before.watermark)
    assert rows(tmp_path, "projects")[1]["_is_current"]
    entries = query(tmp_path, "SELECT status, note FROM import_ledger.imports ORDER BY started_at")
    assert [status for status, _ in entries] == ["succeeded", "skipped"]
    assert report.skipped in entries[1][1]
    with serving(account("projects", [PROJECT | {"title": "Wall"}])) as served:
        again = run(what, served.connection, tmp_path, pull=Pull.CHANGES)
    assert again.skipped is None
    assert rows(tmp_path, "projects")[1]["title"] == "Wall"


def test_what_needs_no_more_than_a_scope_is_refused_as_ever(tmp_path: Path) -> None:
    with (
        serving({"/v1/leadSources": lambda _: DENIED}) as served,
        pytest.raises(Refused, match="may not read this"),
    ):
        run(source("lead_sources", ["name"]), served.connection, tmp_path)


def test_a_service_without_an_id_is_no_connection(tmp_path: Path) -> None:
    connections = {"google": "g-1", "outlook": False, "zoom": None}
    with serving({"/v1/userConnections": page({"success": True, "data": connections})}) as served:
        run(source("user_connections", ["third_party_id"]), served.connection, tmp_path)
    assert {one: row["third_party_id"] for one, row in rows(tmp_path, "user_connections").items()} == {
        "google": "g-1"
    }


def test_children_that_may_not_be_read_are_skipped_and_one_parent_alone_is_named(tmp_path: Path) -> None:
    deals = [{"id": one, "title": "Roof", "update_time": "2026-01-02T03:04:05Z"} for one in (1, 2)]
    parents = source("deals", ["title"])
    children = source("deal_followers", ["user_id"], parents="deals")
    with serving(account("deals", deals)) as served:
        run(parents, served.connection, tmp_path)
    paths = {one: f"/api/v2/deals/{one}/followers" for one in (1, 2)}
    with serving(account("deals", deals) | {path: lambda _: DENIED for path in paths.values()}) as served:
        report = run(children, served.connection, tmp_path, pull=Pull.CHANGES)
    assert report.skipped is not None
    assert "403" in report.skipped
    # Deal 1 has gone since the list of deals came.
    gone = Answer({"success": False, "error": "Deal not found"}, 404)
    answers = {paths[1]: lambda _: gone, paths[2]: records({"user_id": 7})}
    with serving(account("deals", deals) | answers) as served:
        report = run(children, served.connection, tmp_path, pull=Pull.CHANGES)
    assert any("1 parents could not be read: 1 (Deal not found)" in note for note in report.notes)
    assert [row["_parent_id"] for row in rows(tmp_path, "deal_followers").values()] == [2]
