"""Payloads as Pipedrive sends them."""

from __future__ import annotations

from typing import Any

import orjson


def payload(
    entity: str = "deal",
    action: str = "change",
    record_id: int | str = 7,
    data: dict[str, Any] | None = None,
    **meta: Any,
) -> dict[str, Any]:
    """A body with the keys that the receiver looks at."""
    about = {
        "entity": entity,
        "action": action,
        "entity_id": str(record_id),
        "timestamp": "2026-05-20T10:00:00.123Z",
        "version": "2.0",
        "id": "0b9f0a3e-6a52-4f0e-9a58-0f8f3a4f1d11",
    } | meta
    known = {"id": record_id, "add_time": "2026-05-01T00:00:00Z", "update_time": "2026-05-20T10:00:00Z"}
    state = None if action == "delete" else known | (data or {})
    return {"data": state, "previous": None, "meta": about}


def encoded(body: Any) -> bytes:
    return orjson.dumps(body)
