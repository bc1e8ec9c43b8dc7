"""The fields of object types: their lists, and the writes of custom fields and of their options.

See docs/pipedrive-api.md#fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.fields import OPTIONAL, Field, Fields, shown
from pipedrive_orchestration.demo.bodies import read, read_list
from pipedrive_orchestration.demo.call import Answer, Call, success, success_list
from pipedrive_orchestration.demo.clock import V1_TIME
from pipedrive_orchestration.demo.endpoints.paging import cursor_after, offset_page, pagination, position
from pipedrive_orchestration.demo.errors import not_found
from pipedrive_orchestration.demo.generator.fields import FIELD_LISTS, make_field
from pipedrive_orchestration.demo.records import Record, blank

_COLLECTIONS = {resource: name for name, resource in FIELD_LISTS.items()}
_CHANGEABLE = ("description", "ui_visibility", "important_fields", "required_fields")
_WITH_OPTIONS = {"enum", "set"}


def _name(call: Call) -> str:
    """The collection whose fields the call is about."""
    return _COLLECTIONS[call.operation.resource]


def _fields(call: Call) -> Fields:
    return call.account.fields[_name(call)]


def _field(call: Call) -> Field:
    field = _fields(call).get(call.path["field_code"])
    if field is None:
        raise not_found()
    return field


def listed(call: Call) -> Answer:
    """The active fields, in the order of their numeric ids."""
    fields = list(_fields(call))
    if (after := position(call, "id")) is not None:
        fields = [field for field in fields if field["_id"] > after[1]]
    page = fields[: call.query["limit"]]
    cursor = cursor_after({"id": page[-1]["_id"]}, "id") if len(fields) > len(page) else None
    encoded = (orjson.dumps(shown(field, _included(call))) for field in page)
    return success_list(encoded, additional_data={"next_cursor": cursor})


def one(call: Call) -> Answer:
    """One active field."""
    return success(shown(_field(call), _included(call)))


def _included(call: Call) -> Iterable[str]:
    """The optional keys that an answer has: those asked for, or all where nobody can ask."""
    included: Iterable[str] = call.query.get("include_fields", OPTIONAL)
    return included


def created(call: Call) -> Answer:
    """A custom field is added; from then on every record has its key, null at first."""
    given = read(call)
    if problems := list(_option_problems(given)):
        raise call.refusal(*problems)
    account, name = call.account, _name(call)
    options = [_new_option(account, option) for option in given.get("options", ())]
    added, number = int(account.clock.now().timestamp()), int(account.new_id("fields"))
    code, label = account.new_field_code(), given["field_name"]
    field = make_field(name, code, label, given["field_type"], number, added, options or None)
    field |= {key: given[key] for key in _CHANGEABLE if given.get(key) is not None}
    _fields(call).put(field)
    _rewrite(account, name, lambda values: {**values, field["field_code"]: None})
    return success(shown(field))


def _option_problems(given: Record) -> Iterator[str]:
    takes_options = given["field_type"] in _WITH_OPTIONS
    if takes_options != bool(given.get("options")):
        needs = "needs" if takes_options else "has no"
        yield f"options: A field of type {given['field_type']} {needs} options."


def _new_option(account: Account, given: Record) -> Record:
    return {"id": account.new_id("options"), "label": given["label"]}


def _rewrite(account: Account, name: str, change: Callable[[Record], Record]) -> None:
    """Changes the custom fields of all records without touching their ``update_time``."""
    for record in account[name]:
        account[name].put({**record, "custom_fields": change(record["custom_fields"] or {})})


def updated(call: Call) -> Answer:
    """A field is changed; built-in ones too, apart from their name."""
    field, changes = _field(call), read(call)
    if "field_name" in changes and not field["is_custom_field"]:
        raise call.refusal("field_name: A built-in field cannot be renamed.")
    return success(shown(_save(call, field, changes)))


def deleted(call: Call) -> Answer:
    """A custom field is deleted; its key vanishes from all records."""
    field, account = _custom_field(call), call.account
    code = field["field_code"]
    _save(call, field, {"_active": False})
    _rewrite(account, _name(call), lambda values: {key: values[key] for key in values if key != code})
    for lead in account["leads"]:
        if any(key.startswith(code) for key in lead):
            account["leads"].put({key: lead[key] for key in lead if not key.startswith(code)})
    return success(shown(field))


def options_added(call: Call) -> Answer:
    """Options are added to a field."""
    field = _field_with_options(call)
    added = [_new_option(call.account, given) for given in read_list(call, "name: label!")]
    _save(call, field, {"options": [*field["options"], *added]})
    return _options(added)


def options_renamed(call: Call) -> Answer:
    """Options of a field get other labels."""
    field = _field_with_options(call)
    given = _given_options(call, field, "whole: id!; name: label!")
    options = [{**option, **given.get(option["id"], {})} for option in field["options"]]
    _save(call, field, {"options": options})
    return _options(option for option in options if option["id"] in given)


def options_deleted(call: Call) -> Answer:
    """Options of a field are deleted; records keep their ids."""
    field = _field_with_options(call)
    given = _given_options(call, field, "whole: id!")
    gone = [option for option in field["options"] if option["id"] in given]
    kept = [option for option in field["options"] if option["id"] not in given]
    _save(call, field, {"options": kept, "_options_deleted": [*field["_options_deleted"], *gone]})
    return _options(gone)


def _options(options: Iterable[Record]) -> Answer:
    data = [{"id": option["id"], "label": option["label"]} for option in options]
    return success(data, additional_data=None)


def _custom_field(call: Call) -> Field:
    field = _field(call)
    if not field["is_custom_field"]:
        raise call.refusal("field_code: A built-in field cannot be changed.")
    return field


def _field_with_options(call: Call) -> Field:
    field = _custom_field(call)
    if field["field_type"] not in _WITH_OPTIONS:
        raise call.refusal(f"field_code: A field of type {field['field_type']} has no options.")
    return field


def _given_options(call: Call, field: Field, table: str) -> dict[int, Any]:
    given = {option["id"]: option for option in read_list(call, table)}
    known = {option["id"] for option in field["options"]}
    if unknown := [f"There is no option {option_id}." for option_id in given if option_id not in known]:
        raise call.refusal(*unknown)
    return given


def _save(call: Call, field: Field, changes: Record) -> Field:
    changed = {**field, **changes, "_update_time": call.account.clock.now().strftime(V1_TIME)}
    if changed.get("description", "") is None:  # absent rather than null, as /dealFields has it
        del changed["description"]
    _fields(call).put(changed)
    return changed


_OWN_FIELDS_OF_LEADS = (
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


def lead_fields(call: Call) -> Answer:
    """A lead's own properties and every custom field of deals, in v1 form."""
    return offset_page(call, fields_of_leads(call.account.fields["deals"]), orjson.dumps)


def fields_of_leads(deal_fields: Fields) -> Iterator[Record]:
    """The fields of leads in v1 form, by those of deals."""
    for place, (key, name, field_type) in enumerate(_OWN_FIELDS_OF_LEADS, start=1):
        yield _v1_field(key, name, field_type, place) | {"id": place}
    custom = [field for field in deal_fields if field["is_custom_field"]]
    for place, field in enumerate(custom, start=len(_OWN_FIELDS_OF_LEADS) + 1):
        key, flags = field["field_code"], {"edit_flag": True, "add_visible_flag": True}
        deleted_options = field["_options_deleted"]
        yield {
            **_v1_field(key, field["field_name"], field["field_type"], place),
            **flags,
            "id": field["_id"],
            "add_time": field["_add_time"],
            "update_time": field["_update_time"],
            "options": field["options"],
            **({"options_deleted": deleted_options} if deleted_options else {}),
        }
        for part in field["subfields"] or ():
            if part["field_code"] != "value":
                part_key = f"{key}_{part['field_code']}"
                whole = _v1_field(part_key, part["field_name"], part["field_type"], place)
                yield {**whole, **flags, "is_subfield": True}


_ALWAYS = (
    *("active_flag", "index_visible_flag", "details_visible_flag", "sortable_flag"),
    *("bulk_edit_allowed", "filtering_allowed"),
)


def _v1_field(key: str, name: str, field_type: str, order_nr: int) -> Record:
    known = {key: value for key, value in blank("lead_fields").items() if key not in _OF_SOME}
    named = {"key": key, "name": name, "order_nr": order_nr, "field_type": field_type}
    return known | named | dict.fromkeys(_ALWAYS, True) | {"mandatory_flag": key == "title"}


_OF_SOME = ("options_deleted", "is_subfield", "subfields")


def note_fields(call: Call) -> Answer:
    """The fields of notes, all in one page."""
    return success(call.account.note_fields, additional_data={"pagination": pagination(0, 100, more=False)})
