"""Sources whose filter looks at a name, and who belongs to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipedrive_orchestration.sources import FilterGroup, Source
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.names.expected import ONE_WINDOW, Record


def filtered(trial: Trial, condition: Record, slug: str = "segment", **choices: Any) -> Source:
    group = FilterGroup.model_validate({"conditions": [condition]})
    return trial.source(
        "persons", slug=slug, filters=group, options=ONE_WINDOW, **{"properties": ("name",)} | choices
    )


def current(trial: Trial, what: Source) -> set[str]:
    return {one for one, row in trial.rows(what).items() if row["_is_current"]}


def employees(trial: Trial, test: Callable[[str], bool]) -> set[str]:
    """Ids of the live persons of organizations whose names pass a test."""
    organizations = {
        one["id"]
        for one in trial.demo.account.records("organizations")
        if not one["is_deleted"] and test(one["name"])
    }
    return {
        str(one["id"])
        for one in trial.demo.account.records("persons")
        if not one["is_deleted"] and one["org_id"] in organizations
    }
