"""Reading lists to their end, however they are paged and whatever changes meanwhile."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import CURRENCIES, DEALS, NOTES, PIPELINES
from pipedrive_orchestration.pipedrive.errors import EndlessList
from pipedrive_orchestration.pipedrive.responses import Page
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.importing.canned import Answer, Asked, Reply, records, serving
from pipedrive_orchestration_tests.pipedrive.asking import read_pages

START = datetime(2026, 1, 1, tzinfo=UTC)


def ids(pages: list[Page]) -> list[Any]:
    return [msgspec.json.decode(record)["id"] for page in pages for record in page.records]


def v1_page(found: list[dict[str, Any]], following: int | None, **more: Any) -> Answer:
    pagination = {"more_items_in_collection": following is not None} | (
        {} if following is None else {"next_start": following}
    )
    return Answer({"success": True, "data": found, "additional_data": {"pagination": pagination | more}})


def test_cursors_are_followed(fresh_demo: FreshDemo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "MAX_PAGE_SIZE", 7)
    demo = fresh_demo()
    pages = read_pages(
        Connection.of(demo.url, demo.token),
        partial(pagination.pages, listing=DEALS.listing, query={"sort_by": "id"}),
    )
    listed = [
        deal["id"]
        for deal in demo.account.records("deals")
        if not deal["is_deleted"] and not deal["is_archived"]
    ]
    assert ids(pages) == sorted(listed)
    assert {len(page.records) for page in pages[:-1]} == {7}


def test_a_collection_without_paging_is_asked_for_once_and_without_a_limit() -> None:
    with serving({CURRENCIES.path: records({"id": 1}, {"id": 2})}) as served:
        assert ids(
            read_pages(served.connection, partial(pagination.pages, listing=CURRENCIES.listing, query={}))
        ) == [1, 2]
        assert [asked.query for asked in served.asked] == [{}]


def test_a_cursor_that_leads_to_itself_is_an_error() -> None:
    body = {"success": True, "data": [{"id": 1}], "additional_data": {"next_cursor": "again"}}
    with (
        serving({PIPELINES.path: lambda _: Answer(body)}) as served,
        pytest.raises(EndlessList, match="'again'"),
    ):
        read_pages(served.connection, partial(pagination.pages, listing=PIPELINES.listing, query={}))


def test_an_empty_v1_page_that_announces_more_is_an_error() -> None:
    with serving({NOTES.path: lambda _: v1_page([], 500)}) as served, pytest.raises(EndlessList):
        read_pages(served.connection, partial(pagination.keyset_pages, listing=NOTES.listing, query={}))


class Notes:
    """A v1 list sorted by ``update_time``, without one first, in which a record changes before each page."""

    def __init__(self, times: list[int | None], limit: int, changes: int) -> None:
        self._times = dict(enumerate(times))
        self._limit = limit
        self._changing = itertools.islice(itertools.cycle(list(self._times)), changes)
        self._clock = itertools.count(max((at for at in times if at is not None), default=0) + 1)

    def __call__(self, asked: Asked) -> Answer:
        changing = next(self._changing, None)
        if changing is not None and asked.goes_on:
            self._times[changing] = next(self._clock)
        since, start = asked.query.get("updated_since"), int(asked.query.get("start", 0))
        listed = sorted(
            (at is not None, at or 0, number)
            for number, at in self._times.items()
            if since is None or (at is not None and stamp(at) >= since)
        )
        chosen = listed[start : start + self._limit]
        found = [
            {"id": number, "update_time": stamp(at).replace("T", " ").rstrip("Z") if dated else None}
            for dated, at, number in chosen
        ]
        return v1_page(found, start + self._limit if start + self._limit < len(listed) else None)


def stamp(at: int) -> str:
    return f"{START + timedelta(seconds=at):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(list(range(60)), id="all different"),
        pytest.param([5] * 60, id="all in one second"),
        pytest.param([None] * 30 + list(range(30)), id="half without a time"),
        pytest.param([None] * 60, id="none has a time"),
        pytest.param([second // 9 for second in range(60)], id="more in a second than in a page"),
        pytest.param([1] + [2] * 40 + [3], id="one second over many pages"),
    ],
)
@pytest.mark.parametrize("changes", [0, 25])
def test_no_record_of_a_v1_list_is_missed_while_others_change(times: list[int | None], changes: int) -> None:
    notes: Reply = Notes(times, 7, changes)
    with serving({NOTES.path: notes}) as served:
        found = ids(
            read_pages(served.connection, partial(pagination.keyset_pages, listing=NOTES.listing, query={}))
        )
    assert set(found) == set(range(len(times)))
