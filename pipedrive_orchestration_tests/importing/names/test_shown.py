"""Names where people see them: in labelled views and in workflows."""

from __future__ import annotations

from pipedrive_orchestration.workflows.model import Workflow, WorkflowFile
from pipedrive_orchestration.workflows.sync import run_sync
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.names.expected import ONE_WINDOW, rename


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
