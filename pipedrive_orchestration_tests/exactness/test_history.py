"""Versions of every record: without gaps, the last one equal to its row."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial
from pipedrive_orchestration_tests.exactness.disturbances import WritesBetweenPages
from pipedrive_orchestration_tests.exactness.trial import Trial

pytestmark = pytest.mark.usefixtures("small_pages")


def broken_versions(trial: Trial, source: Source) -> list[str]:
    """What is wrong with the versions, nothing where they chain and end in the rows."""
    properties = ", ".join(f'"{key}"' for key in source.properties)
    columns = f"_id, {properties}, _update_time, _is_archived"
    slug = f'"{source.slug}"'
    checks = {
        "current rows without exactly one open version": f"""
            SELECT r._id FROM pipedrive.{slug} AS r
            LEFT JOIN pipedrive_history.{slug} AS h ON h._id = r._id AND h._valid_to IS NULL
            GROUP BY r._id, r._is_current HAVING count(h._id) <> r._is_current::INT""",
        "open versions that differ from their row": f"""
            SELECT _id FROM (
                SELECT {columns} FROM pipedrive_history.{slug} WHERE _valid_to IS NULL
                EXCEPT SELECT {columns} FROM pipedrive.{slug} WHERE _is_current)""",
        "versions that end before they begin": f"""
            SELECT _id FROM pipedrive_history.{slug} WHERE _valid_to < _valid_from""",
        "versions that overlap": f"""
            SELECT a._id FROM pipedrive_history.{slug} AS a JOIN pipedrive_history.{slug} AS b
            ON a._id = b._id AND a._valid_from < b._valid_from AND a._valid_to > b._valid_from""",
        "rows without any version": f"""
            SELECT _id FROM pipedrive.{slug} WHERE _id NOT IN (SELECT _id FROM pipedrive_history.{slug})""",
    }
    return [f"{what}: {rows[:5]}" for what, sql in checks.items() if (rows := trial.ask(sql))]


def gaps(trial: Trial, source: Source) -> int:
    """How often a version begins later than the one before it ended: the record was gone meanwhile."""
    ((count,),) = trial.ask(
        f"""
        SELECT count(*) FROM (
            SELECT _valid_from, lag(_valid_to) OVER versions AS ended
            FROM pipedrive_history."{source.slug}"
            WINDOW versions AS (PARTITION BY _id ORDER BY _valid_from, _valid_to)
        ) WHERE ended <> _valid_from"""
    )
    return int(count)


def test_versions_chain(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("persons", options={"history": True})
    churn = Churn(trial.demo, seed=1)
    trial.windows(source, listener=WritesBetweenPages(churn))
    for round_ in range(3):
        churn.steps(60)
        (trial.windows if round_ == 1 else trial.changes)(source, listener=WritesBetweenPages(churn))
        assert broken_versions(trial, source) == []
    trial.changes(source)
    assert trial.differences(source) == []
    assert broken_versions(trial, source) == []
    ((versions, records),) = trial.ask(
        f'SELECT count(*), count(DISTINCT _id) FROM pipedrive_history."{source.slug}"'
    )
    assert versions > records
    assert gaps(trial, source) == 0, "a person that is gone does not come back"


def test_a_deal_that_came_back_has_a_gap_as_long_as_it_was_gone(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    source = trial.source("deals", options={"history": True})
    trial.windows(source)
    deal = int(next(iter(trial.rows(source))))
    for body in ({"is_archived": True}, {"is_archived": False}):
        trial.demo.write("PATCH", f"/api/v2/deals/{deal}", body)
        trial.demo.account.clock.advance(timedelta(hours=1))
        trial.changes(source)
        assert broken_versions(trial, source) == []
    assert gaps(trial, source) == 1


def test_history_that_is_asked_for_later_begins_with_what_is_there(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial()
    plain = trial.source("persons")
    trial.windows(plain)
    trial.changes(plain)
    source = trial.source("persons", created_at=plain.created_at, options={"history": True})
    Churn(trial.demo, seed=2, families=("persons",)).steps(10)
    trial.changes(source)
    assert trial.differences(source) == []
    assert broken_versions(trial, source) == []
