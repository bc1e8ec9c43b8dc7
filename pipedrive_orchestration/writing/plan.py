"""The plan of a write: what it would change, what not and why, and what that costs; kept in the ledger."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from pipedrive_orchestration.importing import Pull, import_source
from pipedrive_orchestration.importing.signals import run_interruptibly
from pipedrive_orchestration.pipedrive.account import ConnectedUser
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.clock import utc_now
from pipedrive_orchestration.pipedrive.object_types import ObjectType
from pipedrive_orchestration.pipedrive.pagination import pages
from pipedrive_orchestration.pipedrive.requests import WritableType
from pipedrive_orchestration.sources import InvalidBodyError, Problem, Source
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.ledger import watermark_of
from pipedrive_orchestration.writing import ledger
from pipedrive_orchestration.writing.bundles import cost_of
from pipedrive_orchestration.writing.changes import Kind, operation_of
from pipedrive_orchestration.writing.kinds import REFERENCES, ValueRefusedError
from pipedrive_orchestration.writing.ledger import LEFT_OUT, Entry, Plan, PlanStatus
from pipedrive_orchestration.writing.match import (
    NAMED_BY,
    ColumnMapping,
    FieldOptions,
    Mapped,
    MatchedRow,
    Matcher,
    map_columns,
)
from pipedrive_orchestration.writing.model import Write
from pipedrive_orchestration.writing.names import LISTED, AccountNames
from pipedrive_orchestration.writing.permission import connected_writer
from pipedrive_orchestration.writing.properties import Properties, read_properties, with_parents
from pipedrive_orchestration.writing.records import missing_properties
from pipedrive_orchestration.writing.shown import shown
from pipedrive_orchestration.writing.stored import is_empty, same, stored
from pipedrive_orchestration.writing.values import written

LOOK_AGAIN_COST = 10
"""Tokens of the second look at a hundred records before they are changed."""


@dataclass(frozen=True, slots=True)
class Planning:
    """What planning and applying need beside the write itself.

    Attributes:
        project: the project folder.
        connection: the account.
        warehouse: the database.
        staging: folder for pages that are not committed yet.
        sources: those of the project.
        clock: tells our time.
    """

    project: Path
    connection: Connection
    warehouse: Warehouse
    staging: Path
    sources: tuple[Source, ...]
    clock: Callable[[], datetime] = utc_now


Told = Callable[[MatchedRow, Entry | None], None]
"""Is told of every row and of its entry in the plan; of none where all is so already."""


def make_plan(
    write: Write, planning: Planning, *, refresh: bool = True, told: Told = lambda _row, _entry: None
) -> Plan:
    """Find out what a write would change, and keep it as a plan. Changes nothing at Pipedrive.

    Args:
        write: the write.
        planning: what it is planned with.
        refresh: whether what has changed at Pipedrive is imported before.
        told: is told of every row.

    Raises:
        InvalidBodyError: the write does not fit the account, the rows or our tables; names everything.
        PipedriveError: the account cannot be read, or is another company's.
        WarehouseError: the database cannot be opened or written.
    """
    is_in_table = write.type.fields is None
    source = table_source(write.object_type, write.source, planning) if is_in_table else None
    if refresh and source is not None:
        for one in (*_parents_of(source, planning), source):
            import_source(
                one,
                connection=planning.connection,
                warehouse=planning.warehouse,
                staging=planning.staging,
                pull=Pull.CHANGES,
                clock=planning.clock,
            )
    user, properties, names, options = run_interruptibly(_ask_account(write, planning))
    mapping = map_columns(write, properties)
    with planning.warehouse.reading() as connection:
        earlier = ledger.values_written_by(connection, write.slug) if write.on_conflict == "theirs" else {}
    composer = _Composer(write, properties, mapping, names, earlier, told)
    matcher = Matcher(write, source or options, planning.project, mapping)
    entries = list(composer.entries(matcher.rows(planning.warehouse)))
    tokens = tokens_of(write.type, entries)
    plan = _plan_of(write, user, composer.counts, tokens, planning.clock())
    with planning.warehouse.writing() as connection:
        ledger.record_plan(connection, plan, entries)
    return plan


def table_source(object_type: str, named: str | None, planning: Planning) -> Source:
    """The source in whose table the records of a write are looked for.

    Args:
        object_type: the collection.
        named: the source that the write names, if it does.
        planning: what it is planned with.

    Raises:
        InvalidBodyError: there is none, or it was never imported.
    """
    if named is not None:
        candidates = [source for source in planning.sources if source.slug == named]
    else:
        candidates = [
            source
            for source in planning.sources
            if source.object_type == object_type and _holds_all(source, planning)
        ]
    imported = _imported(planning, candidates)
    if imported:
        return max(imported, key=lambda source: len(source.properties))
    if candidates:
        message = f"{candidates[0].slug} has not been imported yet: import it first."
    else:
        message = (
            f"There is no unfiltered source of {object_type}, in whose table its records could be "
            "found: create one with the properties of match and fields."
        )
    raise InvalidBodyError([Problem("source", "no_source", message)])


def _holds_all(source: Source, planning: Planning) -> bool:
    """Whether a source's table has every record of its collection."""
    above = _parents_of(source, planning)
    return source.filters is None and source.pull_existing and all(_holds_all(one, planning) for one in above)


def _parents_of(source: Source, planning: Planning) -> list[Source]:
    """The source along which another one is read, if it is read so."""
    return [one for one in planning.sources if source.parents is not None and one.slug == source.parents]


def _imported(planning: Planning, candidates: Sequence[Source]) -> list[Source]:
    if not planning.warehouse.exists:
        return []
    with planning.warehouse.reading() as connection:
        return [one for one in candidates if watermark_of(connection, one.slug) is not None]


async def _ask_account(
    write: Write, planning: Planning
) -> tuple[ConnectedUser, Properties, AccountNames, FieldOptions]:
    async with Client(planning.connection, clock=planning.clock) as client:
        user = await connected_writer(client, planning.warehouse)
        properties = with_parents(await read_properties(client, write.type))
        names = AccountNames(checks_ids=False)
        mapping = map_columns(write, properties)
        # Lists are short; what is called something in a long one is named by its id.
        needed = [one.prop for one in mapping.written if REFERENCES.get(one.prop.kind) in LISTED]
        needed += [one.prop for one in mapping.written if one.prop.kind in ("money", "amount", "prices")]
        await names.load(client, [(prop, "*") for prop in needed])
        options = FieldOptions((), {})
        if write.type.fields is not None:
            options = await _field_options(client, write.type.fields, names)
        return user, properties, names, options


async def _field_options(client: Client, fields: ObjectType, names: AccountNames) -> FieldOptions:
    """The options of the account's fields; their names are noted."""
    options, codes = [], defaultdict(set)
    async for page in pages(client, fields.listing, {}):
        for field in map(msgspec.json.decode, page.whole_records()):
            code = field["field_code"]
            names.add(fields.name, field)
            for name in (field["field_name"], code):
                codes[name.strip().casefold()].add(code)
            listed = filter(_is_numbered, field["options"] or ())
            options += [(code, one["id"], one["label"]) for one in listed]
    alone = {name: next(iter(found)) for name, found in codes.items() if len(found) == 1}
    return FieldOptions(tuple(options), alone)


def _is_numbered(option: Mapping[str, Any]) -> bool:
    """Whether an option is one of a custom field; some of those that Pipedrive makes have words as ids."""
    return isinstance(option["id"], int)


def _plan_of(write: Write, user: ConnectedUser, counts: Counter[str], tokens: int, now: datetime) -> Plan:
    changes = {kind: counts[kind] for kind in Kind}
    return Plan(
        plan_id=uuid.uuid4(),
        write=write.slug,
        name=write.name,
        object_type=write.object_type,
        operation=write.operation,
        on_conflict=write.on_conflict,
        status=PlanStatus.PLANNED,
        made_at=now,
        made_by=str(user),
        company_id=user.company_id,
        definition=definition_of(write),
        undo_of=None,
        limit_changes=write.limits.changes,
        limit_deletes=write.limits.deletes,
        limit_tokens=write.limits.tokens,
        creates=changes[Kind.CREATE],
        updates=changes[Kind.UPDATE],
        deletes=changes[Kind.DELETE],
        unchanged=counts["unchanged"],
        conflicts=counts["conflict"],
        rejects=counts["reject"],
        estimated_tokens=tokens,
    )


def tokens_of(writable: WritableType, entries: Sequence[Entry]) -> int:
    """The tokens of a plan's changes, with the second look at their records."""
    counts = Counter(entry.kind for entry in entries)
    looked_at = LOOK_AGAIN_COST * -(-(counts[Kind.UPDATE] + counts[Kind.DELETE]) // 100)
    if any(operation.bulk for operation in writable.operations):
        changes = [entry.change for entry in entries if entry.kind not in LEFT_OUT]
        return looked_at + cost_of(writable, changes)
    operations = {kind: operation_of(writable, kind) for kind in Kind}
    return looked_at + sum(one.cost * counts[kind] for kind, one in operations.items() if one)


def definition_of(write: Write) -> str:
    """The text by which it is known whether a write's file has changed what it does since a plan."""
    return ledger.dumped(write.model_dump(mode="json", exclude={"limits", "apply", "schedule", "name"}))


class _Left(Exception):
    """A row that changes nothing."""

    def __init__(self, kind: str, reason: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class _Composer:
    """Makes the entries of a plan out of matched rows.

    Attributes:
        counts: of entries by kind, and of rows that change nothing since all is so already.
    """

    def __init__(
        self,
        write: Write,
        properties: Properties,
        mapping: ColumnMapping,
        names: AccountNames,
        earlier: Mapping[tuple[str, str], Any],
        told: Told,
    ) -> None:
        self._told = told
        self.counts: Counter[str] = Counter()
        self._write = write
        self._properties = properties
        self._mapping = mapping
        self._names = names
        self._earlier = earlier
        self._by_key = {prop.key: prop for prop in properties.known}
        self._seq = 1
        self._taken: dict[str, int] = {}
        self._understood: dict[tuple[str, Any], Any] = {}

    def entries(self, rows: Iterator[MatchedRow]) -> Iterator[Entry]:
        """The entries of some rows; rows that change nothing since all is so already have none."""
        for row in rows:
            try:
                entry = self._entry(row)
            except _Left as left:
                self.counts[left.kind] += 1
                if left.kind == "unchanged":
                    self._told(row, None)
                    continue
                record_id = str(row.ids[0]) if len(row.ids) == 1 else None
                key = self._row_key(row)
                if self._write.file is not None:
                    # Whoever mends the file looks for the row there.
                    key = {"row": row.number, **key}
                entry = Entry(self._seq, left.kind, record_id, row.name, key, reason=left.reason)
            else:
                self.counts[entry.kind] += 1
            self._seq += 1
            self._told(row, entry)
            yield entry

    def _row_key(self, row: MatchedRow) -> dict[str, Any]:
        return {column: row.values[column] for column in self._write.match}

    def _entry(self, row: MatchedRow) -> Entry:
        operation, key = self._write.operation, self._row_key(row)
        missing = [column for column, value in key.items() if value is None or not str(value).strip()]
        if missing:
            raise _Left("reject", f"There is nothing in {', '.join(missing)}.")
        if len(row.ids) > 1:
            listed = ", ".join(map(str, row.ids[:5]))
            raise _Left("reject", f"{len(row.ids)} records are like that: {listed}. Match by more, or by id.")
        self._refuse_second(row, key)
        if not row.ids:
            if operation in ("create", "upsert"):
                return self._creation(row, key)
            if operation == "delete":
                raise _Left("unchanged")
            raise _Left("reject", "There is no such record.")
        if operation == "create":
            raise _Left("unchanged")
        if row.is_archived:
            raise _Left("reject", "The record is archived.")
        if operation == "delete":
            return Entry(self._seq, Kind.DELETE, str(row.ids[0]), row.name, key, self._known_by(row))
        return self._update(row, key)

    def _known_by(self, row: MatchedRow) -> dict[str, Any]:
        """What the record of a row is known by, which it has to be still when it is deleted."""
        told = [each.prop for each in self._mapping.match if each.prop.read_key]
        return {prop.key: stored(prop, row.record[prop.key]) for prop in told}

    def _refuse_second(self, row: MatchedRow, key: Mapping[str, Any]) -> None:
        about = (
            str(row.ids[0]) if row.ids else "new " + ledger.dumped([str(v).casefold() for v in key.values()])
        )
        first = self._taken.setdefault(about, row.number)
        if first != row.number:
            raise _Left("conflict", f"It is about the same record as row {first}.")

    def _creation(self, row: MatchedRow, key: Mapping[str, Any]) -> Entry:
        values = self._values(row, self._mapping.written)
        values = {key: value for key, value in values.items() if not is_empty(value)}
        problems = missing_properties(self._properties, set(values), Kind.CREATE)
        if problems:
            raise _Left("reject", " ".join(problem.sentence for problem in problems))
        above = "".join(f"{values.pop(parent)}/" for parent in self._write.type.parents) or None
        name = next((str(values[one]) for one in NAMED_BY if one in values), None)
        return Entry(self._seq, Kind.CREATE, above, name, key, {}, values, self._shown({}, values))

    def _update(self, row: MatchedRow, key: Mapping[str, Any]) -> Entry:
        record_id = str(row.ids[0])
        values = self._values(row, self._mapping.fields)
        before, after, kept = {}, {}, []
        for each in self._mapping.fields:
            prop = each.prop
            if prop.key not in values or not prop.in_change:
                continue
            has, value = stored(prop, row.record[prop.key]), values[prop.key]
            if same(prop, has, value) or (self._write.on_conflict == "fill_empty" and not is_empty(has)):
                continue
            earlier = self._earlier.get((record_id, prop.key), _NEVER)
            if earlier is not _NEVER and not same(prop, has, earlier):
                kept.append(f"{prop.label} is {shown(prop, has, self._names) or 'empty'} now")
                continue
            before[prop.key], after[prop.key] = has, value
        if kept:
            raise _Left("conflict", f"Somebody has changed what was written: {'; '.join(kept)}.")
        if not after:
            raise _Left("unchanged")
        return Entry(
            self._seq, Kind.UPDATE, record_id, row.name, key, before, after, self._shown(before, after)
        )

    def _values(self, row: MatchedRow, columns: Sequence[Mapped]) -> dict[str, Any]:
        """What a row says, as bodies have it; an empty cell says nothing.

        Raises:
            _Left: something of it does not fit.
        """
        values, problems = {}, []
        for each in columns:
            raw = row.values[each.column]
            if raw is None or (isinstance(raw, str) and not raw.strip()):
                continue
            understood = self._understand(each, raw)
            if isinstance(understood, ValueRefusedError):
                is_called_so = each.column.strip().casefold() == each.prop.label.casefold()
                where = each.prop.label if is_called_so else f"{each.column}: {each.prop.label}"
                problems.append(f"{where} {understood}")
            else:
                values[each.prop.key] = understood
        if problems:
            raise _Left("reject", " ".join(problems))
        return values

    def _understand(self, each: Mapped, raw: Any) -> Any:
        """The value of a body, or why there is none; texts that come again are not looked at again."""
        key = (each.column, raw) if isinstance(raw, str | int) else None
        if key is not None and key in self._understood:
            return self._understood[key]
        try:
            understood = written(each.prop, raw, self._names)
        except ValueRefusedError as error:
            understood = error
        if key is not None:
            self._understood[key] = understood
        return understood

    def _shown(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
        return tuple(
            (prop.label, shown(prop, before.get(prop.key), self._names), shown(prop, value, self._names))
            for key, value in after.items()
            for prop in (self._by_key[key],)
        )


_NEVER = object()
