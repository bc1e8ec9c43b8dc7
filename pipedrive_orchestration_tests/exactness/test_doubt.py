"""Windows in doubt are read again by ticks alone, and then the table equals the account."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.importing import Pull
from pipedrive_orchestration.sources import Options
from pipedrive_orchestration.warehouse import ledger
from pipedrive_orchestration_tests.chaos.sizes import in_full, sample
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.accounts import account, deal, field, options
from pipedrive_orchestration_tests.importing.canned import serving
from pipedrive_orchestration_tests.importing.imports import quarantine, rows, run, source

WEEK = timedelta(days=7, hours=1)

FEW = {"properties": ("id", "add_time", "update_time")}
"""A source that is quickly read."""


def vanish(trial: Trial, object_type: str) -> int:
    """Takes a record out of the account without a trace: no feed and no list tells of it."""
    victim = next(
        one["id"] for one in trial.demo.account.records(object_type) if not one.get("is_deleted", False)
    )
    with trial.demo.account.lock:
        trial.demo.account[object_type].remove(victim)
    return int(victim)


def reasons(notes: tuple[str, ...]) -> set[str]:
    return {note.split(": ", 1)[1] for note in notes if note.startswith("reads ")}


def test_a_tick_reads_nothing_again_that_was_read_lately(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("persons", **FEW)
    trial.windows(source)
    report = trial.changes(source)
    assert reasons(report.notes) == set()
    assert report.requests == 3


@pytest.mark.parametrize("object_type", sample(["persons", "deals", "products", "notes"], "notes"))
def test_what_no_feed_tells_of_is_seen_within_the_time_of_reconciliation(
    fresh_trial: FreshTrial, object_type: str
) -> None:
    trial = fresh_trial()
    source = trial.source(object_type, **FEW)
    trial.windows(source)
    victim = vanish(trial, object_type)
    trial.changes(source)
    assert trial.rows(source)[str(victim)]["_is_current"]
    trial.demo.account.clock.advance(WEEK)
    report = trial.changes(source)
    assert reasons(report.notes) >= {"last read 7 days ago"}
    # To whoever asks later it is one import, as it was to whoever ran it.
    with trial.warehouse.reading() as connection:
        entry = ledger.last_import(connection, source.slug)
    assert entry is not None
    assert (entry.pull, entry.requests, entry.tokens) == ("changes", report.requests, report.tokens)
    assert (entry.rows_read, entry.rows_removed) == (report.rows.read, report.rows.removed)
    # Nothing says that it was deleted, so it may as well be hidden from this user.
    assert trial.rows(source)[str(victim)]["_removal"] == "invisible"
    assert [each for each in trial.differences(source) if not each.startswith(f"{victim}._removal")] == []
    assert reasons(trial.changes(source).notes) == set()


def test_reconciliation_can_be_switched_off(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("persons", options=Options(reconcile="never"), **FEW)
    trial.windows(source)
    trial.demo.account.clock.advance(timedelta(days=29))
    assert reasons(trial.changes(source).notes) == set()


def test_a_run_under_another_definition_is_healed_by_the_next_tick(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("deals", filters=_status("open"))
    trial.windows(source)
    deviating = source.model_copy(update={"filters": trial.source("deals", filters=_status("won")).filters})
    trial.windows(deviating, trial.all_windows(source)[-6:])
    report = trial.changes(source)
    assert reasons(report.notes) == {"read under another definition"}
    current = {int(number) for number, row in trial.rows(source).items() if row["_is_current"]}
    assert current == {
        one["id"]
        for one in trial.demo.account.records("deals")
        if one["status"] == "open" and not one["is_deleted"] and not one["is_archived"]
    }
    assert reasons(trial.changes(source).notes) == set()


def _status(value: str) -> dict[str, Any]:
    return {"conditions": [{"variable": "status", "condition": "equals", "values": [value]}]}


@in_full
def test_ticks_spend_a_tenth_of_what_is_left_and_come_to_an_end(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.5, daily_tokens=1500)
    source = trial.source("persons", **FEW)
    trial.windows(source)
    trial.demo.account.clock.advance(WEEK)
    victim = vanish(trial, "persons")
    spent = []
    for _ in range(60):
        before = len(trial.demo.account.requests)
        report = trial.changes(source)
        if not reasons(report.notes):
            break
        spent.append(len(trial.demo.account.requests) - before)
        # The changes themselves, a tenth of a whole day's tokens, fields and user asked once more.
        assert report.tokens <= 60 + 150 + 30
        trial.demo.account.clock.advance(timedelta(hours=8))
    else:
        pytest.fail(f"not reconciled after 60 ticks: {reasons(report.notes)}")
    assert len(spent) > 1
    assert not trial.rows(source)[str(victim)]["_is_current"]


HOT = "f" * 40
LATER = "2026-01-02T03:04:06Z"


def test_values_that_came_while_a_field_was_missing_are_read_again_when_it_is_back(tmp_path: Path) -> None:
    listed = [field(HOT, "enum", "Hot", options=options(_7="Yes", _8="No"))]
    what = source("deals", ["title", HOT])
    with serving(account("deals", [deal(1, {HOT: 7})], listed)) as served:
        run(what, served.connection, tmp_path)
    changed = deal(1, {HOT: 8}, update_time=LATER)
    with serving(account("deals", [changed], [])) as served:
        run(what, served.connection, tmp_path, Pull.CHANGES)
    assert rows(tmp_path, "deals")[1][HOT] == 7
    with serving(_always(account("deals", [changed], listed))) as served:
        run(what, served.connection, tmp_path, Pull.CHANGES)
    assert rows(tmp_path, "deals")[1][HOT] == 8


def test_values_that_were_set_aside_while_a_type_was_another_come_back(tmp_path: Path) -> None:
    as_set = field(HOT, "set", "Hot", options=options(_7="Yes", _8="No"))
    what = source("deals", ["title", HOT])
    found = [deal(1, {HOT: [7, 8]}), deal(2, {HOT: [8]})]
    with serving(account("deals", found, [as_set])) as served:
        run(what, served.connection, tmp_path)
    with serving(_always(account("deals", found, [as_set | {"field_type": "enum"}]))) as served:
        run(what, served.connection, tmp_path, Pull.CHANGES)
    assert len(quarantine(tmp_path)) > 0
    with serving(_always(account("deals", found, [as_set]))) as served:
        run(what, served.connection, tmp_path, Pull.CHANGES)
    assert {number: row[HOT] for number, row in rows(tmp_path, "deals").items()} == {1: [7, 8], 2: [8]}
    assert quarantine(tmp_path) == []


def _always(replies: dict[str, Any]) -> dict[str, Any]:
    """The same lists, whatever they are asked for."""
    return {path: lambda asked, reply=reply: reply(_first(asked)) for path, reply in replies.items()}


def _first(asked: Any) -> Any:
    return type(asked)(asked.path, {}, asked.headers, asked.target)
