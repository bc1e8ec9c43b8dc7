"""v2 records in their v1 shape (docs/pipedrive-api.md#records), as recents and merges answer them.

Recents give partial records: the properties below and the custom fields, with plain ids instead of objects
except for an organization's owner.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from pipedrive_orchestration.demo.records import Record, flat_custom_values

if TYPE_CHECKING:
    from pipedrive_orchestration.demo.account.account import Account

_COUNTS = """email_messages_count activities_count done_activities_count undone_activities_count files_count
    notes_count followers_count next_activity_id last_activity_id"""
_DEAL_COUNTS = " ".join(
    f"{related}{kind}_deals_count"
    for kind in ("open", "closed", "won", "lost")
    for related in ("", "related_")
)
_NAMED = "org_name=organizations.org_id.name owner_name=users.owner_id.name"
_MAIL = "last_incoming_mail_time last_outgoing_mail_time"

_SHAPES = {
    "deals": f"""same: id creator_user_id person_id org_id stage_id pipeline_id user_id=owner_id title value
        currency status probability lost_reason deleted=is_deleted is_archived expected_close_date
        local_won_date local_lost_date local_close_date origin origin_id channel channel_id arr mrr acv
        products_count participants_count cc_email=smart_bcc_email {_COUNTS};
        time: add_time update_time stage_change_time archive_time close_time won_time first_won_time lost_time
        {_MAIL}; text: visible_to;
        of: stage_order_nr=stages.stage_id.order_nr person_name=persons.person_id.name {_NAMED}""",
    "persons": f"""same: id name first_name last_name owner_id org_id picture_id label_ids notes im birthday
        job_title cc_email=smart_bcc_email participant_open_deals_count participant_closed_deals_count
        {_DEAL_COUNTS} {_COUNTS}; time: add_time update_time {_MAIL}; text: visible_to;
        of: {_NAMED}; not: active_flag=is_deleted; first: first_char=name; address: postal_address""",
    "organizations": f"""same: id name label_ids cc_email=smart_bcc_email website linkedin industry
        annual_revenue employee_count people_count {_DEAL_COUNTS} {_COUNTS}; time: add_time update_time;
        text: visible_to; of: owner_name=users.owner_id.name; not: active_flag=is_deleted;
        first: first_char=name; address: address""",
    "activities": f"""same: id subject type done deal_id lead_id person_id org_id project_id due_date priority
        attendees user_id=owner_id assigned_to_user_id=owner_id created_by_user_id=creator_user_id
        busy_flag=busy; not: active_flag=is_deleted; time: add_time update_time marked_as_done_time;
        filled: due_time duration public_description note conference_meeting_client conference_meeting_url
        conference_meeting_id; address: location;
        of: person_name=persons.person_id.name deal_title=deals.deal_id.title {_NAMED}""",
    "products": """same: id name code description unit tax category visible_to owner_id prices
        selectable=is_linkable; not: active_flag=is_deleted; first: first_char=name;
        time: add_time update_time""",
    "pipelines": """same: id name order_nr url_title=name deal_probability=is_deal_probability_enabled;
        not: active=is_deleted; time: add_time update_time""",
    "stages": """same: id order_nr name deal_probability pipeline_id rotten_flag=is_deal_rot_enabled
        rotten_days=days_to_rotten; not: active_flag=is_deleted; time: add_time update_time""",
}
"""How each property is made, and its v1 name where it differs: as it is, a time in v1 form, text, the first
character, empty text for null, the opposite, an address in parts, or a property of a linked record."""


def v1_record(account: Account, name: str, record: Record) -> Record:
    """A record of a collection in its v1 shape; those of v1 collections have it already."""
    schema = account[name].schema
    if name not in _SHAPES:
        return schema.shown(record)
    shape: Record = {}
    for kind, own, prop in _shape(name):
        shape |= _MAKERS[kind](account, own, record, prop)
    if name in _REST:
        shape |= _REST[name](account, record)
    if schema.fields is not None:
        values = record["custom_fields"] or {}
        shape |= dict.fromkeys(values) | flat_custom_values(values, list(account.fields[name]))
    return shape


@cache
def _shape(name: str) -> tuple[tuple[str, str, str], ...]:
    """How a property is made, what it is called in v1, and what in v2."""
    groups = (group.split(":") for group in _SHAPES[name].split(";"))
    words = ((kind.strip(), *word.partition("=")) for kind, rest in groups for word in rest.split())
    return tuple((kind, own, prop or own) for kind, own, _, prop in words)


def v1_time(text: str | None) -> str | None:
    """An RFC 3339 instant as v1 writes it."""
    return None if text is None else f"{text[:10]} {text[11:19]}"


def _of_linked(account: Account, own: str, record: Record, path: str) -> Record:
    name, link, prop = path.split(".")
    target = account[name].get(record[link])
    return {own: None if target is None else target[prop]}


def _address(_account: Account, own: str, record: Record, prop: str) -> Record:
    value: Record | None = record.get(prop)
    flat = {f"{own}_{part}": text for part, text in (value or {}).items() if part != "value"}
    return {own: None if value is None else value["value"], **flat}


_MAKERS: dict[str, Callable[[Account, str, Record, str], Record]] = {
    "same": lambda _account, own, record, prop: {own: record.get(prop)},
    "time": lambda _account, own, record, prop: {own: v1_time(record.get(prop))},
    "text": lambda _account, own, record, prop: {own: str(record[prop])},
    "first": lambda _account, own, record, prop: {own: (record[prop] or "")[:1].lower()},
    "filled": lambda _account, own, record, prop: {own: record[prop] or ""},
    "not": lambda _account, own, record, prop: {own: not record[prop]},
    "address": _address,
    "of": _of_linked,
}


def _neighbours(account: Account, record: Record) -> Record:
    upcoming = account["activities"].get(record["next_activity_id"]) or {}
    last = account["activities"].get(record["last_activity_id"]) or {}
    return {
        "next_activity_date": upcoming.get("due_date"),
        "next_activity_time": upcoming.get("due_time"),
        "last_activity_date": last.get("due_date"),
    }


def _contact(account: Account, record: Record) -> Record:
    return {
        "company_id": account.me["company_id"],
        "delete_time": v1_time(record["update_time"]) if record["is_deleted"] else None,
        "label": record["label_ids"][0] if record["label_ids"] else None,
        **_neighbours(account, record),
    }


def _deal(account: Account, record: Record) -> Record:
    return {
        "active": not record["is_deleted"] and record["status"] == "open",
        "label": ",".join(map(str, record["label_ids"])) or None,
        **_neighbours(account, record),
    }


def _person(account: Account, record: Record) -> Record:
    """The rest of a person; ``merge_what_id`` names the other one of a merge."""
    other = account.merged.get(("persons", record["id"]))
    return {
        **_contact(account, record),
        "phone": record["phones"] or [{"value": "", "primary": True}],
        "email": record["emails"] or [{"value": "", "primary": True}],
        **({} if other is None else {"merge_what_id": other}),
    }


def _organization(account: Account, record: Record) -> Record:
    owner = account["users"].get(record["owner_id"])
    named = owner and {key: owner[key] for key in ("id", "name", "email", "active_flag")}
    owner_id = named and {**named, "has_pic": 0, "pic_hash": None, "value": named["id"]}
    return {**_contact(account, record), "owner_id": owner_id, "picture_id": None}


def _activity(account: Account, record: Record) -> Record:
    participants = [
        {"person_id": one["person_id"], "primary_flag": one["primary"]}
        for one in record["participants"] or ()
    ]
    return {"company_id": account.me["company_id"], "participants": participants}


_REST: dict[str, Callable[[Account, Record], Record]] = {
    "deals": _deal,
    "persons": _person,
    "organizations": _organization,
    "activities": _activity,
    "products": lambda _account, _record: {"files_count": 0},
}
"""The properties that are made in no such way."""
