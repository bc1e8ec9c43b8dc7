"""The v2 writes of custom fields and their options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import Record
from pipedrive_orchestration.demo.account.fields import Field, shown
from pipedrive_orchestration.demo.bodies import Body, read, read_list
from pipedrive_orchestration.demo.call import Answer, Call, success
from pipedrive_orchestration.demo.clock import V1_TIME
from pipedrive_orchestration.demo.errors import bad_request, not_found
from pipedrive_orchestration.demo.generator.fields import make_field
from pipedrive_orchestration.demo.parameters import Query, parse
from pipedrive_orchestration.demo.v2.field_bodies import Option, OptionId, OptionLabel

_CHANGEABLE = ("description", "ui_visibility", "important_fields", "required_fields")
_WITH_OPTIONS = {"enum", "set"}


def create(name: str, model: type[Body]) -> Callable[[Call], Answer]:
    """The endpoint that adds a custom field; from then on every record has its key, null at first."""

    def create_field(call: Call) -> Answer:
        parse(call, Query)
        given = read(call, model)
        problems = list(_option_problems(given))
        if problems:
            raise bad_request("v2", problems)
        field = _new_field(call.account, name, given)
        call.account.fields[name].put(field)
        _rewrite(call.account, name, lambda values: {**values, field["field_code"]: None})
        return success(shown(field))

    return create_field


def _option_problems(given: Record) -> Iterator[str]:
    if given["field_type"] in _WITH_OPTIONS and not given.get("options"):
        yield f"options: A field of type {given['field_type']} needs options."
    if given["field_type"] not in _WITH_OPTIONS and given.get("options"):
        yield f"options: A field of type {given['field_type']} has no options."


def _new_field(account: Account, name: str, given: Record) -> Field:
    options = [_new_option(account, option) for option in given.get("options", ())]
    field = make_field(
        name,
        code=account.new_field_code(),
        label=given["field_name"],
        field_type=given["field_type"],
        identifier=account.new_id("fields"),
        added=int(account.clock.now().timestamp()),
        options=options or None,
        is_custom=True,
    )
    return field | {key: given[key] for key in _CHANGEABLE if given.get(key) is not None}


def _new_option(account: Account, given: Record) -> Record:
    return {"id": account.new_id("options"), "label": given["label"]}


def _rewrite(account: Account, name: str, change: Callable[[Record], Record]) -> None:
    """Changes the custom fields of all records without touching their ``update_time``."""
    for record in account[name]:
        account[name].put({**record, "custom_fields": change(record["custom_fields"] or {})})


def update(name: str, model: type[Body]) -> Callable[[Call], Answer]:
    """The endpoint that changes a field; built-in ones too, apart from their name."""

    def update_field(call: Call) -> Answer:
        parse(call, Query)
        field = call.account.fields[name].get(call.path["field_code"])
        if field is None:
            raise not_found()
        changes = read(call, model)
        if "field_name" in changes and not field["is_custom_field"]:
            raise bad_request("v2", ["field_name: A built-in field cannot be renamed."])
        return success(shown(_save(call.account, name, field, changes)))

    return update_field


def delete(name: str) -> Callable[[Call], Answer]:
    """The endpoint that deletes a custom field; its key vanishes from all records."""

    def delete_field(call: Call) -> Answer:
        parse(call, Query)
        field = _custom_field(call, name)
        code = field["field_code"]
        _save(call.account, name, field, {"_active": False})
        _rewrite(call.account, name, lambda values: {key: values[key] for key in values if key != code})
        if name == "deals":
            _strip_leads(call.account, code)
        return success(shown(field))

    return delete_field


def _strip_leads(account: Account, code: str) -> None:
    for lead in account["leads"]:
        if any(key.startswith(code) for key in lead):
            account["leads"].put({key: lead[key] for key in lead if not key.startswith(code)})


def add_options(name: str) -> Callable[[Call], Answer]:
    """The endpoint that adds options to a field."""

    def add(call: Call) -> Answer:
        field = _field_with_options(call, name)
        added = [_new_option(call.account, given) for given in read_list(call, OptionLabel)]
        _save(call.account, name, field, {"options": [*field["options"], *added]})
        return _options(added)

    return add


def rename_options(name: str) -> Callable[[Call], Answer]:
    """The endpoint that renames options of a field."""

    def rename(call: Call) -> Answer:
        field = _field_with_options(call, name)
        given = {option["id"]: option for option in read_list(call, Option)}
        _check_options(field, given)
        options = [{**option, **given.get(option["id"], {})} for option in field["options"]]
        _save(call.account, name, field, {"options": options})
        return _options([option for option in options if option["id"] in given])

    return rename


def delete_options(name: str) -> Callable[[Call], Answer]:
    """The endpoint that deletes options of a field; records keep their ids (docs/pipedrive-api.md#writes)."""

    def delete_some(call: Call) -> Answer:
        field = _field_with_options(call, name)
        given = {option["id"]: option for option in read_list(call, OptionId)}
        _check_options(field, given)
        gone = [option for option in field["options"] if option["id"] in given]
        kept = [option for option in field["options"] if option["id"] not in given]
        deleted = [*field["_options_deleted"], *gone]
        _save(call.account, name, field, {"options": kept, "_options_deleted": deleted})
        return _options(gone)

    return delete_some


def _options(options: list[Record]) -> Answer:
    data = [{"id": option["id"], "label": option["label"]} for option in options]
    return success(data, additional_data=None)


def _custom_field(call: Call, name: str) -> Field:
    field = call.account.fields[name].get(call.path["field_code"])
    if field is None:
        raise not_found()
    if not field["is_custom_field"]:
        raise bad_request("v2", ["field_code: A built-in field cannot be changed."])
    return field


def _field_with_options(call: Call, name: str) -> Field:
    parse(call, Query)
    field = _custom_field(call, name)
    if field["field_type"] not in _WITH_OPTIONS:
        raise bad_request("v2", [f"field_code: A field of type {field['field_type']} has no options."])
    return field


def _check_options(field: Field, given: dict[int, Any]) -> None:
    known = {option["id"] for option in field["options"]}
    unknown = [f"There is no option {option_id}." for option_id in given if option_id not in known]
    if unknown:
        raise bad_request("v2", unknown)


def _save(account: Account, name: str, field: Field, changes: Record) -> Field:
    changed = {**field, **changes, "_update_time": account.clock.now().strftime(V1_TIME)}
    if changed.get("description", "") is None:  # absent rather than null (OpenAPI v2 /dealFields)
        del changed["description"]
    account.fields[name].put(changed)
    return changed
