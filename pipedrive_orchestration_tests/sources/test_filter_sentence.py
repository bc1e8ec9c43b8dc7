"""Filters as sentences."""

from __future__ import annotations

from typing import Any

import pytest

from pipedrive_orchestration.sources import FilterGroup
from pipedrive_orchestration.sources.filter_sentence import sentence_of


def leaf(variable: str, condition: str, *values: Any, **more: Any) -> dict[str, Any]:
    return {
        "variable": variable,
        "condition": condition,
        **({"values": list(values)} if values else {}),
    } | more


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        ({"conditions": []}, ""),
        ({"conditions": [{"operator": "OR", "conditions": []}]}, ""),
        ({"conditions": [leaf("status", "equals", "open")]}, "Status is “open”"),
        ({"conditions": [leaf("status", "not in", "won", "lost")]}, "Status is not “won” nor “lost”"),
        ({"conditions": [leaf("value", "is between", 1000, 2500.5)]}, "value is between 1,000 and 2,500.5"),
        ({"conditions": [leaf("lost_reason", "exists")]}, "lost reason is not empty"),
        ({"conditions": [leaf("is_deleted", "equals", False)]}, "is deleted is false"),
        (
            {"conditions": [leaf("title", "contains", "EV", case_sensitive=True)]},
            "title contains “EV” (capitals count)",
        ),
        (
            {
                "operator": "AND",
                "conditions": [
                    {"operator": "OR", "conditions": [leaf("status", "is", "open"), leaf("value", "gt", 5)]},
                    leaf("update_time", "after", "last_week"),
                ],
            },
            "(Status is “open” or value is greater than 5) and update time is greater than “last_week”",
        ),
    ],
)
def test_a_filter_reads_as_a_sentence(filters: dict[str, Any], sentence: str) -> None:
    assert sentence_of(FilterGroup.model_validate(filters), {"status": "Status"}) == sentence
