"""Properties by their names of v1, and names behind references, from the account to tables and workflows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.demo import Account, DemoServer
from pipedrive_orchestration.importing import ImportReport, Pull, preview, property_options
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.object_types import CATALOGUE
from pipedrive_orchestration.sources import FilterGroup, InvalidBodyError, Source, SourceBody
from pipedrive_orchestration.workflows.model import Workflow, WorkflowFile
from pipedrive_orchestration.workflows.sync import run_sync
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.accounts import UPDATED, account
from pipedrive_orchestration_tests.importing.canned import Answer, Asked, Reply, serving
from pipedrive_orchestration_tests.importing.imports import query, rows, run, source

Record = dict[str, Any]

ONE_WINDOW = {"partitions_start": f"{PRESENT:%Y-%m}"}

TITLES = {"deals": "title", "leads": "title", "activities": "subject"}
"""What shows a record in place of its id, where that is not its name."""

ACME = {"id": 77, "name": "Acme", "update_time": UPDATED}


def found_by_ids(*found: Record) -> Reply:
    """Those records, also where they are looked up by their ids."""

    def reply(asked: Asked) -> Answer:
        wanted = asked.query.get("ids")
        shown = [one for one in found if wanted is None or str(one["id"]) in wanted.split(",")]
        return Answer({"success": True, "data": shown, "additional_data": {"next_cursor": None}})

    return reply


DENIED = Answer({"success": False, "error": "Scope and URL mismatch", "errorCode": 403}, 403)


def names_of(options: list[Record], *, derived: bool) -> dict[str, str]:
    """The properties that are other names, or derived, and of which."""
    extra = "of" if derived else "alias_of"
    return {one["value"]: one["extras"][extra] for one in options if extra in one["extras"]}


def offered(demo: DemoServer, object_type: str) -> list[Record]:
    return property_options(object_type, connection=Connection.of(demo.url, demo.token))


# What the properties of an object type refer to, as Pipedrive names the types of fields.
REFERRED = {
    "user": "users",
    "org": "organizations",
    "people": "persons",
    "deal": "deals",
    "lead": "leads",
    "activity": "activities",
    "product": "products",
    "pipeline": "pipelines",
    "stage": "stages",
    "uuids": "lead_labels",
}

WITH_REFERENCES = [
    name
    for name, object_type in CATALOGUE.items()
    if any(prop.field_type in REFERRED for prop in object_type.properties)
]


class Names:
    """What derived cells have to be, by the account's own records."""

    def __init__(self, account: Account, options: list[Record]) -> None:
        self._account = account
        types = {one["value"]: one["extras"]["field_type"] for one in options}
        self.of = {key: (of, REFERRED[types[of]]) for key, of in names_of(options, derived=True).items()}
        self._records: dict[str, dict[Any, Record]] = {}

    def read(self) -> None:
        """Look at the account as it is now."""
        wanted = {object_type for _, object_type in self.of.values()}
        self._records = {name: {one["id"]: one for one in self._account.records(name)} for name in wanted}

    def fits(self, key: str, record: Record, cell: Any) -> bool:
        """Whether a cell is right; the name of what was deleted may be known or not."""
        of, object_type = self.of[key]
        value = record.get(of, (record.get("custom_fields") or {}).get(of))
        if isinstance(value, list):
            return bool(cell == [self._name(key, object_type, one) for one in value])
        if value is None:
            return cell is None
        target = self._records[object_type].get(value)
        if target is None or target.get("is_deleted") or target.get("active_flag") is False:
            return cell is None or target is None or cell == self._name(key, object_type, value)
        return bool(cell == self._name(key, object_type, value))

    def _name(self, key: str, object_type: str, record_id: Any) -> Any:
        attribute = "email" if key.endswith("_email") else TITLES.get(object_type, "name")
        target = self._records[object_type].get(record_id)
        return target and target[attribute]


def wrong_names(trial: Trial, what: Source, names: Names) -> list[str]:
    """The current cells of a source's table that show another name than they have to."""
    names.read()
    by_id = {str(one["id"]): one for one in trial.demo.account.records(what.object_type)}
    return [
        f"{record_id}.{key}: {row[key]}"
        for record_id, row in trial.rows(what).items()
        if row["_is_current"]
        for key in what.properties
        if key in names.of and not names.fits(key, by_id[record_id], row[key])
    ]


@pytest.fixture
def trial(demo: DemoServer, tmp_path: Path) -> Trial:
    """The shared account, to be read, and a warehouse."""
    return Trial(demo, tmp_path)


@pytest.fixture
def own_trial(fresh_demo: Callable[..., DemoServer], tmp_path: Path) -> Trial:
    """An account of the test's own, and a warehouse."""
    return Trial(fresh_demo(), tmp_path)


@pytest.mark.parametrize(
    "object_type",
    ["deals", "persons", "organizations", "activities", "products", "pipelines", "stages"],
)
def test_properties_come_under_their_names_of_v1(trial: Trial, object_type: str) -> None:
    older = names_of(offered(trial.demo, object_type), derived=False)
    assert older
    today = dict.fromkeys(of.partition(".")[0] for of in older.values())
    what = trial.source(object_type, properties=(*older, *today), options=ONE_WINDOW)
    trial.windows(what)
    found = trial.rows(what)
    assert found
    for row in found.values():
        for name, of in older.items():
            key, _, part = of.partition(".")
            value = row[key][part] if part and row[key] else row[key]
            opposite = name.startswith("active")
            assert row[name] == ((not value) if opposite and value is not None else value), name


def test_an_email_is_what_v1_had_a_list_with_its_label_and_whether_it_is_primary(trial: Trial) -> None:
    what = trial.source("persons", properties=("email", "label", "active_flag"), options=ONE_WINDOW)
    trial.windows(what)
    person = next(one for one in trial.demo.account.records("persons") if one["emails"])
    row = trial.rows(what)[str(person["id"])]
    assert row["email"] == person["emails"]
    assert (row["label"], row["active_flag"]) == (person["label_ids"] or [], True)
    [(email, labels)] = trial.ask(
        'SELECT "Email", "Label" FROM pipedrive_labeled.persons WHERE len("Label") > 0 LIMIT 1'
    )
    assert email is None or isinstance(email, list)
    assert all(isinstance(label, str) and not label.isdigit() for label in labels)


def test_filters_take_names_of_v1_and_pipedrive_filters_by_them(trial: Trial) -> None:
    owner = trial.demo.account.records("deals")[0]["owner_id"]
    body = SourceBody.parse(
        {
            "name": "x",
            "object_type": "deals",
            "properties": ["title", "user_id"],
            "pull_mode": "static",
            "filters": {
                "conditions": [
                    {"variable": "user_id", "value": owner},
                    {"variable": "deleted", "condition": "is false"},
                ]
            },
        }
    )
    found = preview(body, connection=trial.connection)
    assert found.restrictions == {"owner_id": str(owner)}
    assert {row["user_id"]["value"] for row in found.rows} == {owner}


def test_near_matches_know_all_names(trial: Trial) -> None:
    body = {"name": "x", "object_type": "persons", "properties": ["emial", "org_nam"], "pull_mode": "static"}
    with pytest.raises(InvalidBodyError) as refused:
        preview(SourceBody.parse(body), connection=trial.connection)
    first, second = (problem.message for problem in refused.value.problems)
    assert "did you mean email" in first
    assert "org_name" in second


@pytest.mark.parametrize("object_type", WITH_REFERENCES)
def test_every_reference_has_its_names(trial: Trial, object_type: str) -> None:
    options = offered(trial.demo, object_type)
    names = Names(trial.demo.account, options)
    built_in = {p.key for p in CATALOGUE[object_type].properties if p.field_type in REFERRED}
    assert built_in <= {of for of, _ in names.of.values()}
    assert all(one["extras"]["derived"] for one in options if one["value"] in names.of)
    what = trial.source(object_type, properties=("id", *names.of), options=ONE_WINDOW)
    report = trial.windows(what)
    assert wrong_names(trial, what, names) == []
    assert not report.notes
    shown = [
        key for key in names.of if any(row[key] for row in trial.rows(what).values() if row["_is_current"])
    ]
    assert len(shown) > len(names.of) / 2 or object_type in {"filters", "notes"}


def test_derived_names_have_names_that_their_users_know(trial: Trial) -> None:
    expected = {
        "persons": {"owner_name", "owner_email", "org_name"},
        "deals": {"org_name", "person_name", "owner_name", "stage_name", "pipeline_name", "creator_name"},
        "leads": {"label_names", "organization_name", "person_name", "owner_name", "creator_name"},
        "activities": {"deal_title", "lead_title", "person_name", "org_name", "owner_name"},
        "stages": {"pipeline_name"},
        "notes": {"user_name", "deal_title", "person_name", "org_name", "lead_title"},
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


@pytest.fixture(scope="module")
def renaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """An account in which things are renamed, and a warehouse."""
    from pipedrive_orchestration.demo import running_demo  # noqa: PLC0415
    from pipedrive_orchestration_tests.conftest import account_settings  # noqa: PLC0415

    with running_demo(account_settings()) as demo:
        yield Trial(demo, tmp_path_factory.mktemp("renaming"))


def rename(trial: Trial, object_type: str, record_id: Any, name: str) -> None:
    """Give something another name; users cannot be renamed over the API."""
    attribute = TITLES.get(object_type, "name")
    if object_type == "users":
        known = trial.demo.account.record("users", record_id)
        assert known is not None
        trial.demo.account["users"].put(known | {attribute: name})
        return
    path = f"{CATALOGUE[object_type].path}/{record_id}"
    trial.demo.write("PATCH", path, {attribute: name})


@pytest.mark.parametrize("key", RENAMED)
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


def test_names_cost_what_the_documents_say(own_trial: Trial) -> None:
    """What a tick costs is a list of changes and of each short list; first, each id once."""
    trial = own_trial
    plain = trial.source("persons", slug="plain", properties=("name",), options=ONE_WINDOW)
    named = trial.source(
        "persons", slug="named", properties=("name", "org_name", "owner_name"), options=ONE_WINDOW
    )
    # The first import of all asks who the token's user is, for two tokens.
    first = [trial.windows(plain).tokens - 2, trial.windows(named).tokens]
    organizations = trial.ask("SELECT count(DISTINCT _org_id) FROM pipedrive.named")[0][0]
    assert 0 < organizations <= 100
    assert first[1] - first[0] == 20 + 10 + 10, "users, organizations by ids, and how many there are"
    ticks = [trial.changes(one).tokens for one in (plain, named)]
    assert ticks[1] - ticks[0] == 20 + 10, "users, and changes of organizations"


def test_an_unfiltered_source_spares_looking_names_up(own_trial: Trial) -> None:
    trial = own_trial
    organizations = trial.source("organizations", properties=("name",), options=ONE_WINDOW)
    trial.windows(organizations)
    trial.changes(organizations)
    what = trial.source("persons", properties=("name", "org_name"), options=ONE_WINDOW)
    asked = len(trial.demo.account.requests)
    trial.windows(what)
    queries = [
        one.query for one in trial.demo.account.requests[asked:] if one.path == "/api/v2/organizations"
    ]
    # Those whose deletion is known are not looked up either.
    assert [sorted(query) for query in queries if "ids" not in query] == [
        ["limit", "sort_by", "sort_direction", "updated_since"]
    ]
    gone = {one["id"] for one in trial.demo.account.records("organizations") if one["is_deleted"]}
    looked_up = {int(one) for query in queries if "ids" in query for one in query["ids"].split(",")}
    assert looked_up <= gone
    options = [one for one in offered(trial.demo, "persons") if one["value"] in ("org_id", "org_name")]
    assert wrong_names(trial, what, Names(trial.demo.account, options)) == []


def test_what_the_token_may_not_see_has_no_name_and_is_not_asked_for_at_every_tick(tmp_path: Path) -> None:
    person = {"id": 1, "name": "Ann", "org_id": 77, "update_time": UPDATED}
    nobody = found_by_ids()
    what = source("persons", ["name", "org_name"])
    with serving(account("persons", [person]) | {"/api/v2/organizations": nobody}) as served:
        run(what, served.connection, tmp_path)
        run(what, served.connection, tmp_path)
        asked = [one.query["ids"] for one in served.asked if "ids" in one.query]
    assert rows(tmp_path, "persons")[1]["org_name"] is None
    assert asked == ["77"]


def test_a_right_that_is_missing_costs_only_the_names(tmp_path: Path) -> None:
    person = {"id": 1, "name": "Ann", "org_id": 77, "owner_id": 5, "update_time": UPDATED}
    replies = account("persons", [person]) | {
        "/api/v2/organizations": found_by_ids(ACME),
        "/v1/users": lambda _: DENIED,
    }
    with serving(replies) as served:
        report = run(source("persons", ["name", "org_name", "owner_name"]), served.connection, tmp_path)
    row = rows(tmp_path, "persons")[1]
    assert (row["name"], row["org_name"], row["owner_name"]) == ("Ann", "Acme", None)
    assert any("users:read" in note and "owner_name" in note for note in report.notes)


def filtered(trial: Trial, condition: Record, slug: str = "segment", **choices: Any) -> Source:
    group = FilterGroup.model_validate({"conditions": [condition]})
    return trial.source(
        "persons", slug=slug, filters=group, options=ONE_WINDOW, **{"properties": ("name",)} | choices
    )


def current(trial: Trial, what: Source) -> set[str]:
    return {one for one, row in trial.rows(what).items() if row["_is_current"]}


def employees(trial: Trial, test: Callable[[str], bool]) -> set[str]:
    """Ids of the live persons of organizations whose names pass a test."""
    organizations = {
        one["id"]
        for one in trial.demo.account.records("organizations")
        if not one["is_deleted"] and test(one["name"])
    }
    return {
        str(one["id"])
        for one in trial.demo.account.records("persons")
        if not one["is_deleted"] and one["org_id"] in organizations
    }


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


def test_the_labelled_view_of_leads_shows_names_and_ids_beside_them(trial: Trial) -> None:
    what = trial.source(
        "leads", properties=("id", "owner_id", "organization_id", "label_ids"), options=ONE_WINDOW
    )
    trial.windows(what)
    lead = next(
        one
        for one in trial.demo.account.records("leads")
        if one["organization_id"] and one["label_ids"] and not one["is_archived"]
    )
    account = trial.demo.account
    organization = account.record("organizations", lead["organization_id"])
    owner = account.record("users", lead["owner_id"])
    labels = [account.record("lead_labels", one) for one in lead["label_ids"]]
    assert organization
    assert owner
    with trial.warehouse.reading() as connection:
        found = connection.execute(
            'SELECT * FROM pipedrive_labeled.leads WHERE "ID"::VARCHAR = ?', [lead["id"]]
        )
        columns = [column[0] for column in found.description or ()]
        row = dict(zip(columns, found.fetchone() or (), strict=True))
    assert row["Organization"] == organization["name"]
    assert row["Organization ID"] == lead["organization_id"]
    assert (row["Owner"], row["Owner ID"]) == (owner["name"], lead["owner_id"])
    shown = next(key for key in columns if key.startswith("Label") and not key.endswith(" ID"))
    assert row[shown] == [label["name"] for label in labels if label]


def test_a_renamed_thing_shows_in_all_labelled_views_when_its_own_source_has_read_it(
    own_trial: Trial,
) -> None:
    trial = own_trial
    organizations = trial.source("organizations", properties=("name",), options=ONE_WINDOW)
    persons = trial.source("persons", properties=("name", "org_id"), options=ONE_WINDOW)
    trial.windows(organizations)
    trial.changes(organizations)
    trial.windows(persons)
    shown = 'SELECT "Organization" FROM pipedrive_labeled.persons WHERE "Organization ID" = ?'
    organization = trial.ask("SELECT org_id FROM pipedrive.persons WHERE org_id IS NOT NULL LIMIT 1")[0][0]
    assert trial.ask(shown, organization)[0][0]
    rename(trial, "organizations", organization, "Another name")
    trial.changes(organizations)
    assert trial.ask(shown, organization)[0] == ("Another name",)


def test_columns_that_nobody_asked_for_show_nowhere_but_in_the_table(tmp_path: Path) -> None:
    person = {"id": 1, "name": "Ann", "org_id": 77, "update_time": UPDATED}
    known = {"/api/v2/organizations": found_by_ids(ACME)}
    with serving(account("persons", [person]) | known) as served:
        run(source("persons", ["org_name", "name"]), served.connection, tmp_path)
    assert list(rows(tmp_path, "persons")[1])[:4] == ["_id", "org_name", "name", "_org_id"]
    assert query(tmp_path, "SELECT * FROM pipedrive_labeled.persons") == [("Acme", "Ann")]


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["rename", "move", "leave", "found", "delete", "tick"]),
        st.integers(0, 10**6),
        st.text("abÄ 🌍'", min_size=1, max_size=6).filter(str.strip),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
def test_names_are_those_of_the_account_whatever_happens(
    renaming: Trial, operations: list[tuple[str, int, str]]
) -> None:
    trial = renaming
    account = trial.demo.account
    what = trial.source("persons", slug="any", properties=("name", "org_name"), options=ONE_WINDOW)
    segment = filtered(
        trial, {"variable": "org_name", "condition": "contains", "value": "ä"}, slug="any_ä"[:4]
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
    assert wrong_names(trial, what, Names(account, options)) == []
    expected = employees(trial, lambda name: "ä" in name.casefold())
    assert expected <= current(trial, segment)
    names = {str(one["id"]): one for one in account.records("persons")}
    alive = {one["id"] for one in account.records("organizations") if not one["is_deleted"]}
    surplus = current(trial, segment) - expected
    assert all(names[one]["org_id"] not in alive for one in surplus)


EXISTS = "SELECT 1 FROM import_ledger.watermarks WHERE source = ?"


def test_changes_pulls_name_what_new_records_refer_to(own_trial: Trial) -> None:
    trial = own_trial
    what = trial.source("persons", properties=("name", "org_name"), options=ONE_WINDOW)
    trial.windows(what)
    made = trial.demo.write("POST", "/api/v2/organizations", {"name": "Founded just now"})
    person = trial.demo.write("POST", "/api/v2/persons", {"name": "Ann", "org_id": made["id"]})
    report: ImportReport = trial.changes(what)
    assert trial.rows(what)[str(person["id"])]["org_name"] == "Founded just now"
    assert report.pull is Pull.CHANGES


def test_workflows_take_emails_and_names_and_follow_what_is_renamed(own_trial: Trial) -> None:
    trial = own_trial
    what = trial.source("persons", properties=("email", "org_id", "org_name"), options=ONE_WINDOW)
    mapping = {"input.email": "email", "input.company": "org_name", "input.number": "org_id"}
    content = {
        "name": "Outreach",
        "inputs": [
            {"name": "email", "type": "email"},
            {"name": "company", "type": "string"},
            {"name": "number", "type": "string"},
        ],
        "syncs": [{"source": "persons", "field_mapping": mapping, "on_update": "update"}],
    }
    workflow = Workflow.of("outreach", WorkflowFile.parse(content))
    trial.windows(what)
    run_sync(trial.warehouse, workflow, what)
    organization, name = trial.ask(
        "SELECT org_id, org_name FROM pipedrive.persons WHERE org_name IS NOT NULL LIMIT 1"
    )[0]
    person = trial.ask("SELECT _id FROM pipedrive.persons WHERE org_id = ? LIMIT 1", organization)[0][0]
    shown = "SELECT email, company, number FROM workflows.outreach WHERE _record_id = ?"
    [primary] = trial.ask(
        'SELECT coalesce(list_filter(email, lambda c: c."primary")[1].value, email[1].value) '
        "FROM pipedrive.persons WHERE _id = ?",
        person,
    )
    assert trial.ask(shown, str(person)) == [(primary[0], name, str(organization))]
    rename(trial, "organizations", organization, "Another name")
    trial.changes(what)
    run_sync(trial.warehouse, workflow, what)
    assert trial.ask(shown, str(person)) == [(primary[0], "Another name", str(organization))]
