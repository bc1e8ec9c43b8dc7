"""The rights of an installed app: what its scopes leave out of the catalogue, and what that costs.

An API token has no scopes; it may read what its user may (docs/pipedrive-api.md#visibility).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN, RECENTS_SCOPES
from pipedrive_orchestration.pipedrive.object_types import CustomFields, ObjectType


@dataclass(frozen=True, slots=True)
class MissingRight:
    """A right that an app does not have.

    Attributes:
        object_type: the collection that is affected.
        scopes: of which one would suffice.
        effect: what comes otherwise than it should without it.
    """

    object_type: str
    scopes: tuple[str, ...]
    effect: str

    def __str__(self) -> str:
        return f"{self.object_type}: {self.effect}; an app needs the scope {' or '.join(self.scopes)} for it"


def missing_rights(
    scopes: frozenset[str] | None, object_types: Iterable[ObjectType] = BUILT_IN.values()
) -> tuple[MissingRight, ...]:
    """The rights that are missing for some object types.

    Args:
        scopes: of the app; None where they are not known, and then nothing is missing as far as is known.
        object_types: those that matter.
    """
    if scopes is None:
        return ()
    return tuple(right for one in object_types for right in _needed(one) if scopes.isdisjoint(right.scopes))


def _needed(object_type: ObjectType) -> Iterator[MissingRight]:
    yield MissingRight(object_type.name, object_type.scopes, "they cannot be imported")
    if object_type.fields_listing is not None:
        has_custom = object_type.custom_fields is not CustomFields.NONE
        custom = ", and custom fields have no labels and types" if has_custom else ""
        effect = f"labels and options are the built-in ones{custom}, since their fields may not be read"
        yield MissingRight(object_type.name, object_type.fields_scopes, effect)
    if object_type.partitioned and object_type.recents_item is not None and not object_type.with_deleted:
        effect = "removals show only when windows are read again, since the recents feed may not be read"
        yield MissingRight(object_type.name, RECENTS_SCOPES, effect)
