"""How the keys of a write become a record, collection by collection, and what speaks against it.

A record that is created is written over a blank one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from pipedrive_orchestration.demo.account import deals
from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.custom_values import (
    completed_address,
    currency_problem,
    custom_value_problems,
)
from pipedrive_orchestration.demo.account.filters import completed_conditions, condition_problems
from pipedrive_orchestration.demo.account.references import label_problems, reference_problems
from pipedrive_orchestration.demo.generator.documents import FILED, NOTED, author_of
from pipedrive_orchestration.demo.records import Record, taken
from pipedrive_orchestration.demo.records import blank as blank_record


def blank(account: Account, name: str) -> Record:
    """A record of the collection before anything was written into it."""
    schema, record = account[name].schema, blank_record(name)
    if schema.fields is not None and not schema.flat:
        record["custom_fields"] = dict.fromkeys(account.fields[schema.fields].custom_codes())
    mine = record.keys() & {"owner_id", "user_id", "creator_id", "creator_user_id"}
    return record | dict.fromkeys(mine, account.me["id"]) | _DEFAULTS.get(name, {})


_VISIBLE: Record = {"visible_to": 3, "label_ids": []}
_DEFAULTS: dict[str, Record] = {
    "deals": {**_VISIBLE, "status": "open", "value": 0, "origin": "API"},
    "persons": {
        **_VISIBLE, "emails": [], "phones": [], "im": [],
        "marketing_status": "no_consent", "doi_status": "not_started",
    },
    "organizations": _VISIBLE,
    "activities": {"participants": []},
    "products": {
        "visible_to": 3, "tax": 0, "is_linkable": True, "prices": [], "billing_frequency": "one-time",
    },
    "stages": {"deal_probability": 100},
    "leads": {"label_ids": [], "source_name": "API", "origin": "API", "visible_to": "3"},
    "notes": {"active_flag": True},
    "activity_types": {"color": "FFFFFF", "active_flag": True, "is_custom_flag": True},
    "projects": {"status": "open", "deal_ids": [], "person_ids": [], "org_ids": [], "label_ids": []},
    "tasks": {"assignee_ids": []},
    "roles": {"active_flag": True, "assignment_count": "0", "sub_role_count": "0", "level": 2},
    "goals": {"is_active": True, "report_ids": []},
    "legacy_teams": {"active_flag": 1, "deleted_flag": 0, "users": []},
    "files": {"active_flag": True, "inline_flag": False, "remote_location": "s3", "description": ""},
    "filters": {"is_editable": True, "active_flag": True, "temporary_flag": None, "visible_to": "1"},
}  # fmt: skip


def problems(account: Account, name: str, before: Record, changes: Record) -> Iterator[str]:
    """Everything that speaks against a write, one sentence per key."""
    schema = account[name].schema
    yield from reference_problems(account, changes)
    if name in account.fields:
        yield from label_problems(account, name, changes)
    yield from _currency_problems(account, "currency", changes.get("currency"))
    if schema.fields is not None:
        prefix = "" if schema.flat else "custom_fields."
        yield from custom_value_problems(account, schema.fields, changes.get("custom_fields", {}), prefix)
    if name in _OBJECTIONS:
        yield from _OBJECTIONS[name](account, before, changes)


def settled(account: Account, name: str, before: Record, changes: Record) -> Record:
    """The record after a write of keys to which nothing objects; custom fields come later."""
    record = before | changes
    for key in _ADDRESSES & changes.keys():
        record[key] = record[key] and completed_address(record[key])
    if name in _IN_ORDER and record["order_nr"] is None:
        record["order_nr"] = _next_order(account[name])
    if name in _CONSEQUENCES:
        _CONSEQUENCES[name](account, before, changes, record)
    return record


_ADDRESSES = {"address", "postal_address", "location"}
_IN_ORDER = {"pipelines", "activity_types", "boards", "phases"}
"""Collections whose records have a place among each other; a new one goes to the end."""


def _next_order(records: Iterable[Record]) -> int:
    return 1 + max((int(one["order_nr"]) for one in records), default=0)


def _currency_problems(account: Account, place: str, code: str | None) -> Iterator[str]:
    if (problem := currency_problem(account, code)) is not None:
        yield f"{place}: {problem}"


def _to_activity(account: Account, _before: Record, changes: Record) -> Iterator[str]:
    kind = changes.get("type")
    in_use = (one["key_string"] for one in account["activity_types"] if one["active_flag"])
    if kind is not None and kind not in in_use:
        yield "type: There is no activity type in use with this key_string."
    for participant in changes.get("participants", ()):
        found = reference_problems(account, taken(participant, "person_id"))
        yield from (f"participants.{problem}" for problem in found)


def _to_product(account: Account, _before: Record, changes: Record) -> Iterator[str]:
    for price in changes.get("prices", ()):
        yield from _currency_problems(account, "prices.currency", price["currency"])


def _to_lead(account: Account, before: Record, changes: Record) -> Iterator[str]:
    lead = before | changes
    if lead["person_id"] is None and lead["organization_id"] is None:
        yield "person_id: A lead has to be linked to a person or an organization."
    for label_id in changes.get("label_ids", ()):
        if label_id not in account["lead_labels"]:
            yield f"label_ids: There is no lead label {label_id}."
    if changes.get("value") is not None:
        yield from _currency_problems(account, "value.currency", changes["value"]["currency"])


def _to_note(_account: Account, before: Record, changes: Record) -> Iterator[str]:
    if all((before | changes)[prop] is None for prop in NOTED):
        yield f"A note has to be linked: one of {', '.join(NOTED)} is needed."


def _to_activity_type(account: Account, before: Record, changes: Record) -> Iterator[str]:
    known = (one["key_string"] for one in account["activity_types"])
    if before["key_string"] is None and _key_of(changes["name"]) in known:
        yield "name: There is an activity type of this name already."


def _key_of(name: str) -> str:
    return re.sub(r"\W+", "_", name.casefold()).strip("_")


def _to_filter(account: Account, before: Record, changes: Record) -> Iterator[str]:
    yield from condition_problems(account, (before | changes)["type"], changes["conditions"])


def _to_role(_account: Account, before: Record, changes: Record) -> Iterator[str]:
    if changes.get("parent_role_id") == before["id"]:
        yield "parent_role_id: A role cannot be below itself."


def _to_user(account: Account, _before: Record, changes: Record) -> Iterator[str]:
    if any(one["email"] == changes.get("email") for one in account["users"]):
        yield "email: There is a user with this address already."


_OBJECTIONS: dict[str, Callable[[Account, Record, Record], Iterator[str]]] = {
    "deals": deals.objections,
    "activities": _to_activity,
    "products": _to_product,
    "leads": _to_lead,
    "notes": _to_note,
    "activity_types": _to_activity_type,
    "filters": _to_filter,
    "roles": _to_role,
    "users": _to_user,
}
"""What speaks against a write to a record as it was, beside what speaks against any; a sentence per key."""


def _person(_account: Account, _before: Record, changes: Record, person: Record) -> None:
    """First and last name follow from the name, one contact of each kind is primary."""
    if "name" in changes:
        first, _, last = changes["name"].partition(" ")
        person |= {"first_name": first, "last_name": last or None}
    for prop in {"emails", "phones", "im"} & changes.keys():
        given = changes[prop]
        primary = next((place for place, contact in enumerate(given) if contact.get("primary")), 0)
        person[prop] = [
            {"value": one["value"], "primary": place == primary, "label": one.get("label", "work")}
            for place, one in enumerate(given)
        ]


def _activity(account: Account, before: Record, changes: Record, activity: Record) -> None:
    """The person is the primary participant, the type gives a subject."""
    types = list(account["activity_types"])
    if activity["type"] is None:
        activity["type"] = next((one["key_string"] for one in types if one["active_flag"]), None)
    if activity["subject"] is None:
        own = (one["name"] for one in types if one["key_string"] == activity["type"])
        activity["subject"] = next(own, None)
    _mark_as_done(account, "activities", "done", before, activity)
    if "participants" in changes:
        given = changes["participants"]
        ids = [one["person_id"] for one in given if one.get("primary")] or [one["person_id"] for one in given]
        activity["person_id"] = primary = ids[0] if ids else None
        activity["participants"] = [
            {"person_id": one["person_id"], "primary": one["person_id"] == primary} for one in given
        ]


def _mark_as_done(account: Account, name: str, key: str, before: Record, record: Record) -> None:
    if record[key] != before[key]:
        record["marked_as_done_time"] = account.stamp(name) if record[key] else None


def _product(_account: Account, before: Record, changes: Record, product: Record) -> None:
    """The category is written as a number and answered as text."""
    if changes.get("category") is not None:
        product["category"] = str(changes["category"]).removesuffix(".0")
    if "prices" in changes:
        usual: Record = {"product_id": before["id"], "cost": 0, "direct_cost": None, "notes": ""}
        product["prices"] = [usual | price for price in changes["prices"]]


def _stage(account: Account, before: Record, _changes: Record, stage: Record) -> None:
    """One that is new or new in its pipeline goes to the pipeline's end."""
    if stage["pipeline_id"] != before["pipeline_id"]:
        stage["order_nr"] = _next_order(deals.stages_of(account, stage["pipeline_id"]))


def _lead(account: Account, before: Record, _changes: Record, lead: Record) -> None:
    """A mail address of its own is made with the lead."""
    if lead["cc_email"] is None:
        domain = account.me["company_domain"]
        lead["cc_email"] = f"{domain}+lead{before['id'][:8]}@pipedrivemail.example"
    if lead["is_archived"] != before["is_archived"]:
        lead["archive_time"] = account.stamp("leads") if lead["is_archived"] else None


def _note(account: Account, before: Record, changes: Record, note: Record) -> None:
    """A note repeats the names of what it is linked to and of its author."""
    note |= {key: bool(value) for key, value in changes.items() if key.startswith("pinned_")}
    for prop, (name, key, title) in NOTED.items():
        target = account[name].get(note[prop])
        note[key] = target and taken(target, title)
    user = account["users"].get(note["user_id"])
    assert user is not None, "references were checked"
    note["user"] = author_of(user)
    if before["id"] in account["notes"]:
        note["last_update_user_id"] = account.me["id"]


def _activity_type(_account: Account, _before: Record, _changes: Record, activity_type: Record) -> None:
    """The key is made from the first name."""
    activity_type["key_string"] = activity_type["key_string"] or _key_of(activity_type["name"])


def _filter(_account: Account, _before: Record, changes: Record, stored: Record) -> None:
    """The conditions have all keys that answers show."""
    stored["conditions"] = completed_conditions(changes["conditions"])


def _project(account: Account, before: Record, _changes: Record, project: Record) -> None:
    """One on a board begins in its first phase."""
    project.pop("template_id", None)
    if project["board_id"] is None:
        project["board_id"] = min(one["id"] for one in account["boards"])
    phases = [one["id"] for one in account["phases"] if one["board_id"] == project["board_id"]]
    if project["phase_id"] not in phases:
        project["phase_id"] = min(phases, default=None)
    if project["status"] != before["status"]:
        project["status_change_time"] = account.stamp("projects")


def _task(account: Account, before: Record, changes: Record, task: Record) -> None:
    """What is written as a number is answered as a flag."""
    for key in {"done", "milestone"} & changes.keys():
        task[f"is_{key}"] = bool(task.pop(key))
    if (assignee := task.pop("assignee_id", None)) is not None:
        task["assignee_ids"] = [assignee]
    _mark_as_done(account, "tasks", "is_done", before, task)


def _user(account: Account, before: Record, changes: Record, user: Record) -> None:
    """A new one has what the company's first one has, but its rights."""
    if before["id"] in account["users"]:
        user["modified"] = account.stamp("users")
        return
    like = min(account["users"], key=lambda one: one["id"])
    kept = "lang locale timezone_name timezone_offset default_currency has_created_company role_id"
    user |= taken(like, kept) | dict.fromkeys(("created", "last_login"), account.stamp("users"))
    user |= {"active_flag": True, "is_admin": 0} | changes | {"name": changes["email"].partition("@")[0]}
    sets = {one["app"]: one["id"] for one in reversed(list(account["permission_sets"]))}
    user["access"] = [
        {
            "app": one["app"],
            "admin": bool(one.get("admin")),
            "permission_set_id": one.get("permission_set_id") or sets.get(one["app"], ""),
        }
        for one in changes.get("access", ())
    ]


def _team(account: Account, _before: Record, _changes: Record, team: Record) -> None:
    team["created_by_user_id"] = team["created_by_user_id"] or account.me["id"]


def _call_log(account: Account, _before: Record, changes: Record, call_log: Record) -> None:
    """The instants of a call are answered as ISO 8601 has them."""
    call_log["company_id"] = account.me["company_id"]
    for key in {"start_time", "end_time"} & changes.keys():
        call_log[key] = changes[key].replace(" ", "T") + ".000Z"


def _file(account: Account, before: Record, _changes: Record, file: Record) -> None:
    """A file repeats the names of what it is linked to."""
    file.pop("file", None)
    for prop, (name, key, title) in FILED.items():
        target = account[name].get(file[prop])
        file[key] = target and target[title]
    file["url"] = f"https://app.pipedrive.example/api/v1/files/{before['id']}/download"


_CONSEQUENCES: dict[str, Callable[[Account, Record, Record, Record], None]] = {
    "deals": deals.follow,
    "persons": _person,
    "activities": _activity,
    "products": _product,
    "stages": _stage,
    "leads": _lead,
    "notes": _note,
    "files": _file,
    "projects": _project,
    "tasks": _task,
    "users": _user,
    "legacy_teams": _team,
    "call_logs": _call_log,
    "activity_types": _activity_type,
    "filters": _filter,
}
"""What follows from a write to a record as it was, changed in the record as it will be."""


def after_deletion(account: Account, name: str, record: Record) -> None:
    """Changes what else changes when a record has been deleted."""
    if name == "notes":
        for prop in ("deal_id", "person_id", "org_id"):
            account.touch(NOTED[prop][0], record[prop])
    elif name == "lead_labels":
        for lead in account["leads"]:
            if record["id"] in lead["label_ids"]:
                kept = [label_id for label_id in lead["label_ids"] if label_id != record["id"]]
                account["leads"].put({**lead, "label_ids": kept})
