"""Leads, archived leads and lead labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pipedrive_orchestration.demo.account.collection import LIVE, Record, Shelf
from pipedrive_orchestration.demo.account.stored_filters import stored_filter
from pipedrive_orchestration.demo.call import Answer, Call, success, success_encoded
from pipedrive_orchestration.demo.errors import not_found
from pipedrive_orchestration.demo.parameters import Instant, Integer, Query, parse
from pipedrive_orchestration.demo.v1.paging import OffsetQuery, Sorting, in_order, offset_page, sorting_by

LeadSorting = Annotated[
    Sorting,
    sorting_by(
        "id",
        "title",
        "owner_id",
        "creator_id",
        "was_seen",
        "expected_close_date",
        "next_activity_id",
        "add_time",
        "update_time",
        most=1,
    ),
]
OLDEST_FIRST: Sorting = (("add_time", False),)


class ArchivedLeadsQuery(OffsetQuery):
    """``GET /leads/archived``."""

    owner_id: Integer | None = None
    person_id: Integer | None = None
    organization_id: Integer | None = None
    filter_id: Integer | None = None
    sort: LeadSorting = OLDEST_FIRST


class LeadsQuery(ArchivedLeadsQuery):
    """``GET /leads``."""

    updated_since: Instant | None = None


def list_leads(call: Call) -> Answer:
    """``GET /leads``: those not archived, oldest first unless sorted otherwise."""
    return _list(call, parse(call, LeadsQuery), LIVE)


def list_archived_leads(call: Call) -> Answer:
    """``GET /leads/archived``."""
    return _list(call, parse(call, ArchivedLeadsQuery), Shelf(archived=True))


def _list(call: Call, query: ArchivedLeadsQuery, shelf: Shelf) -> Answer:
    leads = call.account["leads"]
    records = in_order(leads, shelf, query.sort, getattr(query, "updated_since", None))
    return offset_page(filter(_test(call, query), records), query, leads.encoded)


def _test(call: Call, query: ArchivedLeadsQuery) -> Callable[[Record], bool]:
    if query.filter_id is not None:
        return stored_filter(call.account, "leads", query.filter_id)
    wanted = {
        prop: target
        for prop in ("owner_id", "person_id", "organization_id")
        if (target := getattr(query, prop)) is not None
    }
    return lambda lead: all(lead[prop] == target for prop, target in wanted.items())


def lead_of(call: Call) -> Record:
    """The lead that the path names.

    Raises:
        ApiError: 404 if there is none, deleted ones included.
    """
    lead = call.account["leads"].get(call.path["id"])
    if lead is None:
        raise not_found("requested lead not found")
    return lead


def one_lead(call: Call) -> Answer:
    """``GET /leads/{id}``, archived or not."""
    parse(call, Query)
    return success_encoded(call.account["leads"].encoded(lead_of(call)["id"]))


def list_lead_labels(call: Call) -> Answer:
    """``GET /leadLabels``: all of them, without paging."""
    parse(call, Query)
    return success(list(call.account["lead_labels"]))
