"""A long range is split among readers: nothing is lost, and it costs hardly more requests."""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from pathlib import Path

import pytest

from pipedrive_orchestration.demo import DemoServer, LoggedRequest, running_demo
from pipedrive_orchestration.pipedrive import pagination
from pipedrive_orchestration_tests.chaos.sizes import in_full, sample
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import BetweenRequests, FreshTrial
from pipedrive_orchestration_tests.exactness.trial import Trial

FEW = ("id", "name", "owner_id", "update_time")


def reads(server: DemoServer, path: str, limit: str) -> list[LoggedRequest]:
    """The requests for whole pages of a list."""
    return [one for one in server.account.requests if one.path == path and one.query.get("limit") == limit]


@in_full
@pytest.mark.usefixtures("small_pages")
def test_a_hundred_pages(tmp_path: Path) -> None:
    with running_demo(account_settings(scale=0.5, latency_ms=5)) as demo:
        trial = Trial(demo, tmp_path)
        source = trial.source("persons", properties=FEW)
        report = trial.windows(source)
        assert report.rows.current > 1_800
        assert trial.differences(source) == []
        made = reads(demo, "/api/v2/persons", "20")
        assert len(made) <= 1.05 * ceil(report.rows.current / 20) + 3
        ranges = [request.query.get("updated_since") for request in made]
        assert len(set(ranges)) > 2, "the range was split"
        turns = sum(one != other for one, other in pairwise(ranges))
        assert turns > len(set(ranges)), "its parts were read side by side"


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(
    ("object_type", "path"),
    sample([("persons", "/api/v2/persons"), ("notes", "/v1/notes")], ("notes", "/v1/notes")),
)
def test_what_fits_on_a_few_pages_is_not_split(fresh_trial: FreshTrial, object_type: str, path: str) -> None:
    trial = fresh_trial(latency_ms=5)
    source = trial.source(object_type)
    report = trial.windows(source)
    assert len(reads(trial.demo, path, "20")) == ceil(report.rows.current / 20)
    assert trial.differences(source) == []


@pytest.mark.parametrize(
    ("object_type", "scale"), sample([("persons", 0.1), ("notes", 0.3)], ("persons", 0.1))
)
def test_parts_of_a_split_range_under_writes(
    fresh_trial: FreshTrial,
    between_requests: BetweenRequests,
    monkeypatch: pytest.MonkeyPatch,
    object_type: str,
    scale: float,
) -> None:
    monkeypatch.setattr(pagination, "MAX_PAGE_SIZE", 6)
    trial = fresh_trial(scale=scale, latency_ms=5)
    source = trial.source(object_type)
    churn = Churn(trial.demo, seed=2, families=(object_type,))
    with between_requests(trial.demo, lambda _request: churn.steps(1)):
        trial.windows(source)
    begun = [one.query.get("updated_since", "") for one in reads(trial.demo, source.type.path, "6")]
    assert begun != sorted(begun), "later parts were read before the end of earlier ones"
    trial.changes(source)
    assert trial.differences(source) == []
