"""The project of the Dagster that tests share, as it is when it starts: a reload costs as much as a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from pipedrive_orchestration_tests.api.serving import OUTREACH

NEVER = "0 0 1 1 *"
"""A schedule that does not tick while tests run."""


def active(object_type: str, **changes: Any) -> dict[str, Any]:
    """A source of few properties whose schedule does not tick."""
    body = {"name": object_type, "object_type": object_type, "properties": ["id", "add_time"],
            "pull_mode": "active", "schedule": NEVER}  # fmt: skip
    return body | changes


def expired(object_type: str, **changes: Any) -> dict[str, Any]:
    """A source of few properties that nobody imports unless asked to, as its last day has passed."""
    return active(object_type, expiration_date="2020-12-31", **changes)


SOURCES: Mapping[str, Mapping[str, Any]] = {
    "persons": active("persons", properties=["name", "emails"]),
    "deals_by_hand": expired("deals", properties=["id"]),
    "stages_by_hand": expired("stages", properties=["id"]),
}

LATER: Mapping[str, Mapping[str, Any]] = {"users_by_hand": expired("users", properties=["id"])}
"""Sources that are written after the start."""

CAPITALS = {
    "name": "Capitals",
    "inputs": [{"name": "email", "type": "email"}, {"name": "name", "type": "string"}],
    "syncs": [
        {"source": "persons", "field_mapping": {"input.email": "emails", "input.name": "name"}},
        {"source": "gone", "field_mapping": {"input.name": "name"}},
    ],
    "actions": [{"type": "sql", "name": "shout", "expression": "upper(name)", "output": {"name": "shouted"}}],
}

WORKFLOWS: Mapping[str, str] = {
    "capitals": yaml.safe_dump(CAPITALS),
    "outreach": OUTREACH,
    "broken": "name: [",
}
