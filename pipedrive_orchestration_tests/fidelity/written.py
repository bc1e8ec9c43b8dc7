"""Writes of every collection, by single changes and by plans, and how what another client reads differs."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.object_types import CustomFields
from pipedrive_orchestration.pipedrive.requests import WRITABLE
from pipedrive_orchestration.writing.execution import Executor
from pipedrive_orchestration.writing.kinds import CHOICES
from pipedrive_orchestration.writing.outcome import Status
from pipedrive_orchestration.writing.records import PreparedChange, prepare_creation, prepare_update
from pipedrive_orchestration_tests.writing.samples import samples
from pipedrive_orchestration_tests.writing.trial import WriteTrial

Values = Mapping[str, Any]

WITH_FIELDS = ("deals", "persons", "organizations", "products", "projects")
"""The collections with fields of their own; leads have those of deals."""


@dataclass(frozen=True)
class WrittenRecord:
    """A record that was written.

    Attributes:
        how: ``record``, or ``plan``.
        values: what was sent, by the key that answers have it under.
        custom: the keys of custom fields among them.
    """

    how: str
    collection: str
    record_id: str
    values: Values
    custom: frozenset[str] = frozenset()

    @property
    def asked_for(self) -> dict[str, Any]:
        """What names it to the other client."""
        *parents, own = self.record_id.split("/")
        return {"collection": self.collection, "parents": parents, "id": own}

    def differences(self, record: Values | None) -> Iterator[str]:
        """What of it another client reads otherwise."""
        if record is None:
            yield f"{self.collection} {self.record_id}: not found"
            return
        for key, sent in self.values.items():
            found = self._found(record, key)
            if not _is_same(sent, found):
                yield f"{self.collection} {self.record_id}: {key} was written as {sent!r} and is {found!r}"

    def _found(self, record: Values, key: str) -> Any:
        if key not in self.custom:
            return record.get(key)
        if WRITABLE[self.collection].custom_fields is CustomFields.NESTED:
            return record["custom_fields"].get(key)
        sent = self.values[key]
        if not isinstance(sent, Mapping):
            return record.get(key)
        return {part: record.get(key if part == "value" else f"{key}_{part}") for part in sent}


def _is_same(sent: Any, found: Any) -> bool:
    """Whether what was found has everything that was sent."""
    if isinstance(sent, Mapping):
        return isinstance(found, Mapping) and all(_is_same(sent[key], found.get(key)) for key in sent)
    if isinstance(found, Mapping):
        # v1 opens references.
        found = found.get("value", found.get("id"))
    if isinstance(sent, list) and isinstance(found, list):
        if all(isinstance(one, int | str) for one in (*sent, *found)):
            return sorted(map(str, sent)) == sorted(map(str, found))
        return len(sent) == len(found) and all(map(_is_same, sent, found))
    if isinstance(sent, str) and isinstance(found, str):
        is_upload = Path(sent).is_absolute() and Path(sent).name == found
        return sent == found or is_upload or _instant(sent) == _instant(found)
    # An enumeration of a lead is a text in v1, and several are one text.
    listed = ",".join(map(str, sent)) if isinstance(sent, list) else sent
    return bool(sent == found) or (isinstance(found, str) and str(listed) == found)


def _instant(text: str) -> str:
    return re.sub(r"T(.{8})([.]0+)?Z?$", r" \1", text)


def written_records(server: DemoServer) -> list[WrittenRecord]:
    """Write to an account in every way, and tell what was written."""
    with tempfile.TemporaryDirectory(prefix="pipedrive-written-") as name:
        folder = Path(name)
        upload = folder / "offer.txt"
        upload.write_bytes(b"An offer\n")
        singly = asyncio.run(_by_record(server, str(upload)))
        return [*singly, *_by_plans(server, folder)]


async def _by_record(server: DemoServer, upload: str) -> list[WrittenRecord]:
    """A new record of each collection, changed once, as `record` does it; and a field of each type."""
    written = []
    async with Client(Connection.of(server.url, server.token)) as client:
        for name, sample in samples(server, upload).items():
            writable, record_id, values = WRITABLE[name], sample.existing, dict[str, Any]()
            if writable.create is not None:
                parents = tuple(filter(None, [sample.below]))
                made = await prepare_creation(client, writable, sample.new, parents)
                record_id = await _done(client, made)
                values |= _as_read(made)
            if writable.update is not None:
                changed = await prepare_update(client, writable, record_id, sample.changed)
                await _done(client, changed)
                values |= _as_read(changed)
            written.append(WrittenRecord("record", name, record_id, values))
        for collection in WITH_FIELDS:
            fields = WRITABLE[f"{collection.removesuffix('s')}_fields"]
            for field_type in CHOICES["field type"]:
                options = {"options": "One, Two"} if field_type in ("enum", "set") else {}
                given = {"field_name": f"A {field_type}", "field_type": field_type, **options}
                made = await prepare_creation(client, fields, given)
                record_id = await _done(client, made)
                written.append(WrittenRecord("record", fields.name, record_id, _as_read(made)))
    return written


async def _done(client: Client, prepared: PreparedChange) -> str:
    outcome = await Executor(client, prepared.properties).carry_out(prepared.change)
    assert outcome.status is Status.DONE, outcome.reason
    return str(outcome.record_id)


def _as_read(prepared: PreparedChange) -> dict[str, Any]:
    """The values of a change by the keys of answers; what no answer has is left out."""
    properties = prepared.properties
    read = {key: properties.by_key(key).read_key for key in prepared.change.after}
    return {read[key]: value for key, value in prepared.change.after.items() if read[key]}


def _by_plans(server: DemoServer, folder: Path) -> Iterator[WrittenRecord]:
    """A record of each collection with custom fields, with a value for each of these; and lines of a deal."""
    server.account.clock.advance(timedelta(minutes=1))
    trial = WriteTrial(server, folder, *WITH_FIELDS, "leads", "deal_products")
    for collection in (*WITH_FIELDS, "leads"):
        given = dict(_custom_values(server, collection))
        (record,) = trial.live(collection, 1)
        yield from _planned(
            trial, collection, [{"id": record["id"], **given}], {key: key for key in given}, "update"
        )
    deal = next(one for one in trial.live("deals", 100) if not one["products_count"])
    products = [one["id"] for one in trial.live("products", 6)]
    lines = [{"deal_id": deal["id"], "product_id": one, "item_price": 9.5, "quantity": 3} for one in products]
    fields = {"item_price": "item_price", "quantity": "quantity"}
    yield from _planned(trial, "deal_products", lines, fields, "upsert")


def _planned(
    trial: WriteTrial, collection: str, rows: Sequence[Values], fields: dict[str, str], operation: str
) -> Iterator[WrittenRecord]:
    trial.rows(*rows)
    match = {column: column for column in rows[0] if column not in fields}
    write = trial.write(collection, operation=operation, match=match, fields=fields)
    plan = trial.plan(write)
    report = trial.apply(plan, write)
    assert report.counts == {"done": len(rows)}, [row.entry.reason for row in trial.ledger(plan)]
    for row in trial.ledger(plan):
        custom = frozenset(key for key in fields if len(key) == 40)
        yield WrittenRecord("plan", collection, str(row.entry.record_id), row.entry.after, custom)


def _custom_values(server: DemoServer, collection: str) -> Iterator[tuple[str, str]]:
    """A value, as a spreadsheet has it, for each custom field."""
    account = server.account
    fields = account.fields["deals" if collection == "leads" else collection]
    ids = {name: account.records(name)[0]["id"] for name in ("users", "persons", "organizations")}
    values = {
        "varchar": "Ünïcode, “quoted”", "varchar_auto": "auto", "text": "several\nlines", "double": "12.5",
        "monetary": "99.50 EUR", "user": str(ids["users"]), "people": str(ids["persons"]),
        "org": str(ids["organizations"]), "phone": "+372 5", "date": "2026-02-03",
        "daterange": "2026-02-03 to 2026-02-05", "time": "9:00", "timerange": "09:00 to 17:30",
        "address": "1 Main St, Tallinn",
    }  # fmt: skip
    for field in fields:
        if not field["is_custom_field"]:
            continue
        labels = [option["label"] for option in field["options"] or ()]
        by_label = {"enum": labels[-1:], "set": labels[:2]}.get(field["field_type"], [])
        yield field["field_code"], "; ".join(by_label) or values[field["field_type"]]
