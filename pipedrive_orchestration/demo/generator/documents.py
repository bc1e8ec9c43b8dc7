"""What is written about customers: notes, files and threads of mail in v1 shape.

See docs/pipedrive-api.md#records.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.company import numbered
from pipedrive_orchestration.demo.generator.moments import DAY, millisecond_time, v1_time, v2_time
from pipedrive_orchestration.demo.generator.randomness import pick, sample_positions, stream
from pipedrive_orchestration.demo.records import Record, Records, blank, taken

NOTED = {
    "deal_id": ("deals", "deal", "title"),
    "person_id": ("persons", "person", "name"),
    "org_id": ("organizations", "organization", "name"),
    "lead_id": ("leads", "lead", "title"),
    "project_id": ("projects", "project", "title"),
    "task_id": ("tasks", "task", "title"),
}
"""What notes are linked to, and the small objects in which they repeat its name."""

FILED = {
    "deal_id": ("deals", "deal_name", "title"),
    "person_id": ("persons", "person_name", "name"),
    "org_id": ("organizations", "org_name", "name"),
    "product_id": ("products", "product_name", "name"),
    "lead_id": ("leads", "lead_name", "title"),
    "project_id": ("projects", "project_name", "title"),
}
"""What files hang on, and the keys under which they repeat its name."""

_DELETED_NOTES = 0.015
_FILE_NAMES = (
    *("Offer.pdf", "Roof plan.png", "Vertrag: final?.docx", "見積書.pdf", "data sheet.csv", "CON"),
    "photo.jpg",
)
"""Names as people give them; some no file system takes."""

_THREADS = 12
_FOLDERS = (["inbox"], ["inbox", "sent"], ["sent"], ["archive"], ["drafts"])
"""The folders of threads, one after the other."""


def notes(business: Business) -> Records:
    """Notes by id in the order they were added; a deleted one has ``active_flag`` False."""
    rng, calendar, ids = stream(business.seed, "notes"), business.calendar, business.ids("notes")
    deleted = sample_positions(rng, len(ids), _DELETED_NOTES)
    records: Records = {}
    add_times, _ = calendar.add_times(rng, len(ids))
    for position, (identifier, added) in enumerate(zip(ids, add_times, strict=True)):
        is_deleted, author = position in deleted, pick(rng, business.owners)
        updated = calendar.deletion(rng, added) if is_deleted else calendar.later(rng, added)
        record = blank("notes") | _linked(business, rng, added)
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
            record[key] = target and taken(target, title)
        records[identifier] = record
    return records


def author_of(user: Record) -> Record:
    """What a note says of the user who wrote it."""
    return taken(user, "email name icon_url is_you")


def _linked(business: Business, rng: Random, added: int) -> Record:
    """Ids of a deal with its customer, of a lead, or of a person."""
    chance = rng.random()
    deal_id = business.one_before(rng, "deals", v2_time(added)) if chance < 0.6 else None
    if deal_id is not None:
        return {"deal_id": deal_id, **taken(business["deals"][deal_id], "person_id org_id")}
    lead_id = business.one_before(rng, "leads", millisecond_time(added)) if chance < 0.75 else None
    if lead_id is not None:
        return {"lead_id": lead_id}
    return {"person_id": business.one_before(rng, "persons", v2_time(added))}


def files(business: Business) -> Records:
    """Files by id in the order they were added."""
    rng = stream(business.seed, "files")
    records: Records = {}
    for draft in business.drafts(rng, "files", deleted=0.05):
        added, updated = draft.added, business.updated(rng, draft)
        name = pick(rng, _FILE_NAMES)
        file = blank("files") | _attached(business, rng, added)
        file |= {
            "id": draft.id, "name": name, "file_name": f"{draft.id:08x}_{len(name)}", "description": "",
            "file_type": "img" if name.endswith(("png", "jpg")) else "document",
            "file_size": len(content_of({"id": draft.id, "name": name})), "remote_location": "s3",
            "user_id": pick(rng, business.owners), "active_flag": not draft.is_deleted,
            "add_time": v1_time(added), "update_time": v1_time(updated),
            "url": f"https://app.pipedrive.example/api/v1/files/{draft.id}/download",
        }  # fmt: skip
        for link, (target, key, title) in FILED.items():
            # Products and projects have no files yet.
            holder = business.collections[target].get(file[link])
            file[key] = holder and holder[title]
        records[draft.id] = file
    return records


def _attached(business: Business, rng: Random, added: int) -> Record:
    """Ids of what a file hangs on: a deal or an activity with its customer, else a contact or a lead."""
    chance = rng.random()
    _, name, link, form = next(row for row in _HOLDERS if chance < row[0])
    holder_id = business.one_before(rng, name, form(added))
    if holder_id is None:
        return {}
    holder, customer = business[name][holder_id], "person_id org_id"
    kept = {"deals": customer, "activities": f"{customer} deal_id lead_id", "persons": "org_id"}.get(name, "")
    return {link: holder_id, **taken(holder, kept)}


_HOLDERS: tuple[tuple[float, str, str, Callable[[int], str]], ...] = (
    (0.6, "deals", "deal_id", v2_time),
    (0.75, "persons", "person_id", v2_time),
    (0.87, "organizations", "org_id", v2_time),
    (0.94, "leads", "lead_id", millisecond_time),
    (1.0, "activities", "activity_id", v2_time),
)
"""On what files hang: up to which chance, which collection, by which link, and how that writes times."""


def content_of(file: Record) -> bytes:
    """What a file holds."""
    return f"{file['name']} ({file['id']})\n".encode() * (1 + int(file["id"]) % 40)


def mail_threads(business: Business) -> Records:
    """Threads of the token's own mailbox in the order they were added; some lie in two folders."""
    flags = dict.fromkeys((key for key in blank("mail_threads") if key.endswith("_flag")), 0)
    party = {"id": 1, "email_address": "a@firm.example", "name": "A"}
    deal = next(one for one in business["deals"].values() if not one["is_deleted"] and not one["is_archived"])
    times = ("last_message_timestamp", "first_message_timestamp", "add_time", "update_time")
    return numbered(
        "mail_threads",
        (
            {
                **flags,
                **dict.fromkeys(times, millisecond_time(business.calendar.now - (_THREADS - number) * DAY)),
                "account_id": "a1", "user_id": business.owners[0], "version": 1,
                "subject": f"Your roof ({number})", "snippet": "We have looked at",
                "parties": {"to": [party], "from": [party]}, "drafts_parties": [],
                "folders": _FOLDERS[number % len(_FOLDERS)], "message_count": 1 + number % 3,
                "deal_id": deal["id"], "deal_status": deal["status"],
            }
            for number in range(1, _THREADS + 1)
        ),
    )  # fmt: skip
