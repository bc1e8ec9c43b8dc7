"""Notes: lists show active ones only, a single read also answers a deleted one.

See docs/pipedrive-api.md#deletions-merges-and-archiving.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pipedrive_orchestration.demo.account.collection import LIVE, Record
from pipedrive_orchestration.demo.call import Answer, Call, success, success_encoded
from pipedrive_orchestration.demo.parameters import Date, Flag, Instant, Integer, Query, Uuid, parse
from pipedrive_orchestration.demo.v1.paging import OffsetQuery, Sorting, in_order, offset_page, sorting_by

NoteSorting = Annotated[
    Sorting,
    sorting_by(
        "id", "user_id", "deal_id", "person_id", "org_id", "content", "add_time", "update_time", most=8
    ),
]
BY_ID: Sorting = (("id", False),)
PINS = ("deal", "person", "organization", "lead", "project", "task")
_LINKS = ("user_id", "lead_id", "deal_id", "person_id", "org_id", "project_id", "task_id")


class NotesQuery(OffsetQuery):
    """``GET /notes``."""

    user_id: Integer | None = None
    lead_id: Uuid | None = None
    deal_id: Integer | None = None
    person_id: Integer | None = None
    org_id: Integer | None = None
    project_id: Integer | None = None
    task_id: Integer | None = None
    sort: NoteSorting = BY_ID
    start_date: Date | None = None
    end_date: Date | None = None
    updated_since: Instant | None = None
    pinned_to_deal_flag: Flag | None = None
    pinned_to_person_flag: Flag | None = None
    pinned_to_organization_flag: Flag | None = None
    pinned_to_lead_flag: Flag | None = None
    pinned_to_project_flag: Flag | None = None
    pinned_to_task_flag: Flag | None = None


def list_notes(call: Call) -> Answer:
    """``GET /notes``."""
    query = parse(call, NotesQuery)
    notes = call.account["notes"]
    records = in_order(notes, LIVE, query.sort, query.updated_since)
    return offset_page(filter(_test(query), records), query, notes.encoded)


def _test(query: NotesQuery) -> Callable[[Record], bool]:
    wanted = {
        prop: value
        for prop in (*_LINKS, *(f"pinned_to_{pin}_flag" for pin in PINS))
        if (value := getattr(query, prop)) is not None
    }
    first, last = query.start_date or "", query.end_date or "9999"
    return lambda note: (
        first <= note["add_time"][:10] <= last
        and all(note.get(prop) == value for prop, value in wanted.items())
    )


def one_note(call: Call) -> Answer:
    """``GET /notes/{id}``; a deleted note has ``active_flag`` false."""
    parse(call, Query)
    return success_encoded(call.account["notes"].encoded(call.record("notes")["id"]))


def list_note_fields(call: Call) -> Answer:
    """``GET /noteFields``: all of them in one page."""
    parse(call, Query)
    fields = call.account.note_fields
    pagination = {"start": 0, "limit": 100, "more_items_in_collection": False}
    return success(fields, additional_data={"pagination": pagination})
