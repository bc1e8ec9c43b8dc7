"""Findings: what lasts, what is new, what is gone, and when that ends a command with an error."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipedrive_orchestration.cli.app import app
from pipedrive_orchestration.models.catalogue import Entry, keep_entries
from pipedrive_orchestration.models.quality import Severity, rules_in
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration_tests.clocks import PRESENT

HOUR = timedelta(hours=1)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A database in which the model of findings has been built since three days ago."""
    database = tmp_path / "crm.duckdb"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPEDRIVE_WAREHOUSE", str(database))
    warehouse = Warehouse(str(database))
    with warehouse.writing() as connection:
        connection.execute("CREATE SCHEMA models")
        for as_of in (PRESENT - 72 * HOUR, PRESENT):
            keep_entries(connection, [Entry("data_quality", "", {}, None, as_of)])
        connection.execute(
            "CREATE TABLE models.quality_rules AS FROM (VALUES "
            "('dangling', 'error', true, 'Points nowhere'), ('no_value', 'info', true, 'Has no value'), "
            "('off', 'error', false, '')) AS rules(rule, severity, enabled, description)"
        )
        connection.execute(
            "CREATE TABLE models.data_quality (rule VARCHAR, severity VARCHAR, description VARCHAR, "
            "object_type VARCHAR, object_id VARCHAR, name VARCHAR, owner VARCHAR, since TIMESTAMPTZ, "
            "resolved_at TIMESTAMPTZ)"
        )
        for rule, severity, key, since, resolved in (
            ("dangling", "error", "1", PRESENT - 50 * HOUR, PRESENT - HOUR),
            ("no_value", "info", "7", PRESENT - 50 * HOUR, None),
            ("no_value", "info", "10", PRESENT - HOUR, None),
            ("no_value", "info", "9", PRESENT - 60 * HOUR, PRESENT - 50 * HOUR),
        ):
            connection.execute(
                "INSERT INTO models.data_quality VALUES (?, ?, '', 'deals', ?, 'A deal', 'Ada', ?, ?)",
                [rule, severity, key, since, resolved],
            )
    return warehouse


def asked(*arguments: str) -> tuple[int, dict[str, Any]]:
    ended = CliRunner().invoke(app, ["quality", *arguments, "--json"])
    return ended.exit_code, json.loads(ended.output)


def test_findings_are_counted_by_rule_and_against_the_day_before(built: Warehouse) -> None:
    code, found = asked()
    counts = {
        one["rule"]: [one[key] for key in ("severity", "now", "before", "new", "gone")]
        for one in found["rules"]
    }
    assert counts == {"dangling": ["error", 0, 1, 0, 1], "no_value": ["info", 2, 1, 1, 0]}
    assert [(one["id"], one["state"]) for one in found["findings"]] == [("10", "new"), ("7", "lasting")]
    assert code == 0


def test_what_is_new_and_gone_depends_on_since_when(built: Warehouse) -> None:
    since = f"{PRESENT - 55 * HOUR:%Y-%m-%dT%H:%M:%S}"
    _, found = asked("--since", since, "--state", "gone")
    assert [(one["rule"], one["id"]) for one in found["findings"]] == [("no_value", "9"), ("dangling", "1")][
        ::-1
    ]
    early = asked("--since", f"{PRESENT - 80 * HOUR:%Y-%m-%dT%H:%M:%S}")[1]
    assert {one["before"] for one in early["rules"]} == {None}


def test_the_exit_code_is_by_the_severity_that_is_asked_for(built: Warehouse) -> None:
    assert asked("--fail-on", "info")[0] == 1
    assert asked("--fail-on", "warning")[0] == 0
    assert asked("--fail-on", "info", "--severity", "warning")[0] == 0
    with built.writing() as connection:
        connection.execute("UPDATE models.data_quality SET resolved_at = NULL WHERE rule = 'dangling'")
    assert asked()[0] == 1
    assert asked("no_value")[0] == 0
    assert asked("--fail-on", "never")[0] == 0


def test_rules_that_there_are_not_and_models_that_were_not_built_are_said(
    built: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended = CliRunner().invoke(app, ["quality", "dangeling"])
    assert (ended.exit_code, "no rule dangeling" in ended.output) == (2, True)
    shown = CliRunner().invoke(app, ["quality"])
    assert "no_value" in shown.output
    with built.writing() as connection:
        connection.execute("DROP TABLE models.data_quality")
    ended = CliRunner().invoke(app, ["quality"])
    assert (ended.exit_code, "models build" in ended.output) == (1, True)


def test_a_seed_of_before_has_no_severities_and_its_rules_warn() -> None:
    rules = rules_in("rule,object_type,threshold,enabled,description\nsame_email,persons,,TRUE,Twice\n")
    assert [(one.name, one.severity) for one in rules] == [("same_email", Severity.WARNING)]
