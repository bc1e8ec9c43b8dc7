"""Lists that lie: about where they go on, whether they go on, and what is in them."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest

from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration.pipedrive.errors import EndlessList, Refused
from pipedrive_orchestration.pipedrive.object_type import ObjectType
from pipedrive_orchestration.pipedrive.object_types import LEADS, PERSONS, PIPELINES
from pipedrive_orchestration_tests.importing.canned import Answer, Asked, Canned, Reply, in_turn, serving
from pipedrive_orchestration_tests.pipedrive.asking import read_pages

SIZE = 3
PEOPLE: list[dict[str, Any]] = [{"id": n, "update_time": f"2026-01-01T00:00:{n:02}Z"} for n in range(1, 20)]


def page(records: Any, following: str | None = None, **more: Any) -> Answer:
    return Answer({"success": True, "data": records, "additional_data": {"next_cursor": following}} | more)


def ids(
    served: Canned, object_type: ObjectType = PERSONS, read: Any = pagination.ascending_pages
) -> list[int]:
    pages = read_pages(served.connection, partial(read, object_type=object_type, parameters={}))
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
DOUBTFUL = {
    "no data": page(None),
    "no data and more to come": page(None, "more"),
    "a full page and not a word of more": Answer({"success": True, "data": FULL_PAGE}),
}


@pytest.mark.parametrize("doubtful", DOUBTFUL.values(), ids=DOUBTFUL)
def test_what_ends_a_list_by_silence_is_asked_for_again(doubtful: Answer) -> None:
    with serving({PERSONS.path: in_turn([doubtful, page(FULL_PAGE, "3"), page(PEOPLE[3:5])])}) as served:
        assert set(ids(served)) == {1, 2, 3, 4, 5}
        assert len(served.asked) == 3


def test_silence_that_comes_twice_is_believed() -> None:
    with serving({PERSONS.path: lambda _: page(None)}) as served:
        assert ids(served) == []
        assert len(served.asked) == 2


def test_a_v1_list_that_shifts_for_ever_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "MAX_STEPS_BACK", 5)
    numbers = iter(range(1, 10_000))

    def reply(_asked: Asked) -> Answer:
        found = [{"id": next(numbers)} for _ in range(SIZE)]
        pagination = {"pagination": {"more_items_in_collection": True, "next_start": SIZE}}
        return Answer({"success": True, "data": found, "additional_data": pagination})

    with serving({LEADS.path: reply}) as served, pytest.raises(EndlessList):
        ids(served, LEADS, pagination.keyset_pages)
