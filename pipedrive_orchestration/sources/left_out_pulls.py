"""Pulls that ticks have left out, since webhooks brought what they would have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from pipedrive_orchestration.sources.key_values import KeyValues

KEPT_DAYS = 31
"""Days that are remembered."""


class LeftOutPulls:
    """The pulls that ticks have left out, by source id.

    Args:
        key_values: where they are kept.
    """

    def __init__(self, key_values: KeyValues) -> None:
        self._key_values = key_values

    def count(self, source_id: UUID, tick: datetime) -> None:
        """Count a tick that has pulled nothing; once, however often it is evaluated.

        The ticks of a source are evaluated one after the other.
        """
        key = _key(source_id)
        known = _entry(self._key_values.read([key]).get(key))
        tick = tick.astimezone(UTC)
        if known["last"] == tick.isoformat():
            return
        first = (tick - timedelta(days=KEPT_DAYS)).date().isoformat()
        days = Counter({day: pulls for day, pulls in known["days"].items() if day >= first})
        days[tick.date().isoformat()] += 1
        self._key_values.put(key, json.dumps({"last": tick.isoformat(), "days": days}))

    def read(self, source_ids: Collection[UUID]) -> dict[UUID, dict[date, int]]:
        """How many pulls of those sources of which any was left out were so, by day in UTC."""
        values = self._key_values.read([_key(id_) for id_ in source_ids])
        return {
            id_: {date.fromisoformat(day): pulls for day, pulls in _entry(values[_key(id_)])["days"].items()}
            for id_ in source_ids
            if _key(id_) in values
        }


def _key(source_id: UUID) -> str:
    return f"left_out/{source_id}"


def _entry(value: str | None) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(value) if value else {"last": None, "days": {}}
    return entry
