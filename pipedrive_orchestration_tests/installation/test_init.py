"""``init`` says what is new, what it left alone, and what to do next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipedrive_orchestration.cli.app import app
from pipedrive_orchestration.sources import InMemoryKeyValues, SourceStore
from pipedrive_orchestration.workflows import WorkflowStore


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["init", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_it_makes_a_folder_whose_project_loads(tmp_path: Path) -> None:
    said = run("crm")
    assert f"New in {tmp_path / 'crm'}:" in said
    assert "cd crm && " in said
    assert "Left as it was" not in said
    sources = SourceStore(tmp_path / "crm" / "project", InMemoryKeyValues()).load()
    workflows = WorkflowStore(tmp_path / "crm" / "project").load()
    assert (sources.bad_files, workflows.bad_files) == ((), ())
    assert len(sources.sources) > 1
    assert workflows.workflows


def test_it_says_what_it_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PIPEDRIVE_API_TOKEN=mine\n")
    said = run()
    assert "Left as it was: .env\n" in said
    assert "cd " not in said
    assert (tmp_path / ".env").read_text() == "PIPEDRIVE_API_TOKEN=mine\n"
    again = run()
    assert "New in" not in again
    assert "Left as it was: project, .env, .env.example, .gitignore, dagster.yaml, workspace.yaml\n" in again


def test_a_program_reads_the_same(tmp_path: Path) -> None:
    first, second = (json.loads(run("crm", "--json")) for _ in range(2))
    assert first["folder"] == second["folder"] == str(tmp_path / "crm")
    assert set(first["written"]) == set(second["kept"]) > {"project", ".env"}
    assert first["kept"] == second["written"] == []


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    result = CliRunner().invoke(app, ["init", "taken"])
    assert result.exit_code == 1
    assert "taken" in result.stderr
    assert "Traceback" not in result.stderr
