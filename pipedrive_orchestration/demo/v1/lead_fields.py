"""Lead fields: a lead's own properties and every custom field of deals, in v1 form.

See docs/pipedrive-api.md#fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.fields import Field
from pipedrive_orchestration.demo.call import Answer, Call, page
from pipedrive_orchestration.demo.parameters import parse
from pipedrive_orchestration.demo.v1.paging import OffsetQuery, pagination

_OWN = (
    ("title", "Title", "varchar"),
    ("owner_id", "Owner", "user"),
    ("creator_id", "Creator", "user"),
    ("label_ids", "Labels", "set"),
    ("person_id", "Contact person", "people"),
    ("organization_id", "Organization", "org"),
    ("value", "Value", "monetary"),
    ("expected_close_date", "Expected close date", "date"),
    ("source_name", "Source", "varchar"),
    ("was_seen", "Seen", "boolean"),
    ("visible_to", "Visible to", "visible_to"),
    ("add_time", "Lead created", "date"),
    ("update_time", "Update time", "date"),
    ("archive_time", "Lead archived", "date"),
)


def list_lead_fields(call: Call) -> Answer:
    """``GET /leadFields``."""
    query = parse(call, OffsetQuery)
    fields = list(_fields(call.account))
    shown = fields[query.start : query.start + query.limit]
    more = query.start + query.limit < len(fields)
    additional_data = {"pagination": pagination(query.start, query.limit, more=more)}
    return page(map(orjson.dumps, shown), additional_data)


def _fields(account: Account) -> Iterator[Field]:
    for number, (key, name, field_type) in enumerate(_OWN, start=1):
        yield _v1_field(number, key, name, field_type, number, custom=False)
    custom = [field for field in account.fields["deals"] if field["is_custom_field"]]
    for position, field in enumerate(custom, start=len(_OWN) + 1):
        key, name, field_type = field["field_code"], field["field_name"], field["field_type"]
        yield {
            **_v1_field(field["_id"], key, name, field_type, position, custom=True),
            "add_time": field["_add_time"],
            "update_time": field["_update_time"],
            "options": field["options"],
            **({"options_deleted": field["_options_deleted"]} if field["_options_deleted"] else {}),
        }
        for part in field["subfields"] or ():
            if part["field_code"] != "value":
                part_key = f"{key}_{part['field_code']}"
                part_field = _v1_field(
                    None, part_key, part["field_name"], part["field_type"], position, custom=True
                )
                yield {**part_field, "is_subfield": True}


def _v1_field(
    number: int | None, key: str, name: str, field_type: str, order_nr: int, *, custom: bool
) -> dict[str, Any]:
    return {
        "id": number,
        "key": key,
        "name": name,
        "order_nr": order_nr,
        "field_type": field_type,
        "add_time": None,
        "update_time": None,
        "last_updated_by_user_id": None,
        "created_by_user_id": None,
        "active_flag": True,
        "edit_flag": custom,
        "index_visible_flag": True,
        "details_visible_flag": True,
        "add_visible_flag": custom,
        "important_flag": False,
        "bulk_edit_allowed": True,
        "searchable_flag": False,
        "filtering_allowed": True,
        "sortable_flag": True,
        "options": None,
        "mandatory_flag": key == "title",
    }
