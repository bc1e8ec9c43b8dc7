"""Stored filters: which records of a list satisfy them, and which conditions can be stored.

A first group ``and`` holds exactly two groups, one ``and`` and one ``or`` (docs/pipedrive-api.md#filters).
Comparisons, null tests and ``LIKE`` are understood; all else is refused before it is stored.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.errors import bad_request
from pipedrive_orchestration.demo.records import Record

Test = Callable[[Record], bool]
ValueTest = Callable[[Any], bool]

_COLLECTIONS = {
    "deals": "deals",
    "leads": "leads",
    "org": "organizations",
    "people": "persons",
    "products": "products",
    "activity": "activities",
    "projects": "projects",
}
"""Filter types and the collections they filter."""

_OBJECTS = {
    "deal": "deals",
    "lead": "deals",
    "organization": "organizations",
    "person": "persons",
    "product": "products",
    "activity": "activities",
    "project": "projects",
}
"""Objects of conditions and whose fields ``field_id`` counts; leads use deal fields."""

_LINKS = {
    "persons": ("person_id",),
    "organizations": ("org_id", "organization_id"),
    "deals": ("deal_id",),
}

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_NULL_TESTS = {"IS NULL", "IS NOT NULL"}
_LIKE = re.compile(r"(NOT )?LIKE '(%?)\$(%?)'")
_RELATIVE_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_MONTHS_AGO = re.compile(r"([1-6])_months?_ago")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_WEEKS_AGO = re.compile(r"([1-3])_weeks?_ago")


def stored_filter(account: Account, name: str, filter_id: int) -> Test:
    """The test that a stored filter puts the records of a collection to.

    Raises:
        ApiError: 400 if there is no such filter for this collection.
    """
    version = "v1" if name == "leads" else "v2"
    stored = account["filters"].get(filter_id)
    if stored is None or not stored["active_flag"]:
        raise bad_request(version, ["filter_id: Filter was not found."])
    if _COLLECTIONS.get(stored["type"]) != name:
        raise bad_request(version, [f"filter_id: This filter is not one of {name}."])
    return _tree(account, name, stored["conditions"])


def _tree(account: Account, name: str, group: Record) -> Test:
    every, some = _groups_of(group)
    all_of = [_condition(account, name, condition) for condition in every]
    any_of = [_condition(account, name, condition) for condition in some]
    return lambda record: (
        all(test(record) for test in all_of) and (not any_of or any(test(record) for test in any_of))
    )


def _groups_of(group: Record) -> tuple[list[Record], list[Record]]:
    """The conditions that all have to hold, and those of which one has to."""
    by_glue = {inner["glue"]: inner["conditions"] or [] for inner in group["conditions"]}
    return by_glue.get("and", []), by_glue.get("or", [])


def _condition(account: Account, name: str, condition: Record) -> Test:
    owner = _OBJECTS[condition["object"]]
    field = account.fields[owner].by_numeric_id(str(condition["field_id"]))
    if field is None:  # the field was deleted after the filter had been stored
        return lambda _record: False
    code, part = field["field_code"], condition.get("extra_value")
    compare = _operator(condition["operator"], _wanted(account, condition["value"]))

    def test(record: Record) -> bool:
        subject = (
            record
            if owner == name or (name == "leads" and owner == "deals")
            else _related(account, owner, record)
        )
        return compare(None if subject is None else _value(subject, code, part))

    return test


def _related(account: Account, owner: str, record: Record) -> Record | None:
    for prop in _LINKS.get(owner, ()):
        if prop in record:
            return account[owner].get(record[prop])
    return None


def _value(record: Record, code: str, part: str | None) -> Any:
    custom_fields = record.get("custom_fields") or {}
    value = custom_fields[code] if code in custom_fields else record.get(code)
    if isinstance(value, dict):
        return value.get(part or "value", value.get("amount"))
    return value


def _wanted(account: Account, value: Any) -> Any:
    today = account.clock.now().date()
    if value in _RELATIVE_DAYS:
        return (today + timedelta(days=_RELATIVE_DAYS[value])).isoformat()
    if isinstance(value, str) and (weeks := _WEEKS_AGO.fullmatch(value)):
        return (today - timedelta(weeks=int(weeks[1]))).isoformat()
    if isinstance(value, str) and (months := _MONTHS_AGO.fullmatch(value)):
        return _months_before(today, int(months[1])).isoformat()
    return value


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, 28))


def _operator(name: str, wanted: Any) -> ValueTest:
    if name == "IS NULL":
        return _is_null
    if name == "IS NOT NULL":
        return lambda value: not _is_null(value)
    if like := _LIKE.fullmatch(name):
        return _like(like, str(wanted))
    compare = _COMPARISONS[name]
    negative = name == "!="

    def test(value: Any) -> bool:
        parts = _parts(value)
        if not parts:
            return negative
        return (all if negative else any)(compare(*_alike(part, wanted)) for part in parts)

    return test


def _is_null(value: Any) -> bool:
    return value is None or value in ("", [])


def _like(like: re.Match[str], wanted: str) -> ValueTest:
    negated, before, after = like.groups()
    pattern = ("" if before else "^") + re.escape(wanted) + ("" if after else "$")
    search = re.compile(pattern, re.IGNORECASE).search
    return lambda value: any(search(str(part)) for part in _parts(value)) is not bool(negated)


def _parts(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list):
        return [part.get("value") if isinstance(part, dict) else part for part in value]
    return [value]


def _alike(value: Any, wanted: Any) -> tuple[Any, Any]:
    """Both as numbers if the record has a number, else both as text of equal precision."""
    if isinstance(value, int | float):
        try:
            return float(value), float(wanted)
        except (TypeError, ValueError):
            return str(value).casefold(), str(wanted).casefold()
    text, limit = str(value), str(wanted)
    if _DATE.fullmatch(limit):
        text = text[:10]
    return text.casefold(), limit.casefold()


def with_field_codes(account: Account, conditions: Record) -> Record:
    """The conditions with the code of each field, as ``include_field_code`` asks for."""

    def coded(condition: Record) -> Record:
        fields = account.fields[_OBJECTS[condition["object"]]]
        field = fields.by_numeric_id(str(condition["field_id"]))
        return {**condition, "field_code": None if field is None else field["field_code"]}

    groups = [
        {**group, "conditions": [coded(condition) for condition in group["conditions"] or ()]}
        for group in conditions["conditions"]
    ]
    return {**conditions, "conditions": groups}


def completed_conditions(conditions: Record) -> Record:
    """The conditions with the keys that answers always have."""
    groups = [
        {
            "glue": group["glue"],
            "conditions": [
                {"value": None, "extra_value": None, **condition, "json_value_flag": False}
                for condition in group["conditions"]
            ],
        }
        for group in conditions["conditions"]
    ]
    return {"glue": "and", "conditions": groups}


_MAX_CONDITIONS = 16
_KEYS = {"object", "field_id", "operator", "value", "extra_value", "json_value_flag", "field_code"}


def condition_problems(account: Account, filter_type: str, conditions: Any) -> Iterator[str]:
    """What is wrong with the conditions of a filter of some type that is about to be stored."""
    if problems := list(_shape_problems(conditions)):
        yield from problems
        return
    every, some = _groups_of(conditions)
    if len(every + some) > _MAX_CONDITIONS:
        yield f"conditions: A filter has at most {_MAX_CONDITIONS} conditions."
    if not every + some:
        yield "conditions: A filter needs a condition."
    for condition in every + some:
        yield from _problems(account, filter_type, condition)


def _shape_problems(group: Any) -> Iterator[str]:
    if not isinstance(group, dict) or group.get("glue") != "and":
        yield "conditions: The first group has to have the glue and."
        return
    inner = group.get("conditions")
    if not isinstance(inner, list) or not all(isinstance(one, dict) for one in inner):
        yield "conditions: The first group has to hold two groups."
        return
    if sorted(str(one.get("glue")) for one in inner) != ["and", "or"]:
        yield "conditions: The first group has to hold one group with the glue and, and one with or."
    if not all(isinstance(one.get("conditions"), list) for one in inner):
        yield "conditions: Both groups need a list of conditions, which may be empty."


def _problems(account: Account, filter_type: str, condition: Any) -> Iterator[str]:
    if not isinstance(condition, dict) or not {"object", "field_id", "operator"} <= condition.keys():
        yield "conditions: A condition needs object, field_id and operator."
        return
    if unknown := condition.keys() - _KEYS:
        yield f"conditions: {', '.join(sorted(unknown))} is not allowed."
    owner = _OBJECTS.get(str(condition["object"]))
    if owner is None:
        yield f"conditions: object has to be one of {', '.join(_OBJECTS)}."
        return
    field = account.fields[owner].by_numeric_id(str(condition["field_id"]))
    if field is None:
        yield f"conditions: There is no field {condition['field_id']} of {owner} for {filter_type}."
        return
    name = condition["operator"]
    if name not in _COMPARISONS and name not in _NULL_TESTS and not _LIKE.fullmatch(str(name)):
        yield f"conditions: The operator {name} is not supported."
    elif name not in _NULL_TESTS and condition.get("value") in (None, ""):
        yield f"conditions: The operator {name} needs a value."
    elif name in _COMPARISONS and field["field_type"] == "date" and not _is_moment(condition["value"]):
        yield f"conditions: {condition['value']} is no date, nor a relative one that is supported."


def _is_moment(value: Any) -> bool:
    """Whether a date can be compared with the value: a date, or a relative one that is understood."""
    return isinstance(value, str) and (
        value in _RELATIVE_DAYS or any(form.fullmatch(value) for form in (_DATE, _WEEKS_AGO, _MONTHS_AGO))
    )
