"""Lists inside records as rows: the views have each element of each current record's list, in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.exactness.truth import members

Record = dict[str, Any]

ONE_WINDOW = {"partitions_start": "2026-05"}


@pytest.fixture(scope="module")
def trial(demo: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Sources of what has lists, imported; read them, do not change them."""
    trial = Trial(demo, tmp_path_factory.mktemp("lists"))
    wanted = {
        "persons": ("emails", "phones", "label_ids"),
        "activities": ("participants", "attendees"),
        "products": ("prices",),
        "notes": ("content", "deal_id", "person_id", "org_id", "lead_id"),
        "projects": ("deal_ids",),
        "mail_threads": ("id",),
    }
    for object_type, properties in wanted.items():
        options = {} if object_type in ("projects", "mail_threads") else ONE_WINDOW
        trial.windows(trial.source(object_type, properties=properties, options=options))
    for object_type, (parents, properties) in CHILDREN.items():
        trial.windows(trial.source(object_type, properties=properties, parents=parents))
    return trial


CHILDREN = {
    "product_variations": ("products", ("id", "prices")),
    "mail_messages": ("mail_threads", ("id", "from", "to")),
}
"""Children whose records have lists, their parents and what is imported of them."""


def rows(trial: Trial, view: str) -> list[tuple[Any, ...]]:
    return sorted(trial.ask(f"SELECT * FROM pipedrive_lists.{view}"), key=repr)


def elements(trial: Trial, object_type: str, key: str) -> list[tuple[int, int, Any]]:
    """Id, position and element of every list of the records that belong to the source."""
    records = members(trial.demo.account, trial.source(object_type)).values()
    return [
        (record["id"], position, element)
        for record in records
        for position, element in enumerate(record[key] or (), start=1)
    ]


LISTS = {
    "persons_emails": ("persons", "emails", ("value", "label", "primary")),
    "persons_phones": ("persons", "phones", ("value", "label", "primary")),
    "activities_participants": ("activities", "participants", ("person_id", "primary")),
    "activities_attendees": (
        "activities",
        "attendees",
        ("email", "name", "status", "is_organizer", "person_id", "user_id"),
    ),
    "products_prices": ("products", "prices", ("price", "currency", "cost", "direct_cost", "notes")),
}


@pytest.mark.parametrize("view", LISTS)
def test_every_element_of_a_list_is_a_row(trial: Trial, view: str) -> None:
    object_type, key, parts = LISTS[view]
    wanted = [
        (record_id, position, *(element.get(part) for part in parts))
        for record_id, position, element in elements(trial, object_type, key)
    ]
    assert wanted
    assert rows(trial, view) == sorted(wanted, key=repr)


@pytest.mark.parametrize(
    ("object_type", "key", "parts"),
    [
        ("product_variations", "prices", ("price", "currency", "cost", "direct_cost", "notes")),
        (
            "mail_messages",
            "from",
            (
                "id",
                "email_address",
                "name",
                "linked_person_id",
                "linked_person_name",
                "mail_message_party_id",
            ),
        ),
    ],
)
def test_lists_of_children_are_rows_too(
    trial: Trial, object_type: str, key: str, parts: tuple[str, ...]
) -> None:
    account, (parents, _) = trial.demo.account, CHILDREN[object_type]
    current = {row["_id"] for row in trial.rows(trial.source(parents)).values() if row["_is_current"]}
    wanted = [
        (child["id"], position, *(element.get(part) for part in parts))
        for parent_id in current
        for child in account.children.of(object_type, parent_id)
        for position, element in enumerate(child[key], start=1)
    ]
    assert wanted
    assert rows(trial, f"{object_type}_{key}") == sorted(wanted, key=repr)


def test_labels_and_references_have_what_they_stand_for(trial: Trial) -> None:
    account = trial.demo.account
    labels = account.fields["persons"].option_labels("label_ids")
    wanted = [
        (one, place, label, labels[label]) for one, place, label in elements(trial, "persons", "label_ids")
    ]
    assert wanted
    assert rows(trial, "persons_label_ids") == sorted(wanted, key=repr)
    titles = {deal["id"]: deal["title"] for deal in account.records("deals")}
    deals = [(one, place, deal, titles[deal]) for one, place, deal in elements(trial, "projects", "deal_ids")]
    assert rows(trial, "projects_deal_ids") == sorted(deals, key=repr)


def test_the_links_of_notes_are_rows_of_one_view(trial: Trial) -> None:
    types = {"deal_id": "deals", "person_id": "persons", "org_id": "organizations", "lead_id": "leads"}
    wanted = [
        (note["id"], object_type, str(note[key]))
        for note in members(trial.demo.account, trial.source("notes")).values()
        for key, object_type in types.items()
        if note[key] is not None
    ]
    assert rows(trial, "notes_links") == sorted(wanted, key=repr)


def test_what_has_no_list_has_no_view(demo: DemoServer, tmp_path: Path) -> None:
    trial = Trial(demo, tmp_path)
    trial.windows(trial.source("stages"))
    assert trial.ask("SELECT count(*) FROM duckdb_views() WHERE schema_name = 'pipedrive_lists'") == [(0,)]
