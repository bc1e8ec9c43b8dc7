"""The properties of a collection that can be written, as an account has them, by all names they go by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.fields import Field, FieldList, read_fields
from pipedrive_orchestration.pipedrive.object_types import CustomFields
from pipedrive_orchestration.pipedrive.older_names import OLDER_NAMES
from pipedrive_orchestration.pipedrive.requests import WritableType
from pipedrive_orchestration.sources import Problem
from pipedrive_orchestration.sources.validation import did_you_mean
from pipedrive_orchestration.writing.kinds import CUSTOM_KINDS, Property


@dataclass(frozen=True, slots=True)
class Properties:
    """The properties of a collection.

    Attributes:
        writable: the collection.
        known: those that can be written.
        fields: all that the account has, those that can only be read among them.
        notes: what could not be read of the account's fields.
    """

    writable: WritableType
    known: tuple[Property, ...]
    fields: tuple[Field, ...] = ()
    notes: tuple[str, ...] = ()

    def by_key(self, key: str) -> Property:
        """The property of a key that is known to be there."""
        return next(prop for prop in self.known if prop.key == key)

    def find(self, name: str) -> Property | Problem:
        """The property that a key, a name of v1 or a label names, or what is wrong with the name."""
        keys = {prop.key: prop for prop in self.known}
        if name in keys:
            return keys[name]
        for older in OLDER_NAMES.get(self.writable.name, ()):
            if older.name == name and not older.part and older.key in keys:
                return replace(keys[older.key], is_opposite=older.is_opposite)
        labelled = [prop for prop in self.known if prop.label.casefold() == name.strip().casefold()]
        if len(labelled) == 1:
            return labelled[0]
        if labelled:
            listed = " or ".join(f"`{prop.key}`" for prop in labelled)
            return Problem(
                name, "ambiguous_property", f"Several properties are called so: write the key {listed}."
            )
        for field in self.fields:
            if name == field.key or field.label.casefold() == name.strip().casefold():
                return Problem(name, "read_only_property", f"Cannot be written.{self._instead_of(field.key)}")
        choices = [*keys, *(prop.label for prop in self.known)]
        return Problem(
            name,
            "unknown_property",
            f"There is no property of {self.writable.name} that is called so.{did_you_mean(name, choices)}",
        )

    def _instead_of(self, key: str) -> str:
        instead = {("activities", "person_id"): "participants", ("persons", "first_name"): "name",
                   ("persons", "last_name"): "name"}.get((self.writable.name, key))  # fmt: skip
        return f" It follows from `{instead}`." if instead else ""


async def read_properties(client: Client, writable: WritableType) -> Properties:
    """The properties of a collection, with the account's own; costs what its list of fields costs.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    object_type = writable.object_type
    listed = await read_fields(client, object_type) if object_type else FieldList(())
    known = (*_built_in(writable, listed), *_custom(writable, listed))
    return Properties(writable, known, listed.fields, listed.notes)


def with_parents(properties: Properties) -> Properties:
    """The same with the parents' ids, which rows of a plan have in columns of their own."""
    above = tuple(
        Property(
            key,
            key.replace("_", " ").capitalize(),
            kind=_kind_of_parent(properties.writable, key),
            required=True,
            in_change=False,
            clearable=False,
            read="",
        )
        for key in properties.writable.parents
    )
    return replace(properties, known=(*above, *properties.known))


def _kind_of_parent(writable: WritableType, key: str) -> str:
    if writable.fields is None:
        return key.removesuffix("_id")
    return f"{writable.fields.name.removesuffix('_fields')} field"


def _built_in(writable: WritableType, listed: FieldList) -> Iterator[Property]:
    fields = {field.key: field for field in listed.fields}
    for key in writable.keys:
        field = fields.get(key.key)
        yield Property(
            key=key.key,
            label=field.label if field else key.key.replace("_", " ").capitalize(),
            kind=key.kind,
            options=field.options if field else (),
            required=key.required,
            in_creation=key.in_creation,
            in_change=key.in_change,
            clearable=key.clearable,
            read=key.read,
        )


def _custom(writable: WritableType, listed: FieldList) -> Iterator[Property]:
    if writable.custom_fields is CustomFields.NONE:
        return
    for field in listed.fields:
        if field.is_custom and field.field_type in CUSTOM_KINDS:
            kind = CUSTOM_KINDS[field.field_type]
            yield Property(field.key, field.label, kind, field.options, is_custom=True)
