"""References: the properties that hold ids of other records, and the names that stand behind them.

A derived property is the name behind a reference: ``org_name`` of ``org_id``, ``owner_email`` of
``owner_id``. There is one for every attribute of every reference, the account's own fields included.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Referenced:
    """What the ids of a field type stand for.

    Attributes:
        object_type: the collection, as the catalogue names it.
        attributes: what is shown of a record in place of its id; the first one is its name.
        is_list: whether a property of that type holds several ids.
    """

    object_type: str
    attributes: tuple[str, ...] = ("name",)
    is_list: bool = False


REFERENCED: dict[str, Referenced] = {
    "user": Referenced("users", ("name", "email")),
    "org": Referenced("organizations"),
    "people": Referenced("persons"),
    "deal": Referenced("deals", ("title",)),
    "lead": Referenced("leads", ("title",)),
    "activity": Referenced("activities", ("subject",)),
    "product": Referenced("products"),
    "pipeline": Referenced("pipelines"),
    "stage": Referenced("stages"),
    "uuids": Referenced("lead_labels", is_list=True),
    "project": Referenced("projects", ("title",)),
    "task": Referenced("tasks", ("title",)),
    "projects_board": Referenced("boards"),
    "projects_phase": Referenced("phases"),
    "role": Referenced("roles"),
    "deals": Referenced("deals", ("title",), is_list=True),
    "persons": Referenced("persons", is_list=True),
    "orgs": Referenced("organizations", is_list=True),
    "users": Referenced("users", ("name", "email"), is_list=True),
}
"""Field types that hold ids of records of the catalogue; ``uuids`` are the labels of a lead."""

_STEMS = {"creator_user_id": "creator", "users": "user"}
"""Stems of derived names where they are not the reference's key without ``_id`` or ``_ids``."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """The origin of a derived property.

    Attributes:
        of: the key of the reference.
        object_type: what it refers to.
        attribute: of the record referred to.
        is_list: whether the reference holds several ids, and the property as many names.
    """

    of: str
    object_type: str
    attribute: str
    is_list: bool = False

    @property
    def is_name(self) -> bool:
        """Whether it is the name itself, and not something else that is known of the record."""
        return self.attribute == _by_object_type[self.object_type].attributes[0]

    @property
    def key(self) -> str:
        """The derived property's key."""
        stem = _STEMS.get(self.of) or self.of.removesuffix("_ids" if self.is_list else "_id")
        return f"{stem}_{self.attribute}{'s' if self.is_list else ''}"


_by_object_type = {referenced.object_type: referenced for referenced in REFERENCED.values()}


def is_referenced(object_type: str) -> bool:
    """Whether there are references to the records of a collection."""
    return object_type in _by_object_type


def attributes_of(object_type: str) -> tuple[str, ...]:
    """What is shown of a record of a collection in place of its id; the first one is its name."""
    return _by_object_type[object_type].attributes


def derivations(key: str, field_type: str) -> tuple[Derivation, ...]:
    """The derivations of a property: one for each attribute of what it refers to."""
    referenced = REFERENCED.get(field_type)
    if referenced is None:
        return ()
    return tuple(
        Derivation(key, referenced.object_type, attribute, referenced.is_list)
        for attribute in referenced.attributes
    )
