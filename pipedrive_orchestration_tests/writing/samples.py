"""A new record of every collection that can be written, and a change of it, as people write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipedrive_orchestration.demo import DemoServer

Values = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """What is written of a collection.

    Attributes:
        new: a new record; none where records are not made by the API.
        changed: a change of it; none where there are none.
        below: the id of its parent.
        existing: a record that is there, where new ones cannot be made.
    """

    new: Values = field(default_factory=dict)
    changed: Values = field(default_factory=dict)
    below: str = ""
    existing: str = ""


def samples(server: DemoServer, upload: str) -> dict[str, Sample]:
    """Of every collection, by name.

    Args:
        server: the account.
        upload: the path of a file.
    """
    account = server.account
    deal = next(one for one in account.records("deals") if not one["is_deleted"] and not one["is_archived"])
    deal_id = str(deal["id"])

    def living(name: str) -> list[int]:
        return [one["id"] for one in account.records(name) if not one["is_deleted"]]

    firm, other_firm, *_ = living("organizations")
    person, product, project = (
        living("persons")[5],
        living("products")[0],
        account.records("projects")[0]["id"],
    )
    users = [one for one in account.records("users") if one["active_flag"]]
    stranger = max(user["id"] for user in users)
    note = next(str(one["id"]) for one in account.records("notes") if one["active_flag"])
    outcome = {"target": 3, "tracking_metric": "quantity"}
    goal = {
        "title": "Three a month", "interval": "monthly", "expected_outcome": outcome,
        "assignee": {"id": users[0]["id"], "type": "person"},
        "type": {"name": "deals_won", "params": {"pipeline_id": [1]}},
        "duration": {"start": "2027-01-01", "end": "2027-12-31"},
    }  # fmt: skip
    call = {
        "outcome": "connected", "to_phone_number": "+372 5", "start_time": "2027-01-01 10:00",
        "end_time": "2027-01-01T10:05:00Z", "subject": "Called", "deal_id": deal_id,
    }  # fmt: skip
    conditions = next(one for one in account.records("filters") if one["type"] == "deals")["conditions"]
    document = {"item_type": "deal", "item_id": deal_id, "remote_location": "googledrive"}
    follower = {"user_id": stranger}
    name = {"name": "Renamed"}
    found = {
        "deals": Sample(
            {"title": "New", "value": "5", "person_id": ""} | {"status": "open"}, {"title": "Other"}
        ),
        "persons": Sample({"name": "Ada Lovelace", "email": "ada@example.com"}, name),
        "organizations": Sample({"name": "New firm", "website": "https://firm.example"}, name),
        "activities": Sample({"subject": "New", "due_date": "2027-01-01"}, {"done": "yes"}),
        "products": Sample({"name": "New", "prices": "12.50 EUR", "tax": 20}, {"unit": "pcs"}),
        "leads": Sample({"title": "New", "organization_id": firm}, {"value": "7 EUR"}),
        "notes": Sample({"content": "<b>Hi</b>", "org_id": firm}, {"content": "other"}),
        "pipelines": Sample({"name": "New"}, name),
        "stages": Sample({"name": "New", "pipeline_id": 1}, {"days_to_rotten": 3}),
        "lead_labels": Sample({"name": "Frosty", "color": "blue"}, name),
        "activity_types": Sample({"name": "Visit", "icon_key": "car"}, name),
        "filters": Sample(
            {"name": "New", "type": "deals", "conditions": conditions}, {**name, "conditions": conditions}
        ),
        "projects": Sample(
            {"title": "New", "board_id": "Installations", "deal_ids": deal_id, "start_date": "2027-01-01"},
            {"status": "completed"},
        ),
        "tasks": Sample({"title": "New", "project_id": project, "milestone": "yes"}, {"done": "yes"}),
        "boards": Sample({"name": "New"}, name),
        "phases": Sample({"name": "New", "board_id": "Service"}, {"order_nr": 99}),
        "users": Sample({"email": "new@firm.example"}, {"active_flag": "no"}),
        "roles": Sample({"name": "New", "parent_role_id": 1}, name),
        "role_assignments": Sample({"user_id": stranger}, below="1"),
        "legacy_teams": Sample(
            {"name": "New", "manager_id": users[0]["email"], "users": [one["id"] for one in users[:2]]},
            {"description": "A team"},
        ),
        "goals": Sample(goal, {"title": "Four a month"}),
        "call_logs": Sample(call),
        "files": Sample({"file": upload, "deal_id": deal_id}, {"description": "An offer"}),
        "remote_files": Sample({"file_type": "gdoc", "title": "Paper", **document}),
        "linked_files": Sample({"remote_id": "abc", **document}),
        "mail_threads": Sample({}, {"read_flag": "yes"}, existing="2"),
        "organization_relationships": Sample(
            {"type": "parent", "rel_owner_org_id": firm, "rel_linked_org_id": other_firm}, {"type": "related"}
        ),
        "deal_products": Sample(
            {"product_id": product, "item_price": "12.5", "quantity": 2}, {"quantity": 3}, deal_id
        ),
        "deal_discounts": Sample(
            {"description": "Early", "amount": 5, "type": "percentage"}, {"amount": 7}, deal_id
        ),
        "deal_installments": Sample(
            {"description": "First", "amount": 5, "billing_date": "2027-01-01"}, {"amount": 7}, deal_id
        ),
        "deal_participants": Sample({"person_id": person}, below=deal_id),
        "product_variations": Sample({"name": "Blue", "prices": "1 EUR"}, name, str(product)),
        "note_comments": Sample({"content": "Seen"}, {"content": "Seen again"}, note),
        "deal_followers": Sample({"user_id": stranger}, below=deal_id),
        "person_followers": Sample(follower, below=str(person)),
        "organization_followers": Sample(follower, below=str(firm)),
        "product_followers": Sample(follower, below=str(product)),
    }
    for one, collection in (
        *(("deal", "deals"), ("person", "persons"), ("organization", "organizations")),
        *(("product", "products"), ("project", "projects")),
    ):
        field_of = next(
            (f["field_code"] for f in account.fields[collection] if f["is_custom_field"] and f["options"]), ""
        )
        found[f"{one}_fields"] = Sample(
            {"field_name": "New", "field_type": "enum", "options": "A, B"}, {"field_name": "Renamed"}
        )
        found[f"{one}_field_options"] = Sample({"label": "New"}, {"label": "Renamed"}, field_of)
    return found
