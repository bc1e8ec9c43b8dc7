"""What of a record an answer shows: optional properties, chosen custom fields, labels of options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import Record, RecordId
from pipedrive_orchestration.demo.errors import bad_request
from pipedrive_orchestration.demo.parameters import Query

Encode = Callable[[RecordId], bytes]


def projection(account: Account, name: str, query: Query) -> Encode:
    """How to serialise the records that a query asks for.

    Args:
        account: where the records are.
        name: their collection.
        query: a query, with ``include_fields``, ``custom_fields``, ``include_option_labels`` and
            ``include_labels`` as far as its endpoint has them.

    Raises:
        ApiError: 400 for a custom field that the account does not have.
    """
    include = frozenset(getattr(query, "include_fields", ()))
    codes = tuple(dict.fromkeys(getattr(query, "custom_fields", ())))
    option_labels = getattr(query, "include_option_labels", False)
    labels = getattr(query, "include_labels", False)
    collection = account[name]
    if not (include or codes or option_labels or labels):
        return collection.encoded
    _check_codes(account, name, codes)
    hidden = collection.layout.optional - include
    decoded = _option_tables(account, name) if option_labels else {}
    label_names = account.fields[name].option_labels("label_ids") if labels else {}

    def encode(record_id: RecordId) -> bytes:
        record = collection.get(record_id)
        assert record is not None, "an index names a record that is gone"
        shown = {prop: value for prop, value in record.items() if prop not in hidden}
        if codes:
            shown["custom_fields"] = {code: record["custom_fields"].get(code) for code in codes}
        if option_labels:
            shown["custom_fields"] = _with_labels(shown["custom_fields"], decoded)
        if labels:
            shown["labels"] = [_option(label_id, label_names) for label_id in record["label_ids"] or ()]
        return orjson.dumps(shown)

    return encode


def _check_codes(account: Account, name: str, codes: tuple[str, ...]) -> None:
    unknown = [code for code in codes if account.fields[name].custom(code) is None]
    if unknown:
        raise bad_request("v2", [f"custom_fields: There is no custom field {code}." for code in unknown])


def _option_tables(account: Account, name: str) -> dict[str, dict[Any, str]]:
    fields = account.fields[name]
    return {
        field["field_code"]: fields.option_labels(field["field_code"])
        for field in fields
        if field["is_custom_field"] and field["field_type"] in {"enum", "set"}
    }


def _with_labels(custom_fields: Record | None, tables: dict[str, dict[Any, str]]) -> Record | None:
    if custom_fields is None:
        return None
    return {
        code: value if value is None or code not in tables else _decoded(value, tables[code])
        for code, value in custom_fields.items()
    }


def _decoded(value: Any, table: dict[Any, str]) -> Any:
    return [_option(one, table) for one in value] if isinstance(value, list) else _option(value, table)


def _option(option_id: Any, table: dict[Any, str]) -> Record:
    # A deleted option keeps its id in records but has no label any more.
    return {"id": option_id, "label": table.get(option_id)}
