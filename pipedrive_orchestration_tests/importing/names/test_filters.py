"""Filters by names: who belongs follows what is renamed, and Pipedrive filters where a name has one id."""

from __future__ import annotations

from pipedrive_orchestration.importing import preview
from pipedrive_orchestration.sources import SourceBody
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.names.expected import rename
from pipedrive_orchestration_tests.importing.names.segments import current, employees, filtered


def test_who_belongs_by_a_name_follows_it(own_trial: Trial) -> None:
    trial = own_trial
    what = filtered(trial, {"variable": "org_name", "condition": "contains", "value": "gmbh"})
    other = filtered(trial, {"variable": "org_name", "condition": "contains", "value": "gmbh"}, slug="other")
    trial.windows(what)
    trial.windows(other)
    inside = employees(trial, lambda name: "gmbh" in name.casefold())
    outside = employees(trial, lambda name: "gmbh" not in name.casefold())
    assert current(trial, what) == inside
    assert inside
    assert outside
    by_id = {str(one["id"]): one for one in trial.demo.account.records("persons")}
    enters, leaves = by_id[min(outside)]["org_id"], by_id[min(inside)]["org_id"]
    rename(trial, "organizations", enters, "Now a GmbH")
    rename(trial, "organizations", leaves, "Now something else")
    report = trial.changes(what)
    expected = employees(trial, lambda name: "gmbh" in name.casefold())
    assert current(trial, what) == expected != inside
    assert not any("full pull" in note for note in report.notes)
    # Somebody else has read the new names already.
    assert current(trial, other) == inside
    trial.changes(other)
    assert current(trial, other) == expected
    asked = len(trial.demo.account.requests)
    trial.changes(other)
    assert not [one for one in trial.demo.account.requests[asked:] if "org_id" in one.query]


def test_many_new_names_in_a_filter_are_answered_by_a_full_pull(own_trial: Trial) -> None:
    trial = own_trial
    what = filtered(trial, {"variable": "org_name", "condition": "starts with", "value": "New"})
    trial.windows(what)
    assert current(trial, what) == set()
    with_staff = {one["org_id"] for one in trial.demo.account.records("persons") if not one["is_deleted"]}
    for one in trial.demo.account.records("organizations"):
        if one["id"] in with_staff and not one["is_deleted"]:
            rename(trial, "organizations", one["id"], f"New {one['id']}")
    report = trial.changes(what)
    assert any("names that the filter looks at" in note for note in report.notes)
    assert current(trial, what) == employees(trial, lambda name: name.startswith("New"))


def test_pipedrive_filters_by_the_id_where_a_name_has_one(trial: Trial) -> None:
    persons = [one for one in trial.demo.account.records("persons") if not one["is_deleted"]]
    organizations = {
        one["id"]: one["name"] for one in trial.demo.account.records("organizations") if not one["is_deleted"]
    }
    unique = next(
        one["org_id"]
        for one in persons
        if list(organizations.values()).count(organizations.get(one["org_id"])) == 1
    )
    leaf = {"variable": "org_name", "value": organizations[unique].upper()}
    what = filtered(trial, leaf, properties=("name", "org_name"))
    asked = len(trial.demo.account.requests)
    trial.windows(what)
    lists = [
        one.query
        for one in trial.demo.account.requests[asked:]
        if one.path == "/api/v2/persons" and "updated_since" not in one.query and one.query["limit"] != "1"
    ]
    assert {query.get("org_id") for query in lists} == {str(unique)}
    assert current(trial, what) == employees(trial, lambda name: name == organizations[unique])


def test_a_preview_shows_names_and_filters_by_them(trial: Trial) -> None:
    body = SourceBody.parse(
        {
            "name": "x",
            "object_type": "persons",
            "properties": ["name", "email", "org_name"],
            "pull_mode": "static",
            "filters": {"conditions": [{"variable": "org_name", "condition": "contains", "value": "GmbH"}]},
        }
    )
    found = preview(body, connection=trial.connection)
    assert found.total_results == len(employees(trial, lambda name: "gmbh" in name.casefold())) > 0
    assert all("gmbh" in row["org_name"]["value"].casefold() for row in found.rows)
    assert list(found.labels.values()) == ["Name", "Email", "Organization name"]
