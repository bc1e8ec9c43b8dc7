"""Accounts made of field lists and records, for tests that need shapes of their own."""

from __future__ import annotations

from typing import Any

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration_tests.importing.canned import Reply, records

UPDATED = "2026-01-02T03:04:05Z"


def field(key: str, field_type: str, label: str | None = None, **more: Any) -> dict[str, Any]:
    """A custom field as v2 lists it (docs/pipedrive-api.md#fields)."""
    return {
        "field_name": label or key.title(),
        "field_code": key,
        "field_type": field_type,
        "options": None,
        "subfields": None,
        "is_custom_field": True,
        "is_optional_response_field": False,
    } | more


def options(**labels: str) -> list[dict[str, Any]]:
    """Options of a field: ``options(_7="Hot")`` is option 7."""
    return [{"id": int(key[1:]), "label": label} for key, label in labels.items()]


def account(
    object_type: str, found: list[Any], fields: list[dict[str, Any]] | None = None
) -> dict[str, Reply]:
    """What an account with these records and fields answers."""
    described = BUILT_IN[object_type]
    replies = {described.path: records(*found)}
    if described.fields_path:
        replies[described.fields_path] = records(*(fields or []))
    return replies


def deal(number: int, custom: Any = None, **values: Any) -> dict[str, Any]:
    """A deal as the v2 list gives it."""
    return {"id": number, "title": f"Deal {number}", "update_time": UPDATED, "custom_fields": custom} | values
