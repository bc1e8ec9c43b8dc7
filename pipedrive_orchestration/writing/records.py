"""One record: shown, created, changed or deleted, once all that is wrong with that has been told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.requests import WRITABLE, WritableType
from pipedrive_orchestration.sources import InvalidBodyError, Problem
from pipedrive_orchestration.sources.validation import did_you_mean
from pipedrive_orchestration.writing.changes import Change, Kind, operation_of, values_of
from pipedrive_orchestration.writing.current import CurrentRecords
from pipedrive_orchestration.writing.execution import NAMES
from pipedrive_orchestration.writing.kinds import Property, ValueRefusedError
from pipedrive_orchestration.writing.names import AccountNames
from pipedrive_orchestration.writing.properties import Properties, read_properties
from pipedrive_orchestration.writing.shown import shown
from pipedrive_orchestration.writing.stored import same
from pipedrive_orchestration.writing.values import written


class UnknownRecordError(LookupError):
    """A record that is not there, or is deleted."""

    def __init__(self, object_type: str, record_id: str, why: str | None = None) -> None:
        why = why or f"There is no record {record_id} among {object_type}; it may have been deleted."
        super().__init__(why)


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
    record = await read_record(client, properties, record_id)
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
    client: Client, writable: WritableType, given: Mapping[str, Any], parents: tuple[str, ...] = ()
) -> PreparedChange:
    """A new record, checked.

    Args:
        client: the connection in use.
        writable: the collection.
        given: properties and values, as somebody wrote them.
        parents: ids of the records that it is to be below.

    Raises:
        InvalidBodyError: with everything that is wrong.
        PipedriveError: the account cannot be read.
    """
    _refuse_what_is_not_offered(writable, Kind.CREATE)
    await _check_parents(client, writable, parents)
    properties = await read_properties(client, writable)
    values, names = await _understood(client, properties, given, Kind.CREATE)
    change = Change(Kind.CREATE, None, {}, values, parents)
    name = str(next((values[key] for key in NAMES if values.get(key)), "a new record"))
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
    record = await read_record(client, properties, record_id, given)
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


async def _check_parents(client: Client, writable: WritableType, parents: tuple[str, ...]) -> None:
    if len(parents) != len(writable.parents):
        if parents:
            message = f"{writable.name} are below nothing: leave the parent out."
        else:
            message = f"{writable.name} are below another record: name its id, the {writable.parents[0]}."
        raise InvalidBodyError([Problem("below", "parents", message)])
    above = parent_type(writable)
    if above is not None:
        await read_record(client, Properties(above, ()), parents[0])


def parent_type(writable: WritableType) -> WritableType | None:
    """The collection that the parents of a collection's records are in, where it can be written."""
    path = writable.path.partition("/{")[0]
    return next((one for one in WRITABLE.values() if writable.parents and one.path == path), None)


async def prepare_restoration(client: Client, writable: WritableType, record_id: str) -> PreparedChange:
    """The return of a record that is deleted or archived, checked.

    Raises:
        InvalidBodyError: Pipedrive brings no such record back, or it is neither deleted nor archived.
        UnknownRecordError: it is not there, and was not for thirty days.
        PipedriveError: the account cannot be read.
    """
    if not writable.can_be_restored and not writable.can_be_archived:
        message = f"Pipedrive brings no deleted or archived {writable.name} back by its API."
        raise InvalidBodyError([Problem("type", "not_offered", message)])
    _check_id(writable, record_id)
    record = await CurrentRecords(client, writable).read_whatever(record_id.lower())
    if record is None:
        raise UnknownRecordError(writable.name, record_id)
    key = next((key for key in ("is_deleted", "is_archived") if record.get(key) and writable.key(key)), None)
    if key is None:
        message = f"{writable.name} {record_id} is neither deleted nor archived."
        raise InvalidBodyError([Problem("id", "not_gone", message)])
    properties = await read_properties(client, writable)
    change = Change(Kind.UPDATE, record["id"], {key: True}, {key: False})
    return _prepared(properties, change, name_of(record), AccountNames())


async def prepare_deletion(client: Client, writable: WritableType, record_id: str) -> PreparedChange:
    """The deletion of a record, checked.

    Raises:
        InvalidBodyError: records of this collection cannot be deleted.
        UnknownRecordError: it is not there.
        PipedriveError: the account cannot be read.
    """
    _refuse_what_is_not_offered(writable, Kind.DELETE)
    properties = Properties(writable, ())
    record = await read_record(client, properties, record_id)
    change = Change(Kind.DELETE, record["id"])
    return _prepared(properties, change, name_of(record), AccountNames())


def _refuse_what_is_not_offered(writable: WritableType, kind: Kind) -> None:
    if operation_of(writable, kind) is None:
        message = f"Pipedrive has no way to {kind} {writable.name}."
        raise InvalidBodyError([Problem("type", "not_offered", message)])


def _check_id(writable: WritableType, record_id: str) -> None:
    """Refuse what is no id of the collection.

    Raises:
        InvalidBodyError: it has too many or too few parts, or is no number where ids are.
    """
    parts, wanted = record_id.split("/"), [*writable.parents, writable.id_key]
    if len(parts) != len(wanted) or not all(parts):
        example = "/".join(wanted)
        raise InvalidBodyError([Problem("id", "invalid_id", f"`{record_id}` is not an id: {example}.")])
    object_type = writable.object_type
    numbers = object_type is None or object_type.id_type == "int" or writable.is_named_by_what_it_is
    if numbers and not parts[-1].isdecimal():
        raise InvalidBodyError([Problem("id", "invalid_id", f"`{record_id}` is not an id: a number.")])


async def read_record(
    client: Client, properties: Properties, record_id: str, given: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """A record as it is now, its ``id`` with its parents' before it.

    Raises:
        InvalidBodyError: that is no id.
        UnknownRecordError: it is not there.
        PipedriveError: the account cannot be read.
    """
    writable = properties.writable
    _check_id(writable, record_id)
    if writable.object_type is not None and writable.object_type.id_type == "uuid":
        record_id = record_id.lower()
    found = await CurrentRecords(client, writable).read([record_id], given or ())
    if record_id not in found:
        raise UnknownRecordError(writable.name, record_id)
    record = found[record_id]
    return {**record, "id": record_id if writable.parents else record[writable.id_key]}


def name_of(record: Mapping[str, Any]) -> str:
    """What a record is called."""
    called = (record.get(key) for key in NAMES)
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
