"""Conversions of leads to deals and of deals to leads: jobs that are done as soon as they are asked about."""

from __future__ import annotations

from pipedrive_orchestration.demo.account.rules import RULES, blank, problems
from pipedrive_orchestration.demo.bodies import read
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.errors import not_found
from pipedrive_orchestration.demo.records import Record


def lead_to_deal(call: Call) -> Answer:
    """A lead becomes a deal, and is deleted."""
    account, lead = call.account, call.record()
    given = read(call, call.json() if call.content else {}, "id: stage_id pipeline_id")
    value = lead["value"] or {}
    changes = {
        "title": lead["title"],
        "owner_id": lead["owner_id"],
        "person_id": lead["person_id"],
        "org_id": lead["organization_id"],
        "expected_close_date": lead["expected_close_date"],
        **({"value": value["amount"], "currency": value["currency"]} if value else {}),
        **given,
    }
    deal = _made(call, "deals", changes)
    account["leads"].remove(lead["id"])
    return _job(call, {"lead_id": lead["id"], "deal_id": deal["id"]})


def deal_to_lead(call: Call) -> Answer:
    """A deal becomes a lead, and is deleted."""
    deal = call.record()
    if call.collection.schema.is_deleted(deal):
        raise not_found()
    changes = {
        "title": deal["title"],
        "owner_id": deal["owner_id"],
        "person_id": deal["person_id"],
        "organization_id": deal["org_id"],
        "expected_close_date": deal["expected_close_date"],
        "value": {"amount": deal["value"], "currency": deal["currency"]} if deal["value"] else None,
    }
    lead = _made(call, "leads", changes)
    call.account.save("deals", {**deal, "is_deleted": True, "status": "deleted"})
    return _job(call, {"lead_id": lead["id"], "deal_id": deal["id"]})


def status(call: Call) -> Answer:
    """How far a conversion is."""
    job = call.account.conversions.get(call.path["conversion_id"])
    if job is None or str(job[f"{call.name[:-1]}_id"]) != call.path["id"]:
        raise not_found()
    return success(job)


def _made(call: Call, name: str, changes: Record) -> Record:
    account, before = call.account, blank(call.account, name)
    if found := list(problems(account, name, before, changes)):
        raise call.refusal(*found)
    before |= {"id": account.new_id(name), "add_time": account.stamp(name)}
    return account.save(name, RULES[name].settled(account, before, changes))


def _job(call: Call, ids: Record) -> Answer:
    account = call.account
    conversion_id = str(account.new_id("leads"))
    account.conversions[conversion_id] = {**ids, "conversion_id": conversion_id, "status": "completed"}
    return success({"conversion_id": conversion_id})
