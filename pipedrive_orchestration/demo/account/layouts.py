"""How each collection is indexed, and on which shelf its records lie."""

from __future__ import annotations

from pipedrive_orchestration.demo.account.collection import Layout, Record, Shelf
from pipedrive_orchestration.demo.clock import LEAD_TIME, V1_TIME
from pipedrive_orchestration.pipedrive.object_types import CATALOGUE


def optional_properties(name: str) -> frozenset[str]:
    """Properties that a list or single read shows only when ``include_fields`` names them."""
    return frozenset(CATALOGUE[name].include_fields)


def _v2_shelf(record: Record) -> Shelf:
    return Shelf(bool(record.get("is_archived")), bool(record["is_deleted"]))


def _active_shelf(record: Record) -> Shelf:
    return Shelf(deleted=not record["active_flag"])


def _lead_shelf(record: Record) -> Shelf:
    return Shelf(archived=bool(record["is_archived"]))


_TIMES = ("id", "update_time", "add_time")

LAYOUTS = {
    "deals": Layout(links=("person_id", "org_id"), optional=optional_properties("deals"), shelf=_v2_shelf),
    "persons": Layout(links=("org_id",), optional=optional_properties("persons"), shelf=_v2_shelf),
    "organizations": Layout(optional=optional_properties("organizations"), shelf=_v2_shelf),
    "activities": Layout(
        sortable=(*_TIMES, "due_date"),
        links=("deal_id", "person_id", "org_id", "lead_id"),
        optional=optional_properties("activities"),
        shelf=_v2_shelf,
    ),
    "products": Layout(sortable=(*_TIMES, "name"), shelf=_v2_shelf),
    "pipelines": Layout(shelf=_v2_shelf),
    "stages": Layout(sortable=(*_TIMES, "order_nr"), links=("pipeline_id",), shelf=_v2_shelf),
    "leads": Layout(links=("person_id", "organization_id"), time_format=LEAD_TIME, shelf=_lead_shelf),
    "lead_labels": Layout(time_format=LEAD_TIME),
    "notes": Layout(
        links=("deal_id", "person_id", "org_id", "lead_id"), time_format=V1_TIME, shelf=_active_shelf
    ),
    "users": Layout(sortable=("id", "modified"), time_format=V1_TIME),
    "activity_types": Layout(time_format=V1_TIME),
    "currencies": Layout(sortable=("id",), time_format=V1_TIME),
    "filters": Layout(time_format=V1_TIME, shelf=_active_shelf),
}
"""By the names of the catalogue. Activity types and currencies stay in their lists when inactive."""
