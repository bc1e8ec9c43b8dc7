"""Conversions of leads to deals and of deals to leads: jobs that are done as soon as they are asked about."""

from __future__ import annotations

from pipedrive_orchestration.demo.bodies import read
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.endpoints.records import add, delete
from pipedrive_orchestration.demo.errors import not_found
from pipedrive_orchestration.demo.records import Record, taken

_KEPT = "title owner_id person_id expected_close_date"


def lead_to_deal(call: Call) -> Answer:
    """A lead becomes a deal, and is deleted."""
    lead = call.record()
    given = read(call, call.json() if call.content else {}, "id: stage_id pipeline_id")
    value = lead["value"] and {"value": lead["value"]["amount"], "currency": lead["value"]["currency"]}
    changes = taken(lead, _KEPT) | {"org_id": lead["organization_id"]} | (value or {}) | given
    return _job(call, lead["id"], add(call, "deals", changes)["id"])


def deal_to_lead(call: Call) -> Answer:
    """A deal becomes a lead, and is deleted."""
    deal = call.record()
    if call.collection.schema.is_deleted(deal):
        raise not_found()
    value = {"amount": deal["value"], "currency": deal["currency"]} if deal["value"] else None
    changes = taken(deal, _KEPT) | {"organization_id": deal["org_id"], "value": value}
    return _job(call, add(call, "leads", changes)["id"], deal["id"])


def status(call: Call) -> Answer:
    """How far a conversion is."""
    job = call.account.conversions.get(call.path["conversion_id"])
    if job is None or str(job[f"{call.name[:-1]}_id"]) != call.path["id"]:
        raise not_found()
    return success(job)


def _job(call: Call, lead_id: object, deal_id: object) -> Answer:
    account = call.account
    delete(account, call.name, call.record())
    conversion_id = str(account.new_id("leads"))
    job: Record = {"lead_id": lead_id, "deal_id": deal_id}
    account.conversions[conversion_id] = {**job, "conversion_id": conversion_id, "status": "completed"}
    return success({"conversion_id": conversion_id})
