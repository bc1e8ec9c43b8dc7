"""The rules of deals: stage and pipeline, status and archive state move together with their times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.records import Record


def objections(account: Account, before: Record, changes: Record) -> Iterator[str]:
    """What speaks against a write, one sentence per key."""
    status = changes.get("status", before["status"])
    if changes.get("lost_reason") is not None and status != "lost":
        yield "lost_reason: This can only be set on a lost deal."
    for prop, wanted in (("won_time", "won"), ("lost_time", "lost")):
        if changes.get(prop) is not None and status != wanted:
            yield f"{prop}: This can only be set on a {wanted} deal."
    if changes.get("close_time") is not None and status == "open":
        yield "close_time: This can only be set on a closed deal."
    stage = account["stages"].get(changes.get("stage_id"))
    if stage is not None and changes.get("pipeline_id", stage["pipeline_id"]) != stage["pipeline_id"]:
        yield f"stage_id: This stage belongs to pipeline {stage['pipeline_id']}."
    if changes.get("archive_time") is not None and not changes.get("is_archived", before["is_archived"]):
        yield "archive_time: This can only be set on an archived deal."
    pipeline_id = changes.get("pipeline_id")
    if pipeline_id in account["pipelines"] and not stages_of(account, pipeline_id):
        yield "pipeline_id: This pipeline has no stages."


def stages_of(account: Account, pipeline_id: Any) -> list[Record]:
    """The stages of a pipeline that are not deleted, in their order."""
    ids = account["stages"].linked("pipeline_id", pipeline_id)
    stages = [stage for one in ids if (stage := account["stages"].get(one)) and not stage["is_deleted"]]
    return sorted(stages, key=lambda stage: (stage["order_nr"], stage["id"]))


def follow(account: Account, before: Record, changes: Record, deal: Record) -> None:
    """Changes what follows from a write to a deal."""
    now = account.stamp("deals")
    deal |= _staged(account, before, changes)
    if deal["stage_id"] != before["stage_id"] and before["stage_id"] is not None:
        deal["stage_change_time"] = now
    if deal["currency"] is None:
        deal["currency"] = account.me["default_currency"]
    deal |= _closed(before, changes, deal["status"], now)
    if deal["is_archived"] != before["is_archived"]:
        deal["archive_time"] = (changes.get("archive_time") or now) if deal["is_archived"] else None


def _staged(account: Account, before: Record, changes: Record) -> Record:
    if "stage_id" in changes:
        stage = account["stages"].get(changes["stage_id"])
        assert stage is not None, "references were checked"
        return {"stage_id": stage["id"], "pipeline_id": stage["pipeline_id"]}
    pipeline_id = changes.get("pipeline_id", before["pipeline_id"])
    if pipeline_id is None:
        pipeline_id = min(one["id"] for one in account["pipelines"] if stages_of(account, one["id"]))
    if pipeline_id == before["pipeline_id"]:
        return {}
    return {"pipeline_id": pipeline_id, "stage_id": stages_of(account, pipeline_id)[0]["id"]}


def _closed(before: Record, changes: Record, status: str, now: str) -> Record:
    if status == before["status"] and not changes.keys() & {"won_time", "lost_time", "close_time"}:
        return {}
    won = (changes.get("won_time") or before["won_time"] or now) if status == "won" else None
    lost = (changes.get("lost_time") or before["lost_time"] or now) if status == "lost" else None
    closed = changes.get("close_time") or won or lost
    return {
        "won_time": won,
        "lost_time": lost,
        "close_time": closed,
        "local_won_date": won and won[:10],
        "local_lost_date": lost and lost[:10],
        "local_close_date": closed and closed[:10],
        "first_won_time": before["first_won_time"] or won,
        "lost_reason": changes.get("lost_reason", before["lost_reason"]) if status == "lost" else None,
    }


def restored(before: Record) -> Record:
    """A deleted deal as it was before: its status follows from its times."""
    status = "won" if before["won_time"] else "lost" if before["lost_time"] else "open"
    return {**before, "is_deleted": False, "status": status}
