"""The definition of an import: a source joined with the account's fields.

It says what the properties are called and how their values are typed, which records belong, and, as its
fingerprint, what a watermark is good for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from pipedrive_orchestration.importing.casts import (
    ID_TYPES,
    Cast,
    flat_cast,
    nested_cast,
    plain_cast,
    sql_type_of,
)
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.fields import Field, FieldList, is_custom_key, with_further_names
from pipedrive_orchestration.pipedrive.object_types import (
    MAX_CUSTOM_FIELDS_PER_REQUEST,
    CustomFields,
    ObjectType,
)
from pipedrive_orchestration.pipedrive.references import REFERENCED, Derivation, attributes_of
from pipedrive_orchestration.sources import InvalidBodyError, PreviewBody, Problem, Source
from pipedrive_orchestration.sources.validation import near_matches
from pipedrive_orchestration.warehouse.references import NamedColumn, ReferenceTable
from pipedrive_orchestration.warehouse.tables import HIDDEN, PARENT_ID, Column


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column and how its value is made.

    Attributes:
        nested: whether the leaves of the cast lie under ``custom_fields``.
    """

    column: Column
    cast: Cast
    nested: bool


@dataclass(frozen=True, slots=True)
class DerivedColumn:
    """A column whose values are names behind another column's ids.

    Attributes:
        reference: the column that has the ids.
        derivation: what it shows of the records that they stand for.
    """

    column: Column
    reference: Column
    derivation: Derivation


@dataclass(frozen=True, slots=True)
class NameTest:
    """A test of a filter that looks at a name: the column, and SQL over it."""

    column: DerivedColumn
    sql: str


Span = tuple[datetime | None, datetime | None]
"""``[low, high)`` of ``update_time`` in UTC; None is open on that side."""

ALWAYS: Span = (None, None)


@dataclass(frozen=True, slots=True)
class Selection:
    """The condition for records to be members of a source.

    Attributes:
        predicate: SQL over the typed columns; true or false, never NULL.
        values: those of the predicate's named parameters.
        fields: fields that it looks at.
        columns: the same as typed columns.
        derived: what it looks at besides: names behind some of these columns.
        name_tests: how it looks at them.
        restrictions: query parameters by which Pipedrive itself leaves out records that the predicate
            refuses; it need not leave out all of them.
        updated: the span in which every member was changed last, as far as the filter tells.
        problems: why the filter does not fit the account; nothing is to be read with one that does not.
    """

    predicate: str = "true"
    values: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    fields: tuple[Field, ...] = ()
    columns: tuple[TypedColumn, ...] = ()
    derived: tuple[DerivedColumn, ...] = ()
    name_tests: tuple[NameTest, ...] = ()
    restrictions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    updated: Span = ALWAYS
    problems: tuple[Problem, ...] = ()

    @property
    def resolved(self) -> list[str]:
        """Values of names, labels and relative dates as of now; they change when a filter's meaning does."""
        return [str(value) for value in self.values.values()]


EVERYTHING = Selection()
"""No filter: every record is a member."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A source joined with the account's fields.

    Attributes:
        fields: all that the account has, with the other names of each.
        columns: what is read of a record: one per property, and the references of those that are derived.
        derived: one per derived property.
        vanished: columns of properties that the account had once; they keep their last values.
        query: what every request for records carries so that the wanted values come.
        one_by_one: whether each record is asked for by itself as well, since no list has all that is wanted.
        selection: which records belong to the source.
        field_notes: what could not be read of the account's fields.
    """

    source: Source
    fields: tuple[Field, ...]
    columns: tuple[TypedColumn, ...]
    derived: tuple[DerivedColumn, ...]
    vanished: tuple[Column, ...]
    query: Mapping[str, str | int]
    selection: Selection
    field_notes: tuple[str, ...] = ()
    one_by_one: bool = False

    @property
    def table(self) -> tuple[Column, ...]:
        """All columns of the table: those of the properties in the source's order, then the others."""
        columns = [*(each.column for each in self.columns), *(each.column for each in self.derived)]
        parent = self.source.type.parent
        if parent is not None:
            sql_type = ID_TYPES[parent.type.id_type]
            columns.insert(0, Column(PARENT_ID, sql_type, f"Id in {parent.type.name}", "id"))
        place = {key: index for index, key in enumerate(self.source.properties)}
        place[PARENT_ID] = -1
        return tuple(sorted(columns, key=lambda column: place.get(column.key, len(place))))

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns of all properties, vanished ones included."""
        asked = set(self.source.properties)
        return (*(column for column in self.table if column.key in asked), *self.vanished)

    @property
    def fingerprint(self) -> str:
        """The text that a watermark is good for: see `fingerprint_of`."""
        return fingerprint_of(self.source, self.selection)

    @property
    def notes(self) -> list[str]:
        """Sentences on its properties for whoever reads the import's report."""
        gone = [
            f"property {column.key} ({column.label}) is gone at Pipedrive; its column keeps its last values"
            for column in self.vanished
        ]
        return [*self.field_notes, *gone]


def define(
    source: Source, listed: FieldList, known: Mapping[str, Column], selection: Selection = EVERYTHING
) -> Definition:
    """Join a source with the fields of the account.

    Args:
        source: what is wanted.
        listed: what the account has, as far as it may be read.
        known: columns that the source's table has; they tell what a field was when it was last understood.
        selection: what the source's filter means in the account.

    Raises:
        UnknownPropertiesError: properties that the account does not have and never had.
        UnfitSourceError: the filter does not fit the account, or properties cannot be columns of one table;
            names unknown properties too.
    """
    fields = understood_fields(source, listed, known)
    by_key = {field.key: field for field in fields}
    unknown = [key for key in source.properties if key not in by_key and key not in known]
    colliding = colliding_properties(source)
    if selection.problems or colliding:
        properties = unknown_properties(source, unknown, fields)
        raise UnfitSourceError(source, [*properties, *colliding, *selection.problems])
    if unknown:
        raise UnknownPropertiesError(source, unknown, fields)
    wanted = [by_key[key] for key in source.properties if key in by_key]
    columns = columns_of(wanted, fields, source)
    return Definition(
        source=source,
        fields=tuple(fields),
        columns=columns.typed,
        derived=columns.derived,
        vanished=tuple(known[key] for key in source.properties if key not in by_key),
        query=query_for(source.type, [*wanted, *selection.fields]),
        selection=selection,
        field_notes=listed.notes,
        one_by_one=comes_alone([*wanted, *selection.fields]),
    )


def understood_fields(
    body: PreviewBody, listed: FieldList, known: Mapping[str, Column] = MappingProxyType({})
) -> list[Field]:
    """The fields of the account with all names that they can be asked for by.

    Those that are not understood are as they were when they were last. Where the list may not be read, the
    custom fields that a body asks for are taken to be there; their values are JSON as long as nothing is
    known of them.
    """
    fields = [_as_known(field, known.get(field.key)) for field in listed.fields]
    if listed.is_denied and body.type.custom_fields is not CustomFields.NONE:
        asked = [key for key in body.properties if is_custom_key(key)]
        unlisted = [Field(key, key, "json", is_custom=True, is_understood=False) for key in asked]
        fields += [_as_known(field, known.get(field.key)) for field in unlisted]
    return list(with_further_names(fields, body.type))


def _as_known(field: Field, column: Column | None) -> Field:
    if field.is_understood or column is None:
        return field
    return replace(field, field_type=column.field_type, label=column.label)


def wanted_fields(body: PreviewBody, fields: Sequence[Field], selection: Selection) -> list[Field]:
    """The account's fields for the properties of a body, in its order.

    Raises:
        InvalidBodyError: properties or filter do not fit the account; names everything that is wrong.
    """
    by_key = {field.key: field for field in fields}
    unknown = [key for key in body.properties if key not in by_key]
    problems = [*unknown_properties(body, unknown, fields), *colliding_properties(body), *selection.problems]
    if problems:
        raise InvalidBodyError(problems)
    return [by_key[key] for key in body.properties]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of some properties: those that are read of a record, and those derived from them."""

    typed: tuple[TypedColumn, ...]
    derived: tuple[DerivedColumn, ...]


def columns_of(wanted: Sequence[Field], fields: Sequence[Field], body: PreviewBody) -> Columns:
    """The columns of the wanted ones of an account's fields.

    The reference of a derived property has a column too. Where nobody has asked for it, its name begins with
    `HIDDEN`, and nothing but the table shows it.
    """
    typed = {
        field.key: typed_column(field, body.type, body.labels.get(field.key))
        for field in wanted
        if field.derived is None
    }
    by_key = {field.key: field for field in fields}
    derived = []
    for each in wanted:
        if each.derived is None:
            continue
        key = each.derived.of
        if key not in typed:
            key = HIDDEN + key
            typed.setdefault(key, typed_column(by_key[each.derived.of], body.type, name=key))
        label = body.labels.get(each.key) or each.label
        column = Column(each.key, sql_type_of(each), label, each.field_type)
        derived.append(DerivedColumn(column, typed[key].column, each.derived))
    return Columns(tuple(typed.values()), tuple(derived))


def reference_table(object_type: str) -> ReferenceTable:
    """The table of the names of an object type's records, whatever their names are called at Pipedrive."""
    return ReferenceTable(
        object_type,
        ID_TYPES[BUILT_IN[object_type].id_type],
        ("name", *attributes_of(object_type)[1:]),
    )


def named_columns(derived: Iterable[DerivedColumn]) -> list[NamedColumn]:
    """Columns of derived properties as the warehouse joins them."""
    return [
        NamedColumn(
            key=each.column.key,
            reference=each.reference.key,
            table=reference_table(each.derivation.object_type),
            attribute="name" if each.derivation.is_name else each.derivation.attribute,
            is_list=each.derivation.is_list,
        )
        for each in derived
    ]


def typed_column(
    field: Field, object_type: ObjectType, label: str | None = None, *, name: str | None = None
) -> TypedColumn:
    """The typed column of a property.

    Args:
        field: the property as the account has it.
        object_type: decides where custom values lie and how they are written.
        label: the user's own label, if any.
        name: the column's name, if it is not the property's.
    """
    layout = object_type.custom_fields if field.is_custom else CustomFields.NONE
    referenced = REFERENCED.get(field.field_type)
    return TypedColumn(
        column=Column(
            key=name or field.key,
            sql_type=sql_type_of(field),
            label=label or field.label,
            field_type=field.field_type,
            has_options=_has_options(field),
            refers_to=referenced.object_type if referenced else None,
        ),
        cast=_CASTS[layout](field, name or field.key),
        nested=layout is CustomFields.NESTED,
    )


_CASTS = {
    CustomFields.NONE: plain_cast,
    CustomFields.NESTED: nested_cast,
    CustomFields.FLAT: flat_cast,
}

_OPTION_TYPES = frozenset({"status", "visible_to", "ids", "varchar_options", "varchar", "int"})


def _has_options(field: Field) -> bool:
    # Options that are all deleted leave an enum or set without a list; their labels are still known.
    return field.field_type in ("enum", "set") or (bool(field.options) and field.field_type in _OPTION_TYPES)


def query_for(object_type: ObjectType, fields: Iterable[Field]) -> dict[str, str | int]:
    """The query that makes records come with the values of some fields."""
    fields = list(fields)
    query: dict[str, str | int] = {}
    optional = dict.fromkeys(field.record_key for field in fields if field.optional)
    if optional:
        query["include_fields"] = ",".join(optional)
    custom = dict.fromkeys(field.record_key for field in fields if field.is_custom)
    chooses = object_type.custom_fields is CustomFields.NESTED and object_type.chooses_custom_fields
    if chooses and 0 < len(custom) <= MAX_CUSTOM_FIELDS_PER_REQUEST:
        query["custom_fields"] = ",".join(custom)
    return query


def comes_alone(fields: Iterable[Field]) -> bool:
    """Whether some fields come only with the answer for one record."""
    return any(field.alone for field in fields)


def fingerprint_of(source: Source, selection: Selection = EVERYTHING) -> str:
    """The text that a watermark is good for: it changes with the properties and with which records belong.

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


def unknown_properties(body: PreviewBody, unknown: Iterable[str], fields: Sequence[Field]) -> list[Problem]:
    """One problem for each property that the account does not have."""
    return [
        Problem(
            f"properties[{body.properties.index(key)}]",
            "unknown_property",
            f"The account's {body.object_type} have no field {_hint(key, fields)}.",
        )
        for key in unknown
    ]


def colliding_properties(body: PreviewBody) -> list[Problem]:
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


def near_fields(key: str, fields: Sequence[Field]) -> list[str]:
    """Keys that may have been meant, likeliest first: the field of that label, then similar keys."""
    labeled = [field.key for field in fields if field.label.casefold() == key.casefold()]
    return list(dict.fromkeys([*labeled, *near_matches(key, [field.key for field in fields])]))


def _hint(key: str, fields: Sequence[Field]) -> str:
    near = near_fields(key, fields)
    return f"{key!r}" + (f" (did you mean {', '.join(near)}?)" if near else "")
