"""The records below others, by parent: as they were when the account began, until somebody changes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipedrive_orchestration.demo.account.derived_children import DERIVED
from pipedrive_orchestration.demo.generator import Business
from pipedrive_orchestration.demo.generator.children import MAKERS, change, children_at_birth
from pipedrive_orchestration.demo.records import Record, RecordId

if TYPE_CHECKING:
    from pipedrive_orchestration.demo.account.account import Account

LOGGED = {
    "deals": "deal_changes",
    "persons": "person_changes",
    "organizations": "organization_changes",
}
"""The collections whose changes are kept, and what they are called."""

_KEPT = {
    "title": "title",
    "name": "name",
    "value": "value",
    "currency": "currency",
    "status": "status",
    "stage_id": "stage_id",
    "pipeline_id": "pipeline",
    "owner_id": "user_id",
    "person_id": "person_id",
    "org_id": "org_id",
    "expected_close_date": "expected_close_date",
    "probability": "probability",
    "lost_reason": "lost_reason",
}
"""The properties of which changes are kept, and their keys in the log, which are those of v1."""


class Children:
    """The children of every parent.

    Args:
        business: the account as it began.
        account: the account, from which some children follow.

    Attributes:
        told: is told which children a record had and has, when it gets others.
    """

    def __init__(self, business: Business, account: Account) -> None:
        self.told: Callable[[str, list[Any], list[Any]], None] | None = None
        self._business = business
        self._account = account
        self._lists: dict[tuple[str, RecordId], list[Any]] = {}

    def of(self, name: str, parent_id: RecordId) -> list[Any]:
        """The children of a parent, in the order in which lists show them."""
        if name in DERIVED:
            parents, derive = DERIVED[name]
            parent = self._account[parents].get(parent_id)
            return [] if parent is None else derive(self._account, parent)
        key = name, parent_id
        if key not in self._lists:
            self._lists[key] = children_at_birth(self._business, name, parent_id)
        return self._lists[key]

    def replace(self, name: str, parent_id: RecordId, children: list[Any]) -> None:
        """Let a parent have other children."""
        if self.told is not None:
            self.told(name, self.of(name, parent_id), children)
        self._lists[name, parent_id] = children

    def log(self, name: str, before: Record, after: Record, user_id: int, second: float) -> None:
        """Keep what of a record has changed, where changes of its collection are kept."""
        if name not in LOGGED:
            return
        changes = [
            change(user_id, key, before.get(prop), after.get(prop), second)
            for prop, key in _KEPT.items()
            if before.get(prop) != after.get(prop)
        ]
        if changes:
            kept = self.of(LOGGED[name], after["id"])
            self.replace(LOGGED[name], after["id"], [*changes, *kept])


def parents_of(name: str) -> str:
    """The collection that the parents of a kind of children are in."""
    return (DERIVED if name in DERIVED else MAKERS)[name][0]
