"""No secret leaves its place: a run of everything, and a look at all that it wrote, said and answered."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import Progress, Pull, import_source, windows_until
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.sources import InMemoryKeyValues, SourceStore
from pipedrive_orchestration.warehouse import Warehouse
from pipedrive_orchestration.warehouse.sql import quoted
from pipedrive_orchestration_tests.api.serving import DEALS, OUTREACH, STAGES, previewed, running_api
from pipedrive_orchestration_tests.chaos.figures import FIGURES
from pipedrive_orchestration_tests.cli.conftest import PERSONS, Project, project, small
from pipedrive_orchestration_tests.conftest import FreshDemo

__all__ = ["project", "small"]

WRONG = "fedcba9876543210fedcba9876543210fedcba98"
ITS_PLACES = {".env", ".state/oauth"}
"""Where the user has put secrets, and where OAuth's newest tokens are kept."""

COMMANDS = [
    ("connect", "--json"), ("options", "persons", "--json"), ("preview", "project/sources/all_persons.yaml"),
    ("import", "all_persons"), ("list",), ("show", "all_persons"), ("data", "all_persons"),
    ("sync", "all_persons", "outreach", "--map", "input.email=emails"), ("import", "typos"),
    ("make-key", "reporting", "--scope", "sources:read"),
]  # fmt: skip

API_CALLS: list[tuple[str, str, Any]] = [
    ("GET", "/sources", None),
    ("POST", "/sources/import_from_pipedrive/preview", previewed(DEALS)),
    ("POST", "/sources/import_from_pipedrive", STAGES),
    ("POST", "/sources/import_from_pipedrive", {**DEALS, "properties": ["no_such_field"]}),
    ("POST", "/sources/import_from_pipedrive/options/properties", {"context": {"object_type": "deals"}}),
    ("GET", "/sources/00000000-0000-0000-0000-000000000000", None),
    ("GET", "/workflows", None),
    ("GET", "/sources?unknown=1", None),
    ("GET", "/nowhere", None),
]


class Searched:
    """What was written, said and answered, and the secrets that must not be in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets: set[str] = set()
        self.said: list[str] = []

    def needles(self) -> Iterator[tuple[str, bytes]]:
        for secret in self.secrets:
            raw = secret.encode()
            yield from ((secret, form) for form in (raw, secret.encode("utf-16-le"), base64.b64encode(raw)))

    def found(self, content: bytes) -> list[str]:
        return [secret for secret, needle in self.needles() if needle in content]

    def files(self) -> dict[str, list[str]]:
        """Files with secrets in them, by their path within the folder."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        FIGURES["files searched for secrets"] += len(files)
        found = {str(path.relative_to(self.folder)): self.found(path.read_bytes()) for path in files}
        return {path: secrets for path, secrets in found.items() if secrets}

    def tables(self) -> list[str]:
        """Secrets in the databases, whose files keep texts compressed."""
        found = []
        for path in self.folder.rglob("*.duckdb"):
            with duckdb.connect(str(path), read_only=True) as connection:
                names = connection.execute(
                    "SELECT table_schema, table_name FROM information_schema.tables"
                ).fetchall()
                assert len(names) > 5
                for schema, name in names:
                    rows = connection.execute(f"FROM {quoted(schema, name)}").fetchall()
                    found += self.found(str(rows).encode())
        return found


def remember_oauth(searched: Searched, account: DemoServer) -> None:
    """All tokens that the app has had so far."""
    searched.secrets |= {account.oauth.client_secret, account.oauth.refresh_token, *account.oauth._ends}


def use_oauth(small: Project, account: DemoServer) -> None:
    app = account.oauth
    (small.folder / ".env").write_text(
        f"PIPEDRIVE_OAUTH_URL={account.url}\nPIPEDRIVE_OAUTH_CLIENT_ID={app.client_id}\n"
        f"PIPEDRIVE_OAUTH_CLIENT_SECRET={app.client_secret}\nPIPEDRIVE_OAUTH_REFRESH_TOKEN={app.refresh_token}\n"
    )


def run_commands(searched: Searched, small: Project, *commands: tuple[str, ...]) -> list[int]:
    codes = []
    for command in commands:
        ended = small.run(*command)
        searched.said += [ended.out, ended.err]
        codes.append(ended.code)
    return codes


def run_api(searched: Searched, folder: Path, variables: dict[str, str]) -> None:
    """Every kind of answer, with a good key, a wrong one and none."""
    (folder / "instance").mkdir()
    with (
        dg.instance_for_test(temp_dir=str(folder / "instance")) as instance,
        running_api(folder / "api", instance, variables) as api,
    ):
        searched.secrets |= set(api.secrets.values())
        for method, path, body in API_CALLS:
            for key in ("all", "sources:read", None):
                answer = api.call(method, path, key=key, **({"json": body} if body else {}))
                searched.said += [answer.text, str(answer.headers)]
        FIGURES["HTTP answers searched for secrets"] += len(API_CALLS) * 3


def run_import_and_look_at_its_stage(searched: Searched, account: DemoServer, folder: Path) -> None:
    staging, looked = folder / "staging", []

    def look(event: object) -> None:
        if isinstance(event, Progress):
            files = [path for path in staging.rglob("*") if path.is_file()]
            looked.extend(files)
            searched.said += [path.read_bytes().decode(errors="replace") for path in files]

    (what,) = (
        one
        for one in SourceStore(folder / "project", InMemoryKeyValues()).load().sources
        if one.slug == "all_persons"
    )
    import_source(
        what,
        connection=Connection.of(account.url, account.token),
        warehouse=Warehouse(str(folder / "staged.duckdb")),
        staging=staging,
        pull=Pull.WINDOW,
        windows=windows_until(what, what.created_at),
        listener=look,
    )
    assert looked, "nothing was staged"


def test_a_run_of_everything(small: Project, fresh_demo: FreshDemo, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    account = fresh_demo(scale=0.005)
    searched = Searched(small.folder)
    searched.secrets |= {account.token, WRONG}
    small.connect_to(account)
    small.write("typos", {**PERSONS, "properties": ["frist_name"]})
    (small.folder / "project" / "workflows").mkdir()
    (small.folder / "project" / "workflows" / "outreach.yaml").write_text(OUTREACH)

    codes = run_commands(searched, small, *COMMANDS)
    assert codes == [0] * 8 + [2, 0]
    assert account.token in (small.folder / ".env").read_text()
    small.connect_to(account, token=WRONG)
    assert set(run_commands(searched, small, ("connect",), ("import", "all_persons"))) == {4}
    small.reach("http://127.0.0.1:1", account.token)
    assert run_commands(searched, small, ("import", "pipelines")) == [1]

    use_oauth(small, account)
    remember_oauth(searched, account)
    assert set(run_commands(searched, small, ("connect",), ("import", "pipelines"))) == {0}
    remember_oauth(searched, account)
    account.oauth.uninstall()
    account.oauth.refresh_token = "1:1:" + "0" * 40
    run_commands(searched, small, ("connect",))

    variables = {"PIPEDRIVE_API_URL": account.url, "PIPEDRIVE_API_TOKEN": account.token}
    run_api(searched, small.folder, variables)
    run_import_and_look_at_its_stage(searched, account, small.folder)

    searched.said += [f"{record.getMessage()} {record.exc_info}" for record in caplog.records]
    everything = "\n".join(searched.said).encode()
    assert len(everything) > 10_000
    assert searched.found(everything) == []
    assert searched.tables() == []
    leaks = {path for path in searched.files() if not path.startswith(tuple(ITS_PLACES))}
    assert leaks == set()
    assert searched.files().keys() >= {".env"}, "the search would not find a secret"
    names = {path.name for path in small.folder.rglob("*")}
    assert names >= {"runs.db", "index.db", "warehouse.duckdb"}, "Dagster's state or the data lie elsewhere"
