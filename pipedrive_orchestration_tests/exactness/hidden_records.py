"""Records that a user may not see for a while: they are in no answer, without a trace."""

from __future__ import annotations

from typing import Any

from pipedrive_orchestration_tests.exactness.trial import Trial

Record = dict[str, Any]


def hide(trial: Trial, object_type: str, count: int) -> list[Record]:
    """Take the first records that are neither deleted nor archived out of every answer. Returns them."""
    account = trial.demo.account
    with account.lock:
        hidden = [
            dict(record)
            for record in account.records(object_type)
            if not record.get("is_deleted") and not record.get("is_archived")
        ][:count]
        for record in hidden:
            account[object_type].remove(record["id"])
    return hidden


def show(trial: Trial, object_type: str, hidden: list[Record]) -> None:
    """Put hidden records back as they were."""
    account = trial.demo.account
    with account.lock:
        for record in hidden:
            account[object_type].put(record)
