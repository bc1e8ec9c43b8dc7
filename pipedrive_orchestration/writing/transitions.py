"""Merges, conversions and archivings: changes that are requests of their own, and that nothing takes back."""

from __future__ import annotations

import asyncio
from typing import Any

from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import OutcomeUnknown
from pipedrive_orchestration.pipedrive.requests import (
    ARCHIVE_COST,
    CONVERSION_COST,
    CONVERSION_STATUS_COST,
    CONVERTED,
    MERGE_COST,
    MERGED,
    WritableType,
    archive_path,
    conversion_path,
    conversion_status_path,
    merge_path,
)
from pipedrive_orchestration.pipedrive.responses import data_of
from pipedrive_orchestration.sources import InvalidBodyError, Problem
from pipedrive_orchestration.writing.current import CurrentRecords
from pipedrive_orchestration.writing.execution import SETTLING_SECONDS
from pipedrive_orchestration.writing.outcome import Outcome, Status
from pipedrive_orchestration.writing.properties import Properties
from pipedrive_orchestration.writing.records import name_of, read_record

POLLS = 60
"""How often it is asked how far a conversion is, a second apart."""


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
    records = [await read_record(client, properties, one) for one in (record_id, survivor_id)]
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
        if await CurrentRecords(client, writable).read([record_id]):
            return Outcome(Status.UNCERTAIN, survivor_id, reason=f"{unknown} The record is still there.")
        return Outcome(Status.DONE, survivor_id, reason="found merged")
    return Outcome(Status.DONE, survivor_id, request_id=answer.request_id)


async def prepare_conversion(client: Client, writable: WritableType, record_id: str) -> str:
    """The name of a lead or deal that is to be converted, checked.

    Raises:
        InvalidBodyError: records of this collection cannot be converted, or this one cannot.
        UnknownRecordError: it is not there.
        PipedriveError: the account cannot be read.
    """
    if writable.name not in CONVERTED:
        message = f"Pipedrive converts {' and '.join(sorted(CONVERTED))}, not {writable.name}."
        raise InvalidBodyError([Problem("type", "not_offered", message)])
    record = await read_record(client, Properties(writable, ()), record_id)
    if record.get("is_archived"):
        message = f"{writable.name} {record_id} is archived, and cannot be converted."
        raise InvalidBodyError([Problem("id", "archived_record", message)])
    return name_of(record)


async def convert(client: Client, writable: WritableType, record_id: str) -> Outcome:
    """Make a deal of a lead, or a lead of a deal; the first is deleted, and what is linked to it goes along.

    A conversion whose answer is lost is not asked for again: it is looked at whether the record is gone.

    Raises:
        PipedriveError: it was not made, or it is not known since the account cannot be read.
    """
    path = conversion_path(writable, record_id)
    try:
        answer = await client.send("POST", path, {}, cost=CONVERSION_COST)
    except OutcomeUnknown as unknown:
        await asyncio.sleep(SETTLING_SECONDS)
        if await CurrentRecords(client, writable).read([record_id]):
            return Outcome(Status.UNCERTAIN, record_id, reason=f"{unknown} The record is still there.")
        return Outcome(Status.DONE, reason="found converted")
    conversion_id = str(answer.data["conversion_id"])
    for _ in range(POLLS):
        told = await _conversion(client, writable, record_id, conversion_id)
        if told.get("status") == "completed":
            made = told.get(f"{CONVERTED[writable.name][0]}_id")
            return Outcome(Status.DONE, made, request_id=answer.request_id)
        if told.get("status") in ("failed", "rejected"):
            return Outcome(Status.REFUSED, record_id, reason=f"Pipedrive says that it has {told['status']}.")
        await asyncio.sleep(1)
    return Outcome(Status.UNCERTAIN, record_id, reason=f"the conversion {conversion_id} goes on and on")


async def _conversion(client: Client, writable: WritableType, record_id: str, conversion_id: str) -> Any:
    path = conversion_status_path(writable, record_id, conversion_id)
    return await client.get(path, {}, cost=CONVERSION_STATUS_COST, read=data_of)


async def prepare_archiving(client: Client, writable: WritableType, record_id: str) -> str:
    """The name of a project that is to be archived, checked.

    Raises:
        InvalidBodyError: it is archived already.
        UnknownRecordError: it is not there.
        PipedriveError: the account cannot be read.
    """
    record = await read_record(client, Properties(writable, ()), record_id)
    if record.get("archive_time"):
        message = f"{writable.name} {record_id} is archived already."
        raise InvalidBodyError([Problem("id", "archived_record", message)])
    return name_of(record)


async def archive_project(client: Client, writable: WritableType, record_id: str) -> Outcome:
    """Archive a project. One whose answer is lost is looked at.

    Raises:
        PipedriveError: it was not made, or it is not known since the account cannot be read.
    """
    records = CurrentRecords(client, writable)
    try:
        answer = await client.send("POST", archive_path(record_id), None, cost=ARCHIVE_COST)
    except OutcomeUnknown as unknown:
        await asyncio.sleep(SETTLING_SECONDS)
        found = (await records.read([record_id])).get(record_id)
        if found is not None and found.get("archive_time"):
            return Outcome(Status.DONE, record_id, reason="found archived")
        return Outcome(Status.UNCERTAIN, record_id, reason=f"{unknown} The project is not archived.")
    return Outcome(Status.DONE, record_id, request_id=answer.request_id)
