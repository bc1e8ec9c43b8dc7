"""The SQL of one test of one value."""

from __future__ import annotations

from collections.abc import Sequence

from pipedrive_orchestration.importing.filters.operands import Bound, Operand
from pipedrive_orchestration.importing.filters.variables import Kind
from pipedrive_orchestration.sources.conditions import TRUTH, Condition


class BoundValues:
    """The values that a statement is executed with, each under a name of its own."""

    def __init__(self) -> None:
        self.by_name: dict[str, object] = {}

    def add(self, value: object) -> str:
        """Take in a value; returns what stands for it in the SQL."""
        name = f"filter_{len(self.by_name)}"
        self.by_name[name] = value
        return f"${name}"


def element_test(
    value: str,
    kind: Kind,
    condition: Condition,
    operands: Sequence[Operand],
    values: BoundValues,
    *,
    case_sensitive: bool,
) -> str:
    """SQL of whether a value fits any of the operands; NULL or false where there is no value.

    Args:
        value: SQL of the value.
        kind: how it is compared.
        condition: what is asked, never a negative.
        operands: what it is compared with.
        values: takes in the operands.
        case_sensitive: whether the case of texts matters.
    """
    if condition in TRUTH:
        return value if condition is Condition.IS_TRUE else f"NOT {value}"
    if not operands:
        return "false"
    if kind in (Kind.OPTION, Kind.REFERENCE):
        return f"list_contains({values.add(list(operands))}, {value})"
    if kind in (Kind.DATE, Kind.DATETIME):
        return _dated(value, condition, operands, values)
    named = [values.add(operand) for operand in operands]
    if kind is not Kind.TEXT and condition is Condition.CONTAINS:
        # A list of what is no text contains whole elements.
        condition = Condition.EQUALS
    if kind is Kind.TEXT and not case_sensitive:
        return _compared(f"lower({value})", condition, [f"lower({name})" for name in named])
    return _compared(value, condition, named)


def _compared(value: str, condition: Condition, named: Sequence[str]) -> str:
    if condition is Condition.IS_BETWEEN:
        return f"{value} BETWEEN {named[0]} AND {named[1]}"
    if condition in _FUNCTIONS:
        return "(" + " OR ".join(f"{_FUNCTIONS[condition]}({value}, {text})" for text in named) + ")"
    if condition in _OPERATORS:
        return f"{value} {_OPERATORS[condition]} {named[0]}"
    return f"{value} IN ({', '.join(named)})"


_FUNCTIONS = {
    Condition.CONTAINS: "contains",
    Condition.STARTS_WITH: "starts_with",
    Condition.ENDS_WITH: "ends_with",
}
_OPERATORS = {
    Condition.GREATER_THAN: ">",
    Condition.GREATER_THAN_OR_EQUAL: ">=",
    Condition.LESS_THAN: "<",
    Condition.LESS_THAN_OR_EQUAL: "<=",
}


def _dated(value: str, condition: Condition, operands: Sequence[Operand], values: BoundValues) -> str:
    intervals = [operand for operand in operands if isinstance(operand, tuple)]
    if condition is Condition.IS_BETWEEN:
        (low, _), (_, high) = intervals
        intervals = [(low, high)]
    tests = [_in_interval(value, condition, low, high, values) for low, high in intervals]
    return "(" + " OR ".join(tests) + ")"


def _in_interval(value: str, condition: Condition, low: Bound, high: Bound, values: BoundValues) -> str:
    anything = f"{value} IS NOT NULL"
    match condition:
        case Condition.GREATER_THAN:
            return f"{value} >= {values.add(high)}" if high else "false"
        case Condition.GREATER_THAN_OR_EQUAL:
            return f"{value} >= {values.add(low)}" if low else anything
        case Condition.LESS_THAN:
            return f"{value} < {values.add(low)}" if low else "false"
        case Condition.LESS_THAN_OR_EQUAL:
            return f"{value} < {values.add(high)}" if high else anything
        case _:
            at_least = f"{value} >= {values.add(low)}" if low else anything
            below = f"{value} < {values.add(high)}" if high else anything
            return f"({at_least} AND {below})"
