"""Random tables, written as any write may say it: the account and our table are then as the plan promised."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.demo import Faults
from pipedrive_orchestration.writing.apply import NotAppliedError
from pipedrive_orchestration.writing.ledger import LedgerRow, Plan
from pipedrive_orchestration_tests.chaos.sizes import WRITES
from pipedrive_orchestration_tests.writing.interruptions import LOST, KillSwitch, applied, switch
from pipedrive_orchestration_tests.writing.trial import Record, WriteTrial, write_trial

__all__ = ["switch"]

Draw = Any
"""What `st.data()` gives."""

EXAMPLES = count()
"""Numbers of the examples of this run."""

ROWS = 8
"""Rows of a table at most."""

KNOWN = 12
"""Records of the account that rows are about."""

DERIVED = frozenset(
    {
        *("update_time", "stage_change_time", "local_close_date", "lost_time", "won_time", "close_time"),
        *("local_won_date", "local_lost_date", "acv", "arr", "mrr", "weighted_value", "is_deleted"),
    }
)
"""Properties of a deal that follow from others, or from when something was done."""


@dataclass(frozen=True)
class Column:
    """A property of deals, and the texts by which people give it values.

    Attributes:
        key: of the property.
        label: of the property; empty where several are called so.
        cells: texts, each with the value that it means.
        is_custom: whether it is the account's own.
    """

    key: str
    label: str
    cells: st.SearchStrategy[tuple[str, Any]]
    is_custom: bool = True


@pytest.fixture(scope="module")
def troubled() -> Iterator[WriteTrial]:
    """A very small account that loses every fourth answer to a write."""
    with write_trial("deals", faults=Faults(0.25, LOST, seed=11, of_writes=True)) as trial:
        yield trial


def plain_texts(longest: int) -> st.SearchStrategy[str]:
    """Texts in any script, without blanks around them, which nobody means."""
    letters = st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"))
    usual = st.sampled_from(" ,;\"'|#=-+@" + string.ascii_letters)
    return st.text(letters | usual, min_size=1, max_size=longest).map(str.strip).filter(bool)


def amounts() -> st.SearchStrategy[tuple[str, float]]:
    numbers = st.integers(-(10**6), 10**9).map(lambda cents: cents / 100)
    return numbers.map(lambda n: (repr(int(n) if n.is_integer() else n), int(n) if n.is_integer() else n))


def days() -> st.SearchStrategy[str]:
    return st.dates(date(1990, 1, 1), date(2060, 12, 31)).map(date.isoformat)


def clocks() -> st.SearchStrategy[tuple[str, str]]:
    """Times as people write them, and as they are kept."""
    times = st.tuples(st.integers(0, 23), st.integers(0, 59))
    return times.map(lambda t: (f"{t[0]}:{t[1]:02}", f"{t[0]:02}:{t[1]:02}:00"))


def columns_of(trial: WriteTrial) -> list[Column]:
    """A column for each custom field of deals, of every type, and for some built-in properties."""
    fields = [field for field in trial.account.fields["deals"] if field["_active"]]
    labels = [field["field_name"].casefold() for field in fields]

    def label(field: Record) -> str:
        return field["field_name"] if labels.count(field["field_name"].casefold()) == 1 else ""

    by_key = {field["field_code"]: field for field in fields}
    users = [(one["id"], one["email"]) for one in trial.account.records("users") if one["active_flag"]]
    a_user = st.sampled_from(users).flatmap(lambda u: st.sampled_from([(str(u[0]), u[0]), (u[1], u[0])]))
    built_in = {
        "title": plain_texts(60).map(lambda text: (text, text)),
        "value": amounts(),
        "expected_close_date": days().map(lambda day: (day, day)),
        "owner_id": a_user,
        "label_ids": options(by_key["label_ids"], several=True),
    }
    found = [Column(key, label(by_key[key]), cells, is_custom=False) for key, cells in built_in.items()]
    own = [field for field in fields if field["is_custom_field"]]
    found += [Column(one["field_code"], label(one), custom_cells(trial, one, a_user)) for one in own]
    return found


def custom_cells(trial: WriteTrial, field: Record, a_user: Any) -> st.SearchStrategy[tuple[str, Any]]:
    """Values of a custom field, by its type."""
    kind = field["field_type"]
    if kind in ("enum", "set"):
        return options(field, several=kind == "set")
    texts, dates = plain_texts(40).map(lambda text: (text, text)), days().map(lambda day: (day, day))
    spans = st.tuples(days(), days()).map(sorted)
    addresses = plain_texts(60).filter(lambda text: text[0] not in "{[")
    by_kind: dict[str, st.SearchStrategy[tuple[str, Any]]] = {
        **dict.fromkeys(("varchar", "varchar_auto", "phone", "text"), texts),
        "double": amounts(),
        "monetary": amounts().map(lambda one: (f"{one[0]} EUR", {"value": one[1], "currency": "EUR"})),
        "user": a_user,
        "people": ids_of(trial, "persons"),
        "org": ids_of(trial, "organizations"),
        "date": dates,
        "daterange": spans.map(lambda two: (" to ".join(two), {"value": two[0], "until": two[1]})),
        "time": clocks().map(lambda one: (one[0], {"value": one[1]})),
        "timerange": st.tuples(clocks(), clocks()).map(
            lambda two: (f"{two[0][0]} to {two[1][0]}", {"value": two[0][1], "until": two[1][1]})
        ),
        "address": addresses.map(lambda text: (text, {"value": text})),
    }
    return by_kind[kind]


def ids_of(trial: WriteTrial, name: str) -> st.SearchStrategy[tuple[str, Any]]:
    ids = [one["id"] for one in trial.live(name, 5)]
    return st.sampled_from(ids).map(lambda one: (str(one), one))


def options(field: Record, *, several: bool) -> st.SearchStrategy[tuple[str, Any]]:
    """Options by their labels or their ids."""
    known = [(option["id"], option["label"]) for option in field["options"]]
    if not several:
        return st.sampled_from(known).flatmap(
            lambda one: st.sampled_from([(one[1], one[0]), (str(one[0]), one[0])])
        )

    def told(chosen: list[tuple[int, str]]) -> st.SearchStrategy[tuple[str, Any]]:
        ids = [one for one, _ in chosen]
        texts = [", ".join(map(str, ids)), json.dumps([label for _, label in chosen])]
        if not any("," in label for _, label in chosen):
            texts.append("; ".join(label for _, label in chosen))
        return st.sampled_from([(text, ids) for text in texts])

    return st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True).flatmap(told)


def values_for(column: Column) -> st.SearchStrategy[tuple[Column, Any]]:
    """A column with the values that it may have."""
    return column.cells.map(lambda cell: (column, cell[1]))


def value_of(record: Mapping[str, Any], column: Column) -> Any:
    return (record["custom_fields"] or {}).get(column.key) if column.is_custom else record[column.key]


def is_same(wanted: Any, found: Any) -> bool:
    """Whether the account has what a cell means."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(found.get(key) == part for key, part in wanted.items())
    if isinstance(wanted, list):
        return sorted(wanted) == sorted(found or ())
    return bool(wanted == found)


def is_empty(value: Any) -> bool:
    return value is None or value in ("", [])


def without_derived(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in DERIVED}


def snapshot(trial: WriteTrial) -> dict[str, Record]:
    return {str(one["id"]): dict(one) for one in trial.account.records("deals")}


@settings(
    max_examples=WRITES,
    derandomize=WRITES < 10,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_the_account_is_as_the_plan_of_any_table_promised(
    troubled: WriteTrial, switch: KillSwitch, data: Draw
) -> None:
    trial = troubled
    trial.account.clock.advance(timedelta(minutes=1))
    columns = data.draw(
        st.lists(st.sampled_from(columns_of(trial)), min_size=1, max_size=6, unique_by=lambda c: c.key)
    )
    operation = data.draw(st.sampled_from(["update", "update", "upsert", "create", "delete"]))
    on_conflict = data.draw(st.sampled_from(["theirs", "ours", "fill_empty"]))
    example = Example(trial, operation, on_conflict, columns, data)
    kills = st.lists(st.integers(0, 25), max_size=3)
    first_kills, later_kills = data.draw(kills), data.draw(kills)
    write, plan = example.write, trial.plan(example.write)
    example.check_plan(plan)
    example.churn()
    before = snapshot(trial)
    how = {}
    if plan.above_limits:
        with pytest.raises(NotAppliedError, match="above its limits"):
            trial.apply(plan, write)
        assert snapshot(trial) == before
        how = {"above_limits": True}
    if plan.changes:
        applied(trial, plan, write, switch, first_kills, **how)
    example.check_account(plan, before)
    trial.account.clock.advance(timedelta(minutes=1))
    trial.trial.changes(trial.sources[0])
    assert trial.trial.differences(trial.sources[0]) == []
    if any(row.status == "done" for row in trial.ledger(plan)):
        undo = trial.undo(plan)
        example.churn_again()
        applied(trial, undo, write, switch, later_kills)
    for record_id, record in snapshot(trial).items():
        if record_id in example.churned_again:
            column, value = example.churned_again[record_id]
            assert is_same(value, value_of(record, column)), "what somebody has changed since stays"
        elif record_id in before:
            assert without_derived(record) == without_derived(before[record_id])
            assert record["is_deleted"] == before[record_id]["is_deleted"]
        else:
            assert record["is_deleted"]


class Example:
    """A random table, a write of it, and what is changed at the account in between."""

    def __init__(
        self, trial: WriteTrial, operation: str, on_conflict: str, columns: list[Column], data: Draw
    ) -> None:
        self.trial, self.data = trial, data
        self.operation, self.on_conflict = operation, on_conflict
        is_new = operation in ("create", "upsert")
        # New deals need a title, and are known by an order that no other has.
        if is_new:
            columns = [one for one in columns if one.key != self._order.key]
            title = next(one for one in columns_of(trial) if one.key == "title")
            columns = columns if any(one.key == "title" for one in columns) else [*columns, title]
        self.columns = {f"c{n}": column for n, column in enumerate(columns)}
        self.known = {str(one["id"]): dict(one) for one in trial.live("deals", KNOWN)}
        self.rows = list(self._rows(is_new=is_new))
        self._changes = data.draw(st.lists(self._change(), max_size=3))
        self._later = data.draw(st.none() | self._change())
        self.churned: dict[str, set[str]] = {}
        self.churned_again: dict[str, tuple[Column, Any]] = {}
        trial.rows(*(row["cells"] for row in self.rows))
        names = {
            name: data.draw(st.sampled_from([one.key, one.label or one.key]))
            for name, one in self.columns.items()
        }
        match = {"order": self._order.key} if is_new else {"id": "id"}
        limits = {
            "changes": data.draw(st.sampled_from([1, 1000])),
            "deletes": data.draw(st.sampled_from([0, 1000])),
            "tokens": data.draw(st.sampled_from([40, 100_000])),
        }
        self.write = trial.write(
            "deals",
            operation=operation,
            match=match,
            fields={} if operation == "delete" else names,
            on_conflict=on_conflict,
            limits=limits,
        )

    @property
    def _order(self) -> Column:
        """The column by which new deals are known."""
        wanted = next(
            field["field_code"]
            for field in self.trial.account.fields["deals"]
            if field["field_name"] == "Grid operator reference"
        )
        return next(one for one in columns_of(self.trial) if one.key == wanted)

    def _rows(self, *, is_new: bool) -> Iterator[dict[str, Any]]:
        """Rows: the cells as texts, what they mean, and the record that they are about."""
        # An example that comes again finds in the account what it has made there before.
        mark = f"{self.data.draw(st.uuids())} {next(EXAMPLES)}"
        for number in self.data.draw(st.lists(st.integers(0, KNOWN), min_size=1, max_size=ROWS)):
            record_id = f"{mark} {number % 4}" if is_new else self._known(number)
            cells, meant = {"order" if is_new else "id": record_id}, {}
            for name, column in self.columns.items():
                cell = self.data.draw(st.none() | column.cells)
                if cell is None and is_new and column.key == "title":
                    cell = ("New", "New")
                cells[name], meant[name] = cell or ("", None)
            yield {"about": record_id, "cells": cells, "meant": meant}

    def _known(self, number: int) -> str:
        """One of the known records, or none: draws must not depend on what the account has by now."""
        return "987654321" if number == KNOWN else list(self.known)[number % len(self.known)]

    def _change(self) -> st.SearchStrategy[tuple[int, tuple[Column, Any] | None]]:
        """What somebody does to a record: its number, and a value for a column, or none to delete it."""
        values = [values_for(column) for column in self.columns.values()]
        return st.tuples(st.integers(0, KNOWN - 1), st.none() | st.one_of(values))

    def _first_rows(self) -> dict[str, dict[str, Any]]:
        """The rows that count: the first about each record."""
        first: dict[str, dict[str, Any]] = {}
        for row in self.rows:
            first.setdefault(row["about"], row)
        return first

    def check_plan(self, plan: Plan) -> None:
        """The plan says what the rows mean, and nothing else."""
        ledger = self.trial.ledger(plan)
        assert not [row.entry.reason for row in ledger if "called so" in str(row.entry.reason)]
        first = self._first_rows()
        conflicts = len(self.rows) - len(first)
        planned = {next(iter(row.entry.row.values())): row for row in ledger if row.entry.kind != "conflict"}
        assert plan.conflicts == conflicts
        for about, row in first.items():
            entry = planned.get(about)
            record = self.known.get(about)
            if self.operation == "delete" and record is not None:
                assert entry is not None
                assert entry.entry.kind == "delete"
            elif self.operation in ("create", "upsert"):
                assert entry is not None
                assert entry.entry.kind == "create", entry.entry.reason
                assert self._planned_keys(entry) == {n for n, v in row["meant"].items() if v is not None}
            elif self.operation == "update" and record is not None:
                wanted = {
                    name for name, value in row["meant"].items() if self._is_change(record, name, value)
                }
                assert (self._planned_keys(entry) if entry else set()) == wanted
        # Rows about nothing that is there.
        unknown = self.operation == "update" and "987654321" in first
        assert plan.rejects == int(unknown), [row.entry.reason for row in ledger]

    def _planned_keys(self, row: LedgerRow) -> set[str]:
        return {name for name, column in self.columns.items() if column.key in row.entry.after}

    def _is_change(self, record: Record, name: str, value: Any) -> bool:
        has = value_of(record, self.columns[name])
        if value is None or (self.on_conflict == "fill_empty" and not is_empty(has)):
            return False
        return not is_same(value, has)

    def churn(self) -> None:
        """Somebody changes some of the records after the plan was made."""
        for number, change in self._changes:
            record_id = self._known(number)
            if record_id in self.churned:
                continue
            if change is None:
                self.trial.demo.write("DELETE", f"/api/v2/deals/{record_id}")
                self.churned[record_id] = {"(deleted)"}
            else:
                self._patch(record_id, *change)
                self.churned[record_id] = {change[0].key}

    def churn_again(self) -> None:
        """Somebody changes a record after the plan was applied, before that is taken back."""
        if self._later is None or self._later[1] is None:
            return
        record_id, (column, value) = self._known(self._later[0]), self._later[1]
        record = self.trial.record("deals", int(record_id))
        # The value that is there already is ours, and is taken back.
        if not record["is_deleted"] and not is_same(value, value_of(record, column)):
            self._patch(record_id, column, value)
            self.churned_again[record_id] = (column, value)

    def _patch(self, record_id: str, column: Column, value: Any) -> None:
        body = {"custom_fields": {column.key: value}} if column.is_custom else {column.key: value}
        self.trial.demo.write("PATCH", f"/api/v2/deals/{record_id}", body)

    def check_account(self, plan: Plan, before: Mapping[str, Record]) -> None:
        """Every record is as the plan promised, and those that it does not name are as they were."""
        now, first = snapshot(self.trial), self._first_rows()
        done = {}
        for row in self.trial.ledger(plan):
            if row.status is None:
                continue
            record_id = str(row.entry.record_id)
            assert row.status in ("done", "moved"), row.entry.reason
            if row.status == "done":
                done[record_id] = row
            else:
                assert record_id in self.churned, row.entry.reason
                assert self.on_conflict != "ours" or "(deleted)" in self.churned[record_id]
        for record_id, record in now.items():
            made = done.get(record_id)
            if made is None:
                assert record_id in before, "nobody has planned it"
                assert without_derived(record) == without_derived(before[record_id])
                assert record["is_deleted"] == before[record_id]["is_deleted"]
            elif made.entry.kind == "delete":
                assert record["is_deleted"]
            else:
                self._check_values(record, before.get(record_id), made, first)

    def _check_values(
        self, record: Record, before: Record | None, made: LedgerRow, first: Mapping[str, Any]
    ) -> None:
        row = first[next(iter(made.entry.row.values()))]
        for name, column in self.columns.items():
            value = row["meant"][name]
            has, had = value_of(record, column), None if before is None else value_of(before, column)
            is_kept = value is None or (
                before is not None
                and (
                    column.key not in made.entry.after
                    or (self.on_conflict == "fill_empty" and not is_empty(had))
                )
            )
            if is_kept:
                assert before is None or has == had, column
            else:
                assert is_same(value, has), (column.key, value, has)
        written = {column.key for column in self.columns.values()}
        if before is not None:
            for key, value in without_derived(record).items():
                if key == "custom_fields":
                    others = {k: v for k, v in (value or {}).items() if k not in written}
                    assert others == {k: v for k, v in (before[key] or {}).items() if k not in written}
                elif key not in written:
                    assert value == before[key], key
