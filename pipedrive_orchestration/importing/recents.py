"""The recents feed: what changed in an account of late, deletions included (30 days, API facts 2.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec

from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.object_type import ObjectType
from pipedrive_orchestration.pipedrive.object_types import RECENTS_COST, RECENTS_PATH
from pipedrive_orchestration.pipedrive.pagination import shifting_pages
from pipedrive_orchestration.pipedrive.responses import Page, parse_time, whole_characters


async def recent_changes(client: Client, object_type: ObjectType, since: datetime) -> AsyncIterator[Page]:
    """The recents feed of a collection since an instant: the last state of what changed, deleted or not.

    The feed comes in ascending ``update_time``, and what changes meanwhile moves to its end.

    Raises:
        EndlessList: a page has nothing new and says that there is more.
        PipedriveError: see :meth:`Client.get`.
    """
    assert object_type.recents_item is not None

    def from_its_end(page: Page) -> dict[str, str]:
        reached = _changed_at(whole_characters(bytes(page.records[-1])))
        # Whether the bound is inclusive is not documented, so the last second is asked for once more.
        return {"since_timestamp": _stamp(reached - timedelta(seconds=1))} if reached else {}

    parameters = {"since_timestamp": _stamp(since), "items": object_type.recents_item}
    walk = shifting_pages(client, RECENTS_PATH, parameters, cost=RECENTS_COST, from_its_end=from_its_end)
    async for page in walk:
        yield page


def _stamp(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


class _Change(msgspec.Struct):
    data: dict[str, object] | None = None


def _changed_at(item: bytes) -> datetime | None:
    changed = (msgspec.json.decode(item, type=_Change).data or {}).get("update_time")
    return parse_time(changed) if isinstance(changed, str) else None
