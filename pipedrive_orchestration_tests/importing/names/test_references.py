"""Every reference has the names of what it refers to, and they follow it."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.importing import ImportReport, Pull
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration_tests.chaos.sizes import FULL, sample
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.names.expected import (
    ONE_WINDOW,
    REFERRED,
    WITH_REFERENCES,
    Names,
    names_of,
    offered,
    rename,
    wrong_names,
)
from pipedrive_orchestration_tests.importing.names.segments import current, employees, filtered

OF_EACH_KIND = ("deals", "leads", "activities", "notes", "projects", "tasks", "legacy_teams", "files")
"""Object types that refer to others in every way: by an id, by several, by a UUID, to their own kind."""


@pytest.mark.parametrize("object_type", sample(WITH_REFERENCES, *OF_EACH_KIND))
def test_every_reference_has_its_names(trial: Trial, object_type: str) -> None:
    options = offered(trial.demo, object_type)
    names = Names(trial.demo.account, options)
    built_in = {p.key for p in BUILT_IN[object_type].properties if p.field_type in REFERRED}
    # A file repeats the names of what it belongs to.
    own = {prop.key for prop in BUILT_IN[object_type].properties}
    built_in -= {key for key in built_in if f"{key.removesuffix('_id')}_name" in own}
    assert built_in <= {of for of, _ in names.of.values()}
    assert all(one["extras"]["derived"] for one in options if one["value"] in names.of)
    what = trial.source(object_type, properties=("id", *names.of), options=ONE_WINDOW)
    report = trial.windows(what)
    assert wrong_names(trial, what, names) == []
    assert not report.notes
    shown = [
        key for key in names.of if any(row[key] for row in trial.rows(what).values() if row["_is_current"])
    ]
    assert len(shown) > len(names.of) / 2 or object_type in {"filters", "notes", "files"}


def test_derived_names_have_names_that_their_users_know(trial: Trial) -> None:
    expected = {
        "persons": {"owner_name", "owner_email", "org_name"},
        "deals": {"org_name", "person_name", "owner_name", "stage_name", "pipeline_name", "creator_name"},
        "leads": {"label_names", "organization_name", "person_name", "owner_name", "creator_name"},
        "activities": {"deal_title", "lead_title", "person_name", "org_name", "owner_name"},
        "stages": {"pipeline_name"},
        "notes": {"user_name", "deal_title", "person_name", "org_name", "lead_title"},
        "projects": {"board_name", "phase_name", "owner_name", "deal_titles", "person_names", "org_names"},
        "tasks": {"project_title", "parent_task_title", "creator_name", "assignee_names"},
        "legacy_teams": {"manager_name", "user_names", "user_emails"},
        "roles": {"parent_role_name"},
    }
    for object_type, names in expected.items():
        assert names <= set(names_of(offered(trial.demo, object_type), derived=True)), object_type


RENAMED: dict[str, tuple[str, str, str]] = {
    "org_name": ("persons", "organizations", "org_id"),
    "person_name": ("deals", "persons", "person_id"),
    "stage_name": ("deals", "stages", "stage_id"),
    "pipeline_name": ("deals", "pipelines", "pipeline_id"),
    "owner_name": ("deals", "users", "owner_id"),
    "deal_title": ("activities", "deals", "deal_id"),
    "lead_title": ("activities", "leads", "lead_id"),
    "label_names": ("leads", "lead_labels", "label_ids"),
    "next_activity_subject": ("deals", "activities", "next_activity_id"),
}


@pytest.mark.parametrize("key", sample(RENAMED, "org_name", "stage_name", "owner_name", "label_names"))
def test_what_was_renamed_has_its_new_name_after_one_tick(renaming: Trial, key: str) -> None:
    object_type, referred, of = RENAMED[key]
    trial = renaming
    what = trial.source(object_type, slug=key, properties=("id", of, key), options=ONE_WINDOW)
    trial.windows(what)
    renamed = next(
        row
        for row in trial.rows(what).values()
        if row["_is_current"] and row[key] and (not isinstance(row[key], list) or len(row[key]) == 1)
    )
    target = renamed[of][0] if isinstance(renamed[of], list) else renamed[of]
    before = trial.rows(what)
    rename(trial, referred, str(target) if isinstance(target, UUID) else target, f"New name of {key}")
    report = trial.changes(what)
    expected = [f"New name of {key}"] if isinstance(renamed[of], list) else f"New name of {key}"
    after = trial.rows(what)
    assert after[str(renamed["_id"])][key] == expected
    # All rows that refer to it have it, no other one has changed, and the records themselves have not.
    changed = {one for one in after if after[one][key] != before[one][key]}
    assert changed == {
        one
        for one, row in before.items()
        if row["_is_current"]
        and (target in row[of] if isinstance(row[of], list) and row[of] else row[of] == target)
    }
    assert {after[one]["_update_time"] == before[one]["_update_time"] for one in changed} == {True}
    assert report.rows.updated == len(changed)
    assert any("show other names" in note for note in report.notes)


def test_changes_pulls_name_what_new_records_refer_to(own_trial: Trial) -> None:
    trial = own_trial
    what = trial.source("persons", properties=("name", "org_name"), options=ONE_WINDOW)
    trial.windows(what)
    made = trial.demo.write("POST", "/api/v2/organizations", {"name": "Founded just now"})
    person = trial.demo.write("POST", "/api/v2/persons", {"name": "Ann", "org_id": made["id"]})
    report: ImportReport = trial.changes(what)
    assert trial.rows(what)[str(person["id"])]["org_name"] == "Founded just now"
    assert report.pull is Pull.CHANGES


def test_a_new_name_is_no_version_of_the_records_that_refer_to_it(own_trial: Trial) -> None:
    trial = own_trial
    what = trial.source(
        "persons", properties=("name", "org_id", "org_name"), options={**ONE_WINDOW, "history": True}
    )
    trial.windows(what)
    person, organization, name = trial.ask(
        "SELECT _id, org_id, org_name FROM pipedrive.persons WHERE org_name IS NOT NULL LIMIT 1"
    )[0]
    rename(trial, "organizations", organization, "Another name")
    trial.changes(what)
    versions = "SELECT org_name, _valid_to IS NULL FROM pipedrive_history.persons WHERE _id = ? ORDER BY ALL"
    assert trial.ask(versions, person) == [(name, True)]
    assert trial.rows(what)[str(person)]["org_name"] == "Another name"
    trial.demo.account.clock.advance(timedelta(minutes=1))
    trial.demo.write("PATCH", f"/api/v2/persons/{person}", {"name": "Changed"})
    trial.changes(what)
    assert sorted(trial.ask(versions, person)) == sorted([(name, False), ("Another name", True)])


EXISTS = "SELECT 1 FROM import_ledger.watermarks WHERE source = ?"

OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["rename", "move", "leave", "found", "delete", "tick"]),
        st.integers(0, 10**6),
        st.text("abÄ 🌍'", min_size=1, max_size=6).filter(str.strip),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def former() -> dict[tuple[str, int], set[str]]:
    """The names that organizations of the account of `renaming` had before."""
    return defaultdict(set)


@settings(
    max_examples=40 if FULL else 2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(operations=OPERATIONS)
@example(operations=[("rename", 3, "a"), ("delete", 3, "a")])
def test_names_are_those_of_the_account_whatever_happens(
    renaming: Trial, former: dict[tuple[str, int], set[str]], operations: list[tuple[str, int, str]]
) -> None:
    trial = renaming
    account = trial.demo.account
    what = trial.source("persons", slug="any", properties=("name", "org_name"), options=ONE_WINDOW)
    segment = filtered(
        trial, {"variable": "org_name", "condition": "contains", "value": "ä"}, slug="any_segment"
    )
    for one in (what, segment):
        is_imported = trial.warehouse.exists and trial.ask(EXISTS, one.slug)
        (trial.changes if is_imported else trial.windows)(one)
    for operation, number, text in operations:
        persons = [one["id"] for one in account.records("persons") if not one["is_deleted"]]
        organizations = [one["id"] for one in account.records("organizations") if not one["is_deleted"]]
        person, organization = (ids[number % len(ids)] for ids in (persons, organizations))
        match operation:
            case "rename":
                known = account.record("organizations", organization)
                former["organizations", organization].add(known["name"] if known else "")
                rename(trial, "organizations", organization, text)
            case "move":
                trial.demo.write("PATCH", f"/api/v2/persons/{person}", {"org_id": organization})
            case "leave":
                trial.demo.write("PATCH", f"/api/v2/persons/{person}", {"org_id": None})
            case "found":
                made = trial.demo.write("POST", "/api/v2/organizations", {"name": text})
                trial.demo.write("PATCH", f"/api/v2/persons/{person}", {"org_id": made["id"]})
            case "delete" if len(organizations) > 5:
                trial.demo.write("DELETE", f"/api/v2/organizations/{organization}")
            case _:
                trial.changes(what)
        account.clock.advance(timedelta(seconds=number % 3))
    trial.changes(what)
    trial.changes(segment)
    options = [one for one in offered(trial.demo, "persons") if one["value"] in ("org_id", "org_name")]
    assert wrong_names(trial, what, Names(account, options, former)) == []
    expected = employees(trial, lambda name: "ä" in name.casefold())
    assert expected <= current(trial, segment)
    names = {str(one["id"]): one for one in account.records("persons")}
    alive = {one["id"] for one in account.records("organizations") if not one["is_deleted"]}
    surplus = current(trial, segment) - expected
    assert all(names[one]["org_id"] not in alive for one in surplus)
