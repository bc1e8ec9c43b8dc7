"""v2 records in their v1 shape, as recents and merges answer them.

See docs/pipedrive-api.md#recents and docs/pipedrive-api.md#records.

Recents give partial records: the properties below and the custom fields, with plain ids instead of
objects except for an organization's owner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import Record
from pipedrive_orchestration.demo.generator.custom_values import flat_v1_values
from pipedrive_orchestration.demo.v1.company import without_conditions

_COUNTS = (
    "email_messages_count",
    "activities_count",
    "done_activities_count",
    "undone_activities_count",
    "files_count",
    "notes_count",
    "followers_count",
)
_DEAL_COUNTS = tuple(
    f"{related}{kind}_deals_count"
    for kind in ("open", "closed", "won", "lost")
    for related in ("", "related_")
)
_DEAL_TIMES = (
    "add_time",
    "update_time",
    "stage_change_time",
    "archive_time",
    "close_time",
    "won_time",
    "first_won_time",
    "lost_time",
    "last_incoming_mail_time",
    "last_outgoing_mail_time",
)


def v1_time(text: str | None) -> str | None:
    """An RFC 3339 instant as v1 writes it."""
    return None if text is None else f"{text[:10]} {text[11:19]}"


def _times(record: Record, *props: str) -> Record:
    return {prop: v1_time(record.get(prop)) for prop in props}


def _same(record: Record, *props: str) -> Record:
    return {prop: record.get(prop) for prop in props}


def _custom(account: Account, name: str, record: Record) -> Record:
    values = record["custom_fields"] or {}
    unset = {code: None for code, value in values.items() if value is None}
    return unset | flat_v1_values(values, list(account.fields[name]))


def _address(value: Record | None, prefix: str) -> Record:
    flat = {f"{prefix}_{part}": text for part, text in (value or {}).items() if part != "value"}
    return {prefix: None if value is None else value["value"], **flat}


def _label(record: Record) -> int | None:
    return record["label_ids"][0] if record["label_ids"] else None


def _name(account: Account, collection: str, record_id: Any, prop: str = "name") -> Any:
    found = account[collection].get(record_id)
    return None if found is None else found[prop]


def _neighbours(account: Account, record: Record) -> Record:
    upcoming = account["activities"].get(record.get("next_activity_id")) or {}
    last = account["activities"].get(record.get("last_activity_id")) or {}
    return {
        "next_activity_id": record.get("next_activity_id"),
        "next_activity_date": upcoming.get("due_date"),
        "next_activity_time": upcoming.get("due_time"),
        "last_activity_id": record.get("last_activity_id"),
        "last_activity_date": last.get("due_date"),
    }


def deal(account: Account, record: Record) -> Record:
    """A deal."""
    closed = record["is_deleted"] or record["status"] != "open"
    return {
        **_same(record, "id", "creator_user_id", "person_id", "org_id", "stage_id", "pipeline_id"),
        "user_id": record["owner_id"],
        **_same(record, "title", "value", "currency", "status", "probability", "lost_reason"),
        **_times(record, *_DEAL_TIMES),
        "active": not closed,
        "deleted": record["is_deleted"],
        "is_archived": record["is_archived"],
        "visible_to": str(record["visible_to"]),
        "label": ",".join(map(str, record["label_ids"])) or None,
        **_same(record, "expected_close_date", "local_won_date", "local_lost_date", "local_close_date"),
        **_same(record, "origin", "origin_id", "channel", "channel_id", "arr", "mrr", "acv"),
        **_same(record, "products_count", "participants_count", *_COUNTS),
        **_neighbours(account, record),
        "stage_order_nr": _name(account, "stages", record["stage_id"], "order_nr"),
        "person_name": _name(account, "persons", record["person_id"]),
        "org_name": _name(account, "organizations", record["org_id"]),
        "owner_name": _name(account, "users", record["owner_id"]),
        "cc_email": record.get("smart_bcc_email"),
        **_custom(account, "deals", record),
    }


def person(account: Account, record: Record) -> Record:
    """A person; ``merge_what_id`` names the other one of a merge."""
    other = account.merged.get(("persons", record["id"]))
    return {
        **_same(record, "id", "name", "first_name", "last_name", "owner_id", "org_id"),
        "company_id": account.me["company_id"],
        "active_flag": not record["is_deleted"],
        "delete_time": v1_time(record["update_time"]) if record["is_deleted"] else None,
        "phone": record["phones"] or [{"value": "", "primary": True}],
        "email": record["emails"] or [{"value": "", "primary": True}],
        "first_char": (record["name"] or "")[:1].lower(),
        **_times(record, "add_time", "update_time", "last_incoming_mail_time", "last_outgoing_mail_time"),
        "visible_to": str(record["visible_to"]),
        # In full v1 records an object; partial ones carry the plain id.
        "picture_id": record["picture_id"],
        "label": _label(record),
        "label_ids": record["label_ids"],
        "org_name": _name(account, "organizations", record["org_id"]),
        "owner_name": _name(account, "users", record["owner_id"]),
        "cc_email": record.get("smart_bcc_email"),
        **_same(record, "notes", "im", "birthday", "job_title"),
        **_address(record.get("postal_address"), "postal_address"),
        **_same(record, *_DEAL_COUNTS, "participant_open_deals_count", "participant_closed_deals_count"),
        **_same(record, *_COUNTS),
        **_neighbours(account, record),
        **({} if other is None else {"merge_what_id": other}),
        **_custom(account, "persons", record),
    }


def organization(account: Account, record: Record) -> Record:
    """An organization."""
    owner = account["users"].get(record["owner_id"])
    return {
        **_same(record, "id", "name"),
        "company_id": account.me["company_id"],
        "owner_id": None
        if owner is None
        else {
            "id": owner["id"],
            "name": owner["name"],
            "email": owner["email"],
            "has_pic": 0,
            "pic_hash": None,
            "active_flag": owner["active_flag"],
            "value": owner["id"],
        },
        "active_flag": not record["is_deleted"],
        "delete_time": v1_time(record["update_time"]) if record["is_deleted"] else None,
        "picture_id": None,
        "first_char": (record["name"] or "")[:1].lower(),
        **_times(record, "add_time", "update_time"),
        "visible_to": str(record["visible_to"]),
        "label": _label(record),
        "label_ids": record["label_ids"],
        "owner_name": None if owner is None else owner["name"],
        "cc_email": record.get("smart_bcc_email"),
        **_same(record, "website", "linkedin", "industry", "annual_revenue", "employee_count"),
        **_address(record.get("address"), "address"),
        **_same(record, *_DEAL_COUNTS, "people_count", *_COUNTS),
        **_neighbours(account, record),
        **_custom(account, "organizations", record),
    }


def activity(account: Account, record: Record) -> Record:
    """An activity; v1 writes empty text where v2 writes null."""
    kept = ("id", "subject", "type", "done", "deal_id", "lead_id", "person_id", "org_id", "project_id")
    texts = ("conference_meeting_client", "conference_meeting_url", "conference_meeting_id")
    return {
        **_same(record, *kept, "due_date", "priority", "attendees"),
        "company_id": account.me["company_id"],
        "user_id": record["owner_id"],
        "assigned_to_user_id": record["owner_id"],
        "created_by_user_id": record["creator_user_id"],
        "active_flag": not record["is_deleted"],
        "busy_flag": record["busy"],
        **{
            prop: record[prop] or ""
            for prop in ("due_time", "duration", "public_description", "note", *texts)
        },
        **_times(record, "add_time", "update_time", "marked_as_done_time"),
        **_address(record["location"], "location"),
        "participants": [
            {"person_id": one["person_id"], "primary_flag": one["primary"]}
            for one in record["participants"] or ()
        ],
        "org_name": _name(account, "organizations", record["org_id"]),
        "person_name": _name(account, "persons", record["person_id"]),
        "deal_title": _name(account, "deals", record["deal_id"], "title"),
        "owner_name": _name(account, "users", record["owner_id"]),
    }


def product(account: Account, record: Record) -> Record:
    """A product."""
    kept = (
        "id",
        "name",
        "code",
        "description",
        "unit",
        "tax",
        "category",
        "visible_to",
        "owner_id",
        "prices",
    )
    return {
        **_same(record, *kept),
        "active_flag": not record["is_deleted"],
        "selectable": record["is_linkable"],
        "first_char": (record["name"] or "")[:1].lower(),
        "files_count": 0,
        **_times(record, "add_time", "update_time"),
        **_custom(account, "products", record),
    }


def pipeline(_account: Account, record: Record) -> Record:
    """A pipeline."""
    return {
        **_same(record, "id", "name", "order_nr"),
        "url_title": record["name"],
        "active": not record["is_deleted"],
        "deal_probability": record["is_deal_probability_enabled"],
        **_times(record, "add_time", "update_time"),
    }


def stage(_account: Account, record: Record) -> Record:
    """A stage."""
    return {
        **_same(record, "id", "order_nr", "name", "deal_probability", "pipeline_id"),
        "active_flag": not record["is_deleted"],
        "rotten_flag": record["is_deal_rot_enabled"],
        "rotten_days": record["days_to_rotten"],
        **_times(record, "add_time", "update_time"),
    }


SHAPES: dict[str, Callable[[Account, Record], Record]] = {
    "deals": deal,
    "persons": person,
    "organizations": organization,
    "activities": activity,
    "products": product,
    "pipelines": pipeline,
    "stages": stage,
    "filters": lambda _account, record: without_conditions(record),
    "notes": lambda _account, record: record,
    "activity_types": lambda _account, record: record,
    "users": lambda _account, record: record,
}
"""By collection; the last ones are v1 records already."""
