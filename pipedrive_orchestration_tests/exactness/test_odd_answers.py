"""Imports of an account that answers oddly: harmless oddities change nothing, and an odd end is none."""

from __future__ import annotations

from functools import partial

import pytest

from pipedrive_orchestration.demo import Rule, odd
from pipedrive_orchestration.demo.responses import envelope_with
from pipedrive_orchestration.importing import run
from pipedrive_orchestration.pipedrive.client import Client, Patience
from pipedrive_orchestration.pipedrive.errors import Unavailable
from pipedrive_orchestration_tests.chaos.sizes import sample
from pipedrive_orchestration_tests.exactness.churn import Churn
from pipedrive_orchestration_tests.exactness.conftest import FreshTrial

HARMLESS = (
    "flat-paging-facts", "no-limit-headers", "no-date", "text-ids", "unexplained-recents", "no-next-start",
    "odd-fields",
)  # fmt: skip
"""Odd answers that hold all that is needed."""


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a minute of tries would be waited for in earnest."""
    monkeypatch.setattr(run, "Client", partial(Client, patience=Patience(odd=1.2)))


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("object_type", sample(["persons", "leads"], "persons"))
def test_oddities_that_leave_nothing_out_change_nothing(fresh_trial: FreshTrial, object_type: str) -> None:
    trial = fresh_trial(scale=0.005)
    trial.demo.odd.follow(*map(odd, HARMLESS))
    source = trial.wide_source(object_type)
    trial.windows(source)
    Churn(trial.demo, seed=1).steps(40)
    trial.changes(source)
    met = trial.demo.odd.given.keys()
    assert met >= set(HARMLESS) - {"unexplained-recents"}
    assert "unexplained-recents" in met or object_type == "leads"
    trial.demo.odd.follow()
    trial.windows(source)
    assert trial.differences(source) == []


def test_null_is_an_empty_list_only_where_the_source_has_no_rows(fresh_trial: FreshTrial) -> None:
    """Accounts without a filter or a lead label of their own have been seen to answer so."""
    trial = fresh_trial(scale=0.005)
    null = Rule("null", envelope_with(data=None), path="/v1/leadLabels")
    trial.demo.odd.follow(null)
    source = trial.source("lead_labels")
    assert trial.changes(source).rows.current == 0
    assert trial.demo.odd.given["null"] == 2, "it is asked for once more before it is believed"
    trial.demo.odd.follow()
    assert trial.changes(source).rows.current > 0
    trial.demo.odd.follow(null)
    with pytest.raises(Unavailable, match="no records"):
        trial.changes(source)
    assert trial.differences(source) == []


ENDS = envelope_with(data=None, additional_data={"pagination": {"more_items_in_collection": False}})
"""A page without records that says itself that nothing follows, as v1 does where there is nothing."""


@pytest.mark.usefixtures("small_pages")
def test_null_is_no_end_of_a_list_that_goes_on(fresh_trial: FreshTrial) -> None:
    trial = fresh_trial(scale=0.02)
    source = trial.source("notes")
    trial.demo.odd.follow(Rule("null", ENDS, path="/v1/notes", after=1))
    with pytest.raises(Unavailable, match="no records"):
        trial.windows(source)
    trial.demo.odd.follow()
    trial.windows(source)
    assert trial.differences(source) == []


@pytest.mark.parametrize("object_type", sample(["leads", "notes"], "notes"))
def test_one_null_takes_no_rows(fresh_trial: FreshTrial, object_type: str) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source(object_type)
    trial.windows(source)
    assert trial.rows(source)
    trial.demo.odd.follow(Rule("null", ENDS, path=f"/v1/{object_type}", times=1))
    assert trial.windows(source).rows.removed == 0
    assert trial.demo.odd.given["null"] == 1
    assert trial.differences(source) == []


@pytest.mark.parametrize("object_type", sample(["leads", "notes"], "leads"))
def test_null_is_an_empty_paged_list_only_where_the_source_has_no_rows(
    fresh_trial: FreshTrial, object_type: str
) -> None:
    trial = fresh_trial(scale=0.005)
    source = trial.source(object_type)
    null = Rule("null", ENDS, path=f"/v1/{object_type}")
    trial.demo.odd.follow(null)
    assert trial.windows(source).rows.current == 0
    trial.demo.odd.follow()
    assert trial.windows(source).rows.current > 0
    trial.demo.odd.follow(null)
    with pytest.raises(Unavailable, match="no records"):
        trial.windows(source)
    assert trial.differences(source) == []


@pytest.mark.parametrize("object_type", sample(["leads", "notes"], "leads"))
def test_null_takes_no_rows_of_a_window(fresh_trial: FreshTrial, object_type: str) -> None:
    """A window can have become empty, so its list may say so; each of its rows is asked for then."""
    trial = fresh_trial(scale=0.005)
    source = trial.source(object_type)
    trial.windows(source)
    trial.demo.odd.follow(Rule("null", ENDS, path=f"/v1/{object_type}"))
    report = trial.windows(source, trial.all_windows(source)[1:])
    assert (report.rows.read > 0, report.rows.removed) == (True, 0)
    trial.demo.odd.follow()
    assert trial.differences(source) == []
