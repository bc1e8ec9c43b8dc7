"""One record: shown, created, changed or deleted, once all that is wrong with that has been told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import OutcomeUnknown
from pipedrive_orchestration.pipedrive.requests import (
    MERGE_COST,
    MERGED,
    WRITABLE,
    WritableType,
    merge_path,
)
from pipedrive_orchestration.sources import InvalidBodyError, Problem
from pipedrive_orchestration.sources.validation import did_you_mean
from pipedrive_orchestration.writing.changes import Change, Kind, operation_of, values_of
from pipedrive_orchestration.writing.execution import SETTLING_SECONDS, Executor, Outcome, Status
from pipedrive_orchestration.writing.names import AccountNames
from pipedrive_orchestration.writing.properties import Properties, read_properties
from pipedrive_orchestration.writing.values import Property, ValueRefusedError, same, shown, written


class UnknownRecordError(LookupError):
    """A record that is not there, or is deleted."""

    def __init__(self, object_type: str, record_id: str) -> None:
        super().__init__(f"There is no record {record_id} among {object_type}; it may have been deleted.")


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A value of a record that is to be shown.

    Attributes:
        value: as a body has it.
        text: as a person reads it.
        before: what a person reads of the value before, where a change is shown.
    """

    key: str
    label: str
    value: Any
    text: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class PreparedChange:
    """A change that nothing is known to speak against.

    Attributes:
        change: what is to be done.
        name: what the record is called.
        values: the values that change, for a person.
        cost: tokens of the request.
        properties: of the collection.
    """

    change: Change
    name: str
    values: tuple[ShownValue, ...]
    cost: int
    properties: Properties

    @property
    def is_empty(self) -> bool:
        """Whether the record is already as it is to be."""
        return self.change.kind is Kind.UPDATE and not self.change.after


def writable_type(name: str) -> WritableType:
    """The collection of a name.

    Raises:
        InvalidBodyError: it is none that can be written; names the near matches.
    """
    writable = WRITABLE.get(name)
    if writable is None:
        message = (
            f"`{name}` cannot be written.{did_you_mean(name, WRITABLE)} What can: {', '.join(WRITABLE)}."
        )
        raise InvalidBodyError([Problem("type", "unknown_object_type", message)])
    return writable


async def show_record(client: Client, writable: WritableType, record_id: str) -> tuple[ShownValue, ...]:
    """The values of a record that can be written, under their labels.

    Raises:
        UnknownRecordError: it is not there.
        PipedriveError: the account cannot be read.
    """
    properties = await read_properties(client, writable)
    record = await _read(client, properties, record_id)
    values = values_of(properties, record, {prop.key: None for prop in properties.known})
    names = AccountNames(checks_ids=False)
    await names.load(client, _listed(properties, values))
    return tuple(
        ShownValue(prop.key, prop.label, values[prop.key], shown(prop, values[prop.key], names))
        for prop in properties.known
    )


def _listed(properties: Properties, values: Mapping[str, Any]) -> list[tuple[Property, Any]]:
    return [(properties.by_key(key), value) for key, value in values.items() if value is not None]


async def prepare_creation(
    client: Client, writable: WritableType, given: Mapping[str, Any]
) -> PreparedChange:
    """A new record, checked.

    Raises:
        InvalidBodyError: with everything that is wrong.
        PipedriveError: the account cannot be read.
    """
    _refuse_what_is_not_offered(writable, Kind.CREATE)
    properties = await read_properties(client, writable)
    values, names = await _understood(client, properties, given, Kind.CREATE)
    change = Change(Kind.CREATE, None, {}, values)
    name = str(next((values[key] for key in ("title", "name", "subject") if values.get(key)), "a new record"))
    return _prepared(properties, change, name, names)


async def prepare_update(
    client: Client, writable: WritableType, record_id: str, given: Mapping[str, Any]
) -> PreparedChange:
    """A change of a record, checked; only what differs is left of it.

    Raises:
        InvalidBodyError: with everything that is wrong.
        UnknownRecordError: it is not there.
        PipedriveError: the account cannot be read.
    """
    _refuse_what_is_not_offered(writable, Kind.UPDATE)
    properties = await read_properties(client, writable)
    record = await _read(client, properties, record_id, given)
    values, names = await _understood(client, properties, given, Kind.UPDATE)
    if record.get("is_archived") and values != {"is_archived": False}:
        message = f"{writable.name} {record_id} is archived: set is_archived to false first, and alone."
        raise InvalidBodyError([Problem("id", "archived_record", message)])
    before = values_of(properties, record, values)
    differing = {
        key: value
        for key, value in values.items()
        if not same(properties.by_key(key), before[key], value)
    }  # fmt: skip
    always = {key.key for key in writable.keys if key.always}
    kept = {key: value for key, value in values.items() if key in differing or (differing and key in always)}
    change = Change(Kind.UPDATE, record["id"], {key: before[key] for key in kept}, kept)
    await names.load(client, _listed(properties, change.before))
    return _prepared(properties, change, name_of(record), names)


async def prepare_deletion(client: Client, writable: WritableType, record_id: str) -> PreparedChange:
    """The deletion of a record, checked.

    Raises:
        InvalidBodyError: records of this collection cannot be deleted.
        UnknownRecordError: it is not there.
        PipedriveError: the account cannot be read.
    """
    _refuse_what_is_not_offered(writable, Kind.DELETE)
    properties = Properties(writable, ())
    record = await _read(client, properties, record_id)
    change = Change(Kind.DELETE, record["id"])
    return _prepared(properties, change, name_of(record), AccountNames())


async def prepare_merge(
    client: Client, writable: WritableType, record_id: str, survivor_id: str
) -> tuple[str, str]:
    """The names of a record that is to be merged and of the one that is to survive, both checked.

    Raises:
        InvalidBodyError: records of this collection cannot be merged, or these two cannot.
        UnknownRecordError: one of them is not there.
        PipedriveError: the account cannot be read.
    """
    if writable.name not in MERGED:
        message = f"Pipedrive merges {', '.join(sorted(MERGED))}, not {writable.name}."
        raise InvalidBodyError([Problem("type", "not_offered", message)])
    if record_id == survivor_id:
        raise InvalidBodyError([Problem("into", "same_record", "A record cannot be merged with itself.")])
    properties = Properties(writable, ())
    records = [await _read(client, properties, one) for one in (record_id, survivor_id)]
    for record in records:
        if record.get("is_archived"):
            message = f"{writable.name} {record['id']} is archived, and cannot be merged."
            raise InvalidBodyError([Problem("id", "archived_record", message)])
    merged, survivor = map(name_of, records)
    return merged, survivor


async def merge(client: Client, writable: WritableType, record_id: str, survivor_id: str) -> Outcome:
    """Merge a record into another, whose values win; the first is deleted, and its links go to the other.

    A merge whose answer is lost is looked up: it was carried out if the first record is gone.

    Raises:
        PipedriveError: it was not made, or it is not known since the account cannot be read.
    """
    path, body = merge_path(writable, record_id), {"merge_with_id": int(survivor_id)}
    try:
        answer = await client.send("PUT", path, body, cost=MERGE_COST)
    except OutcomeUnknown as unknown:
        await asyncio.sleep(SETTLING_SECONDS)
        if await Executor(client, Properties(writable, ())).read([record_id]):
            return Outcome(Status.UNCERTAIN, survivor_id, reason=f"{unknown} The record is still there.")
        return Outcome(Status.DONE, survivor_id, reason="found merged")
    return Outcome(Status.DONE, survivor_id, request_id=answer.request_id)


def _refuse_what_is_not_offered(writable: WritableType, kind: Kind) -> None:
    if operation_of(writable, kind) is None:
        message = f"Pipedrive has no way to {kind} {writable.name}."
        raise InvalidBodyError([Problem("type", "not_offered", message)])


async def _read(
    client: Client, properties: Properties, record_id: str, given: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    object_type = properties.writable.object_type
    is_uuid = object_type is not None and object_type.id_type == "uuid"
    if not is_uuid and not record_id.replace("/", "").isdecimal():
        raise InvalidBodyError([Problem("id", "invalid_id", f"`{record_id}` is not an id: a number.")])
    found = await Executor(client, properties).read([record_id.lower()], given or ())
    if record_id.lower() not in found:
        raise UnknownRecordError(properties.writable.name, record_id)
    return found[record_id.lower()]


def name_of(record: Mapping[str, Any]) -> str:
    """What a record is called."""
    called = (record.get(key) for key in ("title", "name", "subject"))
    return str(next((name for name in called if name), record.get("id")))


async def _understood(
    client: Client, properties: Properties, given: Mapping[str, Any], kind: Kind
) -> tuple[dict[str, Any], AccountNames]:
    """What somebody wrote, as a body has it.

    Raises:
        InvalidBodyError: with every name and value that is wrong, and every one that is missing.
    """
    found = {name: properties.find(name) for name in given}
    problems = [prop for prop in found.values() if isinstance(prop, Problem)]
    named = {name: prop for name, prop in found.items() if isinstance(prop, Property)}
    problems += _misplaced(named, kind)
    names = AccountNames()
    await names.load(client, [(prop, given[name]) for name, prop in named.items()])
    values: dict[str, Any] = {}
    for name, prop in named.items():
        try:
            values[prop.key] = written(prop, given[name], names)
        except ValueRefusedError as error:
            problems.append(Problem(name, "invalid_value", f"{error}"))
    present = {prop.key for prop in named.values()}
    problems += missing_properties(properties, present, kind)
    if not given and kind is Kind.UPDATE:
        problems.append(Problem("", "empty", "There is nothing to change: name a property and its value."))
    if problems:
        raise InvalidBodyError(problems)
    return values, names


def _misplaced(named: Mapping[str, Property], kind: Kind) -> list[Problem]:
    problems = []
    keys: dict[str, str] = {}
    for name, prop in named.items():
        if kind is Kind.CREATE and not prop.in_creation:
            problems.append(Problem(name, "not_at_creation", "Can be set later, not at creation."))
        if kind is Kind.UPDATE and not prop.in_change:
            problems.append(Problem(name, "only_at_creation", "Is set at creation and cannot be changed."))
        if keys.setdefault(prop.key, name) != name:
            problems.append(
                Problem(name, "duplicate_property", f"Is the same property as `{keys[prop.key]}`.")
            )
    return problems


NEEDED_ONE_OF = {
    "leads": ("person_id", "organization_id"),
    "notes": ("lead_id", "deal_id", "person_id", "org_id", "project_id", "task_id"),
}
"""Collections whose records have to be linked: to one of these."""


def missing_properties(properties: Properties, present: set[str], kind: Kind) -> list[Problem]:
    """Problems of a write that leaves out what it needs."""
    problems = [
        Problem(prop.key, "missing", "This property is required.")
        for prop in properties.known
        if kind is Kind.CREATE and prop.required and prop.key not in present
    ]
    links = NEEDED_ONE_OF.get(properties.writable.name)
    if kind is Kind.CREATE and links and not present & set(links):
        problems.append(Problem(links[0], "missing", f"One of {', '.join(links)} is required."))
    if kind is Kind.UPDATE:
        problems += [
            Problem(key.key, "missing", "Every change needs this property.")
            for key in properties.writable.keys
            if key.always and key.key not in present
        ]
    return problems


def _prepared(properties: Properties, change: Change, name: str, names: AccountNames) -> PreparedChange:
    operation = operation_of(properties.writable, change.kind)
    assert operation is not None, "this was asked first"
    values = []
    for key, value in change.after.items():
        prop = properties.by_key(key)
        before = shown(prop, change.before.get(key), names)
        values.append(ShownValue(key, prop.label, value, shown(prop, value, names), before))
    return PreparedChange(change, name, tuple(values), operation.cost, properties)
