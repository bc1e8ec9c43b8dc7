"""Examples for the OpenAPI page: bodies that the demo account takes as they are."""

from __future__ import annotations

from typing import Any

SOURCE: dict[str, Any] = {
    "name": "Open deals",
    "object_type": "deals",
    "properties": ["title", "value", "currency", "status", "stage_id"],
    "properties_metadata": [{"name": "title", "label": "Deal"}],
    "filters": {
        "operator": "AND",
        "conditions": [{"variable": "status", "condition": "equals", "values": ["open"]}],
    },
    "pull_mode": "active",
    "schedule": "*/30 * * * *",
    "expiration_date": "2098-12-31",
}

STATIC_SOURCE: dict[str, Any] = {
    "name": "Organizations, imported once",
    "object_type": "organizations",
    "properties": ["name", "owner_id"],
    "pull_mode": "static",
}

OPTIONS: dict[str, Any] = {"context": {"object_type": "deals"}}

SYNC: dict[str, Any] = {
    "workflow_id": "0e5f3c5e-5f0e-5d0b-9d2f-6f1d5a3c7b11",
    "field_mapping": {"input.email": "emails", "{{input.first_name}}": "first_name"},
    "push_existing": True,
    "run": "first_10",
}
