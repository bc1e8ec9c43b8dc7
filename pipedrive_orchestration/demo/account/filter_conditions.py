"""Checks the conditions of a stored filter before it is written.

Operators that `stored_filters` does not understand are refused, and so is every shape but the one of API
facts 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipedrive_orchestration.demo.account.account import Account
from pipedrive_orchestration.demo.account.collection import Record
from pipedrive_orchestration.demo.account.stored_filters import (
    COMPARISONS,
    LIKE,
    NULL_TESTS,
    OBJECTS,
    groups_of,
    is_moment,
)
from pipedrive_orchestration.demo.errors import bad_request

MAX_CONDITIONS = 16
_KEYS = {"object", "field_id", "operator", "value", "extra_value", "json_value_flag", "field_code"}


def check_conditions(account: Account, filter_type: str, conditions: Any) -> None:
    """Checks the conditions of a filter that is about to be stored.

    Raises:
        ApiError: 400 naming every problem.
    """
    problems = list(_shape_problems(conditions)) or list(
        _condition_problems(account, filter_type, conditions)
    )
    if problems:
        raise bad_request("v1", problems)


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


def _condition_problems(account: Account, filter_type: str, group: Record) -> Iterator[str]:
    every, some = groups_of(group)
    conditions = every + some
    if len(conditions) > MAX_CONDITIONS:
        yield f"conditions: A filter has at most {MAX_CONDITIONS} conditions."
    if not conditions:
        yield "conditions: A filter needs a condition."
    for condition in conditions:
        yield from _problems(account, filter_type, condition)


def _problems(account: Account, filter_type: str, condition: Any) -> Iterator[str]:
    if not isinstance(condition, dict) or not {"object", "field_id", "operator"} <= condition.keys():
        yield "conditions: A condition needs object, field_id and operator."
        return
    if unknown := condition.keys() - _KEYS:
        yield f"conditions: {', '.join(sorted(unknown))} is not allowed."
    owner = OBJECTS.get(str(condition["object"]))
    if owner is None:
        yield f"conditions: object has to be one of {', '.join(OBJECTS)}."
        return
    field = account.fields[owner].by_numeric_id(str(condition["field_id"]))
    if field is None:
        yield f"conditions: There is no field {condition['field_id']} of {owner} for {filter_type}."
        return
    name = condition["operator"]
    if name not in COMPARISONS and name not in NULL_TESTS and not LIKE.fullmatch(str(name)):
        yield f"conditions: The operator {name} is not supported."
    elif name not in NULL_TESTS and condition.get("value") in (None, ""):
        yield f"conditions: The operator {name} needs a value."
    elif name in COMPARISONS and field["field_type"] == "date" and not is_moment(condition["value"]):
        yield f"conditions: {condition['value']} is no date, nor a relative one that is supported."
