"""The part of a filter that Pipedrive itself can apply, so that fewer pages have to be read.

A list takes one id for each of its parameters, several statuses, and up to a hundred ids of records
(OpenAPI, query parameters of the lists). Only what every member must satisfy can be asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from pipedrive_orchestration.importing.definition import ALWAYS, Span
from pipedrive_orchestration.importing.filters.operands import Bound, Operand
from pipedrive_orchestration.importing.filters.variables import Kind, Variable
from pipedrive_orchestration.pipedrive.object_types import MAX_IDS_PER_REQUEST, ObjectType, Paging
from pipedrive_orchestration.sources.conditions import Condition

STATUSES = frozenset({"open", "won", "lost"})
"""Statuses of deals that are not deleted."""

_MAX_ID = 2**53


@dataclass(frozen=True, slots=True)
class Exact:
    """The values of which a variable has to have one."""

    variable: Variable
    values: tuple[Operand, ...]


def span_of(variable: Variable, condition: Condition, operands: Sequence[Operand]) -> Span:
    """The span in which every record was changed last that satisfies a leaf, as far as the leaf tells."""
    if variable.kind not in (Kind.DATETIME, Kind.DATE) or variable.field.record_key != "update_time":
        return ALWAYS
    bounds = [(_instant(low), _instant(high)) for low, high in _intervals(operands)]
    if not bounds:
        return ALWAYS
    match condition:
        case Condition.GREATER_THAN:
            spans: list[Span] = [(high, None) for _, high in bounds]
        case Condition.GREATER_THAN_OR_EQUAL:
            spans = [(low, None) for low, _ in bounds]
        case Condition.LESS_THAN:
            spans = [(None, low) for low, _ in bounds]
        case Condition.LESS_THAN_OR_EQUAL:
            spans = [(None, high) for _, high in bounds]
        case Condition.EQUALS | Condition.IN:
            spans = bounds
        case Condition.IS_BETWEEN:
            spans = [(bounds[0][0], bounds[-1][1])]
        case _:
            return ALWAYS
    return of_any(spans)


def _intervals(operands: Sequence[Operand]) -> list[tuple[Bound, Bound]]:
    return [operand for operand in operands if isinstance(operand, tuple)]


def _instant(bound: Bound) -> datetime | None:
    if bound is None or isinstance(bound, datetime):
        return bound
    return datetime.combine(bound, time.min, UTC)


def askable(span: Span, now: datetime) -> Span:
    """A span as Pipedrive can be asked for it: in whole seconds, and without an end that is still to come."""
    low, high = span
    if high is not None:
        high = high.replace(microsecond=0) + timedelta(seconds=1 if high.microsecond else 0)
    return low and low.replace(microsecond=0), high if high is not None and high <= now else None


def of_any(spans: Sequence[Span]) -> Span:
    """The span of what lies in one of some spans."""
    lows, highs = [low for low, _ in spans if low], [high for _, high in spans if high]
    return (
        min(lows) if lows and len(lows) == len(spans) else None,
        max(highs) if highs and len(highs) == len(spans) else None,
    )


def of_all(spans: Sequence[Span]) -> Span:
    """The span of what lies in each of some spans; its end may lie before its beginning."""
    return (
        max((low for low, _ in spans if low), default=None),
        min((high for _, high in spans if high), default=None),
    )


IdsByName = Callable[[str, str], Sequence[int | UUID]]
"""The ids of all records of a name, by the key of a reference to them; none where they were not looked up."""


def restrictions_of(
    object_type: ObjectType, required: Sequence[Exact], ids_by_name: IdsByName
) -> dict[str, str]:
    """Parameters that make the list leave out what cannot be a member.

    Args:
        object_type: whose list.
        required: what every member satisfies.
        ids_by_name: tells what a name behind a reference stands for.
    """
    restrictions: dict[str, str] = {}
    for exact in required:
        field, key = exact.variable.field, exact.variable.field.record_key
        if not exact.variable.is_whole or exact.variable.many:
            continue
        if field.older is not None and (field.older.part or field.older.is_opposite):
            continue
        if field.derived is not None:
            # Of several names some may not have been looked up.
            looked_up = field.derived.is_name and len(exact.values) == 1
            ids = ids_by_name(key, str(exact.values[0])) if looked_up else ()
            parameter, value = key, _single(key, ids)
        elif key == "id" and object_type.paging is Paging.CURSOR and object_type.partitioned:
            parameter, value = "ids", _ids(exact.values)
        else:
            parameter, value = key, _single(key, exact.values)
        if value is not None and (parameter == "ids" or parameter in object_type.filters):
            restrictions.setdefault(parameter, value)
    return restrictions


def _single(key: str, values: Sequence[Operand]) -> str | None:
    if key == "status":
        statuses = [value for value in values if isinstance(value, str)]
        return ",".join(statuses) if statuses and STATUSES.issuperset(statuses) else None
    if len(set(values)) != 1:
        return None
    value = values[0]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, UUID) or _is_id(value) else None


def _ids(values: Sequence[Operand]) -> str | None:
    if not 0 < len(values) <= MAX_IDS_PER_REQUEST or not all(map(_is_id, values)):
        return None
    return ",".join(map(str, values))


def _is_id(value: Operand) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MAX_ID
