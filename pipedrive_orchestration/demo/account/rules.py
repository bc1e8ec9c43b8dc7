"""How the keys of a write become a record, collection by collection, and what speaks against it.

A record that is created is written over a blank one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipedrive_orchestration.demo.account import deals
from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.custom_values import (
    completed_address,
    currency_problem,
    custom_value_problems,
)
from pipedrive_orchestration.demo.account.filters import completed_conditions, condition_problems
from pipedrive_orchestration.demo.account.references import label_problems, reference_problems
from pipedrive_orchestration.demo.generator.notes import NOTED, author_of
from pipedrive_orchestration.demo.records import Record
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
        **_VISIBLE,
        "emails": [],
        "phones": [],
        "im": [],
        "marketing_status": "no_consent",
        "doi_status": "not_started",
    },
    "organizations": _VISIBLE,
    "activities": {"participants": []},
    "products": {
        "visible_to": 3,
        "tax": 0,
        "is_linkable": True,
        "prices": [],
        "billing_frequency": "one-time",
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
    "call_logs": {"has_recording": False},
    "files": {"active_flag": True, "inline_flag": False, "remote_location": "s3", "description": ""},
    "filters": {"is_editable": True, "active_flag": True, "temporary_flag": None, "visible_to": "1"},
}


def problems(account: Account, name: str, before: Record, changes: Record) -> Iterator[str]:
    """Everything that speaks against a write, one sentence per key."""
    schema = account[name].schema
    yield from reference_problems(account, changes)
    if name in account.fields:
        yield from label_problems(account, name, changes)
    if (problem := currency_problem(account, changes.get("currency"))) is not None:
        yield f"currency: {problem}"
    if schema.fields is not None:
        prefix = "" if schema.flat else "custom_fields."
        yield from custom_value_problems(account, schema.fields, changes.get("custom_fields", {}), prefix)
    yield from RULES[name].objections(account, before, changes)


def _no_objections(_account: Account, _before: Record, _changes: Record) -> Iterator[str]:
    return iter(())


def _as_written(_account: Account, before: Record, changes: Record) -> Record:
    return before | changes


def _nothing(_account: Account, _record: Record) -> None:
    return


@dataclass(frozen=True, slots=True)
class Rules:
    """What is special about the writes of a collection.

    Attributes:
        objections: what speaks against a write of some keys to a record, one sentence per key.
        settled: the record after a write of keys to which nothing objects; custom fields come later.
        after_deletion: what else changes when a record has been deleted.
    """

    objections: Callable[[Account, Record, Record], Iterator[str]] = _no_objections
    settled: Callable[[Account, Record, Record], Record] = _as_written
    after_deletion: Callable[[Account, Record], None] = _nothing


def _activity_objections(account: Account, _before: Record, changes: Record) -> Iterator[str]:
    kind = changes.get("type")
    if kind is not None and not any(
        one["key_string"] == kind and one["active_flag"] for one in account["activity_types"]
    ):
        yield "type: There is no activity type in use with this key_string."
    for participant in changes.get("participants", ()):
        for problem in reference_problems(account, {"person_id": participant["person_id"]}):
            yield f"participants.{problem}"


def _product_objections(account: Account, _before: Record, changes: Record) -> Iterator[str]:
    for price in changes.get("prices", ()):
        if (problem := currency_problem(account, price["currency"])) is not None:
            yield f"prices.currency: {problem}"


def _lead_objections(account: Account, before: Record, changes: Record) -> Iterator[str]:
    lead = before | changes
    if lead["person_id"] is None and lead["organization_id"] is None:
        yield "person_id: A lead has to be linked to a person or an organization."
    for label_id in changes.get("label_ids", ()):
        if label_id not in account["lead_labels"]:
            yield f"label_ids: There is no lead label {label_id}."
    value = changes.get("value")
    if value is not None and (problem := currency_problem(account, value["currency"])) is not None:
        yield f"value.currency: {problem}"


def _note_objections(_account: Account, before: Record, changes: Record) -> Iterator[str]:
    if all((before | changes)[prop] is None for prop in NOTED):
        yield f"A note has to be linked: one of {', '.join(NOTED)} is needed."


def _activity_type_objections(account: Account, before: Record, changes: Record) -> Iterator[str]:
    if before["key_string"] is None and any(
        one["key_string"] == _key_of(changes["name"]) for one in account["activity_types"]
    ):
        yield "name: There is an activity type of this name already."


def _key_of(name: str) -> str:
    return re.sub(r"\W+", "_", name.casefold()).strip("_")


def _filter_objections(account: Account, before: Record, changes: Record) -> Iterator[str]:
    yield from condition_problems(account, (before | changes)["type"], changes["conditions"])


def _person(_account: Account, before: Record, changes: Record) -> Record:
    """A person: first and last name follow from the name, one contact of each kind is primary."""
    record = {**before, **changes}
    if "name" in changes:
        first, _, last = changes["name"].partition(" ")
        record |= {"first_name": first, "last_name": last or None}
    for prop in ("emails", "phones", "im"):
        if prop in changes:
            record[prop] = _contacts(changes[prop])
    if changes.get("postal_address") is not None:
        record["postal_address"] = completed_address(changes["postal_address"])
    return record


def _contacts(given: list[Record]) -> list[Record]:
    primary = next((position for position, contact in enumerate(given) if contact.get("primary")), 0)
    return [
        {
            "value": contact["value"],
            "primary": position == primary,
            "label": contact.get("label", "work"),
        }
        for position, contact in enumerate(given)
    ]


def _organization(_account: Account, before: Record, changes: Record) -> Record:
    """An organization."""
    record = {**before, **changes}
    if changes.get("address") is not None:
        record["address"] = completed_address(changes["address"])
    return record


def _activity(account: Account, before: Record, changes: Record) -> Record:
    """An activity: its person is the primary participant, its type gives it a subject."""
    record = {**before, **changes}
    types = list(account["activity_types"])
    if record["type"] is None:
        record["type"] = next((one["key_string"] for one in types if one["active_flag"]), None)
    if record["subject"] is None:
        record["subject"] = next((one["name"] for one in types if one["key_string"] == record["type"]), None)
    if record["done"] != before["done"]:
        record["marked_as_done_time"] = account.stamp("activities") if record["done"] else None
    if changes.get("location") is not None:
        record["location"] = completed_address(changes["location"])
    if "participants" in changes:
        record |= _participants(changes["participants"])
    return record


def _participants(given: list[Record]) -> Record:
    primary = next((one["person_id"] for one in given if one.get("primary")), None)
    if primary is None and given:
        primary = given[0]["person_id"]
    participants = [{"person_id": one["person_id"], "primary": one["person_id"] == primary} for one in given]
    return {"participants": participants, "person_id": primary}


def _product(_account: Account, before: Record, changes: Record) -> Record:
    """A product: its category is written as a number and answered as text."""
    record = {**before, **changes}
    if changes.get("category") is not None:
        record["category"] = str(changes["category"]).removesuffix(".0")
    if "prices" in changes:
        defaults: Record = {"cost": 0, "direct_cost": None, "notes": ""}
        record["prices"] = [{"product_id": before["id"], **defaults, **price} for price in changes["prices"]]
    return record


def _pipeline(account: Account, before: Record, changes: Record) -> Record:
    """A pipeline; a new one goes to the end."""
    record = {**before, **changes}
    if record["order_nr"] is None:
        record["order_nr"] = 1 + max((one["order_nr"] for one in account["pipelines"]), default=0)
    return record


def _stage(account: Account, before: Record, changes: Record) -> Record:
    """A stage; one that is new or new in its pipeline goes to the pipeline's end."""
    record = {**before, **changes}
    if record["pipeline_id"] != before["pipeline_id"]:
        siblings = deals.stages_of(account, record["pipeline_id"])
        record["order_nr"] = 1 + max((one["order_nr"] for one in siblings), default=0)
    return record


def _lead(account: Account, before: Record, changes: Record) -> Record:
    """A lead: its own mail address is made when it is."""
    record = before | changes
    if record["cc_email"] is None:
        domain = account.me["company_domain"]
        record["cc_email"] = f"{domain}+lead{before['id'][:8]}@pipedrivemail.example"
    if record["is_archived"] != before["is_archived"]:
        record["archive_time"] = account.stamp("leads") if record["is_archived"] else None
    return record


def _note(account: Account, before: Record, changes: Record) -> Record:
    """A note: it repeats the names of what it is linked to and of its author."""
    record = before | changes
    record |= {key: bool(value) for key, value in changes.items() if key.startswith("pinned_")}
    for prop, (name, key, title) in NOTED.items():
        target = account[name].get(record[prop])
        record[key] = None if target is None else {title: target[title]}
    user = account["users"].get(record["user_id"])
    assert user is not None, "references were checked"
    record["user"] = author_of(user)
    if before["id"] in account["notes"]:
        record["last_update_user_id"] = account.me["id"]
    return record


def _touch_noted(account: Account, note: Record) -> None:
    for prop in ("deal_id", "person_id", "org_id"):
        account.touch(NOTED[prop][0], note[prop])


def _take_from_leads(account: Account, label: Record) -> None:
    for lead in account["leads"]:
        if label["id"] in lead["label_ids"]:
            kept = [label_id for label_id in lead["label_ids"] if label_id != label["id"]]
            account["leads"].put({**lead, "label_ids": kept})


def _activity_type(account: Account, before: Record, changes: Record) -> Record:
    """An activity type: its key is made from its first name; a new one goes to the end."""
    record = before | changes
    if record["key_string"] is None:
        last = max((one["order_nr"] for one in account["activity_types"]), default=0)
        record |= {"key_string": _key_of(record["name"]), "order_nr": 1 + last}
    return record


def _filter(_account: Account, before: Record, changes: Record) -> Record:
    """A stored filter."""
    return before | changes | {"conditions": completed_conditions(changes["conditions"])}


def _project(account: Account, before: Record, changes: Record) -> Record:
    """A project: one on a board begins in its first phase."""
    record = before | {key: value for key, value in changes.items() if key != "template_id"}
    if record["board_id"] is None:
        record["board_id"] = min(one["id"] for one in account["boards"])
    phases = [one["id"] for one in account["phases"] if one["board_id"] == record["board_id"]]
    if record["phase_id"] not in phases:
        record["phase_id"] = min(phases, default=None)
    if record["status"] != before["status"]:
        record["status_change_time"] = account.stamp("projects")
    return record


def _task(account: Account, before: Record, changes: Record) -> Record:
    """A task: what is written as a number is answered as a flag."""
    own = {key: value for key, value in changes.items() if key not in ("done", "milestone", "assignee_id")}
    record = before | own
    for key in ("done", "milestone"):
        if key in changes:
            record[f"is_{key}"] = bool(changes[key])
    if changes.get("assignee_id") is not None:
        record["assignee_ids"] = [changes["assignee_id"]]
    if record["is_done"] != before["is_done"]:
        record["marked_as_done_time"] = account.stamp("tasks") if record["is_done"] else None
    return record


def _in_order(name: str) -> Callable[[Account, Record, Record], Record]:
    """Records that have a place among each other; a new one goes to the end."""

    def settled(account: Account, before: Record, changes: Record) -> Record:
        record = before | changes
        if record["order_nr"] is None:
            record["order_nr"] = 1 + max((one["order_nr"] for one in account[name]), default=0)
        return record

    return settled


def _role_objections(_account: Account, before: Record, changes: Record) -> Iterator[str]:
    if changes.get("parent_role_id") == before["id"]:
        yield "parent_role_id: A role cannot be below itself."


def _user_objections(account: Account, _before: Record, changes: Record) -> Iterator[str]:
    if any(one["email"] == changes.get("email") for one in account["users"]):
        yield "email: There is a user with this address already."


def _user(account: Account, before: Record, changes: Record) -> Record:
    """A user; a new one has what the company's first one has, but its rights."""
    if before["id"] in account["users"]:
        return before | changes | {"modified": account.stamp("users")}
    like = min(account["users"], key=lambda user: user["id"])
    kept = ("lang", "locale", "timezone_name", "timezone_offset", "default_currency", "has_created_company")
    name = changes["email"].partition("@")[0]
    sets = {one["id"]: one for one in account["permission_sets"]}
    access = [
        {
            "app": one["app"],
            "admin": bool(one.get("admin")),
            "permission_set_id": one.get("permission_set_id"),
        }
        for one in changes.get("access", ())
    ]
    for one in access:
        usual = (each for each in sets.values() if each["app"] == one["app"])
        one["permission_set_id"] = one["permission_set_id"] or next(usual, {"id": ""})["id"]
    own = {"name": name, "role_id": like["role_id"], "active_flag": True}
    now = dict.fromkeys(("created", "last_login"), account.stamp("users"))
    nothing = {"activated": False, "is_you": False, "is_deleted": False, "is_admin": 0}
    return before | {key: like[key] for key in kept} | own | now | nothing | changes | {"access": access}


def _team(account: Account, before: Record, changes: Record) -> Record:
    """A team."""
    return before | {"created_by_user_id": before.get("created_by_user_id") or account.me["id"]} | changes


def _call_log(account: Account, before: Record, changes: Record) -> Record:
    """A call: its instants are answered as ISO 8601 has them."""
    times = {
        key: changes[key].replace(" ", "T") + ".000Z" for key in ("start_time", "end_time") if key in changes
    }
    return before | changes | times | {"company_id": account.me["company_id"]}


def _file(account: Account, before: Record, changes: Record) -> Record:
    """A file: it repeats the names of what it is linked to."""
    record = before | {key: value for key, value in changes.items() if key != "file"}
    for prop, (name, title) in {
        "deal_id": ("deals", "title"), "person_id": ("persons", "name"), "org_id": ("organizations", "name"),
        "product_id": ("products", "name"), "lead_id": ("leads", "title"),
        "project_id": ("projects", "title"),
    }.items():  # fmt: skip
        target = account[name].get(record[prop])
        record[f"{prop.removesuffix('_id')}_name"] = target and target[title]
    record["url"] = f"https://app.pipedrive.example/api/v1/files/{before['id']}/download"
    return record


RULES: dict[str, Rules] = {
    "deals": Rules(deals.objections, deals.settled),
    "persons": Rules(settled=_person),
    "organizations": Rules(settled=_organization),
    "activities": Rules(_activity_objections, _activity),
    "products": Rules(_product_objections, _product),
    "pipelines": Rules(settled=_pipeline),
    "stages": Rules(settled=_stage),
    "leads": Rules(_lead_objections, _lead),
    "lead_labels": Rules(after_deletion=_take_from_leads),
    "notes": Rules(_note_objections, _note, _touch_noted),
    "files": Rules(settled=_file),
    "projects": Rules(settled=_project),
    "tasks": Rules(settled=_task),
    "boards": Rules(settled=_in_order("boards")),
    "phases": Rules(settled=_in_order("phases")),
    "roles": Rules(_role_objections),
    "users": Rules(_user_objections, _user),
    "goals": Rules(),
    "legacy_teams": Rules(settled=_team),
    "call_logs": Rules(settled=_call_log),
    "activity_types": Rules(_activity_type_objections, _activity_type),
    "filters": Rules(_filter_objections, _filter),
}
"""Of every collection that can be written."""
