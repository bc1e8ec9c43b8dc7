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
        return lambda record_id: _whole_filter(call, record_id)
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
        record = collection.get(record_id)
        assert record is not None, "an index names a record that is gone"
        shown = {prop: value for prop, value in record.items() if prop not in hidden}
        if codes:
            shown["custom_fields"] = {code: record["custom_fields"].get(code) for code in codes}
        if option_labels and shown["custom_fields"] is not None:
            shown["custom_fields"] = _with_labels(shown["custom_fields"], tables)
        if labels:
            shown["labels"] = [_option(label_id, label_names) for label_id in record["label_ids"] or ()]
        return orjson.dumps(shown)

    return encode


def _whole_filter(call: Call, record_id: RecordId) -> bytes:
    """A filter with its conditions, which lists leave out, and the field codes of these if asked for."""
    stored = call.collection.get(record_id)
    assert stored is not None, "it has been looked up before"
    if call.query.get("include_field_code"):
        stored = {**stored, "conditions": with_field_codes(call.account, stored["conditions"])}
    return orjson.dumps(stored)


def _option_tables(fields: Fields) -> dict[str, dict[Any, str]]:
    return {
        field["field_code"]: fields.option_labels(field["field_code"])
        for field in fields
        if field["is_custom_field"] and field["field_type"] in {"enum", "set"}
    }


def _with_labels(custom_fields: Record, tables: Mapping[str, dict[Any, str]]) -> Record:
    return {
        code: value if value is None or code not in tables else _decoded(value, tables[code])
        for code, value in custom_fields.items()
    }


def _decoded(value: Any, table: Mapping[Any, str]) -> Any:
    return [_option(one, table) for one in value] if isinstance(value, list) else _option(value, table)


def _option(option_id: Any, table: Mapping[Any, str]) -> Record:
    # A deleted option keeps its id in records but has no label any more.
    return {"id": option_id, "label": table.get(option_id)}
