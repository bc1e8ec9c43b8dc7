from __future__ import annotations

from typing import Any

import pytest

from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.workflows import SyncReport, Workflow
from pipedrive_orchestration.workflows.sync import run_sync
from pipedrive_orchestration_tests.workflows.bodies import INPUTS, MAPPING, source, sync, synced, workflow
from pipedrive_orchestration_tests.workflows.tables import SourceTable, ask, rows, runs

SOURCE = source()


def run(warehouse: Warehouse, made: Workflow, slug: str = "people") -> SyncReport:
    return run_sync(warehouse, made, source(slug))


def ids(warehouse: Warehouse, slug: str = "outreach") -> list[int]:
    return [row[0] for row in rows(warehouse, slug)]


def test_current_rows_are_taken_over_in_the_order_of_the_source(
    warehouse: Warehouse, people: SourceTable
) -> None:
    people.put(3, 1, 2)
    people.put(4)
    people.remove(4)
    report = run(warehouse, synced())
    assert rows(warehouse) == [(n, f"p{n}@example.com", f"Person {n}") for n in (1, 2, 3)]
    assert (report.state, report.inserted, report.rows, report.queued) == ("synced", 3, 3, 3)
    assert ask(
        warehouse,
        "SELECT DISTINCT _source, _sync_id, row_status, count(DISTINCT row_id), max(row_seq), "
        "bool_and(_synced_at = created_at) FROM workflows.outreach GROUP BY ALL",
    ) == [("people", synced().sync_id("people"), "queued", 3, 3, True)]


def test_nothing_new_is_nothing_done(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1, 2)
    run(warehouse, synced())
    before = ask(warehouse, "FROM workflows.outreach ORDER BY row_seq"), runs(warehouse)
    report = run(warehouse, synced())
    assert (report.inserted, report.updated, report.queued, report.rejected) == (0, 0, 0, 0)
    assert (ask(warehouse, "FROM workflows.outreach ORDER BY row_seq"), runs(warehouse)) == before


def test_push_existing_false_starts_at_the_present(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1, 2)
    made = synced(push_existing=False)
    assert run(warehouse, made).inserted == 0
    people.put(2, name="Changed")
    people.put(3)
    run(warehouse, made)
    assert ids(warehouse) == [3]
    assert runs(warehouse) == [(3, "new", "queued")]


def test_push_existing_may_be_switched_on_later(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1, 2)
    run(warehouse, synced(push_existing=False))
    people.put(3)
    run(warehouse, synced(push_existing=False))
    people.remove(2)
    run(warehouse, synced(run="first_10"))
    run(warehouse, synced(run="first_10"))
    assert ids(warehouse) == [3, 1]
    assert runs(warehouse) == [(3, "new", "queued"), (1, "backfill", "queued")]


@pytest.mark.parametrize(
    ("which", "queued", "auto_run"),
    [("all", range(1, 16), False), ("first_10", range(1, 11), True), ("none", range(0), True)],
)
def test_which_backfilled_rows_run_and_whether_later_ones_do(
    warehouse: Warehouse, people: SourceTable, which: str, queued: range, auto_run: bool
) -> None:
    people.put(*range(15, 0, -1))
    made = synced(auto_run=auto_run, run=which)
    report = run(warehouse, made)
    assert report.queued == len(queued)
    assert runs(warehouse) == [(number, "backfill", "queued") for number in queued]
    people.put(20, 19)
    run(warehouse, made)
    later = [(number, "new", "queued") for number in (19, 20)] if auto_run else []
    assert runs(warehouse)[len(queued) :] == later
    statuses = dict(ask(warehouse, "SELECT _record_id::INTEGER, row_status FROM workflows.outreach"))
    expected = {*queued, *(number for number, _, _ in later)}
    assert {number for number, status in statuses.items() if status == "queued"} == expected
    assert set(statuses.values()) <= {"queued", "pending"}


def test_rows_count_as_backfilled_until_the_source_is_completely_imported(warehouse: Warehouse) -> None:
    people = SourceTable(warehouse).create(is_imported=False)
    made = synced(run="first_10", auto_run=True)
    people.put(*range(30, 40))
    assert run(warehouse, made).queued == 0
    people.put(*range(5))
    people.finish_import()
    assert run(warehouse, made).queued == 10
    people.put(50)
    run(warehouse, made)
    assert sorted(runs(warehouse)) == [
        *((number, "backfill", "queued") for number in (*range(5), *range(30, 35))),
        (50, "new", "queued"),
    ]


def test_push_existing_false_leaves_out_the_whole_first_import(warehouse: Warehouse) -> None:
    people = SourceTable(warehouse).create(is_imported=False)
    made = synced(push_existing=False)
    people.put(1)
    run(warehouse, made)
    people.put(2)
    people.finish_import()
    run(warehouse, made)
    people.put(3)
    run(warehouse, made)
    assert ids(warehouse) == [3]


def test_a_source_that_was_never_imported_is_waited_for(warehouse: Warehouse) -> None:
    report = run(warehouse, synced())
    assert report.state == "waiting"
    assert report.note == "The source people has not been imported yet."
    assert rows(warehouse) == []


def test_a_property_that_is_not_imported_yet_is_waited_for(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1)
    report = run(warehouse, synced(field_mapping={"input.email": "emails", "input.first_name": "nickname"}))
    assert (report.state, report.inserted) == ("waiting", 0)
    assert report.note == "The next import of people brings the properties nickname."


def test_ignore_makes_a_row_a_snapshot(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1)
    run(warehouse, synced())
    people.put(1, name="Changed")
    report = run(warehouse, synced())
    assert (report.inserted, report.updated) == (0, 0)
    assert rows(warehouse) == [(1, "p1@example.com", "Person 1")]
    assert run(warehouse, synced(on_update="update")).updated == 0, "what was ignored stays ignored"


def test_update_follows_what_is_mapped(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1, 2, 3)
    made = synced(on_update="update")
    run(warehouse, made)
    people.put(1, name="Changed")
    people.put(2, score="only what is not mapped")
    report = run(warehouse, made)
    assert (report.updated, report.inserted, report.queued) == (1, 0, 0)
    assert rows(warehouse)[0] == (1, "p1@example.com", "Changed")
    assert ask(warehouse, "SELECT count(*) FROM workflows.outreach WHERE _synced_at > created_at") == [(1,)]


def test_a_row_that_changed_runs_again_unless_it_waits_already(
    warehouse: Warehouse, people: SourceTable
) -> None:
    people.put(1)
    made = synced(on_update="update", run="none")
    run(warehouse, made)
    for name in ("a", "b"):
        people.put(1, name=name)
        run(warehouse, made)
    assert runs(warehouse) == [(1, "changed", "queued")]
    with warehouse.writing() as connection:
        connection.execute("UPDATE workflows._runs SET status = 'complete'")
    people.put(1, name="c")
    run(warehouse, made)
    assert runs(warehouse) == [(1, "changed", "complete"), (1, "changed", "queued")]


def test_append_makes_a_row_of_every_change(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1, 2)
    made = synced(on_update="append", run="none")
    run(warehouse, made)
    people.put(2, score="only what is not mapped")
    people.put(1, name="a")
    run(warehouse, made)
    people.put(1, name="b")
    run(warehouse, made)
    assert [(row[0], row[2]) for row in rows(warehouse)] == [
        (1, "Person 1"),
        (2, "Person 2"),
        (1, "a"),
        (1, "b"),
    ]
    assert runs(warehouse) == [(1, "new", "queued")] * 2


def test_append_takes_changes_of_what_was_there_before(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1, 2)
    made = synced(on_update="append", push_existing=False)
    run(warehouse, made)
    people.put(1, name="a")
    run(warehouse, made)
    assert [(row[0], row[2]) for row in rows(warehouse)] == [(1, "a")]
    assert runs(warehouse) == [(1, "new", "queued")]


def removed(warehouse: Warehouse) -> dict[int, bool]:
    return dict(ask(warehouse, "SELECT _record_id::INTEGER, _removed_at IS NOT NULL FROM workflows.outreach"))


def test_rows_of_records_that_left_are_kept_flagged_or_deleted(
    warehouse: Warehouse, people: SourceTable
) -> None:
    people.put(1, 2, 3, 4)
    run(warehouse, synced())
    people.remove(1)
    people.take_out(2)
    assert run(warehouse, synced()).removed == 0
    assert removed(warehouse) == {1: False, 2: False, 3: False, 4: False}
    assert run(warehouse, synced(on_remove="flag")).removed == 2
    assert run(warehouse, synced(on_remove="flag")).removed == 0
    assert removed(warehouse) == {1: True, 2: True, 3: False, 4: False}
    people.take_out(3)
    assert run(warehouse, synced(on_remove="delete")).removed == 3
    assert run(warehouse, synced(on_remove="delete")).removed == 0
    assert removed(warehouse) == {4: False}
    assert runs(warehouse) == [(4, "backfill", "queued")]


def test_a_record_that_comes_back_loses_its_flag(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1)
    made = synced(on_remove="flag")
    run(warehouse, made)
    people.remove(1)
    run(warehouse, made)
    people.put(1, name="Changed")
    assert run(warehouse, made).inserted == 0
    assert removed(warehouse) == {1: False}
    assert rows(warehouse) == [(1, "p1@example.com", "Person 1")]


def test_a_record_that_comes_back_after_deletion_is_new(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1)
    made = synced(on_remove="delete")
    run(warehouse, made)
    people.remove(1)
    run(warehouse, made)
    people.put(1)
    assert run(warehouse, made).inserted == 1
    assert runs(warehouse) == [(1, "new", "queued")]


def test_what_does_not_fit_is_rejected_record_by_record(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1)
    people.put(2, email="nonsense")
    people.put(3, email=None)
    inputs = [*INPUTS, {"name": "score", "type": "number"}]
    made = workflow(
        inputs=inputs, syncs=[sync(field_mapping=MAPPING | {"input.score": "score"}, on_update="update")]
    )
    people.put(4, email="also nonsense", score="many")
    people.put(5, score=" 7 ")
    report = run(warehouse, made)
    assert (report.inserted, report.rejected, report.normalised) == (3, 2, 1)
    assert rows(warehouse) == [
        (1, "p1@example.com", "Person 1"),
        (3, None, "Person 3"),
        (5, "p5@example.com", "Person 5"),
    ]
    kept = "SELECT record_id, field, property, code, reason, value FROM workflows._rejected ORDER BY ALL"
    assert ask(warehouse, kept) == [
        ("2", "input.email", "emails", "not_an_email", "the value is not an e-mail address", "nonsense"),
        ("4", "input.email", "emails", "not_an_email", "the value is not an e-mail address", "also nonsense"),
        ("4", "input.score", "score", "not_a_number", "the value is not a number", "many"),
    ]
    assert [(one.record_id, one.field, one.code) for one in report.rejections] == [
        ("2", "input.email", "not_an_email"),
        ("4", "input.email", "not_an_email"),
        ("4", "input.score", "not_a_number"),
    ]
    assert run(warehouse, made).rejected == 0, "what has not changed is not looked at again"
    people.put(2)
    people.put(1, email="bad now")
    report = run(warehouse, made)
    assert (report.inserted, report.rejected) == (1, 1)
    assert [row[0] for row in ask(warehouse, kept)] == ["1", "4", "4"]
    assert rows(warehouse)[0] == (1, "p1@example.com", "Person 1"), "a row keeps what it has"


def test_another_mapping_holds_from_then_on_and_gives_the_rejected_another_try(
    warehouse: Warehouse, people: SourceTable
) -> None:
    people.put(1)
    people.put(2, email="nonsense", score="two@example.com")
    run(warehouse, synced())
    people.put(3, score="three@example.com")
    changed = synced(field_mapping={"input.email": "score"})
    assert run(warehouse, changed).inserted == 2
    assert rows(warehouse) == [
        (1, "p1@example.com", "Person 1"),
        (2, "two@example.com", None),
        (3, "three@example.com", None),
    ]
    assert ask(warehouse, "SELECT count(*) FROM workflows._rejected") == [(0,)]


def test_several_sources_into_one_workflow_and_one_source_into_several(warehouse: Warehouse) -> None:
    people, visitors = SourceTable(warehouse).create(), SourceTable(warehouse, "visitors").create()
    people.put(1, 2)
    visitors.put(1)
    both = workflow("both", syncs=[sync("people"), sync("visitors", run="none")])
    one = workflow("one", syncs=[sync("people")])
    for made, slug in ((both, "people"), (both, "visitors"), (one, "people"), (both, "visitors")):
        run(warehouse, made, slug)
    assert ask(warehouse, 'SELECT _source, _record_id FROM workflows."both" ORDER BY row_seq') == [
        ("people", "1"),
        ("people", "2"),
        ("visitors", "1"),
    ]
    assert ids(warehouse, "one") == [1, 2]
    assert len(runs(warehouse, "both")) == len(runs(warehouse, "one")) == 2


def test_changes_are_found_in_whatever_order_they_are_committed(
    warehouse: Warehouse, people: SourceTable
) -> None:
    """An import that waited for the database commits rows that are older than those of a later one."""
    people.put(2)
    run(warehouse, synced())
    people.put(1)
    with warehouse.writing() as connection:
        connection.execute("UPDATE pipedrive.people SET _imported_at = '2020-01-01' WHERE _id = 1")
    run(warehouse, synced())
    assert ids(warehouse) == [2, 1]


def test_a_table_gets_the_columns_it_lacks(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1, score="7")
    run(warehouse, synced(field_mapping={"input.email": "emails"}))
    inputs: list[dict[str, Any]] = [{"name": "score", "type": "string"}]
    run(warehouse, workflow(inputs=inputs, syncs=[sync(field_mapping={"input.score": "score"})]))
    people.put(2, score="8")
    inputs[0]["type"] = "number"
    action = {
        "type": "sql",
        "name": "a",
        "expression": "score",
        "output": {"name": "twice", "type": "number"},
    }
    made = workflow(inputs=inputs, actions=[action], syncs=[sync(field_mapping={"input.score": "score"})])
    run(warehouse, made)
    assert ask(warehouse, "SELECT email, score, twice FROM workflows.outreach ORDER BY row_seq") == [
        ("p1@example.com", None, None),
        (None, 8.0, None),
    ]


def test_a_workflow_without_that_sync_says_so(warehouse: Warehouse) -> None:
    with pytest.raises(LookupError, match="outreach has no sync of the source visitors"):
        run(warehouse, synced(), "visitors")


def test_a_report_is_plain_json(warehouse: Warehouse, people: SourceTable) -> None:
    people.put(1, email="nonsense")
    shown = run(warehouse, synced()).as_dict()
    assert shown["sync_id"] == str(synced().sync_id("people"))
    assert shown["rejections"][0]["value"] == "nonsense"
    assert {"workflow", "source", "state", "inserted", "updated", "removed", "rejected", "normalised",
            "queued", "rows", "seconds", "note"} <= shown.keys()  # fmt: skip
