"""A source with a filter follows its segment: records enter it, change in it and leave it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipedrive_orchestration.importing import UnfitSourceError
from pipedrive_orchestration.sources import FilterGroup
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.filters.demo_truth import ONE_WINDOW, members


def filter_of(*leaves: dict[str, Any], operator: str = "AND") -> dict[str, Any]:
    return {"operator": operator, "conditions": list(leaves)}


OPEN = filter_of({"variable": "status", "value": "open"})
DEAR_OR_OWNED = filter_of(
    {"variable": "value", "condition": ">", "value": 20_000},
    {"variable": "title", "condition": "contains", "values": ["carport", "plant"]},
    operator="OR",
)


def deals(filters: dict[str, Any], **choices: Any) -> dict[str, Any]:
    options = ONE_WINDOW | choices.pop("options", {})
    filters = {"filters": FilterGroup.model_validate(filters)}
    return {"properties": ("title",), "options": options} | filters | choices


def current(trial: Trial, source: Any) -> set[str]:
    return {record_id for record_id, row in trial.rows(source).items() if row["_is_current"]}


def test_records_enter_and_leave_through_a_field_that_is_not_imported(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("deals", **deals(OPEN))
    trial.windows(source)
    inside = members(trial.demo.account, "deals", OPEN)
    assert current(trial, source) == inside == set(trial.rows(source))
    leaver, stayer = sorted(inside, key=int)[:2]
    comer = min(
        members(trial.demo.account, "deals", filter_of({"variable": "status", "value": "won"})), key=int
    )
    trial.demo.write("PATCH", f"/api/v2/deals/{leaver}", {"status": "lost", "title": "Left with this title"})
    trial.demo.write("PATCH", f"/api/v2/deals/{comer}", {"status": "open"})
    trial.demo.write("PATCH", f"/api/v2/deals/{stayer}", {"title": "Stays"})
    report = trial.changes(source)
    rows = trial.rows(source)
    assert (report.rows.inserted, report.rows.updated, report.rows.removed) == (1, 1, 1)
    assert rows[leaver]["_removal"] == "left_segment"
    assert rows[leaver]["_removed_at"] is not None
    assert rows[leaver]["title"] == "Left with this title"
    assert rows[stayer]["title"] == "Stays"
    assert current(trial, source) == members(trial.demo.account, "deals", OPEN)
    trial.demo.write("PATCH", f"/api/v2/deals/{leaver}", {"status": "open"})
    trial.changes(source)
    assert trial.rows(source)[leaver]["_removal"] is None
    assert current(trial, source) == members(trial.demo.account, "deals", OPEN)


def test_a_record_that_left_stays_what_it_was_when_it_is_deleted_later(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("deals", **deals(OPEN))
    trial.windows(source)
    left, deleted, archived = sorted(current(trial, source), key=int)[:3]
    trial.demo.write("PATCH", f"/api/v2/deals/{left}", {"status": "lost"})
    trial.changes(source)
    trial.demo.write("DELETE", f"/api/v2/deals/{left}")
    trial.demo.write("DELETE", f"/api/v2/deals/{deleted}")
    trial.demo.write("PATCH", f"/api/v2/deals/{archived}", {"is_archived": True})
    trial.changes(source)
    rows = trial.rows(source)
    assert [rows[one]["_removal"] for one in (left, deleted, archived)] == [
        "left_segment",
        "deleted",
        "archived",
    ]


def test_on_leave_delete_takes_the_row_out(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("deals", **deals(OPEN, options={"on_leave": "delete", "history": True}))
    trial.windows(source)
    leaver, deleted = sorted(current(trial, source), key=int)[:2]
    trial.demo.write("PATCH", f"/api/v2/deals/{leaver}", {"status": "lost"})
    trial.demo.write("DELETE", f"/api/v2/deals/{deleted}")
    assert trial.changes(source).rows.removed == 2
    rows = trial.rows(source)
    assert leaver not in rows
    assert rows[deleted]["_removal"] == "deleted"
    versions = "SELECT _valid_to IS NULL FROM pipedrive_history.deals WHERE _id = ?"
    assert trial.ask(versions, int(leaver)) == [(False,)]
    trial.demo.write("PATCH", f"/api/v2/deals/{leaver}", {"status": "open"})
    trial.changes(source)
    assert leaver in trial.rows(source)
    assert sorted(trial.ask(versions, int(leaver))) == [(False,), (True,)]


def test_another_filter_makes_the_next_pull_a_full_one(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("deals", **deals(OPEN))
    trial.windows(source)
    trial.changes(source)
    before = trial.rows(source)
    narrower = filter_of(*OPEN["conditions"], *DEAR_OR_OWNED["conditions"][:1])
    changed = source.model_copy(update={"filters": FilterGroup.model_validate(narrower)})
    report = trial.changes(changed)
    assert "full pull: the source's properties, filter or include_archived have changed" in report.notes
    after, inside = trial.rows(changed), members(trial.demo.account, "deals", narrower)
    assert 0 < len(inside) < len(before)
    assert {one for one, row in after.items() if row["_is_current"]} == inside
    assert {row["_removal"] for one, row in after.items() if one not in inside} == {"left_segment"}
    assert report.rows.removed == len(before) - len(inside)
    assert all(after[one]["_first_imported_at"] == before[one]["_first_imported_at"] for one in inside)
    assert not any("full pull" in note for note in trial.changes(changed).notes)
    everything = changed.model_copy(update={"filters": None})
    trial.changes(everything)
    assert current(trial, everything) == members(trial.demo.account, "deals", filter_of())


def test_dates_that_move_on_make_a_full_pull(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    moving = filter_of({"variable": "add_time", "condition": "before", "value": "now"})
    source = trial.source("deals", **deals(moving))
    trial.windows(source)
    trial.changes(source)
    trial.demo.account.clock.advance(timedelta(minutes=1))
    note = "full pull: dates, names or options of the filter stand for something else by now"
    assert note in trial.changes(source).notes
    fixed = trial.source(
        "deals", **deals(filter_of({"variable": "add_time", "condition": "<", "value": "today"}))
    )
    trial.changes(fixed)
    assert note not in trial.changes(fixed).notes


def test_a_stage_is_known_by_its_name_until_it_is_renamed(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    stages = trial.demo.account.records("stages")
    named = filter_of({"variable": "stage_id", "value": stages[0]["name"].upper()})
    source = trial.source("deals", **deals(named))
    trial.windows(source)
    trial.changes(source)
    same = {stage["id"] for stage in stages if stage["name"] == stages[0]["name"]}
    by_id = filter_of({"variable": "stage_id", "values": sorted(same)})
    assert current(trial, source) == members(trial.demo.account, "deals", by_id)
    other = next(stage["id"] for stage in stages if stage["id"] not in same)
    trial.demo.write("PATCH", f"/api/v2/stages/{other}", {"name": stages[0]["name"]})
    assert any(note.startswith("full pull") for note in trial.changes(source).notes)
    by_id["conditions"][0]["values"].append(other)
    assert current(trial, source) == members(trial.demo.account, "deals", by_id)
    for stage in (*same, other):
        trial.demo.write("PATCH", f"/api/v2/stages/{stage}", {"name": f"Renamed {stage}"})
    with pytest.raises(UnfitSourceError, match="no stage named"):
        trial.changes(source)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("filters", sample([OPEN, DEAR_OR_OWNED], DEAR_OR_OWNED))
def test_the_segment_is_exact_while_users_write(fresh_trial: FreshTrial, filters: dict[str, Any]) -> None:
    trial = fresh_trial()
    source = trial.source("deals", filters=FilterGroup.model_validate(filters), options=ONE_WINDOW)
    churn = Churn(trial.demo, seed=5)
    trial.windows(source)
    for _ in range(2):
        churn.steps(60)
        trial.changes(source)
        assert current(trial, source) == members(trial.demo.account, "deals", filters)
    churn.steps(60)
    trial.windows(source)
    assert current(trial, source) == members(trial.demo.account, "deals", filters)
    fresh = trial.fresh()
    fresh.windows(source)
    assert current(fresh, source) == current(trial, source)


def test_a_snapshot_has_segments_too(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    pipeline = trial.demo.account.records("pipelines")[0]
    filters = filter_of({"variable": "pipeline_id", "value": pipeline["name"]})
    source = trial.source("stages", filters=FilterGroup.model_validate(filters))
    trial.changes(source)
    by_id = filter_of({"variable": "pipeline_id", "value": pipeline["id"]})
    inside = members(trial.demo.account, "stages", by_id)
    assert current(trial, source) == inside != set()
    filters["conditions"][0]["condition"] = "not equals"
    trial.changes(source.model_copy(update={"filters": FilterGroup.model_validate(filters)}))
    assert {trial.rows(source)[one]["_removal"] for one in inside} == {"left_segment"}
