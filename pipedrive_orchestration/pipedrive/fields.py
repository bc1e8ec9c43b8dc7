"""The properties an account's records have: the catalogue's built-in ones and the account's own.

The account's field list (``/api/v2/<entity>Fields``, docs/pipedrive-api.md#fields) gives labels, options
and custom fields; the catalogue gives the shape of built-in values, which the field list misstates in
places (a deal's ``value`` is called monetary there and is a plain number in the record).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from pipedrive_orchestration.pipedrive.builtin_fields import Property
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import Refused
from pipedrive_orchestration.pipedrive.object_types import CustomFields, Listing, ObjectType
from pipedrive_orchestration.pipedrive.pagination import pages


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of an enum or set field. Built-in fields have text ids, custom ones numbers."""

    id: str | int
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """A property of an object type as this account has it.

    ``optional`` values come only when asked for through ``include_fields``.
    """

    key: str
    label: str
    field_type: str
    options: tuple[Option, ...] = ()
    is_custom: bool = False
    optional: bool = False


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


_fields = msgspec.json.Decoder(_FieldAnswer)

_LISTED_AS = {"emails": "email", "phones": "phone", "label_ids": "label"}
"""Record key to field code where v2 kept the older name for the field."""


async def read_fields(client: Client, object_type: ObjectType) -> tuple[Field, ...]:
    """All fields of an object type: built-in ones first, then the account's, in Pipedrive's order.

    Costs ``fields_cost`` tokens for each 500 fields, and nothing for collections without a field list.

    Raises:
        PipedriveError: see :meth:`Client.get`.
    """
    listing = object_type.fields_listing
    answers = await _read_answers(client, listing) if listing else []
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
    return (*known, *own)


def _newer(object_type: ObjectType) -> bool:
    # Leads borrow the deals' field list, whose other built-in fields are not theirs.
    return object_type.custom_fields is not CustomFields.FLAT


def _built_in(prop: Property, listed: dict[str, _FieldAnswer]) -> Field:
    answer = listed.get(prop.key) or listed.get(_LISTED_AS.get(prop.key, ""))
    plain = Field(prop.key, prop.label, prop.field_type, optional=prop.optional)
    if answer is None:
        return plain
    return replace(plain, label=_label(answer), options=_options(answer))


def _of(answer: _FieldAnswer) -> Field:
    return Field(
        key=answer.field_code,
        label=_label(answer),
        field_type=answer.field_type,
        options=_options(answer),
        is_custom=answer.is_custom_field,
        optional=answer.is_optional_response_field,
    )


def _label(answer: _FieldAnswer) -> str:
    return answer.field_name or answer.field_code


def _options(answer: _FieldAnswer) -> tuple[Option, ...]:
    return tuple(
        Option(option.id, option.label or str(option.id))
        for option in answer.options or []
        if option.id is not None
    )


async def _read_answers(client: Client, listing: Listing) -> list[_FieldAnswer]:
    answers = [record async for page in pages(client, listing, {}) for record in page.whole_records()]
    try:
        fields = [_fields.decode(answer) for answer in answers]
    except msgspec.DecodeError as error:
        raise Refused(listing.path, 200, f"a field that cannot be read ({error})") from None
    # A field that is created meanwhile moves the others down a page.
    return list({field.field_code: field for field in fields}.values())
