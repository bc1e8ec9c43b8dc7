"""A record that moves between lists while they are read, at each moment: right after every request."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer, LoggedRequest
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.chaos.sizes import FULL, in_full, sample
from pipedrive_orchestration_tests.exactness.conftest import BetweenRequests, FreshTrial
from pipedrive_orchestration_tests.exactness.test_costs import with_many
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.filters.demo_truth import ONE_WINDOW

Move = Callable[[DemoServer, Any, Any], None]
"""Changes a record of an account; the third is another record of the same type."""


def patched(body: dict[str, bool]) -> Callable[[str], Move]:
    return lambda path: lambda demo, one, _: demo.write("PATCH", f"{path}/{one}", body)


def deleted(path: str) -> Move:
    return lambda demo, one, _: demo.write("DELETE", f"{path}/{one}")


def merged(name: str) -> Move:
    return lambda demo, one, other: demo.write("PUT", f"/v1/{name}/{one}/merge", {"merge_with_id": other})


archived, unarchived = patched({"is_archived": True}), patched({"is_archived": False})
restored = patched({"is_deleted": False})

DEALS, LEADS = "/api/v2/deals", "/v1/leads"


@dataclass(frozen=True)
class Course:
    """The moves of one record: some before a pull, the others at one moment of it."""

    before: list[Move]
    meanwhile: list[Move]


COURSES: dict[str, list[Course]] = {
    "deals": [
        Course([archived(DEALS)], [unarchived(DEALS)]),
        Course([archived(DEALS)], [unarchived(DEALS), deleted(DEALS)]),
        Course([deleted(DEALS)], [restored(DEALS)]),
        Course([deleted(DEALS)], [restored(DEALS), archived(DEALS)]),
        Course([], [archived(DEALS)]),
        Course([], [deleted(DEALS)]),
        Course([], [merged("deals")]),
    ],
    "leads": [
        Course([archived(LEADS)], [unarchived(LEADS)]),
        Course([archived(LEADS)], [unarchived(LEADS), deleted(LEADS)]),
        Course([], [archived(LEADS)]),
        Course([], [deleted(LEADS)]),
    ],
    "persons": [Course([], [merged("persons")]), Course([], [deleted("/api/v2/persons")])],
    "organizations": [Course([], [merged("organizations")])],
}

MISSING_LEADS = 31
"""More leads that are missing than are asked for one by one."""


SOON = timedelta(seconds=5)

EVERYTHING = [
    ("deals", False, 1),
    ("leads", False, MISSING_LEADS),
    ("persons", False, 1),
    ("deals", True, 1),
    ("leads", False, 1),
    ("leads", True, MISSING_LEADS),
    ("organizations", False, 0),
]
"""Object types, whether archived records are members, and how many are missing besides."""


@pytest.mark.parametrize(
    ("object_type", "include_archived", "missing"),
    sample(EVERYTHING, *EVERYTHING[:2]),
)
def test_after_every_request_of_a_pull(
    fresh_trial: FreshTrial,
    between_requests: BetweenRequests,
    object_type: str,
    include_archived: bool,
    missing: int,
) -> None:
    """Right after the nth request of a pull of all windows, records of every course move, for every n.

    It is every other n without `make chaos`.

    Args:
        missing: how many records more are deleted before each pull, so that it looks for them.
    """
    trial = fresh_trial(scale=0.04)
    path = BUILT_IN[object_type].path
    source = trial.source(
        object_type,
        properties=("id", "owner_id"),
        options=ONE_WINDOW | {"include_archived": include_archived},
    )
    if object_type == "leads":
        with_many(trial, object_type, 12 * missing + 100)
    trial.windows(source)
    alive = [
        one["_id"] for one in trial.rows(source).values() if one["_is_current"] and not one["_is_archived"]
    ]
    survivor, *others = (str(one) if object_type == "leads" else one for one in alive)
    records = iter(others)
    for nth in itertools.count(1, 1 if FULL else 2):
        trial.demo.account.clock.advance(timedelta(minutes=10))
        for one in itertools.islice(records, missing):
            trial.demo.write("DELETE", f"{path}/{one}")
        moving = [(course, next(records), survivor) for course in COURSES[object_type]]
        for course, one, other in moving:
            for move in course.before:
                move(trial.demo, one, other)
        trial.demo.account.clock.advance(SOON)
        there = members(trial, source)
        moment = Moment(nth, trial.demo, moving)
        with between_requests(trial.demo, moment):
            trial.windows(source)
        there &= members(trial, source)
        rows = trial.rows(source)
        wrong = [one for one in there if rows[one]["_removal"] in ("deleted", "invisible")]
        assert wrong == [], f"called deleted right after request {nth}"
        if moment.count < nth:
            break
        trial.changes(source)
        if object_type == "leads":
            # Nothing tells of deleted leads before windows are read again.
            trial.windows(source)
        assert trial.differences(source) == [], f"right after request {nth}"
    assert nth > 3


def members(trial: Trial, source: Source) -> set[str]:
    """The records of the account that are not deleted and have a row, as text."""
    existing = {
        str(record["id"])
        for record in trial.demo.account.records(source.object_type)
        if not record.get("is_deleted")
    }
    return existing & trial.rows(source).keys()


class Moment:
    """Lets records move right after the nth request.

    Attributes:
        count: how many requests there were.
    """

    def __init__(self, nth: int, demo: DemoServer, moving: list[tuple[Course, Any, Any]]) -> None:
        self.count = 0
        self._nth = nth
        self._demo = demo
        self._moving = moving

    def __call__(self, _request: LoggedRequest) -> None:
        self.count += 1
        if self.count == self._nth:
            for course, one, other in self._moving:
                for move in course.meanwhile:
                    move(self._demo, one, other)
            self._demo.account.clock.advance(SOON)


@in_full
@pytest.mark.usefixtures("small_pages")
def test_what_is_deleted_after_the_feed_was_read_is_not_called_hidden(
    fresh_trial: FreshTrial, between_requests: BetweenRequests
) -> None:
    """Windows are reconciled one after the other, and the feed is read for the first that misses a row."""
    trial = fresh_trial(scale=0.2)
    source = trial.source("persons", properties=("id",))
    trial.windows(source)
    rows = trial.rows(source)
    first, *others = sorted(
        (one for one in rows if rows[one]["_update_time"]), key=lambda one: rows[one]["_update_time"]
    )
    trial.demo.write("DELETE", f"/api/v2/persons/{first}")
    trial.demo.account.clock.advance(timedelta(minutes=10))
    victims = others[-40:]

    def delete_them(request: LoggedRequest) -> None:
        if request.path == "/v1/recents":
            while victims:
                trial.demo.write("DELETE", f"/api/v2/persons/{victims.pop()}")

    with between_requests(trial.demo, delete_them):
        trial.windows(source)
    trial.changes(source)
    assert trial.differences(source) == []
