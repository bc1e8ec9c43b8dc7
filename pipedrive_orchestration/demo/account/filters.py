"""Stored filters: which records of a list satisfy them, and which conditions can be stored.

A first group ``and`` holds exactly two groups, one ``and`` and one ``or`` (docs/pipedrive-api.md#filters).
Comparisons, null tests and ``LIKE`` are understood; all else is refused before it is stored.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.fields import Field
from pipedrive_orchestration.demo.errors import bad_request
from pipedrive_orchestration.demo.parameters import sentences
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
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_WEEKS_AGO = re.compile(r"([1-3])_weeks?_ago")
_MONTHS_AGO = re.compile(r"([1-6])_months?_ago")
_MAX_CONDITIONS = 16


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
    by_glue = {group["glue"]: group["conditions"] or [] for group in stored["conditions"]["conditions"]}
    all_of, any_of = (
        [_condition(account, name, condition) for condition in by_glue.get(glue, ())]
        for glue in ("and", "or")
    )
    return lambda record: (
        all(test(record) for test in all_of) and (not any_of or any(test(record) for test in any_of))
    )


def _condition(account: Account, name: str, condition: Record) -> Test:
    owner = _OBJECTS[condition["object"]]
    field = _field_of(account, condition)
    if field is None:  # the field was deleted after the filter had been stored
        return lambda _record: False
    code, part = field["field_code"], condition.get("extra_value")
    compare = _operator(condition["operator"], _wanted(account, condition["value"]))
    is_own = owner == name or (name == "leads" and owner == "deals")

    def test(record: Record) -> bool:
        subject = record if is_own else _related(account, owner, record)
        return compare(None if subject is None else _value(subject, code, part))

    return test


def _field_of(account: Account, condition: Record) -> Field | None:
    return account.fields[_OBJECTS[condition["object"]]].by_numeric_id(str(condition["field_id"]))


def _related(account: Account, owner: str, record: Record) -> Record | None:
    link = next((prop for prop in _LINKS.get(owner, ()) if prop in record), None)
    return account[owner].get(record[link]) if link else None


def _value(record: Record, code: str, part: str | None) -> Any:
    custom_fields = record.get("custom_fields") or {}
    value = custom_fields[code] if code in custom_fields else record.get(code)
    if isinstance(value, dict):
        return value.get(part or "value", value.get("amount"))
    return value


def _wanted(account: Account, value: Any) -> Any:
    today, text = account.clock.now().date(), str(value)
    if value in _RELATIVE_DAYS:
        return (today + timedelta(days=_RELATIVE_DAYS[value])).isoformat()
    if weeks := _WEEKS_AGO.fullmatch(text):
        return (today - timedelta(weeks=int(weeks[1]))).isoformat()
    if months := _MONTHS_AGO.fullmatch(text):
        year, month = divmod(today.year * 12 + today.month - 1 - int(months[1]), 12)
        return date(year, month + 1, min(today.day, 28)).isoformat()
    return value


def _operator(name: str, wanted: Any) -> ValueTest:
    if name in _NULL_TESTS:
        return lambda value: (value is None or value in ("", [])) is (name == "IS NULL")
    if like := _LIKE.fullmatch(name):
        return _like(like, str(wanted))
    compare, is_negative = _COMPARISONS[name], name == "!="

    def test(value: Any) -> bool:
        parts = _parts(value)
        if not parts:
            return is_negative
        return (all if is_negative else any)(compare(*_alike(part, wanted)) for part in parts)

    return test


def _like(like: re.Match[str], wanted: str) -> ValueTest:
    negated, before, after = like.groups()
    pattern = ("" if before else "^") + re.escape(wanted) + ("" if after else "$")
    search = re.compile(pattern, re.IGNORECASE).search
    return lambda value: any(search(str(part)) for part in _parts(value)) is not bool(negated)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [part.get("value") if isinstance(part, dict) else part for part in value]
    return [] if value is None else [value]


def _alike(value: Any, wanted: Any) -> tuple[Any, Any]:
    """Both as numbers if the record has a number, else both as text of equal precision."""
    if isinstance(value, int | float):
        try:
            return float(value), float(wanted)
        except (TypeError, ValueError):
            pass
    text, limit = str(value), str(wanted)
    if _DATE.fullmatch(limit):
        text = text[:10]
    return text.casefold(), limit.casefold()


def _of_each(conditions: Record, change: Callable[[Record], Record]) -> Record:
    """The conditions of a filter, each of them changed."""
    groups = [
        {"glue": group["glue"], "conditions": [change(one) for one in group["conditions"] or ()]}
        for group in conditions["conditions"]
    ]
    return {"glue": "and", "conditions": groups}


def with_field_codes(account: Account, conditions: Record) -> Record:
    """The conditions with the code of each field, as ``include_field_code`` asks for."""

    def coded(condition: Record) -> Record:
        field = _field_of(account, condition)
        return {**condition, "field_code": field and field["field_code"]}

    return _of_each(conditions, coded)


def completed_conditions(conditions: Record) -> Record:
    """The conditions with the keys that answers always have."""
    usual = {"value": None, "extra_value": None}
    return _of_each(conditions, lambda condition: usual | condition | {"json_value_flag": False})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Condition(_Part):
    object: Literal["deal", "lead", "organization", "person", "product", "activity", "project"]
    field_id: int | str
    operator: str
    value: Any = None
    extra_value: Any = None
    json_value_flag: Any = None
    field_code: Any = None


class _Group(_Part):
    glue: Literal["and", "or"]
    conditions: list[_Condition]


class _Conditions(_Part):
    glue: Literal["and"]
    conditions: list[_Group]


def condition_problems(account: Account, filter_type: str, conditions: Any) -> Iterator[str]:
    """What is wrong with the conditions of a filter of some type that is about to be stored."""
    try:
        groups = _Conditions.model_validate(conditions).conditions
    except ValidationError as error:
        yield from (f"conditions.{problem}" for problem in sentences(error))
        return
    if sorted(group.glue for group in groups) != ["and", "or"]:
        yield "conditions: The first group has to hold one group with the glue and, and one with or."
    given = [condition.model_dump() for group in groups for condition in group.conditions]
    if not 0 < len(given) <= _MAX_CONDITIONS:
        yield f"conditions: A filter needs a condition, and has at most {_MAX_CONDITIONS} conditions."
    for condition in given:
        if (problem := _problem(account, filter_type, condition)) is not None:
            yield f"conditions: {problem}"


def _problem(account: Account, filter_type: str, condition: Record) -> str | None:
    field, name, value = _field_of(account, condition), condition["operator"], condition["value"]
    if field is None:
        return f"There is no field {condition['field_id']} of {condition['object']} for {filter_type}."
    if name in _NULL_TESTS:
        return None
    if name not in _COMPARISONS and not _LIKE.fullmatch(name):
        return f"The operator {name} is not supported."
    if value in (None, ""):
        return f"The operator {name} needs a value."
    if name in _COMPARISONS and field["field_type"] == "date" and not _is_moment(str(value)):
        return f"{value} is no date, nor a relative one that is supported."
    return None


def _is_moment(text: str) -> bool:
    """Whether a date can be compared with the text: a date, or a relative one that is understood."""
    return text in _RELATIVE_DAYS or any(form.fullmatch(text) for form in (_DATE, _WEEKS_AGO, _MONTHS_AGO))
