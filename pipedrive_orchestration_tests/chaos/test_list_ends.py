"""Every end of a list is proven: whatever its pages say of where they go on, all records come or an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration.pipedrive.catalogue import LEADS, PERSONS
from pipedrive_orchestration.pipedrive.client import Patience
from pipedrive_orchestration.pipedrive.errors import PipedriveError
from pipedrive_orchestration.pipedrive.object_types import ObjectType, Paging
from pipedrive_orchestration_tests.chaos.sizes import FULL
from pipedrive_orchestration_tests.importing.canned import Answer, Asked, serving
from pipedrive_orchestration_tests.pipedrive.asking import read_pages

SIZE = 3
AT_ONCE = Patience(deadline=0, first_deadline=0, attempt=30, blocked=0, odd=0)
"""Without a second try, so that an answer without records ends the list; with one, it is a right page."""

Facts = Callable[[bool, int], dict[str, Any]]
"""What stands beside a page's records, given whether more follow and where."""


def _cursor(more: bool, end: int) -> dict[str, Any]:
    return {"additional_data": {"next_cursor": str(end) if more else None}}


def _offset(more: bool, end: int) -> dict[str, Any]:
    return {"more_items_in_collection": more} | ({"next_start": end} if more else {})


BESIDE: dict[Paging, dict[str, Facts]] = {
    Paging.CURSOR: {
        "cursor": _cursor,
        "cursor, missing at the end": lambda more, end: {
            "additional_data": {"next_cursor": str(end)} if more else {}
        },
        "null": lambda _more, _end: {"additional_data": None},
        "nothing": lambda _more, _end: {},
    },
    Paging.OFFSET: {
        "nested": lambda more, end: {"additional_data": {"pagination": _offset(more, end)}},
        "flat": lambda more, end: {"additional_data": _offset(more, end)},
        "nowhere to go on": lambda more, _end: {
            "additional_data": {"pagination": {"more_items_in_collection": more}}
        },
        "where alone": lambda more, end: {"additional_data": {"next_start": end} if more else {}},
        "null": lambda _more, _end: {"additional_data": None},
        "nothing": lambda _more, _end: {},
    },
}

NO_RECORDS = "no records"
"""The answer ``data: null`` in place of a page."""


@dataclass(frozen=True)
class Shape:
    """A list: how many records there are of each second, and how its answers are written, one by one.

    The last way of writing goes on.
    """

    seconds: tuple[int, ...]
    answers: tuple[str, ...]

    @property
    def records(self) -> list[dict[str, Any]]:
        """In ascending ``update_time``."""
        numbers = count(1)
        return [
            {"id": next(numbers), "update_time": f"2026-01-01T00:00:{second:02}Z"}
            for second, many in enumerate(self.seconds)
            for _ in range(many)
        ]


def shapes(paging: Paging) -> st.SearchStrategy[Shape]:
    answers = st.sampled_from([*BESIDE[paging], NO_RECORDS])
    return st.builds(
        Shape,
        seconds=st.lists(st.integers(0, 5), max_size=5).map(tuple),
        answers=st.lists(answers, min_size=1, max_size=6).map(tuple),
    )


def server(shape: Shape, paging: Paging) -> Callable[[Asked], Answer]:
    """Answers as the shape says."""
    turns = count()

    def reply(asked: Asked) -> Answer:
        how = shape.answers[min(next(turns), len(shape.answers) - 1)]
        if how == NO_RECORDS:
            return Answer({"success": True, "data": None})
        since = asked.query.get("updated_since", "")
        start = int(asked.query.get("start" if paging is Paging.OFFSET else "cursor", "0"))
        listed = [one for one in shape.records if one["update_time"] >= since]
        end = start + SIZE
        beside = BESIDE[paging][how](end < len(listed), end)
        return Answer({"success": True, "data": listed[start:end], **beside})

    return reply


@pytest.fixture(autouse=True)
def pages_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that three records are a full page."""
    monkeypatch.setattr(pagination, "MAX_PAGE_SIZE", SIZE)


READERS: dict[str, tuple[ObjectType, Callable[..., Any]]] = {
    "cursor": (PERSONS, pagination.pages),
    "cursor, ascending": (PERSONS, pagination.ascending_pages),
    "offset": (LEADS, pagination.pages),
    "offset, ascending": (LEADS, pagination.keyset_pages),
}


@settings(
    max_examples=150 if FULL else 12,
    derandomize=not FULL,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.parametrize("reader", READERS)
@given(data=st.data())
def test_all_records_come_or_an_error_does(reader: str, data: st.DataObject) -> None:
    object_type, read = READERS[reader]
    shape = data.draw(shapes(object_type.paging))
    with serving({object_type.path: server(shape, object_type.paging)}) as served:
        try:
            pages = read_pages(
                served.connection, partial(read, listing=object_type.listing, query={}), patience=AT_ONCE
            )
        except PipedriveError:
            return
    came = {msgspec.json.decode(record)["id"] for page in pages for record in page.records}
    assert came == {one["id"] for one in shape.records}
