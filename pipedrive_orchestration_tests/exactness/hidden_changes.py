"""Changes of an account that no ``update_time`` and no feed tells of."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from pipedrive_orchestration.demo import Account
from pipedrive_orchestration_tests.exactness.churn import is_live

Record = dict[str, Any]

TITLES = {"deals": "title", "leads": "title", "activities": "subject", "notes": "content", "filters": "name"}
"""The property of an object type that holds a text of users; ``name`` where it is not here."""


def vanish(account: Account, object_type: str, record: Record) -> None:
    """The record is gone without a trace."""
    account[object_type].remove(record["id"])


def rename(account: Account, object_type: str, record: Record) -> None:
    """A value changes and ``update_time`` does not."""
    account[object_type].put(record | {TITLES.get(object_type, "name"): "Renamed without a trace"})


def copy_undated(account: Account, object_type: str, record: Record) -> None:
    """A record is created that has no ``update_time``."""
    account[object_type].put(record | {"id": account.new_id(object_type), "update_time": None})


def archive(account: Account, object_type: str, record: Record) -> None:
    """The record is archived and ``update_time`` stays."""
    if "is_archived" in record:
        account[object_type].put(record | {"is_archived": True})


def mark_deleted(account: Account, object_type: str, record: Record) -> None:
    """The record is deleted and ``update_time`` stays."""
    if "is_deleted" in record:
        account[object_type].put(record | {"is_deleted": True})


HIDDEN: dict[str, Callable[[Account, str, Record], None]] = {
    change.__name__: change for change in (vanish, rename, copy_undated, archive, mark_deleted)
}
"""All of them by name."""


def hide_change(account: Account, object_type: str, name: str, rng: Random) -> Any:
    """Makes a change of some live record of the account. Returns its id, None if there is no such record."""
    with account.lock:
        live = [record for record in account[object_type] if is_live(record)]
        if not live:
            return None
        record = rng.choice(live)
        HIDDEN[name](account, object_type, record)
        return record["id"]
