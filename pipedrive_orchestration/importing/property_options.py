"""The properties to choose from: every field of an object type as the account has it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pipedrive_orchestration.importing.casts import sql_type_of
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.fields import Field, read_fields, with_further_names
from pipedrive_orchestration.pipedrive.object_types import Catalogue, ObjectType
from pipedrive_orchestration.sources import InvalidBodyError, Problem
from pipedrive_orchestration.sources.model import not_an_object_type


def property_options(
    object_type: str, *, connection: Connection, catalogue: Catalogue = BUILT_IN
) -> list[dict[str, Any]]:
    """The property options of an object type: built-in ones, the account's own, then other names of these.

    The list is accepted as ``properties_metadata`` as it is. Each option has the property's key as
    ``value``, its ``label``, and ``extras``: ``field_type``, ``is_custom``, ``is_optional`` (it comes
    only when asked for through ``include_fields``), ``column_type`` (of its column here) and, for fields
    that have them, ``options`` with ``id`` and ``label``. A name of v1 has the present one in ``alias_of``; a
    name behind a reference has ``derived: true``, and the reference in ``of``.

    Args:
        object_type: its name in the catalogue.
        connection: the account. Its field list is read once.
        catalogue: the object types of the project.

    Raises:
        InvalidBodyError: there is no such object type.
        PipedriveError: the account cannot be read.
    """
    if object_type not in catalogue:
        message = not_an_object_type(object_type, catalogue)
        raise InvalidBodyError([Problem("object_type", "unknown_object_type", message)])
    fields = asyncio.run(_read(catalogue[object_type], connection))
    return [_option(field) for field in fields]


async def _read(object_type: ObjectType, connection: Connection) -> Sequence[Field]:
    async with Client(connection) as client:
        return with_further_names((await read_fields(client, object_type)).fields, object_type)


def _option(field: Field) -> dict[str, Any]:
    extras: dict[str, Any] = {
        "field_type": field.field_type,
        "is_custom": field.is_custom,
        "is_optional": field.optional and field.derived is None,
        "column_type": sql_type_of(field),
    }
    if field.options:
        extras["options"] = [{"id": option.id, "label": option.label} for option in field.options]
    if field.older is not None:
        extras["alias_of"] = ".".join(filter(None, (field.older.key, field.older.part)))
    if field.derived is not None:
        extras |= {"derived": True, "of": field.derived.of}
    label = field.label.replace("\0", "").strip()
    return {"value": field.key, "label": label or field.key, "extras": extras}
