"""The v2 lists and single reads of fields."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from pipedrive_orchestration.demo.account.fields import shown
from pipedrive_orchestration.demo.call import Answer, Call, page, success
from pipedrive_orchestration.demo.errors import not_found
from pipedrive_orchestration.demo.parameters import parse
from pipedrive_orchestration.demo.v2.cursor import decode, encode
from pipedrive_orchestration.demo.v2.queries import FieldQuery, FieldsQuery


def list_of(name: str, model: type[FieldsQuery]) -> Callable[[Call], Answer]:
    """The endpoint that lists the active fields of an object type, in the order of their numeric ids."""

    def list_fields(call: Call) -> Answer:
        query = parse(call, model)
        fields = list(call.account.fields[name])
        if query.cursor is not None:
            (_, last_id) = decode(query.cursor, "id", "asc")
            fields = [field for field in fields if field["_id"] > last_id]
        shown_fields = fields[: query.limit]
        more = len(fields) > query.limit
        cursor = encode({"id": shown_fields[-1]["_id"]}, "id", "asc") if more else None
        encoded = (orjson.dumps(shown(field, query.include_fields)) for field in shown_fields)
        return page(encoded, {"next_cursor": cursor})

    return list_fields


def one_of(name: str, model: type[FieldQuery]) -> Callable[[Call], Answer]:
    """The endpoint that answers a single active field."""

    def one_field(call: Call) -> Answer:
        query = parse(call, model)
        field = call.account.fields[name].get(call.path["field_code"])
        if field is None:
            raise not_found()
        return success(shown(field, query.include_fields))

    return one_field
