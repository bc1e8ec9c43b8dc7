"""A preview shows what an import would bring, reads little and writes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import preview
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.errors import NotConnected
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.accounts import account, deal, field, options
from pipedrive_orchestration_tests.importing.canned import serving
from pipedrive_orchestration_tests.importing.filters.account import body_of
from pipedrive_orchestration_tests.importing.filters.demo_truth import ONE_WINDOW, members

OPEN = {"conditions": [{"variable": "status", "value": "open"}]}
DEAR = {"conditions": [{"variable": "value", "condition": ">", "value": 12_000}]}


@pytest.fixture(autouse=True)
def nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    place = tmp_path / "anywhere"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield
    assert list(place.rglob("*")) == []


def connection_of(demo: DemoServer) -> Connection:
    return Connection.of(demo.url, demo.token)


@pytest.mark.parametrize("filters", [OPEN, DEAR])
def test_it_finds_the_segment(demo: DemoServer, filters: dict[str, Any]) -> None:
    found = preview(body_of(filters, properties=["id", "title"]), connection=connection_of(demo))
    expected = members(demo.account, "deals", filters)
    assert {str(row["id"]["value"]) for row in found.rows} == expected != set()
    assert found.total_results == len(expected)
    assert not found.capped
    assert found.restrictions == ({"status": "open"} if filters is OPEN else {})


@pytest.mark.parametrize("object_type", [name for name, one in BUILT_IN.items() if one.parent is None])
def test_every_list(demo: DemoServer, object_type: str) -> None:
    key = BUILT_IN[object_type].properties[0].key
    filters = {"conditions": [{"variable": key, "condition": "is not empty"}]}
    body = body_of(filters, object_type=object_type, properties=[key])
    found = preview(body, connection=connection_of(demo))
    assert found.total_results == len(members(demo.account, object_type, {"conditions": []}))
    assert len(found.rows) == len(found.texts) == min(100, found.total_results)


def test_what_a_cell_and_a_text_show() -> None:
    fields = [field("k_enum", "enum", "Temper", options=options(_7="Hot")), field("k_sum", "monetary", "Sum")]
    custom = {"k_enum": 7, "k_sum": {"value": 1250.5, "currency": "EUR"}}
    records = [deal(1, custom, label_ids=[], is_archived=False), deal(2, {"k_enum": 9})]
    body = body_of(
        None,
        properties=["title", "k_enum", "k_sum", "update_time"],
        properties_metadata=[{"name": "title", "label": "Deal's title"}],
    )
    with serving(account("deals", records, fields)) as served:
        found = preview(body, connection=served.connection)
    assert found.labels == {
        "title": "Deal's title",
        "k_enum": "Temper",
        "k_sum": "Sum",
        "update_time": "Update time",
    }
    first = found.rows[0]
    assert first["title"] == {"value": "Deal 1", "label": "Deal's title"}
    assert first["k_enum"] == {"value": 7, "label": "Temper"}
    assert first["k_sum"]["value"] == {"value": 1250.5, "currency": "EUR"}
    assert found.texts[0] == ("Deal 1", "Hot", "1,250.5 EUR", "2026-01-02 03:04")
    assert found.texts[1] == ("Deal 2", "9", "", "2026-01-02 03:04")


@pytest.mark.usefixtures("small_pages")
def test_it_reads_ten_pages_and_says_that_there_is_more(demo: DemoServer) -> None:
    asked = len(demo.account.requests)
    found = preview(body_of(None, object_type="persons", properties=["name"]), connection=connection_of(demo))
    pages = [one for one in demo.account.requests[asked:] if one.path == "/api/v2/persons"]
    records = [one for one in demo.account.records("persons") if not one["is_deleted"]]
    assert found.capped == (len(records) > 200)
    assert found.total_results == min(200, len(records))
    assert len([one for one in pages if one.query["limit"] == "20"]) == min(10, -(-len(records) // 20))


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("object_type", ["deals", "leads"])
def test_the_ten_pages_lie_within_the_times_that_a_filter_asks_for(
    demo: DemoServer, object_type: str
) -> None:
    times = sorted(str(one["update_time"]) for one in demo.account.records(object_type))
    span = [times[len(times) // 4][:10], times[len(times) // 2][:10]]
    leaf = {"variable": "update_time", "condition": "is between", "values": span}
    filters = {"conditions": [leaf]}
    body = body_of(filters, object_type=object_type, properties=["id"])
    found = preview(body, connection=connection_of(demo))
    assert found.total_results == len(members(demo.account, object_type, filters)) > 0
    bounds = {"updated_since"} if object_type == "leads" else {"updated_since", "updated_until"}
    assert found.restrictions.keys() == bounds


@pytest.mark.usefixtures("small_pages")
def test_archived_records_belong_to_the_ten_pages(demo: DemoServer) -> None:
    body = body_of(None, properties=["title"], options={"include_archived": True})
    found = preview(body, connection=connection_of(demo))
    records = [one for one in demo.account.records("deals") if not one["is_deleted"]]
    assert any(one["is_archived"] for one in records)
    assert found.total_results == len(records)
    assert not found.capped


@pytest.mark.parametrize("filters", [None, OPEN, DEAR])
def test_the_estimate_is_what_the_import_costs(demo: DemoServer, tmp_path: Path, filters: Any) -> None:
    body = body_of(filters, properties=["title"], options=ONE_WINDOW)
    found = preview(body, connection=connection_of(demo))
    trial = Trial(demo, tmp_path)
    chosen = {"properties": body.properties, "filters": body.filters, "options": body.options}
    source = trial.source("deals", **chosen)
    report = trial.windows(source)
    # Counting the records and catching up with what changes meanwhile are a page each; to ask whose token it
    # is costs 2.
    assert found.estimated_tokens <= report.tokens <= found.estimated_tokens + 22


def test_a_refused_token_is_said(demo: DemoServer) -> None:
    with pytest.raises(NotConnected, match="User is not connected to 'pipedrive'"):
        preview(body_of(OPEN, properties=["title"]), connection=Connection.of(demo.url, "wrong"))
