"""Lists that shift between two pages: many records in one second, offsets, the feed of deletions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipedrive_orchestration.demo import LoggedRequest
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import BetweenRequests, FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial

IN_ONE_SECOND: dict[str, tuple[str, dict[str, Any]]] = {
    "persons": ("/api/v2/persons", {"name": "One of many"}),
    "notes": ("/v1/notes", {"content": "One of many", "person_id": 1}),
    "leads": ("/v1/leads", {"title": "One of many", "person_id": 1}),
}


def many_in_one_second(trial: Trial, object_type: str, count: int) -> list[Any]:
    """So many records created in the same second, three days ago. Returns their ids, in order."""
    path, body = IN_ONE_SECOND[object_type]
    account = trial.demo.account
    person = next(one["id"] for one in account.records("persons") if not one["is_deleted"])
    body = {key: person if key == "person_id" else value for key, value in body.items()}
    with account.clock.at(account.clock.now() - timedelta(days=3)):
        ids = [trial.demo.write("POST", path, body)["id"] for _ in range(count)]
    return sorted(ids)


@pytest.mark.parametrize("object_type", sample(IN_ONE_SECOND, "leads"))
def test_more_records_in_one_second_than_fit_on_two_pages(fresh_trial: FreshTrial, object_type: str) -> None:
    trial = fresh_trial()
    many_in_one_second(trial, object_type, 1_150)
    source = trial.source(object_type, properties=("id", "add_time", "update_time"))
    report = trial.windows(source)
    assert report.rows.current > 1_150
    assert trial.differences(source) == []
    trial.changes(source)
    assert trial.differences(source) == []


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("object_type", sample(["persons", "notes"], "notes"))
def test_records_that_leave_a_crowded_second_while_it_is_read(
    fresh_trial: FreshTrial, between_requests: BetweenRequests, object_type: str
) -> None:
    """Each change moves a record that was read already to the end, and pulls up those still to be read."""
    trial = fresh_trial()
    ids = many_in_one_second(trial, object_type, 90)
    path, body = IN_ONE_SECOND[object_type]
    title = next(key for key in body if key != "person_id")
    unread = iter(ids)

    def change_one(request: LoggedRequest) -> None:
        if request.path == path and request.query.get("limit") == "20":
            method = "PUT" if object_type == "notes" else "PATCH"
            trial.demo.write(method, f"{path}/{next(unread)}", {title: "Changed while it was read"})

    source = trial.source(object_type, properties=("id", title, "update_time"))
    with between_requests(trial.demo, change_one):
        trial.windows(source)
    trial.changes(source)
    assert trial.differences(source) == []


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("object_type", sample(["persons", "notes"], "persons"))
def test_deletions_in_a_feed_that_shifts_while_it_is_read(
    fresh_trial: FreshTrial, between_requests: BetweenRequests, object_type: str
) -> None:
    """Deletions of two hours ago, longer than any overlap: the pull after next does not see them again."""
    trial = fresh_trial()
    account = trial.demo.account
    churn = Churn(trial.demo, seed=1, families=(object_type,))
    source = trial.source(object_type)
    trial.windows(source)
    churn.steps(120)
    account.clock.advance(timedelta(hours=3))

    def change_one(request: LoggedRequest) -> None:
        if request.path == "/v1/recents":
            churn.steps(2)

    with between_requests(trial.demo, change_one):
        trial.changes(source)
    feeds = [request for request in account.requests if request.path == "/v1/recents"]
    assert len(feeds) > 2, "the feed had several pages"
    trial.changes(source)
    assert trial.differences(source) == []


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("object_type", sample(["deals", "leads"], "deals"))
def test_writes_between_all_requests(
    fresh_trial: FreshTrial, between_requests: BetweenRequests, object_type: str
) -> None:
    trial = fresh_trial()
    source = trial.wide_source(object_type, options={"include_archived": True})
    churn = Churn(trial.demo, seed=2, families=(object_type,))
    churn.steps(50)
    with between_requests(trial.demo, lambda _request: churn.steps(2)):
        trial.windows(source)
        trial.changes(source)
        trial.windows(source)
    trial.changes(source)
    if object_type == "leads":
        # Nothing tells of deleted leads before windows are read again.
        trial.windows(source)
    assert trial.differences(source) == []
