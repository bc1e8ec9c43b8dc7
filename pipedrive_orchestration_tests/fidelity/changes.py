"""Changes the demo account in every way it can be changed, as an owner of data would."""

from __future__ import annotations

from typing import Any

from pipedrive_orchestration_tests.fidelity.conversation import Conversation

_ADDRESS = {"value": "Pikk 1, Tallinn", "country": "Estonia", "locality": "Tallinn", "route": "Pikk"}
_CONTACT = {
    "emails": [{"value": "new@mail.example", "primary": True, "label": "work"}],
    "phones": [{"value": "+372 6 555 0000", "primary": True, "label": "work"}],
}
_CUSTOM_VALUES: dict[str, Any] = {
    "varchar": "text",
    "double": 12.5,
    "monetary": {"value": 500, "currency": "EUR"},
    "date": "2026-01-01",
    "daterange": {"value": "2026-01-01", "until": "2026-02-01"},
}


def change_everything(talk: Conversation) -> None:
    """Create, change, merge, archive, restore and delete something of each kind."""
    user = talk.ask("GET", "v1", "/users/me")["id"]
    organizations = [_create_organization(talk, user, f"Firm {number}") for number in (1, 2)]
    persons = [_create_person(talk, user, organizations[0], f"Person {number}") for number in (1, 2)]
    pipeline, stage = _pipelines_and_stages(talk)
    deals = [_create_deal(talk, user, persons[0], organizations[0], stage) for _ in range(2)]
    _change_records(talk, user, persons, organizations, deals, stage)
    _activities(talk, user, persons[0], organizations[0], deals[0])
    _products(talk, user)
    _leads(talk, user, persons[0], organizations[0])
    _notes(talk, user, persons[0], organizations[0], deals[0])
    talk.ask("DELETE", "v1", "/files/{id}", values={"id": talk.listed("v1", "/files")[0]["id"]})
    _activity_types(talk)
    _filters(talk)
    _webhooks(talk)
    _fields(talk)
    _below(talk, deals[0], organizations, persons)
    _projects(talk, user, deals[0], persons, organizations)
    _company(talk, user, organizations, deals[0])
    _forms(talk, deals[0])
    _conversions(talk, _create_deal(talk, user, persons[0], organizations[0], stage))
    _merges_and_deletions(talk, persons, organizations, deals)
    talk.ask("DELETE", "v2", "/stages/{id}", values={"id": stage})
    talk.ask("DELETE", "v2", "/pipelines/{id}", values={"id": pipeline})


def _webhooks(talk: Conversation) -> None:
    body = {
        "subscription_url": "https://crm.example/webhooks",
        "event_action": "delete",
        "event_object": "stage",
        "name": "A webhook",
    }
    made = [int(talk.ask("POST", "v1", "/webhooks", body=body)["id"]) for _ in range(2)]
    talk.ask("DELETE", "v1", "/webhooks/{id}", values={"id": made[0]})


def _custom(talk: Conversation, path: str) -> dict[str, Any]:
    """A value for the first custom field of several types."""
    fields = talk.ask("GET", "v2", path, parameters={"limit": 500})
    return {
        next(f["field_code"] for f in fields if f["is_custom_field"] and f["field_type"] == kind): value
        for kind, value in _CUSTOM_VALUES.items()
    }


def _create_organization(talk: Conversation, user: int, name: str) -> int:
    body = {
        "name": name,
        "owner_id": user,
        "add_time": "2026-01-01T10:00:00Z",
        "visible_to": 3,
        "label_ids": [],
        "address": _ADDRESS,
        "website": "https://firm.example",
        "linkedin": None,
        "industry": 2,
        "annual_revenue": 1_000_000,
        "employee_count": 12,
        "custom_fields": _custom(talk, "/organizationFields"),
    }
    return int(talk.ask("POST", "v2", "/organizations", body=body)["id"])


def _create_person(talk: Conversation, user: int, organization: int, name: str) -> int:
    body = {
        "name": name,
        "owner_id": user,
        "org_id": organization,
        "add_time": "2026-01-01T10:00:00Z",
        "visible_to": 3,
        "label_ids": [],
        "marketing_status": "no_consent",
        "custom_fields": _custom(talk, "/personFields"),
        **_CONTACT,
    }
    return int(talk.ask("POST", "v2", "/persons", body=body)["id"])


def _create_deal(talk: Conversation, user: int, person: int, organization: int, stage: int) -> int:
    body = {
        "title": "A new plant",
        "owner_id": user,
        "person_id": person,
        "org_id": organization,
        "stage_id": stage,
        "value": 12_000,
        "currency": "EUR",
        "probability": 40,
        "visible_to": 3,
        "expected_close_date": "2027-01-31",
        "label_ids": [],
        "custom_fields": _custom(talk, "/dealFields"),
    }
    return int(talk.ask("POST", "v2", "/deals", body=body)["id"])


def _pipelines_and_stages(talk: Conversation) -> tuple[int, int]:
    body: dict[str, Any] = {"name": "New pipeline", "is_deal_probability_enabled": True}
    pipeline = talk.ask("POST", "v2", "/pipelines", body=body)["id"]
    talk.ask("PATCH", "v2", "/pipelines/{id}", values={"id": pipeline}, body={"name": "Renamed"})
    body = {
        "name": "New stage",
        "pipeline_id": pipeline,
        "deal_probability": 50,
        "is_deal_rot_enabled": True,
        "days_to_rotten": 3,
    }
    stage = talk.ask("POST", "v2", "/stages", body=body)["id"]
    talk.ask("PATCH", "v2", "/stages/{id}", values={"id": stage}, body={"name": "Renamed"})
    return pipeline, stage


def _change_records(
    talk: Conversation, user: int, persons: list[int], organizations: list[int], deals: list[int], stage: int
) -> None:
    changes: tuple[tuple[str, int, dict[str, Any]], ...] = (
        ("/organizations/{id}", organizations[0], {"name": "Renamed", "owner_id": user, "address": _ADDRESS}),
        ("/persons/{id}", persons[0], {"name": "Renamed", **_CONTACT}),
        ("/deals/{id}", deals[0], {"status": "won", "stage_id": stage}),
        ("/deals/{id}", deals[0], {"status": "open"}),
        ("/deals/{id}", deals[0], {"status": "lost", "lost_reason": "Price"}),
        ("/deals/{id}", deals[1], {"is_archived": True}),
        ("/deals/{id}", deals[1], {"is_archived": False}),
    )
    for path, identifier, body in changes:
        talk.ask("PATCH", "v2", path, values={"id": identifier}, body=body)


def _activities(talk: Conversation, user: int, person: int, organization: int, deal: int) -> None:
    body = {
        "subject": "Visit",
        "type": "meeting",
        "owner_id": user,
        "deal_id": deal,
        "org_id": organization,
        "participants": [{"person_id": person, "primary": True}],
        "due_date": "2027-01-01",
        "due_time": "10:00:00",
        "duration": "01:00:00",
        "busy": True,
        "done": False,
        "location": _ADDRESS,
        "public_description": "Bring a ladder",
        "priority": 1,
        "note": "<p>Ring twice</p>",
    }
    activity = talk.ask("POST", "v2", "/activities", body=body)["id"]
    talk.ask("PATCH", "v2", "/activities/{id}", values={"id": activity}, body={"done": True})
    talk.ask("DELETE", "v2", "/activities/{id}", values={"id": activity})


def _products(talk: Conversation, user: int) -> None:
    body = {
        "name": "New product",
        "code": "NP",
        "description": "A product",
        "unit": "pcs",
        "tax": 20,
        "owner_id": user,
        "is_linkable": True,
        "visible_to": 3,
        "prices": [{"price": 10, "currency": "EUR", "cost": 5, "direct_cost": 1, "notes": "list"}],
        "billing_frequency": "monthly",
        "billing_frequency_cycles": 12,
    }
    product = talk.ask("POST", "v2", "/products", body=body)["id"]
    talk.ask("PATCH", "v2", "/products/{id}", values={"id": product}, body={"name": "Renamed"})
    talk.ask("DELETE", "v2", "/products/{id}", values={"id": product})


def _leads(talk: Conversation, user: int, person: int, organization: int) -> None:
    label = talk.ask("POST", "v1", "/leadLabels", body={"name": "New", "color": "green"})["id"]
    talk.ask("PATCH", "v1", "/leadLabels/{id}", values={"id": label}, body={"name": "Renamed"})
    body = {
        "title": "New lead",
        "owner_id": user,
        "label_ids": [label],
        "person_id": person,
        "organization_id": organization,
        "value": {"amount": 10, "currency": "EUR"},
        "expected_close_date": "2027-01-01",
        "visible_to": "3",
        "was_seen": True,
    }
    lead = talk.ask("POST", "v1", "/leads", body=body)["id"]
    for change in ({"title": "Renamed"}, {"is_archived": True}, {"is_archived": False}):
        talk.ask("PATCH", "v1", "/leads/{id}", values={"id": lead}, body=change)
    talk.ask("DELETE", "v1", "/leads/{id}", values={"id": lead})
    talk.ask("DELETE", "v1", "/leadLabels/{id}", values={"id": label})


def _notes(talk: Conversation, user: int, person: int, organization: int, deal: int) -> None:
    body = {
        "content": "<b>New</b>",
        "deal_id": deal,
        "person_id": person,
        "org_id": organization,
        "user_id": user,
    }
    note = talk.ask("POST", "v1", "/notes", body=body | {"pinned_to_deal_flag": 1})["id"]
    talk.ask("PUT", "v1", "/notes/{id}", values={"id": note}, body={"content": "Changed"})
    talk.ask("DELETE", "v1", "/notes/{id}", values={"id": note})


def _activity_types(talk: Conversation) -> None:
    body = {"name": "New type", "icon_key": "bell"}
    kind = talk.ask("POST", "v1", "/activityTypes", body=body)["id"]
    talk.ask("PUT", "v1", "/activityTypes/{id}", values={"id": kind}, body={"name": "Renamed"})
    talk.ask("DELETE", "v1", "/activityTypes/{id}", values={"id": kind})


def _filters(talk: Conversation) -> None:
    conditions = talk.ask("GET", "v1", "/filters/{id}", values={"id": 1})["conditions"]
    body = {"name": "New filter", "type": "deals", "conditions": conditions}
    saved = talk.ask("POST", "v1", "/filters", body=body)["id"]
    change = {"name": "Renamed", "conditions": conditions}
    talk.ask("PUT", "v1", "/filters/{id}", values={"id": saved}, body=change)
    talk.ask("DELETE", "v1", "/filters/{id}", values={"id": saved})
    more = [talk.ask("POST", "v1", "/filters", body=body)["id"] for _ in range(2)]
    talk.ask("DELETE", "v1", "/filters", parameters={"ids": ",".join(map(str, more))})


def _fields(talk: Conversation) -> None:
    for path in (
        *("/dealFields", "/personFields", "/organizationFields", "/productFields", "/projectFields"),
    ):
        body = {"field_name": "New field", "field_type": "enum", "options": [{"label": "A"}, {"label": "B"}]}
        field = talk.ask("POST", "v2", path, body=body)
        values = {"field_code": field["field_code"]}
        one, options = f"{path}/{{field_code}}", f"{path}/{{field_code}}/options"
        talk.ask("PATCH", "v2", one, values=values, body={"field_name": "Renamed"})
        talk.ask("POST", "v2", options, values=values, body=[{"label": "C"}])
        first, second = field["options"]
        talk.ask("PATCH", "v2", options, values=values, body=[{"id": first["id"], "label": "D"}])
        talk.ask("DELETE", "v2", options, values=values, body=[{"id": second["id"]}])
        talk.ask("DELETE", "v2", one, values=values)


def _merges_and_deletions(
    talk: Conversation, persons: list[int], organizations: list[int], deals: list[int]
) -> None:
    for name, (loser, survivor) in (("deals", deals), ("persons", persons), ("organizations", organizations)):
        path = f"/{name}/{{id}}"
        talk.ask("PUT", "v1", f"{path}/merge", values={"id": loser}, body={"merge_with_id": survivor})
        talk.ask("DELETE", "v2", path, values={"id": survivor})
    talk.ask("PATCH", "v2", "/deals/{id}", values={"id": deals[1]}, body={"is_deleted": False})


def _below(talk: Conversation, deal: int, organizations: list[int], persons: list[int]) -> None:
    """Create, change and delete a record of each kind below another one."""
    users = talk.listed("v1", "/users")
    product = talk.listed("v2", "/products")[0]["id"]
    note = next(one["id"] for one in talk.listed("v1", "/notes") if one["active_flag"])
    followed = {"deals": deal, "persons": persons[0], "organizations": organizations[0], "products": product}
    user = {"user_id": next(one["id"] for one in reversed(users) if one["active_flag"])}
    line = {"product_id": product, "item_price": 10, "quantity": 2}
    discount = {"description": "Early", "amount": 5, "type": "percentage"}
    installment = {"description": "First", "amount": 5, "billing_date": "2027-01-01"}
    variation = {"name": "Blue", "prices": [{"price": 1, "currency": "EUR"}]}
    comment, role = {"content": "Seen"}, {"id": 1}
    for version, path, parent, key, parameter, body, change in (
        *(
            ("v2", f"/{name}/{{id}}/followers", one, "user_id", "follower_id", user, None)
            for name, one in followed.items()
        ),
        ("v2", "/deals/{id}/products", deal, "id", "product_attachment_id", line, {"quantity": 3}),
        ("v2", "/deals/{id}/discounts", deal, "id", "discount_id", discount, {"amount": 7}),
        ("v2", "/deals/{id}/installments", deal, "id", "installment_id", installment, {"amount": 7}),
        (
            "v2",
            "/products/{id}/variations",
            product,
            "id",
            "product_variation_id",
            variation,
            {"name": "Red"},
        ),
        (
            "v1",
            "/deals/{id}/participants",
            deal,
            "id",
            "deal_participant_id",
            {"person_id": persons[1]},
            None,
        ),
        ("v1", "/notes/{id}/comments", note, "uuid", "commentId", comment, {"content": "Seen again"}),
    ):
        made = talk.ask("POST", version, path, values={"id": parent}, body=body)
        values, single = {"id": parent, parameter: made[key]}, f"{path}/{{{parameter}}}"
        if change is not None:
            method = "PATCH" if version == "v2" else "PUT"
            talk.ask(method, version, single, values=values, body=change)
        if path == "/notes/{id}/comments":
            talk.ask("GET", version, single, values=values)
        talk.ask("DELETE", version, single, values=values)
    several = {"data": [line, {**line, "quantity": 4}]}
    lines = talk.ask("POST", "v2", "/deals/{id}/products/bulk", values={"id": deal}, body=several)
    ids = ",".join(str(one["id"]) for one in lines)
    talk.ask("DELETE", "v2", "/deals/{id}/products", values={"id": deal}, parameters={"ids": ids})
    talk.ask("POST", "v1", "/roles/{id}/assignments", values=role, body=user)
    talk.ask("DELETE", "v1", "/roles/{id}/assignments", values=role, body=user)


def _projects(talk: Conversation, user: int, deal: int, persons: list[int], organizations: list[int]) -> None:
    board = talk.ask("POST", "v2", "/boards", body={"name": "Board", "order_nr": 9})["id"]
    phase = talk.ask("POST", "v2", "/phases", body={"name": "Phase", "board_id": board})["id"]
    body = {
        "title": "Project", "description": "Roof", "board_id": board, "phase_id": phase, "owner_id": user,
        "start_date": "2027-01-01", "end_date": "2027-02-01", "deal_ids": [deal], "person_ids": persons,
        "org_ids": organizations, "label_ids": [],
    }  # fmt: skip
    project, other = (talk.ask("POST", "v2", "/projects", body=body)["id"] for _ in range(2))
    body = {
        "title": "Task",
        "project_id": project,
        "assignee_ids": [user],
        "due_date": "2027-01-05",
        "done": 0,
    }
    task = talk.ask("POST", "v2", "/tasks", body=body)["id"]
    changes = {
        "/tasks/{id}": (task, {"done": 1}),
        "/projects/{id}": (project, {"status": "completed"}),
        "/phases/{id}": (phase, {"name": "Renamed"}),
        "/boards/{id}": (board, {"name": "Renamed"}),
    }
    for path, (one, change) in changes.items():
        talk.ask("PATCH", "v2", path, values={"id": one}, body=change)
    talk.ask("POST", "v2", "/projects/{id}/archive", values={"id": other})
    for path, (one, _) in changes.items():
        talk.ask("DELETE", "v2", path, values={"id": one})


def _company(talk: Conversation, user: int, organizations: list[int], deal: int) -> None:
    role = talk.ask("POST", "v1", "/roles", body={"name": "Role", "parent_role_id": 1})["id"]
    talk.ask("PUT", "v1", "/roles/{id}", values={"id": role}, body={"name": "Renamed"})
    talk.ask("DELETE", "v1", "/roles/{id}", values={"id": role})
    somebody = talk.ask("POST", "v1", "/users", body={"email": "somebody@firm.example", "access": []})["id"]
    talk.ask("PUT", "v1", "/users/{id}", values={"id": somebody}, body={"active_flag": False})
    goal: dict[str, Any] = {
        "title": "Goal", "assignee": {"id": user, "type": "person"}, "interval": "monthly",
        "type": {"name": "deals_won", "params": {"pipeline_id": [1]}},
        "expected_outcome": {"target": 3, "tracking_metric": "quantity"},
        "duration": {"start": "2027-01-01", "end": "2027-12-31"},
    }  # fmt: skip
    made = talk.ask("POST", "v1", "/goals", body=goal)["goal"]["id"]
    talk.ask("PUT", "v1", "/goals/{id}", values={"id": made}, body={"title": "Renamed"})
    talk.ask("DELETE", "v1", "/goals/{id}", values={"id": made})
    team = talk.ask(
        "POST",
        "v1",
        "/legacyTeams",
        body={"name": "T", "description": "A team", "manager_id": user, "users": [user]},
    )["id"]
    talk.ask(
        "PUT", "v1", "/legacyTeams/{id}", values={"id": team}, body={"deleted_flag": 1, "active_flag": 0}
    )
    call = {
        "user_id": user, "subject": "Call", "outcome": "connected", "to_phone_number": "+372 1",
        "deal_id": deal, "activity_id": talk.listed("v2", "/activities")[0]["id"],
        "start_time": "2027-01-01 10:00:00", "end_time": "2027-01-01 10:05:00", "duration": "300",
    }  # fmt: skip
    talk.ask(
        "DELETE", "v1", "/callLogs/{id}", values={"id": talk.ask("POST", "v1", "/callLogs", body=call)["id"]}
    )
    both = dict(zip(("rel_owner_org_id", "rel_linked_org_id"), organizations, strict=True))
    relation = {
        "id": talk.ask("POST", "v1", "/organizationRelationships", body={"type": "parent", **both})["id"]
    }
    path = "/organizationRelationships/{id}"
    talk.ask("GET", "v1", path, values=relation)
    talk.ask("PUT", "v1", path, values=relation, body={"type": "related"})
    talk.ask("DELETE", "v1", path, values=relation)


def _forms(talk: Conversation, deal: int) -> None:
    file = talk.ask("POST", "v1", "/files", form={"deal_id": deal}, upload=("offer.txt", b"An offer\n"))["id"]
    talk.ask("PUT", "v1", "/files/{id}", values={"id": file}, form={"name": "Offer", "description": "New"})
    owner = {"item_type": "deal", "item_id": deal, "remote_location": "googledrive"}
    talk.ask("POST", "v1", "/files/remote", form={"file_type": "gdoc", "title": "Paper", **owner})
    talk.ask("POST", "v1", "/files/remoteLink", form={"remote_id": "abc", **owner})
    thread = {"id": talk.listed("v1", "/mailbox/mailThreads")[0]["id"]}
    talk.ask("GET", "v1", "/mailbox/mailThreads/{id}", values=thread)
    talk.ask(
        "PUT", "v1", "/mailbox/mailThreads/{id}", values=thread, form={"read_flag": 1, "archived_flag": 1}
    )
    talk.ask("DELETE", "v1", "/mailbox/mailThreads/{id}", values=thread)


def _conversions(talk: Conversation, deal: int) -> None:
    lead = {"id": talk.listed("v1", "/leads")[-1]["id"]}
    job = talk.ask("POST", "v2", "/leads/{id}/convert/deal", values=lead, body={"pipeline_id": 1})
    talk.ask("GET", "v2", "/leads/{id}/convert/status/{conversion_id}", values={**lead, **job})
    job = talk.ask("POST", "v2", "/deals/{id}/convert/lead", values={"id": deal})
    talk.ask("GET", "v2", "/deals/{id}/convert/status/{conversion_id}", values={"id": deal, **job})
