"""Files at deals, persons and organizations in v1 shape (docs/pipedrive-api.md#records)."""

from __future__ import annotations

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.moments import v1_time, v2_time
from pipedrive_orchestration.demo.generator.randomness import pick, stream
from pipedrive_orchestration.demo.records import Record, Records, blank

_NAMES = (
    "Offer.pdf",
    "Roof plan.png",
    "Vertrag: final?.docx",
    "見積書.pdf",
    "data sheet.csv",
    "CON",
    "photo.jpg",
)
"""Names as people give them; some no file system takes."""


def files(business: Business) -> Records:
    """Files by id in the order they were added."""
    rng = stream(business.seed, "files")
    records: Records = {}
    for draft in business.drafts(rng, "files", deleted=0.05):
        added, updated = draft.added, business.updated(rng, draft)
        deal = business["deals"].get(business.one_before(rng, "deals", v2_time(added)))
        name = pick(rng, _NAMES)
        records[draft.id] = blank("files") | {
            "id": draft.id,
            "user_id": pick(rng, business.owners),
            "deal_id": deal and deal["id"],
            "person_id": deal and deal["person_id"],
            "org_id": deal and deal["org_id"],
            "deal_name": deal and deal["title"],
            "add_time": v1_time(added),
            "update_time": v1_time(updated),
            "file_name": f"{draft.id:08x}_{len(name)}",
            "file_type": "img" if name.endswith(("png", "jpg")) else "document",
            "file_size": len(content_of({"id": draft.id, "name": name})),
            "active_flag": not draft.is_deleted,
            "name": name,
            "remote_location": "s3",
            "url": f"https://app.pipedrive.example/api/v1/files/{draft.id}/download",
            "description": "",
        }
    return records


def content_of(file: Record) -> bytes:
    """What a file holds."""
    return f"{file['name']} ({file['id']})\n".encode() * (1 + int(file["id"]) % 40)
