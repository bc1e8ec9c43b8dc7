"""The properties an account's records have: the catalogue's built-in ones and the account's own.

Besides, a property can be asked for by the name that it had in v1, and so can the name behind a reference.

The account's field list (``/api/v2/<entity>Fields``, docs/pipedrive-api.md#fields) gives labels, options
and custom fields; the catalogue gives the shape of built-in values, which the field list misstates in
places (a deal's ``value`` is called monetary there and is a plain number in the record).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import httpx
import msgspec

from pipedrive_orchestration.pipedrive.builtin_fields import Property
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import Refused
from pipedrive_orchestration.pipedrive.object_types import CustomFields, Listing, ObjectType
from pipedrive_orchestration.pipedrive.older_names import OLDER_NAMES, OlderName
from pipedrive_orchestration.pipedrive.pagination import pages
from pipedrive_orchestration.pipedrive.references import Derivation, derivations


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of an enum or set field. Built-in fields have text ids, custom ones numbers."""

    id: str | int
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """A property of an object type as this account has it.

    Attributes:
        optional: its values come only when asked for through ``include_fields``.
        alone: its values come only with the answer for one record.
        is_understood: whether its type and options are those of a definition that could be read.
        older: what it is today, where the key is one of v1.
        derived: what it is derived from, where records do not have it themselves.
    """

    key: str
    label: str
    field_type: str
    options: tuple[Option, ...] = ()
    is_custom: bool = False
    optional: bool = False
    alone: bool = False
    is_understood: bool = True
    older: OlderName | None = None
    derived: Derivation | None = None

    @property
    def record_key(self) -> str:
        """The key under which records have it, or the reference that it is derived from."""
        if self.derived is not None:
            return self.derived.of
        return self.key if self.older is None else self.older.key

    @property
    def is_own(self) -> bool:
        """Whether it is a field of the account, and no other name of one."""
        return self.older is None and self.derived is None


def encoded(fields: Iterable[Field]) -> str:
    """Fields of an account as text, without further names of theirs."""
    return msgspec.json.encode([field for field in fields if field.is_own]).decode()


def decoded(content: str) -> tuple[Field, ...]:
    """The fields that a text of `encoded` holds."""
    return msgspec.json.decode(content, type=tuple[Field, ...])


@dataclass(frozen=True, slots=True)
class FieldList:
    """The fields of an object type, and what is not known of them.

    Attributes:
        fields: built-in ones first, then the account's, in Pipedrive's order.
        notes: what could not be read, and why.
        is_denied: whether the account's list may not be read; then custom fields are not known.
    """

    fields: tuple[Field, ...]
    notes: tuple[str, ...] = ()
    is_denied: bool = False


class _Option(msgspec.Struct):
    id: str | int | None = None
    label: str | None = None


class _FieldAnswer(msgspec.Struct):
    field_code: str
    field_name: str | None = None
    field_type: str = "varchar"
    options: list[_Option] | None = None
    is_custom_field: bool = False
    is_optional_response_field: bool = False
    is_understood: bool = True


_fields = msgspec.json.Decoder(_FieldAnswer)

_LISTED_AS = {"emails": "email", "phones": "phone", "label_ids": "label"}
"""Record key to field code where v2 kept the older name for the field."""


def with_further_names(fields: Sequence[Field], object_type: ObjectType) -> tuple[Field, ...]:
    """Fields, their names of v1, and what is derived from them; a field of the account keeps its name."""
    known = {field.key: field for field in fields}
    older = [
        _older(known[name.key], name)
        for name in OLDER_NAMES.get(object_type.name, ())
        if name.key in known and name.name not in known
    ]
    derived = [
        _derived(field, derivation)
        for field in fields
        for derivation in derivations(field.key, field.field_type)
        if derivation.key not in known
    ]
    return (*fields, *older, *derived)


def _older(field: Field, name: OlderName) -> Field:
    older = replace(field, key=name.name, older=name)
    if name.part:
        label = f"{field.label}: {name.part.replace('_', ' ')}"
        return replace(older, label=label, field_type="varchar", options=())
    return replace(older, label=name.name.replace("_", " ").capitalize()) if name.is_opposite else older


def _derived(field: Field, derivation: Derivation) -> Field:
    return Field(
        key=derivation.key,
        label=f"{field.label} {derivation.attribute}{'s' if derivation.is_list else ''}",
        field_type="names" if derivation.is_list else "varchar",
        is_custom=field.is_custom,
        optional=field.optional,
        derived=derivation,
    )


async def read_fields(client: Client, object_type: ObjectType) -> FieldList:
    """The fields of an object type.

    Costs ``fields_cost`` tokens for each 500 fields, and nothing for collections without a field list. A
    definition that cannot be read makes that field JSON; a list that may not be read leaves the built-in
    fields with built-in labels.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    listing = object_type.fields_listing
    try:
        answers, notes = await _read_answers(client, listing) if listing else ([], [])
    except Refused as refused:
        if refused.status != httpx.codes.FORBIDDEN and not object_type.is_closed(refused.status):
            raise
        return _denied(object_type, refused)
    listed = {answer.field_code: answer for answer in answers}
    known = [_built_in(prop, listed) for prop in object_type.properties]
    taken = {field.key for field in known} | {_LISTED_AS.get(field.key, "") for field in known}
    carries_custom = object_type.custom_fields is not CustomFields.NONE
    own = [
        _of(answer)
        for answer in answers
        if answer.field_code not in taken
        and (carries_custom if answer.is_custom_field else _newer(object_type))
    ]
    return FieldList((*known, *own), tuple(notes))


def _denied(object_type: ObjectType, refused: Refused) -> FieldList:
    known = tuple(_built_in(prop, {}) for prop in object_type.properties)
    needed = f" An app needs the scope {' or '.join(object_type.fields_scopes)} for it."
    note = (
        f"the list of fields of {object_type.name} may not be read ({refused.reason}), so labels are the "
        f"built-in ones and custom fields keep the types that are known of them.{needed}"
    )
    return FieldList(known, (note,), is_denied=True)


def _newer(object_type: ObjectType) -> bool:
    # Leads borrow the deals' field list, whose other built-in fields are not theirs.
    return object_type.custom_fields is not CustomFields.FLAT


def _built_in(prop: Property, listed: dict[str, _FieldAnswer]) -> Field:
    answer = listed.get(prop.key) or listed.get(_LISTED_AS.get(prop.key, ""))
    plain = Field(prop.key, prop.label, prop.field_type, optional=prop.optional, alone=prop.alone)
    if answer is None:
        return plain
    # The catalogue knows the type of a built-in field, whatever is odd about its definition.
    return replace(plain, label=_label(answer), options=_options(answer), is_understood=answer.is_understood)


def _of(answer: _FieldAnswer) -> Field:
    return Field(
        key=answer.field_code,
        label=_label(answer),
        field_type=answer.field_type,
        options=_options(answer),
        is_custom=answer.is_custom_field,
        optional=answer.is_optional_response_field,
        is_understood=answer.is_understood,
    )


def _label(answer: _FieldAnswer) -> str:
    return answer.field_name or answer.field_code


def _options(answer: _FieldAnswer) -> tuple[Option, ...]:
    return tuple(
        Option(option.id, option.label or str(option.id))
        for option in answer.options or []
        if option.id is not None
    )


async def _read_answers(client: Client, listing: Listing) -> tuple[list[_FieldAnswer], list[str]]:
    """The definitions of a list, and what is odd about some of them."""
    written = [record async for page in pages(client, listing, {}) for record in page.whole_records()]
    answers: dict[str, _FieldAnswer] = {}
    notes = []
    for record in written:
        try:
            answer = _fields.decode(record)
        except msgspec.DecodeError as error:
            odd = _salvaged(record)
            if odd is None:
                notes.append(f"a field of {listing.path} is left out, for it has no key ({error})")
                continue
            notes.append(f"the definition of the field {odd.field_code} ({_label(odd)}) is odd ({error})")
            answer = odd
        # A field that is created meanwhile moves the others down a page.
        answers[answer.field_code] = answer
    return list(answers.values()), notes


def _salvaged(record: bytes) -> _FieldAnswer | None:
    """What a definition says that cannot be read as a whole; None where it does not say whose it is."""
    try:
        said = msgspec.json.decode(record)
    except msgspec.DecodeError:
        return None
    key = said.get("field_code") if isinstance(said, dict) else None
    if not isinstance(key, str) or not key:
        return None
    label = said.get("field_name")
    return _FieldAnswer(
        field_code=key,
        field_name=str(label) if isinstance(label, str | int | float) else None,
        field_type="json",
        is_custom_field=said.get("is_custom_field") is True or is_custom_key(key),
        is_optional_response_field=said.get("is_optional_response_field") is True,
        is_understood=False,
    )


def is_custom_key(key: str) -> bool:
    """Whether a key is that of a custom field: 40 hexadecimal digits."""
    return re.fullmatch("[0-9a-f]{40}", key) is not None
