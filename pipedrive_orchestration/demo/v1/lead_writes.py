"""The writes of leads and lead labels."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import Record
from pipedrive_orchestration.demo.account.counts import follow_up
from pipedrive_orchestration.demo.account.custom_values import currency_problem
from pipedrive_orchestration.demo.account.references import reference_problems
from pipedrive_orchestration.demo.bodies import Body, read
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.errors import bad_request, not_found
from pipedrive_orchestration.demo.parameters import Query, parse
from pipedrive_orchestration.demo.v1 import lead_custom_fields
from pipedrive_orchestration.demo.v1.bodies import Lead, LeadLabel, NewLead, NewLeadLabel
from pipedrive_orchestration.demo.v1.leads import lead_of


def create_lead(call: Call) -> Answer:
    """``POST /leads``: linked to a person, an organization or both."""
    changes, values = _read(call, NewLead)
    account = call.account
    lead = _blank(account) | changes
    _check(call, lead, changes, values)
    now = account.stamp("leads")
    lead |= {"id": account.new_uuid(), "add_time": now, "update_time": now}
    lead["cc_email"] = f"{account.me['company_domain']}+lead{lead['id'][:8]}@pipedrivemail.example"
    lead = account.save("leads", lead_custom_fields.written(account, lead, values))
    return success(lead, 201)


def _blank(account: Account) -> Record:
    return {
        "id": None,
        "title": None,
        "owner_id": account.me["id"],
        "creator_id": account.me["id"],
        "label_ids": [],
        "person_id": None,
        "organization_id": None,
        "source_name": "API",
        "origin": "API",
        "origin_id": None,
        "channel": None,
        "channel_id": None,
        "source_deal_id": None,
        "is_archived": False,
        "was_seen": False,
        "value": None,
        "expected_close_date": None,
        "next_activity_id": None,
        "add_time": None,
        "update_time": None,
        "archive_time": None,
        "visible_to": "3",
        "cc_email": None,
    }


def update_lead(call: Call) -> Answer:
    """``PATCH /leads/{id}``: an archived lead can only be un-archived."""
    before = lead_of(call)
    changes, values = _read(call, Lead)
    if before["is_archived"] and (values or changes != {"is_archived": False}):
        raise bad_request("v1", ["An archived lead can only be un-archived, with is_archived false."])
    lead = before | changes
    _check(call, lead, changes, values)
    if lead["is_archived"] != before["is_archived"]:
        lead["archive_time"] = call.account.stamp("leads") if lead["is_archived"] else None
    lead = call.account.save("leads", lead_custom_fields.written(call.account, lead, values))
    follow_up(call.account, "leads", before, lead)
    return success(lead)


def delete_lead(call: Call) -> Answer:
    """``DELETE /leads/{id}``: it is gone for good."""
    parse(call, Query)
    lead = lead_of(call)
    call.account["leads"].remove(lead["id"])
    return success({"id": lead["id"]})


def _read(call: Call, model: type[Body]) -> tuple[Record, Record]:
    parse(call, Query)
    content = call.json()
    if not isinstance(content, dict):
        raise bad_request(call.version, ["The request body has to be a JSON object."])
    built_in, values = lead_custom_fields.split(call.account, content)
    plain = Call(call.account, call.version, call.path, call.query, orjson.dumps(built_in))
    return read(plain, model), values


def _check(call: Call, lead: Record, changes: Record, values: Record) -> None:
    problems = list(_problems(call.account, lead, changes))
    problems.extend(lead_custom_fields.problems(call.account, values))
    if problems:
        raise bad_request("v1", problems)


def _problems(account: Account, lead: Record, changes: Record) -> Iterator[str]:
    if lead["person_id"] is None and lead["organization_id"] is None:
        yield "person_id: A lead has to be linked to a person or an organization."
    yield from reference_problems(account, changes)
    for label_id in changes.get("label_ids", ()):
        if label_id not in account["lead_labels"]:
            yield f"label_ids: There is no lead label {label_id}."
    value = changes.get("value")
    if value is not None and (problem := currency_problem(account, value["currency"])) is not None:
        yield f"value.currency: {problem}"


def create_lead_label(call: Call) -> Answer:
    """``POST /leadLabels``."""
    parse(call, Query)
    changes = read(call, NewLeadLabel)
    label = {"id": call.account.new_uuid(), **changes, "add_time": call.account.stamp("lead_labels")}
    return success(call.account.save("lead_labels", label))


def update_lead_label(call: Call) -> Answer:
    """``PATCH /leadLabels/{id}``."""
    parse(call, Query)
    label = _label_of(call)
    return success(call.account.save("lead_labels", {**label, **read(call, LeadLabel)}))


def delete_lead_label(call: Call) -> Answer:
    """``DELETE /leadLabels/{id}``; leads lose it."""
    parse(call, Query)
    label_id = _label_of(call)["id"]
    call.account["lead_labels"].remove(label_id)
    for lead in call.account["leads"]:
        if label_id in lead["label_ids"]:
            label_ids = [one for one in lead["label_ids"] if one != label_id]
            call.account["leads"].put({**lead, "label_ids": label_ids})
    return success({"id": label_id})


def _label_of(call: Call) -> Record:
    label = call.account["lead_labels"].get(call.path["id"])
    if label is None:
        raise not_found()
    return label
