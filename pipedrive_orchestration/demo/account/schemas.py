"""The schema of every collection, by the names of the catalogue of object types."""

from __future__ import annotations

from pipedrive_orchestration.demo.account.collection import Schema
from pipedrive_orchestration.demo.clock import LEAD_TIME, V1_TIME
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN


def _optional(name: str) -> frozenset[str]:
    return frozenset(BUILT_IN[name].include_fields)


_TIMES = ("id", "update_time", "add_time")
_DELETED = {"is_deleted": True}
_INACTIVE = {"active_flag": False}

SCHEMAS = {
    "deals": Schema(
        links=("person_id", "org_id"),
        optional=_optional("deals"),
        deleted={"is_deleted": True, "status": "deleted"},
        fields="deals",
    ),
    "persons": Schema(links=("org_id",), optional=_optional("persons"), deleted=_DELETED, fields="persons"),
    "organizations": Schema(optional=_optional("organizations"), deleted=_DELETED, fields="organizations"),
    "activities": Schema(
        sortable=(*_TIMES, "due_date"),
        links=("deal_id", "person_id", "org_id", "lead_id"),
        optional=_optional("activities"),
        deleted=_DELETED,
    ),
    "products": Schema(sortable=(*_TIMES, "name"), deleted=_DELETED, fields="products", created=201),
    "pipelines": Schema(deleted=_DELETED),
    "stages": Schema(sortable=(*_TIMES, "order_nr"), links=("pipeline_id",), deleted=_DELETED),
    "leads": Schema(
        links=("person_id", "organization_id"),
        time_format=LEAD_TIME,
        uuids=True,
        fields="deals",
        flat=True,
        created=201,
    ),
    "lead_labels": Schema(time_format=LEAD_TIME, uuids=True),
    "notes": Schema(
        links=("deal_id", "person_id", "org_id", "lead_id", "project_id", "task_id"),
        time_format=V1_TIME,
        deleted=_INACTIVE,
        created=201,
    ),
    "mail_threads": Schema(time_format=LEAD_TIME),
    "files": Schema(links=("deal_id", "person_id", "org_id"), time_format=V1_TIME, deleted=_INACTIVE),
    "users": Schema(sortable=("id", "modified"), time_format=V1_TIME),
    "activity_types": Schema(
        time_format=V1_TIME, deleted=_INACTIVE, lists_deleted=True, deleted_answers=False
    ),
    "currencies": Schema(sortable=("id",), time_format=V1_TIME),
    "projects": Schema(
        time_format=LEAD_TIME,
        deleted={"status": "deleted"},
        fields="projects",
        archived_key="archive_time",
        created=201,
    ),
    "tasks": Schema(time_format=LEAD_TIME, created=201),
    **dict.fromkeys(("boards", "phases", "project_templates"), Schema(time_format=LEAD_TIME)),
    "roles": Schema(sortable=("id",)),
    "legacy_teams": Schema(sortable=("id",), time_format=V1_TIME),
    "webhooks": Schema(sortable=("id",), time_format=LEAD_TIME),
    **dict.fromkeys(("permission_sets", "goals", "call_logs"), Schema(sortable=("id",), uuids=True)),
    **dict.fromkeys(
        # Their ids are names, which answers do not repeat.
        ("lead_sources", "user_connections"),
        Schema(sortable=("id",), uuids=True, optional=frozenset({"id"})),
    ),
    "filters": Schema(
        optional=frozenset({"conditions"}), time_format=V1_TIME, deleted=_INACTIVE, deleted_answers=False
    ),
}
"""Of every collection."""
