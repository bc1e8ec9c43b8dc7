"""A stand-in for Dagster's web server, for tests of what the API asks of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pipedrive_orchestration_tests.api.serving import listening


class WebServer:
    """Dagster's web server as far as the API asks it.

    Attributes:
        reloads: how many reloads have begun.
        launched: the sources of the runs that were launched.
        may_end: whether reloads end; they do unless a test clears it.
        runs: does what a run of a source would; nothing if None.
        refuses: whether reloads fail.
        url: its address, as soon as it has one.
    """

    def __init__(self) -> None:
        self.url = ""
        self.reloads = 0
        self.launched: list[str] = []
        self.may_end = threading.Event()
        self.may_end.set()
        self.runs: Callable[[str], object] | None = None
        self.refuses = False
        self.app = Starlette(routes=[Route("/graphql", self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> JSONResponse:
        asked = await request.json()
        if "refreshComponentState" in asked["query"]:
            self.reloads += 1
            await run_sync(self.may_end.wait, 60)
            told = {"__typename": "PythonError", "message": "no"} if self.refuses else {"__typename": "Done"}
            return JSONResponse({"data": {"refreshComponentState": told}})
        (asset,) = asked["variables"]["parameters"]["selector"]["assetSelection"]
        slug = asset["path"][1]
        self.launched.append(slug)
        if self.runs is not None:
            await run_sync(self.runs, slug)
        run = {"__typename": "LaunchRunSuccess", "run": {"runId": f"run {len(self.launched)}"}}
        return JSONResponse({"data": {"launchPipelineExecution": run}})


@contextmanager
def web_server() -> Iterator[WebServer]:
    """A web server that listens as long as the block lasts."""
    server = WebServer()
    with listening(server.app) as server.url:
        try:
            yield server
        finally:
            server.may_end.set()
