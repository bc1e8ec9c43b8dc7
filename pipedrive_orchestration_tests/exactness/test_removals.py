"""Why rows are gone: what Pipedrive tells late, or again, counts more than what was taken to be so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipedrive_orchestration.demo import odd
from pipedrive_orchestration.sources import FilterGroup, Source
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.exactness.trial import Trial, small_trial

LATER = timedelta(hours=2)
"""Longer than the overlap of pulls."""


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    with small_trial(page_size=500) as one:
        yield one


def imported(trial: Trial, object_type: str, folder: Path) -> tuple[Trial, Source]:
    """The account, in a warehouse of the test's own, with a source that has been imported and has ticked."""
    own = Trial(trial.demo, folder)
    source = own.source(object_type, properties=("id", "add_time", "update_time"))
    own.windows(source)
    own.changes(source)
    return own, source


def some(trial: Trial, source: Source, count: int) -> list[str]:
    current = sorted(int(one) for one, row in trial.rows(source).items() if row["_is_current"])
    return [str(one) for one in current[:count]]


def delete_and_merge(trial: Trial, source: Source) -> tuple[str, str]:
    """Deletes a record and merges another one. Returns the ids of both, which are gone."""
    deleted, merged, survivor = some(trial, source, 3)
    trial.demo.write("DELETE", f"/api/v2/{source.object_type}/{deleted}")
    trial.demo.write("PUT", f"/v1/{source.object_type}/{merged}/merge", {"merge_with_id": int(survivor)})
    return deleted, merged


def removals(trial: Trial, source: Source, *ids: str) -> list[str | None]:
    rows = trial.rows(source)
    return [rows[one]["_removal"] for one in ids]


def test_removals_of_a_time_without_the_feed_come_with_the_first_tick_that_has_it(
    trial: Trial, tmp_path: Path
) -> None:
    own, source = imported(trial, "persons", tmp_path)
    gone = delete_and_merge(own, source)
    own.demo.odd.follow(odd("no-scope-of-recents"))
    for _ in range(2):
        own.changes(source)
        own.demo.account.clock.advance(LATER)
    assert removals(own, source, *gone) == [None, None]
    own.demo.odd.follow()
    report = own.changes(source)
    assert removals(own, source, *gone) == ["deleted", "merged"]
    assert report.requests == 3
    assert own.differences(source) == []


@pytest.mark.parametrize("oddity", sample(["no-scope-of-recents", "nameless-recents"], "nameless-recents"))
def test_a_reason_that_was_guessed_is_put_right_when_the_feed_tells(
    trial: Trial, tmp_path: Path, oddity: str
) -> None:
    own, source = imported(trial, "persons", tmp_path)
    gone = delete_and_merge(own, source)
    own.demo.account.clock.advance(LATER)
    own.demo.odd.follow(odd(oddity))
    own.changes(source)
    own.windows(source)
    assert removals(own, source, *gone) == ["deleted", "deleted"]
    own.demo.account.clock.advance(LATER)
    own.demo.odd.follow()
    own.changes(source)
    assert removals(own, source, *gone) == ["deleted", "merged"]
    assert own.differences(source) == []


def test_a_tick_that_has_caught_up_with_the_feed_does_not_read_it_from_before_again(
    trial: Trial, tmp_path: Path
) -> None:
    own, source = imported(trial, "persons", tmp_path)
    for oddity in (odd("no-scope-of-recents"), None, None):
        own.demo.account.clock.advance(LATER)
        own.demo.odd.follow(*([oddity] if oddity else []))
        own.changes(source)
    asked = [one.query["since_timestamp"] for one in own.demo.account.requests if one.path == "/v1/recents"]
    denied, caught_up, usual = asked[-3:]
    assert denied == caught_up < usual


@pytest.mark.parametrize("object_type", sample(["persons", "deals"], "persons"))
def test_what_a_deviating_run_has_put_out_of_the_segment_is_deleted_where_there_is_no_filter(
    trial: Trial, tmp_path: Path, object_type: str
) -> None:
    own, source = imported(trial, object_type, tmp_path)
    (victim,) = some(own, source, 1)
    none = FilterGroup.model_validate({"conditions": [{"variable": "id", "values": [10**9]}]})
    own.windows(source.model_copy(update={"filters": none}))
    assert removals(own, source, victim) == ["left_segment"]
    own.demo.write("DELETE", f"/api/v2/{object_type}/{victim}")
    own.changes(source)
    assert removals(own, source, victim) == ["deleted"]
    assert own.differences(source) == []


def test_a_reading_finds_what_went_after_a_deviating_run_had_put_it_out_of_the_segment(
    trial: Trial, tmp_path: Path
) -> None:
    """Nothing tells of the deletion of a lead but its absence."""
    own, source = imported(trial, "leads", tmp_path)
    victim = next(one for one, row in own.rows(source).items() if row["_is_current"])
    none = FilterGroup.model_validate({"conditions": [{"variable": "title", "values": ["No lead's title"]}]})
    own.windows(source.model_copy(update={"filters": none}))
    own.demo.write("DELETE", f"/v1/leads/{victim}")
    assert removals(own, source, victim) == ["left_segment"]
    own.changes(source)
    assert removals(own, source, victim) == ["deleted"]
    assert own.differences(source) == []


def test_what_survived_a_merge_that_the_source_never_saw_is_deleted(trial: Trial, tmp_path: Path) -> None:
    records = trial.demo.account.records("persons")
    loser, survivor = [one["id"] for one in records if not one["is_deleted"]][:2]
    trial.demo.write("PUT", f"/v1/persons/{loser}/merge", {"merge_with_id": survivor})
    trial.demo.account.clock.advance(LATER)
    own, source = imported(trial, "persons", tmp_path)
    own.demo.account.clock.advance(LATER)
    own.demo.write("DELETE", f"/api/v2/persons/{survivor}")
    own.changes(source)
    assert removals(own, source, str(survivor)) == ["deleted"]
