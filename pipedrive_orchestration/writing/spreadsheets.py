"""Files of rows without a write: which property each column is about is proposed by its header."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from pipedrive_orchestration.importing.signals import run_interruptibly
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.requests import PLANNED
from pipedrive_orchestration.sources import InvalidBodyError, Problem
from pipedrive_orchestration.sources.validation import did_you_mean
from pipedrive_orchestration.warehouse.connection import MEMORY
from pipedrive_orchestration.warehouse.instances import CONFIG
from pipedrive_orchestration.warehouse.tables import column_types
from pipedrive_orchestration.writing.kinds import Property
from pipedrive_orchestration.writing.match import column_of, reader_of
from pipedrive_orchestration.writing.model import ID, Write, WriteFile
from pipedrive_orchestration.writing.plan import Planning, table_source
from pipedrive_orchestration.writing.properties import Properties, read_properties, with_parents

OTHER_HEADERS = {
    "emails": ("e mail", "mail", "email address", "e mail address", "work email"),
    "phones": ("phone number", "telephone", "tel", "mobile", "mobile phone", "cell"),
    "name": ("full name", "contact", "contact name", "company name", "organization name"),
    "title": ("name", "deal name", "deal", "subject"),
    "org_id": ("company", "organisation", "organization", "account"),
    "owner_id": ("owner", "owner email", "sales rep", "responsible"),
    "label_ids": ("label", "labels", "tag", "tags"),
    "job_title": ("job", "position", "role"),
    "birthday": ("date of birth",),
    "website": ("url", "homepage", "web site"),
    "value": ("amount", "deal value"),
    "stage_id": ("stage",),
    "item_price": ("price", "unit price"),
    "quantity": ("qty", "amount", "count"),
}
"""What columns of spreadsheets are called that are about a property, beside its key and its label."""


WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
"""Suffixes of files that spreadsheet programs keep, and that are no tables of rows."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the columns of a file are about.

    Attributes:
        match: columns by which records are known, and their properties.
        fields: columns that are written, and their properties.
        left_out: columns that are not, and why.
    """

    match: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def write_of_file(
    file: Path, object_type: str, match: Sequence[str], operation: str | None, planning: Planning
) -> tuple[Write, Proposal]:
    """The write that a file of rows is without one: known by what it is called, and nowhere kept.

    Args:
        file: a CSV, JSON or Parquet file, anywhere.
        object_type: the collection that it changes.
        match: the properties, or columns, by which its records are known.
        operation: what is done; by default records are changed by their ids, else changed or made.
        planning: what it is planned with.

    Raises:
        InvalidBodyError: the file cannot be read, or says too little.
        PipedriveError: the account cannot be read.
        WarehouseError: the database cannot be opened.
    """
    if object_type not in PLANNED:
        message = f"`{object_type}` cannot be planned.{did_you_mean(object_type, PLANNED)}"
        raise InvalidBodyError([Problem("type", "unknown_object_type", message)])
    columns = headers_of(file)
    properties = run_interruptibly(_properties(object_type, planning))
    match = [one.strip() for one in match]
    operation = operation or ("update" if match == [ID] else "upsert")
    body: dict[str, Any] = {
        "name": file.name,
        "object_type": object_type,
        "operation": operation,
        "file": f"rows{file.suffix.lower()}",
        "limits": {"changes": 100_000, "deletes": 100_000, "tokens": 1_000_000},
    }
    if PLANNED[object_type].fields is not None:
        imported = {prop.key for prop in properties.known}
    else:
        source = table_source(object_type, None, planning)
        with planning.warehouse.reading() as connection:
            table = column_types(connection, source.slug)
        known = (prop.key for prop in properties.known)
        imported = {key for key in known if column_of(key, object_type, table) is not None}
    proposal = propose(columns, match, properties, imported)
    if operation == "delete":
        proposal.fields.clear()
    parsed = WriteFile.parse({**body, "match": proposal.match, "fields": proposal.fields or None})
    write = Write.of("rows", parsed)
    # No file of a project is called like that.
    return write.model_copy(update={"slug": f"({file.name})", "file": str(file.absolute())}), proposal


def headers_of(file: Path) -> list[str]:
    """The columns of a file of rows.

    Raises:
        InvalidBodyError: it is none, or cannot be read.
    """
    if file.suffix.lower() not in (".csv", ".json", ".jsonl", ".ndjson", ".parquet"):
        message = "Must be a .csv, .json, .jsonl, .ndjson or .parquet file."
        if file.suffix.lower() in WORKBOOKS:
            message = f"A {file.suffix} file is a workbook: save its sheet as CSV (UTF-8), and name that."
        raise InvalidBodyError([Problem("file", "invalid_file", message)])
    if not file.is_file():
        raise InvalidBodyError([Problem("file", "no_file", f"There is no file {file}.")])
    if not file.stat().st_size:
        raise InvalidBodyError([Problem("file", "empty", f"{file} is empty.")])
    try:
        with duckdb.connect(config={**CONFIG, "memory_limit": MEMORY, "temp_directory": ""}) as connection:
            found = connection.execute(f"DESCRIBE FROM {reader_of(file)}").fetchall()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise InvalidBodyError([Problem("file", "unreadable_rows", f"Cannot be read: {reason}")]) from None
    return [name for name, *_ in found]


async def _properties(object_type: str, planning: Planning) -> Properties:
    async with Client(planning.connection, clock=planning.clock) as client:
        return with_parents(await read_properties(client, PLANNED[object_type]))


def propose(
    columns: Sequence[str], match: Sequence[str], properties: Properties, imported: set[str]
) -> Proposal:
    """What columns are about, by their headers.

    Args:
        columns: the headers.
        match: the properties, or columns, by which records are known.
        properties: of the collection.
        imported: the keys of those that our table has.

    Raises:
        InvalidBodyError: no column is about what records are to be known by.
    """
    proposal = Proposal()
    meant: dict[str, str] = {}
    by_header = _by_header(properties)
    for column in columns:
        prop = by_header.get(_plain(column))
        if _plain(column) == ID:
            meant[ID] = column
        elif prop is None:
            proposal.left_out[column] = "no property is called so"
        elif prop.key in meant:
            proposal.left_out[column] = f"`{meant[prop.key]}` is about {prop.label} already"
        elif prop.key not in imported:
            proposal.left_out[column] = f"no source imports `{prop.key}`: add it to its properties"
        else:
            meant[prop.key] = column
            proposal.fields[column] = prop.key
    _take_match(proposal, match, meant, by_header, properties)
    if ID in meant and ID not in proposal.match.values():
        proposal.left_out[meant[ID]] = "records are not known by it here"
    if not proposal.fields:
        # What a record is known by is all that the file says of it.
        proposal.fields.update({column: key for column, key in proposal.match.items() if key != ID})
    return proposal


def _take_match(
    proposal: Proposal,
    match: Sequence[str],
    meant: Mapping[str, str],
    by_header: Mapping[str, Property],
    properties: Properties,
) -> None:
    problems: list[Problem] = []
    for name in match:
        key = name if name == ID else _key_of(name, by_header, properties)
        if key in meant:
            proposal.match[meant[key]] = key
            proposal.fields.pop(meant[key], None)
            continue
        columns = [*meant.values(), *proposal.left_out]
        listed = ", ".join(f"`{one}`" for one in columns)
        message = f"No column is about `{name}`.{did_you_mean(name, columns)} Columns: {listed}."
        problems.append(Problem("match", "unknown_column", message))
    if problems:
        raise InvalidBodyError(problems)


def _by_header(properties: Properties) -> Mapping[str, Property]:
    """Properties by the headers that columns about them may have; the surer ones win."""
    found: dict[str, Property] = {}
    for prop in properties.known:
        for header in (prop.key, prop.label):
            found.setdefault(_plain(header), prop)
    for prop in properties.known:
        for header in (prop.key.removesuffix("_id"), prop.key.removesuffix("s")):
            found.setdefault(_plain(header), prop)
        for header in OTHER_HEADERS.get(prop.key, ()):
            found.setdefault(header, prop)
    return found


def _key_of(name: str, by_header: Mapping[str, Property], properties: Properties) -> str:
    prop = by_header.get(_plain(name)) or properties.find(name)
    return prop.key if isinstance(prop, Property) else name


def _plain(header: str) -> str:
    """A header without what spellings differ in."""
    return re.sub(r"[\W_]+", " ", header).strip().casefold()
