"""What a source wants from an account: its properties as typed columns, or a list of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipedrive_orchestration.importing.columns import TypedColumn, typed_column
from pipedrive_orchestration.pipedrive.catalogue import (
    MAX_CUSTOM_FIELDS_PER_REQUEST,
    CustomFields,
    ObjectType,
    near_matches,
)
from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration.warehouse.tables import Column


class UnknownPropertiesError(Exception):
    """The account has no such fields. One message names them all, with what may have been meant."""

    def __init__(self, source: Source, unknown: Sequence[str], fields: Sequence[Field]) -> None:
        self.unknown = tuple(unknown)
        by_label = {field.label.casefold(): field.key for field in fields}
        hints = [_hint(key, fields, by_label) for key in unknown]
        super().__init__(
            f"sources/{source.slug}.yaml: properties: the account's {source.object_type} have no field "
            + "; no field ".join(hints)
            + ". Use the keys that the account's field list shows."
        )


def _hint(key: str, fields: Sequence[Field], by_label: dict[str, str]) -> str:
    near = [by_label[key.casefold()]] if key.casefold() in by_label else []
    near += near_matches(key, [field.key for field in fields])
    return f"{key!r}" + (f" (did you mean {', '.join(dict.fromkeys(near))}?)" if near else "")


@dataclass(frozen=True, slots=True)
class Definition:
    """A source joined with the account's fields.

    Attributes:
        columns: one per property, in the source's order.
        vanished: columns of properties that the account had once; they keep their last values.
        parameters: what every request of a pull carries so that the wanted values come.
    """

    source: Source
    columns: tuple[TypedColumn, ...]
    vanished: tuple[Column, ...]
    parameters: dict[str, str | int]

    @property
    def object_type(self) -> ObjectType:
        """The catalogue's row of the source's object type."""
        return self.source.type

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns of all properties, vanished ones included."""
        return (*(column.column for column in self.columns), *self.vanished)


def fingerprint_of(source: Source) -> str:
    """What a watermark is good for: it changes with the properties and with which records belong."""
    wanted = {
        "properties": sorted(source.properties),
        "filters": source.filters.model_dump(mode="json") if source.filters else None,
        "include_archived": source.options.include_archived,
    }
    return json.dumps(wanted, sort_keys=True)


def define(source: Source, fields: Sequence[Field], vanished: Mapping[str, Column]) -> Definition:
    """Join a source with the fields of the account.

    Args:
        source: what is wanted.
        fields: what the account has.
        vanished: columns that the source's table has for fields which the account no longer has.

    Raises:
        UnknownPropertiesError: properties that the account does not have and never had.
    """
    by_key = {field.key: field for field in fields}
    unknown = [key for key in source.properties if key not in by_key and key not in vanished]
    if unknown:
        raise UnknownPropertiesError(source, unknown, fields)
    wanted = [by_key[key] for key in source.properties if key in by_key]
    return Definition(
        source=source,
        columns=tuple(typed_column(field, source.type, source.labels.get(field.key)) for field in wanted),
        vanished=tuple(vanished[key] for key in source.properties if key not in by_key),
        parameters=_parameters(source.type, wanted),
    )


def _parameters(object_type: ObjectType, wanted: Sequence[Field]) -> dict[str, str | int]:
    parameters: dict[str, str | int] = {}
    optional = [field.key for field in wanted if field.optional]
    if optional:
        parameters["include_fields"] = ",".join(optional)
    custom = [field.key for field in wanted if field.is_custom]
    nested = object_type.custom_fields is CustomFields.NESTED
    if nested and 0 < len(custom) <= MAX_CUSTOM_FIELDS_PER_REQUEST:
        parameters["custom_fields"] = ",".join(custom)
    return parameters
