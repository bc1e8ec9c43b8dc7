"""Changes that one request makes together: which they are, what they cost, and what says them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipedrive_orchestration.pipedrive.client import Query
from pipedrive_orchestration.pipedrive.requests import BulkForm, BulkOperation, WritableType
from pipedrive_orchestration.writing.changes import (
    Change,
    Kind,
    body_of,
    operation_of,
    own_id,
    parents_of,
)
from pipedrive_orchestration.writing.properties import Properties

BATCH = 100
"""Changes that are sent and recorded together; so many records are read again by one request."""


def bundles_of(writable: WritableType, changes: Mapping[int, Change]) -> list[list[int]]:
    """The numbers of changes that are sent together, where that costs no more than one by one.

    Args:
        writable: the collection.
        changes: by a number of each.
    """
    bundles: list[list[int]] = []
    alike: dict[tuple[Kind, tuple[str, ...]], list[int]] = defaultdict(list)
    for number, change in changes.items():
        operation = operation_of(writable, change.kind)
        if operation is None or operation.bulk is None:
            bundles.append([number])
        else:
            alike[change.kind, parents_of(change)].append(number)
    for (kind, _), numbers in alike.items():
        operation = operation_of(writable, kind)
        assert operation is not None, "this was asked first"
        assert operation.bulk is not None, "this too"
        for start in range(0, len(numbers), operation.bulk.most):
            part = numbers[start : start + operation.bulk.most]
            if len(part) > 1 and operation.bulk.cost <= operation.cost * len(part):
                bundles.append(part)
            else:
                bundles += [[number] for number in part]
    return bundles


def cost_of(writable: WritableType, changes: Sequence[Change]) -> int:
    """The tokens of changes that are sent in this order, batch by batch."""
    cost = 0
    for start in range(0, len(changes), BATCH):
        batch = dict(enumerate(changes[start : start + BATCH]))
        cost += sum(_cost_of_bundle(writable, batch, bundle) for bundle in bundles_of(writable, batch))
    return cost


def _cost_of_bundle(writable: WritableType, changes: Mapping[int, Change], bundle: Sequence[int]) -> int:
    operation = operation_of(writable, changes[bundle[0]].kind)
    if operation is None:
        return 0
    return operation.cost if len(bundle) == 1 or operation.bulk is None else operation.bulk.cost


def shares(cost: int, count: int) -> list[int]:
    """A cost in that many whole parts that differ by one at most."""
    return [cost // count + (number < cost % count) for number in range(count)]


def said_together(
    properties: Properties, bulk: BulkOperation, changes: Sequence[Change]
) -> tuple[Query, Any]:
    """The query and the body that say several changes of one kind."""
    if bulk.form is BulkForm.IDS:
        return {"ids": ",".join(filter(None, map(own_id, changes)))}, None
    bodies = [dict(_named(properties, change)) for change in changes]
    return {}, bodies if bulk.form is BulkForm.LIST else {"data": bodies}


def _named(properties: Properties, change: Change) -> Iterator[tuple[str, Any]]:
    own = own_id(change)
    if own is not None:
        yield "id", int(own)
    if change.kind is not Kind.DELETE:
        yield from body_of(properties, change.after).items()


def several_in(data: Any) -> list[Any]:
    """The records that an answer about several has."""
    return data if isinstance(data, list) else []


def ids_in(data: Any) -> set[str]:
    """The ids that an answer to the deletion of several names: a list of them, or of what was deleted."""
    if isinstance(data, Mapping):
        data = data.get("ids", data.get("id"))
    return {str(one["id"] if isinstance(one, Mapping) else one) for one in several_in(data)}
