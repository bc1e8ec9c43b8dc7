"""What other users and other programs of a machine see of ours: arguments, core files, logs, proxies."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import subprocess
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipedrive_orchestration.cli import app
from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.pipedrive.account import read_user
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client, Patience
from pipedrive_orchestration.pipedrive.errors import Unavailable
from pipedrive_orchestration.pipedrive.proxies import stand_before
from pipedrive_orchestration.services.web_server import WebServerError, ask
from pipedrive_orchestration_tests.cli.conftest import PIPELINES, Project, project, small

__all__ = ["project", "small"]


def test_a_process_that_dies_leaves_no_core_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before, mask = resource.getrlimit(resource.RLIMIT_CORE), os.umask(0o022)
    seen = []
    monkeypatch.setattr(app, "app", lambda: seen.append(resource.getrlimit(resource.RLIMIT_CORE)[0]))
    try:
        app.main()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
        os.umask(mask)
    assert seen == [0]


def test_no_secret_is_an_argument_of_a_process(
    small: Project, demo: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments can be read by every user of the machine."""
    started: list[str] = []
    real: Any = subprocess.Popen.__init__

    def kept(self: object, arguments: object, *rest: object, **named: object) -> None:
        started.append(str(arguments))
        real(self, arguments, *rest, **named)

    monkeypatch.setattr(subprocess.Popen, "__init__", kept)
    assert small.run("import", "pipelines").code == 0
    assert small.run("models", "build").code in (0, 1, 2)
    assert demo.token not in str(started)


@pytest.mark.parametrize("level", [logging.DEBUG])
def test_an_error_that_nobody_foresaw_shows_no_secret(
    small: Project,
    demo: DemoServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    level: int,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    caplog.set_level(level)
    monkeypatch.setattr("pipedrive_orchestration.pipedrive.client.Client._usable", broken)
    small.write("pipelines", PIPELINES)
    for command in (("import", "pipelines"), ("connect",)):
        try:
            ended = small.run(*command)
        except ZeroDivisionError as error:
            said = "".join(traceback.format_exception(error))
        else:
            said = ended.out + ended.err
            assert ended.code == 1
        assert "ZeroDivisionError" in said
        assert demo.token not in said + caplog.text


class Proxy(BaseHTTPRequestHandler):
    """A proxy that keeps what it is asked for, and answers nothing."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(502)

    def do_POST(self) -> None:
        self.do_GET()

    def do_CONNECT(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the proxy of the environment has been asked for."""
    Proxy.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
            monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{server.server_port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        yield Proxy.asked
        server.shutdown()
        thread.join()


def test_no_proxy_stands_before_this_machine_itself(
    proxy: list[str], demo: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def user_at(url: str) -> object:
        short = Patience(deadline=0, first_deadline=0, attempt=10)
        async with Client(Connection.of(url, demo.token), patience=short) as client:
            return await read_user(client)

    assert asyncio.run(user_at(demo.url))
    with pytest.raises(WebServerError):
        ask("http://127.0.0.1:9", "mutation { x }", timeout=1)
    assert proxy == []
    with pytest.raises(Unavailable):
        asyncio.run(user_at("http://crm.invalid"))
    assert proxy == ["http://crm.invalid/api/v1/users/me"] or "crm.invalid" in proxy[0]
    monkeypatch.setenv("NO_PROXY", "crm.invalid")
    with pytest.raises(Unavailable):
        asyncio.run(user_at("http://crm.invalid"))
    assert len(proxy) == 1


def test_which_addresses_are_of_this_machine() -> None:
    here = (
        "http://127.0.0.1:1",
        "http://localhost",
        "http://[::1]:3",
        "http://127.8.9.1",
        "http://crm.localhost",
    )
    assert not any(map(stand_before, here))
    assert all(
        map(stand_before, ("https://api.pipedrive.com", "http://10.0.0.5", "http://127.0.0.1.evil.example"))
    )


@pytest.mark.parametrize(
    ("path", "made"),
    [
        (".state/storage/history/runs.db", "folder"),
        (".state", "file"),
        ("data/warehouse.duckdb", "folder"),
        ("data", "file"),
        ("project/sources/pipelines.yaml", "folder"),
    ],
)
def test_what_is_in_the_place_of_a_file_or_folder_is_a_sentence(small: Project, path: str, made: str) -> None:
    place: Path = small.folder / path
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.mkdir() if made == "folder" else place.write_text("x")
    for command in (("import", "pipelines"), ("list",)):
        ended = small.run(*command)
        if command == ("list",) and not path.startswith(".state"):
            continue
        assert ended.code in (1, 2), ended
        said = ended.out + ended.err
        assert Path(path).name in said
        assert "Errno" not in said
