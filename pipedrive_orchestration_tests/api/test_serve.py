"""The commands `serve` and `make-key`: what keeps the API from starting, and keys that open it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipedrive_orchestration.api.keys import ApiKeys
from pipedrive_orchestration.cli.app import app


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No .env and no variables of ours."""
    monkeypatch.chdir(tmp_path)
    for name in ("PIPEDRIVE_API_KEYS", "PIPEDRIVE_API_TOKEN", "PIPEDRIVE_PROJECT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "keys", "said"),
    [
        ([], "", "There are no API keys"),
        (["--host", "0.0.0.0"], " , ", "There are no API keys"),
        (["--demo", "--host", "0.0.0.0"], "", "--demo works on"),
        (["--demo"], "pok_a-key-that-was-put-there-by-mistake", "entry 1: is not name/scopes/salt/hash"),
    ],
)
def test_it_refuses_to_start_without_keys(
    arguments: list[str], keys: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPEDRIVE_API_KEYS", keys)
    result = CliRunner().invoke(app, ["serve", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert "by-mistake" not in result.output


def test_a_key_that_was_made_is_one_that_opens() -> None:
    made = CliRunner().invoke(app, ["make-key", "reporting", "--scope", "sources:read"])
    assert made.exit_code == 0
    secret, entry = re.findall(r": (\S+)$", made.stdout, re.MULTILINE)
    key = ApiKeys.parse(entry).find(secret)
    assert key is not None
    assert (key.name, [scope.value for scope in key.scopes]) == ("reporting", ["sources:read"])


@pytest.mark.parametrize(
    "arguments", [["bad name", "--scope", "sources:read"], ["good"], ["good", "--scope", "all"]]
)
def test_a_key_that_cannot_be_is_bad_input(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["make-key", *arguments]).exit_code == 2
