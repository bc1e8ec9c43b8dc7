"""Notes in v1 shape (docs/pipedrive-api.md#records)."""

from __future__ import annotations

from random import Random

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.moments import millisecond_time, v1_time, v2_time
from pipedrive_orchestration.demo.generator.randomness import pick, sample_positions, stream
from pipedrive_orchestration.demo.records import Record, Records, blank

_DELETED_SHARE = 0.015

NOTED = {
    "deal_id": ("deals", "deal", "title"),
    "person_id": ("persons", "person", "name"),
    "org_id": ("organizations", "organization", "name"),
    "lead_id": ("leads", "lead", "title"),
    "project_id": ("projects", "project", "title"),
    "task_id": ("tasks", "task", "title"),
}
"""What notes are linked to, and the small objects in which they repeat its name."""


def notes(business: Business) -> Records:
    """Notes by id in the order they were added; a deleted one has ``active_flag`` False."""
    rng, calendar, ids = stream(business.seed, "notes"), business.calendar, business.ids("notes")
    deleted = sample_positions(rng, len(ids), _DELETED_SHARE)
    records: Records = {}
    add_times, _ = calendar.add_times(rng, len(ids))
    for position, (identifier, added) in enumerate(zip(ids, add_times, strict=True)):
        is_deleted, author = position in deleted, pick(rng, business.owners)
        updated = calendar.deletion(rng, added) if is_deleted else calendar.later(rng, added)
        record = blank("notes") | _link(business, rng, added)
        record |= {
            "id": identifier,
            "user_id": author,
            "content": f"<p>{pick(rng, business.world.sentences)}</p>",
            "add_time": v1_time(added),
            "update_time": v1_time(updated),
            "active_flag": not is_deleted,
            "pinned_to_deal_flag": record["deal_id"] is not None and rng.random() < 0.2,
            "last_update_user_id": author if updated > added else None,
            "user": author_of(business["users"][author]),
        }
        for link, (name, key, title) in NOTED.items():
            # Projects come later, and notes are linked to them then.
            target = business.collections.get(name, {}).get(record[link])
            record[key] = target and {title: target[title]}
        records[identifier] = record
    return records


def author_of(user: Record) -> Record:
    """What a note says of the user who wrote it."""
    return {key: user[key] for key in ("email", "name", "icon_url", "is_you")}


def _link(business: Business, rng: Random, added: int) -> Record:
    """Ids of a deal with its customer, of a lead, or of a person."""
    chance = rng.random()
    deal_id = business.one_before(rng, "deals", v2_time(added)) if chance < 0.6 else None
    if deal_id is not None:
        deal = business["deals"][deal_id]
        return {"deal_id": deal_id, "person_id": deal["person_id"], "org_id": deal["org_id"]}
    lead_id = business.one_before(rng, "leads", millisecond_time(added)) if chance < 0.75 else None
    if lead_id is not None:
        return {"lead_id": lead_id}
    return {"person_id": business.one_before(rng, "persons", v2_time(added))}
