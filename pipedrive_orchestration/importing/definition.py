"""What may have been meant by a field that the account does not have."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipedrive_orchestration.importing.columns import TypedColumn, typed_column
from pipedrive_orchestration.importing.filters.selection import EVERYTHING, Selection
from pipedrive_orchestration.pipedrive.fields import Field
from pipedrive_orchestration.pipedrive.object_type import CustomFields, ObjectType
from pipedrive_orchestration.pipedrive.object_types import MAX_CUSTOM_FIELDS_PER_REQUEST
from pipedrive_orchestration.sources import InvalidBodyError, Problem, Source, SourceBody
from pipedrive_orchestration.sources.validation import near_matches
from pipedrive_orchestration.warehouse.tables import Column


def near_fields(key: str, fields: Sequence[Field]) -> list[str]:
    """Keys that may have been meant, likeliest first: the field of that label, then similar keys."""
    labeled = [field.key for field in fields if field.label.casefold() == key.casefold()]
    return list(dict.fromkeys([*labeled, *near_matches(key, [field.key for field in fields])]))


class UnfitSourceError(InvalidBodyError):
    """A source that does not fit the account, with everything that is wrong with it."""

    def __init__(self, source: Source, problems: Iterable[Problem]) -> None:
        super().__init__(problems)
        self.args = ("\n".join(f"sources/{source.slug}.yaml: {problem}" for problem in self.problems),)


class UnknownPropertiesError(InvalidBodyError):
    """The account has no such fields. One message names them all, with what may have been meant."""

    def __init__(self, source: Source, unknown: Sequence[str], fields: Sequence[Field]) -> None:
        super().__init__(unknown_properties(source, unknown, fields))
        self.unknown = tuple(unknown)
        self.args = (
            f"sources/{source.slug}.yaml: properties: the account's {source.object_type} have no field "
            + "; no field ".join(_hint(key, fields) for key in unknown)
            + ". Use the keys that the account's field list shows.",
        )


def unknown_properties(body: SourceBody, unknown: Iterable[str], fields: Sequence[Field]) -> list[Problem]:
    """One problem for each property that the account does not have."""
    return [
        Problem(
            f"properties[{body.properties.index(key)}]",
            "unknown_property",
            f"The account's {body.object_type} have no field {_hint(key, fields)}.",
        )
        for key in unknown
    ]


def colliding_properties(body: SourceBody) -> list[Problem]:
    """One problem for each property that cannot be a column: names differ by more than case."""
    taken: dict[str, str] = {}
    problems = []
    for index, key in enumerate(body.properties):
        other = taken.setdefault(key.lower(), key)
        if key.startswith("_"):
            reason = "the names of the table's own columns begin with `_`."
        elif other != key:
            reason = f"its name differs from `{other}` in nothing but case; leave one of them out."
        else:
            continue
        message = f"`{key}` cannot be a column: {reason}"
        problems.append(Problem(f"properties[{index}]", "colliding_property", message))
    return problems


def _hint(key: str, fields: Sequence[Field]) -> str:
    near = near_fields(key, fields)
    return f"{key!r}" + (f" (did you mean {', '.join(near)}?)" if near else "")


@dataclass(frozen=True, slots=True)
class Definition:
    """A source joined with the account's fields.

    Attributes:
        columns: one per property, in the source's order.
        vanished: columns of properties that the account had once; they keep their last values.
        parameters: what every request of a pull carries so that the wanted values come.
        selection: which records belong to the source.
    """

    source: Source
    columns: tuple[TypedColumn, ...]
    vanished: tuple[Column, ...]
    parameters: dict[str, str | int]
    selection: Selection

    @property
    def object_type(self) -> ObjectType:
        """The catalogue's row of the source's object type."""
        return self.source.type

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns of all properties, vanished ones included."""
        return (*(column.column for column in self.columns), *self.vanished)

    @property
    def fingerprint(self) -> str:
        """What a watermark is good for."""
        return fingerprint_of(self.source, self.selection)


def fingerprint_of(source: Source, selection: Selection = EVERYTHING) -> str:
    """What a watermark is good for: it changes with the properties and with which records belong.

    Relative dates move on and names come to stand for other records, so what they stand for belongs to
    it: then others are members although no record has changed.
    """
    wanted = {
        "properties": sorted(source.properties),
        "filters": source.filters.model_dump(mode="json") if source.filters else None,
        "include_archived": source.options.include_archived,
    }
    if selection.resolved:
        wanted["filter_values"] = selection.resolved
    return json.dumps(wanted, sort_keys=True)


def is_same_filter(one: str, other: str) -> bool:
    """Whether two fingerprints have the same filter as it is written, whatever its values stand for."""
    return bool(json.loads(one)["filters"] == json.loads(other)["filters"])


def differ_only_in_values(one: str, other: str) -> bool:
    """Whether two fingerprints differ in nothing but what the filter's values stand for."""
    written, rewritten = (json.loads(each) | {"filter_values": None} for each in (one, other))
    return bool(written == rewritten)


def define(
    source: Source, fields: Sequence[Field], vanished: Mapping[str, Column], selection: Selection = EVERYTHING
) -> Definition:
    """Join a source with the fields of the account.

    Args:
        source: what is wanted.
        fields: what the account has.
        vanished: columns that the source's table has for fields which the account no longer has.
        selection: what the source's filter means in the account.

    Raises:
        UnknownPropertiesError: properties that the account does not have and never had.
        UnfitSourceError: the filter does not fit the account, or properties cannot be columns of one table;
            names unknown properties too.
    """
    by_key = {field.key: field for field in fields}
    unknown = [key for key in source.properties if key not in by_key and key not in vanished]
    colliding = colliding_properties(source)
    if selection.problems or colliding:
        properties = unknown_properties(source, unknown, fields)
        raise UnfitSourceError(source, [*properties, *colliding, *selection.problems])
    if unknown:
        raise UnknownPropertiesError(source, unknown, fields)
    wanted = [by_key[key] for key in source.properties if key in by_key]
    return Definition(
        source=source,
        columns=tuple(typed_column(field, source.type, source.labels.get(field.key)) for field in wanted),
        vanished=tuple(vanished[key] for key in source.properties if key not in by_key),
        parameters=parameters_for(source.type, [*wanted, *selection.fields]),
        selection=selection,
    )


def parameters_for(object_type: ObjectType, fields: Iterable[Field]) -> dict[str, str | int]:
    """What a request has to carry so that records come with the values of some fields."""
    wanted = {field.key: field for field in fields}.values()
    parameters: dict[str, str | int] = {}
    optional = [field.key for field in wanted if field.optional]
    if optional:
        parameters["include_fields"] = ",".join(optional)
    custom = [field.key for field in wanted if field.is_custom]
    nested = object_type.custom_fields is CustomFields.NESTED
    if nested and 0 < len(custom) <= MAX_CUSTOM_FIELDS_PER_REQUEST:
        parameters["custom_fields"] = ",".join(custom)
    return parameters
