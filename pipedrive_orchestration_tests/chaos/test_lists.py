"""Lists that lie: about where they go on, whether they go on, and what is in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest

from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration.pipedrive.catalogue import CURRENCIES, LEADS, PERSONS, PIPELINES
from pipedrive_orchestration.pipedrive.client import Patience
from pipedrive_orchestration.pipedrive.errors import EndlessList, Refused, Unavailable, UnprovenEnd
from pipedrive_orchestration.pipedrive.object_types import ObjectType
from pipedrive_orchestration_tests.importing.canned import Answer, Asked, Canned, Reply, in_turn, serving
from pipedrive_orchestration_tests.pipedrive.asking import CALM, read_pages

SIZE = 3

PEOPLE: list[dict[str, Any]] = [{"id": n, "update_time": f"2026-01-01T00:00:{n:02}Z"} for n in range(1, 20)]


def page(records: Any, following: str | None = None, **more: Any) -> Answer:
    return Answer({"success": True, "data": records, "additional_data": {"next_cursor": following}} | more)


def ids(
    served: Canned,
    object_type: ObjectType = PERSONS,
    read: Any = pagination.ascending_pages,
    patience: Patience = CALM,
) -> list[int]:
    reading = partial(read, listing=object_type.listing, query={})
    pages = read_pages(served.connection, reading, patience=patience)
    return [msgspec.json.decode(record)["id"] for one in pages for record in one.records]


@pytest.fixture(autouse=True)
def pages_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that three records are a full page."""
    monkeypatch.setattr(pagination, "MAX_PAGE_SIZE", SIZE)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_cycle_of_any_length_is_an_error(length: int) -> None:
    def reply(asked: Asked) -> Answer:
        at = int(asked.query.get("cursor", 0))
        return page([{"id": at}], str(at % length + 1))

    with serving({PIPELINES.path: reply}) as served:
        with pytest.raises(EndlessList, match="goes round in circles"):
            ids(served, PIPELINES, pagination.pages)
        assert len(served.asked) <= (length + 2) * (pagination.MAX_RESTARTS + 1)


class People:
    """Persons in ascending ``update_time``, by cursors of which some are refused, always."""

    def __init__(self, *refused: str) -> None:
        self.refused = set(refused)

    def __call__(self, asked: Asked) -> Answer:
        cursor, since = asked.query.get("cursor"), asked.query.get("updated_since", "")
        if cursor in self.refused:
            return Answer({"success": False, "error": "Validation failed: cursor"}, 400)
        start = int(cursor) if cursor else 0
        found = [one for one in PEOPLE if one["id"] > start and str(one["update_time"]) >= since][:SIZE]
        last = found[-1]["id"]
        return page(found, None if last == PEOPLE[-1]["id"] else str(last))


def test_after_a_lost_cursor_the_list_goes_on_from_the_last_time_reached() -> None:
    people: Reply = People("6", "14")
    with serving({PERSONS.path: people}) as served:
        assert set(ids(served)) == {one["id"] for one in PEOPLE}
        restarts = [asked.query for asked in served.asked if "cursor" not in asked.query][1:]
        assert [query["updated_since"] for query in restarts] == [
            "2026-01-01T00:00:06Z",
            "2026-01-01T00:00:14Z",
        ]


def test_a_cursor_that_is_never_good_ends_the_list_with_its_refusal() -> None:
    def reply(asked: Asked) -> Answer:
        if "cursor" in asked.query:
            return Answer({"success": False, "error": "Validation failed: cursor"}, 400)
        return page([{"id": 1}], "never good")

    with serving({PIPELINES.path: reply}) as served:
        with pytest.raises(Refused, match="Validation failed: cursor"):
            ids(served, PIPELINES, pagination.pages)
        assert len(served.asked) == 2 * (pagination.MAX_RESTARTS + 1)


FULL_PAGE = PEOPLE[:SIZE]
WITHOUT_RECORDS = {
    "no data": page(None),
    "no data and more to come": page(None, "more"),
    "no data at all": Answer({"success": True, "data": None}),
}


@pytest.mark.parametrize("odd", WITHOUT_RECORDS.values(), ids=WITHOUT_RECORDS)
def test_an_answer_without_records_is_asked_for_again(odd: Answer) -> None:
    answers = in_turn([page(FULL_PAGE, "3"), odd, odd, page(PEOPLE[3:5])])
    with serving({PERSONS.path: answers}) as served:
        assert ids(served) == [1, 2, 3, 4, 5]
        assert len(served.asked) == 4


@pytest.mark.parametrize("object_type", [PERSONS, PIPELINES, LEADS, CURRENCIES], ids=str)
@pytest.mark.parametrize("odd", WITHOUT_RECORDS.values(), ids=WITHOUT_RECORDS)
def test_an_answer_without_records_never_ends_a_list(odd: Answer, object_type: ObjectType) -> None:
    with (
        serving({object_type.path: lambda _: odd}) as served,
        pytest.raises(Unavailable, match="the body has no records"),
    ):
        ids(served, object_type, pagination.pages, replace(CALM, odd=0.3))


def v1(found: Any, **facts: Any) -> Answer:
    return Answer({"success": True, "data": found, "additional_data": facts})


@pytest.mark.parametrize("nested", [True, False], ids=["in pagination", "one level higher"])
def test_an_empty_v1_list_may_say_null_where_it_says_that_nothing_follows(*, nested: bool) -> None:
    facts = {"start": 0, "limit": SIZE, "more_items_in_collection": False}
    with serving({LEADS.path: lambda _: v1(None, **({"pagination": facts} if nested else facts))}) as served:
        assert ids(served, LEADS, pagination.keyset_pages) == []
        assert len(served.asked) == 1
        assert ids(served, LEADS, partial(pagination.pages, may_be_empty=True)) == []
        assert len(served.asked) == 3, "a whole list is asked for once more"


FACTS = {
    "in pagination": lambda more, start: {"pagination": {"more_items_in_collection": more} | start},
    "one level higher": lambda more, start: {"more_items_in_collection": more} | start,
    "more and not where": lambda more, _: {"pagination": {"more_items_in_collection": more}},
    "more and not where, one level higher": lambda more, _: {"more_items_in_collection": more},
    "none": lambda _more, _start: {},
}
"""How a v1 page may say that there is more, if it does."""


@pytest.mark.parametrize("facts", FACTS.values(), ids=FACTS)
@pytest.mark.parametrize("read", [pagination.pages, pagination.keyset_pages])
@pytest.mark.parametrize("count", [0, 2, SIZE, SIZE + 1, 3 * SIZE])
def test_a_v1_list_is_read_to_its_end_wherever_its_paging_facts_stand(
    facts: Callable[[bool, dict[str, int]], dict[str, Any]], read: Any, count: int
) -> None:
    people = PEOPLE[:count]

    def reply(asked: Asked) -> Answer:
        since, start = asked.query.get("updated_since", ""), int(asked.query.get("start", 0))
        listed = [one for one in people if str(one["update_time"]) >= since]
        more = start + SIZE < len(listed)
        return v1(listed[start : start + SIZE], **facts(more, {"next_start": start + SIZE} if more else {}))

    with serving({LEADS.path: reply}) as served:
        assert set(ids(served, LEADS, read)) == {one["id"] for one in people}
        assert len(served.asked) <= count + 2


def test_a_full_page_by_cursor_without_a_word_of_more_is_gone_on_with_from_its_last_time() -> None:
    def reply(asked: Asked) -> Answer:
        since = asked.query.get("updated_since", "")
        found = [one for one in PEOPLE if str(one["update_time"]) >= since][:SIZE]
        return Answer({"success": True, "data": found})

    with serving({PERSONS.path: reply}) as served:
        assert set(ids(served)) == {one["id"] for one in PEOPLE}


@pytest.mark.parametrize("read", [pagination.pages, pagination.ascending_pages])
def test_a_list_that_breaks_off_with_nothing_to_go_on_from_is_an_error(read: Any) -> None:
    found = [{"id": n, "update_time": "2026-01-01T00:00:00Z"} for n in range(SIZE)]
    with (
        serving({PERSONS.path: lambda _: Answer({"success": True, "data": found})}) as served,
        pytest.raises(UnprovenEnd, match="does not say whether there is more"),
    ):
        ids(served, PERSONS, read)


def test_a_v1_list_that_shifts_for_ever_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "MAX_STEPS_BACK", 5)
    numbers = iter(range(1, 10_000))

    def reply(_asked: Asked) -> Answer:
        found = [{"id": next(numbers)} for _ in range(SIZE)]
        pagination = {"pagination": {"more_items_in_collection": True, "next_start": SIZE}}
        return Answer({"success": True, "data": found, "additional_data": pagination})

    with serving({LEADS.path: reply}) as served, pytest.raises(EndlessList):
        ids(served, LEADS, pagination.keyset_pages)
