"""Properties come, are filtered by and are found under their names of v1."""

from __future__ import annotations

import pytest

from pipedrive_orchestration.importing import preview
from pipedrive_orchestration.sources import InvalidBodyError, SourceBody
from pipedrive_orchestration_tests.exactness.trial import Trial
from pipedrive_orchestration_tests.importing.names.expected import ONE_WINDOW, names_of, offered


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
