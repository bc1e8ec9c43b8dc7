"""Which rows a source must have, by the account's own records, and how its table differs from that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from pipedrive_orchestration.demo import Account
from pipedrive_orchestration.demo.account.fields import OPTIONAL, shown
from pipedrive_orchestration.demo.endpoints.fields import fields_of_leads
from pipedrive_orchestration.demo.generator.fields import FIELD_LISTS
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.chaos.sizes import FULL
from pipedrive_orchestration_tests.exactness.values import Record, expected, found, gathered, instant

MAX_SHOWN = 12
"""How many differences are listed."""

REASONS = ("deleted", "merged", "archived", "invisible")
"""Why rows of a source without a filter can be gone."""

UNSTAMPED = {"notes": frozenset({"user", "deal", "person", "organization", "lead", "project", "task"})}
"""Properties that repeat another record's name: they follow it without a new ``update_time``, so that only
a complete reading can bring them up to date."""


@dataclass(frozen=True)
class Kind:
    """A property as the oracle knows it; ``where`` says how a record holds it."""

    key: str
    field_type: str
    where: str

    def of(self, record: Record) -> Any:
        """The cell that a record must have."""
        if self.where == "nested":
            return expected((record["custom_fields"] or {}).get(self.key), self.field_type)
        if self.where == "flat":
            return expected(gathered(record, self.key, self.field_type), self.field_type)
        return expected(record.get(self.key), self.field_type)


def kinds_of(account: Account, object_type: str) -> dict[str, Kind]:
    """All properties that every answer carries: built-in ones and the account's custom fields."""
    built_in = [prop for prop in BUILT_IN[object_type].properties if not (prop.optional or prop.alone)]
    kinds = [Kind(prop.key, prop.field_type, "plain") for prop in built_in]
    where = "flat" if object_type == "leads" else "nested"
    family = account.fields.get("deals" if object_type == "leads" else object_type)
    kinds += [
        Kind(field["field_code"], field["field_type"], where)
        for field in family or ()
        if field["is_custom_field"]
    ]
    return {kind.key: kind for kind in kinds}


TELLING = ("id", "name", "title", "status", "add_time", "update_time")
"""Properties by which records are known, where a collection has them."""

NARROW = 16
"""Properties of a collection of which all are imported always."""


def told(kinds: Mapping[str, Kind], object_type: str) -> tuple[str, ...]:
    """The properties that a test imports which is not about values; all of them with `make chaos`."""
    if FULL or len(kinds) <= NARROW:
        return tuple(kinds)
    wanted = {*TELLING, *UNSTAMPED.get(object_type, ())}
    return tuple(key for key in kinds if key in wanted)


def one_of_each(kinds: Mapping[str, Kind], object_type: str) -> tuple[str, ...]:
    """The first property of each type in each place of a record, and the telling ones; all as above."""
    first = {(kind.field_type, kind.where): kind.key for kind in reversed(list(kinds.values()))}
    wanted = {*first.values(), *told(kinds, object_type)}
    return tuple(key for key in kinds if key in wanted)


def is_deleted(object_type: str, record: Record) -> bool:
    """Whether Pipedrive's lists leave the record out as deleted; inactive activity types stay listed."""
    if object_type in {"notes", "filters", "files"}:
        return not record["active_flag"]
    if object_type == "projects":
        return bool(record["status"] == "deleted")
    return object_type != "users" and bool(record.get("is_deleted"))


def is_archived(record: Record) -> bool:
    """Whether the record is archived; a project says so by the time at which it was."""
    return bool(record.get("is_archived", record.get("archive_time")))


def records_of(account: Account, object_type: str) -> dict[str, Record]:
    """All records of a collection, or the fields that are its records, by id as text."""
    if object_type == "lead_fields":
        records = list(fields_of_leads(account.fields["deals"]))
    elif object_type == "note_fields":
        records = account.note_fields
    elif object_type in FIELD_LISTS.values():
        family = next(name for name, listed in FIELD_LISTS.items() if listed == object_type)
        records = [shown(field, OPTIONAL) for field in account.fields[family]]
    else:
        records = account.records(object_type)
    return {str(record[BUILT_IN[object_type].id_key]): record for record in records}


def members(account: Account, source: Source) -> dict[str, Record]:
    """The records that must be current rows of the source, by id as text."""
    everything = source.options.include_archived
    return {
        record_id: record
        for record_id, record in records_of(account, source.object_type).items()
        if not is_deleted(source.object_type, record) and (everything or not is_archived(record))
    }


def differences(
    connection: duckdb.DuckDBPyConnection,
    account: Account,
    source: Source,
    *,
    unstamped: bool = False,
    only: frozenset[str] | None = None,
    untold: Callable[[str], bool] = lambda _: False,
) -> list[str]:
    """How the source's table differs from the account; empty where it is exact.

    Args:
        connection: the warehouse.
        account: the truth.
        source: whose table.
        unstamped: compare properties that change without a new ``update_time`` too.
        only: compare these records alone, by id as text.
        untold: of which records nothing has told why they are gone; any reason will do.
    """
    table = rows_of(connection, source)
    truth = members(account, source)
    if only is not None:
        truth = {record_id: record for record_id, record in truth.items() if record_id in only}
    kinds = kinds_of(account, source.object_type)
    skipped = frozenset() if unstamped else UNSTAMPED.get(source.object_type, frozenset())
    compared = [kinds[key] for key in source.properties if key not in skipped]
    current = {record_id: row for record_id, row in table.items() if row["_is_current"]}
    found_differences = [f"{record_id} is missing" for record_id in truth.keys() - current.keys()]
    if only is None:
        found_differences += [
            f"{record_id} should not be current" for record_id in current.keys() - truth.keys()
        ]
        found_differences += _wrong_removals(account, source, table, untold)
    for record_id in truth.keys() & current.keys():
        found_differences += _wrong_cells(record_id, current[record_id], truth[record_id], compared)
    return sorted(found_differences)[:MAX_SHOWN]


def rows_of(connection: duckdb.DuckDBPyConnection, source: Source) -> dict[str, dict[str, Any]]:
    """All rows of the source's table by id as text."""
    cursor = connection.execute(f'SELECT * FROM pipedrive."{source.slug}"')
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    by_id = {str(row["_id"]): row for row in rows}
    assert len(by_id) == len(rows), "an id has several rows"
    return by_id


def _wrong_cells(
    record_id: str, row: Mapping[str, Any], record: Record, compared: list[Kind]
) -> Iterator[str]:
    for kind in compared:
        wanted, got = kind.of(record), found(row[kind.key], kind.field_type)
        if wanted != got:
            yield f"{record_id}.{kind.key} ({kind.field_type}) is {got!r}, should be {wanted!r}"
    updated = record.get("update_time")
    if row["_update_time"] != (instant(updated) if updated else None):
        yield f"{record_id}._update_time is {row['_update_time']}, should be {updated}"
    if row["_is_archived"] != is_archived(record):
        yield f"{record_id}._is_archived is {row['_is_archived']}"
    if row["_removal"] is not None or row["_removed_at"] is not None:
        yield f"{record_id} is current and has a removal"


def _wrong_removals(
    account: Account,
    source: Source,
    table: Mapping[str, Mapping[str, Any]],
    untold: Callable[[str], bool],
) -> Iterator[str]:
    records = records_of(account, source.object_type)
    for record_id, row in table.items():
        if row["_is_current"]:
            continue
        if row["_removed_at"] is None:
            yield f"{record_id} is gone and nobody knows since when"
        if untold(record_id):
            if row["_removal"] not in REASONS:
                yield f"{record_id}._removal is {row['_removal']}, should be a reason"
            continue
        wanted = _removal(account, source.object_type, records.get(record_id))
        if row["_removal"] not in wanted:
            yield f"{record_id}._removal is {row['_removal']}, should be {' or '.join(wanted)}"
        if wanted == ("archived",) and not row["_is_archived"]:
            yield f"{record_id} was archived and _is_archived is false"


def _survived(account: Account, record: Record, other: Any) -> bool:
    """Whether a person who is gone outlived the other one of a merge, and was deleted later."""
    gone = account.record("persons", other)
    return gone is None or (gone["is_deleted"] and gone["update_time"] < record["update_time"])


def _removal(account: Account, object_type: str, record: Record | None) -> tuple[str, ...]:
    if record is None:
        # A lead is gone without a trace, so one that was archived before stays what it was.
        return ("deleted", "archived") if object_type == "leads" else ("deleted",)
    if is_deleted(object_type, record):
        # Only persons name the other one of their merge in the recents feed (docs/pipedrive-api.md#recents).
        other = account.merged.get((object_type, record["id"]))
        merged = object_type == "persons" and other is not None and not _survived(account, record, other)
        return ("merged",) if merged else ("deleted",)
    return ("archived",)
