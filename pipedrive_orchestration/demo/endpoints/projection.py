"""What of a record an answer shows: optional properties, chosen custom fields, labels of options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from pipedrive_orchestration.demo.account.fields import Fields
from pipedrive_orchestration.demo.account.filters import with_field_codes
from pipedrive_orchestration.demo.call import Call
from pipedrive_orchestration.demo.operations import Paging
from pipedrive_orchestration.demo.records import Record, RecordId

Encode = Callable[[RecordId], bytes]


def projection(call: Call) -> Encode:
    """How to serialise the records that a call asks for.

    Raises:
        ApiError: 400 for a custom field that the account does not have.
    """
    query, collection = call.query, call.collection
    if call.name == "filters" and call.operation.paging is not Paging.WHOLE:
        return lambda record_id: orjson.dumps(_whole_filter(call, record_id))
    include = frozenset(query.get("include_fields") or ())
    codes = tuple(dict.fromkeys(query.get("custom_fields") or ()))
    option_labels, labels = query.get("include_option_labels"), query.get("include_labels")
    if not (include or codes or option_labels or labels):
        return collection.encoded
    fields = call.account.fields.get(call.name, Fields(()))
    if unknown := [code for code in codes if fields.custom(code) is None]:
        raise call.refusal(*(f"custom_fields: There is no custom field {code}." for code in unknown))
    hidden = collection.schema.optional - include
    tables = _option_tables(fields) if option_labels else {}
    label_names = fields.option_labels("label_ids") if labels else {}

    def encode(record_id: RecordId) -> bytes:
        record = collection[record_id]
        shown = {prop: value for prop, value in record.items() if prop not in hidden}
        if codes:
            shown["custom_fields"] = {code: record["custom_fields"].get(code) for code in codes}
        if option_labels and shown["custom_fields"] is not None:
            custom = shown["custom_fields"].items()
            shown["custom_fields"] = {code: _labelled(value, tables.get(code)) for code, value in custom}
        if labels:
            shown["labels"] = _labelled(record["label_ids"] or [], label_names)
        return orjson.dumps(shown)

    return encode


def _whole_filter(call: Call, record_id: RecordId) -> Record:
    """A filter with its conditions, which lists leave out, and the field codes of these if asked for."""
    stored = call.collection[record_id]
    if not call.query.get("include_field_code"):
        return stored
    return {**stored, "conditions": with_field_codes(call.account, stored["conditions"])}


def _option_tables(fields: Fields) -> dict[str, dict[Any, str]]:
    return {
        field["field_code"]: fields.option_labels(field["field_code"])
        for field in fields
        if field["is_custom_field"] and field["field_type"] in {"enum", "set"}
    }


def _labelled(value: Any, table: Mapping[Any, str] | None) -> Any:
    """The ids of options with their labels; a deleted option keeps its id in records but has no label."""
    if value is None or table is None:
        return value
    if isinstance(value, list):
        return [_labelled(one, table) for one in value]
    return {"id": value, "label": table.get(value)}
