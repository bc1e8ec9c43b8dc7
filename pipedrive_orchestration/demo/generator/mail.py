"""Threads of mail in the token's own mailbox, in v1 shape (docs/pipedrive-api.md#records)."""

from __future__ import annotations

from pipedrive_orchestration.demo.generator.business import Business
from pipedrive_orchestration.demo.generator.moments import DAY, millisecond_time
from pipedrive_orchestration.demo.records import Records, blank

_FOLDERS = (["inbox"], ["inbox", "sent"], ["sent"], ["archive"], ["drafts"])
"""The folders of threads, one after the other."""

_THREADS = 12


def mail_threads(business: Business) -> Records:
    """Threads by id in the order they were added; some lie in two folders."""
    records: Records = {}
    flags = dict.fromkeys((key for key in blank("mail_threads") if key.endswith("_flag")), 0)
    party = {"id": 1, "email_address": "a@firm.example", "name": "A"}
    deal = next(one for one in business["deals"].values() if not one["is_deleted"] and not one["is_archived"])
    for number in range(1, _THREADS + 1):
        added = millisecond_time(business.calendar.now - (_THREADS - number) * DAY)
        records[number] = {
            **blank("mail_threads"),
            **flags,
            "id": number,
            "account_id": "a1",
            "user_id": business.owners[0],
            "subject": f"Your roof ({number})",
            "snippet": "We have looked at",
            "parties": {"to": [party], "from": [party]},
            "drafts_parties": [],
            "folders": _FOLDERS[number % len(_FOLDERS)],
            "deal_id": deal["id"],
            "deal_status": deal["status"],
            "version": 1,
            "message_count": 1 + number % 3,
            "last_message_timestamp": added,
            "first_message_timestamp": added,
            "add_time": added,
            "update_time": added,
        }
    return records
