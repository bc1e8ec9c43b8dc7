"""The two ways to the server: standard input and output of a process, and HTTP on this machine."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import duckdb
import httpx
import pytest
import uvicorn
from mcp import Client, StdioServerParameters
from typer.testing import CliRunner

from pipedrive_orchestration.api.keys import ApiKeys, Scope, new_key
from pipedrive_orchestration.cli.app import app
from pipedrive_orchestration.demo.prompt_server import PromptServer
from pipedrive_orchestration.mcp.copy_reader import CopyReader
from pipedrive_orchestration.mcp.http import PATH, http_app
from pipedrive_orchestration.mcp.server import make_server

COMMAND = Path(sys.executable).with_name("pipedrive-orchestration")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    path = tmp_path / "published.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE answers AS SELECT 42 AS answer")
    path.chmod(0o400)
    return path


async def answer(client: Client) -> object:
    result = await client.call_tool("describe_table", {"name": "main.answers"})
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return [column["name"] for column in result.structured_content["columns"]]


@pytest.fixture
def _ledger(copy: Path) -> None:
    """As every copy has one."""
    copy.chmod(0o600)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("CREATE SCHEMA import_ledger")
        connection.execute(
            "CREATE TABLE import_ledger.imports "
            "(source VARCHAR, status VARCHAR, pull VARCHAR, started_at TIMESTAMPTZ)"
        )
        connection.execute("CREATE TABLE import_ledger.watermarks (source VARCHAR, by_our_clock TIMESTAMPTZ)")
    copy.chmod(0o400)


@pytest.mark.usefixtures("_ledger")
def test_a_process_answers_by_standard_input_and_output(copy: Path, tmp_path: Path) -> None:
    process = StdioServerParameters(
        command=str(COMMAND), args=["mcp", str(copy)], cwd=tmp_path, env=dict(os.environ)
    )

    async def asked() -> object:
        async with Client(process) as client:
            return await answer(client)

    assert anyio.run(asked) == ["answer"]


@contextmanager
def serving(copy: Path, keys: ApiKeys | None = None) -> Iterator[str]:
    config = uvicorn.Config(
        http_app(make_server(CopyReader(copy)), keys), port=0, log_level="warning", lifespan="on", ws="none"
    )
    with config.bind_socket() as listener:
        listener.listen()
        server = PromptServer(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.usefixtures("_ledger")
def test_http_answers_programs_of_this_machine_and_no_page(copy: Path) -> None:
    async def asked(url: str) -> object:
        async with Client(url) as client:
            return await answer(client)

    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    sent = {"Accept": "application/json, text/event-stream"}
    with serving(copy) as url:
        assert anyio.run(asked, url) == ["answer"]
        for header in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            refused = httpx.post(url, json=listing, headers=sent | header)
            assert refused.status_code in (403, 421), header
        large = httpx.post(url, content=b"x" * 200_000, headers=sent | {"Content-Type": "application/json"})
        assert large.status_code == 413


def test_where_there_are_keys_http_needs_one_that_may_read(copy: Path) -> None:
    (good, kept), (other, also) = (
        new_key("reader", [Scope.SOURCES_READ]),
        new_key("other", [Scope.WORKFLOWS_READ]),
    )
    with serving(copy, ApiKeys.parse(f"{kept},{also}")) as url:
        for secret, status in ((None, 401), (other, 401), ("wrong", 401), (good, 406)):
            headers = {"Authorization": f"Bearer {secret}"} if secret else {}
            # One who may call is told what the request lacks.
            assert httpx.post(url, json={}, headers=headers | {"Accept": "text/html"}).status_code == status


def test_the_command_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("PIPEDRIVE_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    ended = CliRunner().invoke(app, ["mcp"])
    assert ended.exit_code == 2
    assert "PIPEDRIVE_PUBLISH" in ended.stderr
