"""Errors of models, with messages that are all a user needs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class ModelsError(Exception):
    """Models that cannot be built, tested or shown; the message says why and what to do."""


class NoModelsError(ModelsError):
    """A project without models."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"There is no dbt project in {folder}: it has no dbt_project.yml. Copy the "
            "folder models/ from one that `pipedrive-orchestration init` has laid out, or "
            "put a dbt project of your own there."
        )


class UnknownRuleError(ModelsError):
    """Rules of data quality that there are not; takes their names, and those that there are."""

    def __init__(self, unknown: Iterable[str], rules: Iterable[str]) -> None:
        super().__init__(
            f"There is no rule {', '.join(sorted(unknown))}. The rules are {', '.join(sorted(rules))}."
        )
