"""``mcp``: the published copy for programs that speak the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import anyio
import typer
import uvicorn
from starlette.types import ASGIApp

from pipedrive_orchestration.api.keys import ApiKeys, InvalidKeysError
from pipedrive_orchestration.api.timeouts import HeadTimeoutProtocol
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import CommandError, explained
from pipedrive_orchestration.cli.exit_codes import BAD_INPUT
from pipedrive_orchestration.cli.output import err, say
from pipedrive_orchestration.mcp.copy_reader import LONGEST_SECONDS, CopyError, CopyReader
from pipedrive_orchestration.mcp.http import PATH, http_app
from pipedrive_orchestration.mcp.server import make_server
from pipedrive_orchestration.services.dev_process import HOST, is_taken


class NoCopyError(CommandError):
    """It is not said which copy is meant."""

    exit_code = BAD_INPUT

    def __init__(self) -> None:
        super().__init__(
            "It is not said where the published copy is. Set PIPEDRIVE_PUBLISH to a file and run "
            "`pipedrive-orchestration publish`, or name a copy that is there: mcp FILE."
        )


class PortInUseError(CommandError):
    """A port that another program has."""

    exit_code = BAD_INPUT

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} of this machine is in use: choose another, or 0 for any.")


def mcp(
    copy: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="The published copy; PIPEDRIVE_PUBLISH if not given.", show_default=False
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Answer by HTTP at this port of this machine, 0 for a free one; else by standard input and "
            "output.",
            min=0,
            max=65_535,
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="How long an answer may take.", min=0.5, max=600)
    ] = LONGEST_SECONDS,
) -> None:
    """Answer programs that speak the Model Context Protocol, from the published copy and read-only.

    Tools: list_tables, describe_table, query (SQL), list_models, model, search, changes. See docs/mcp.md.

    Try:

        pipedrive-orchestration mcp

        pipedrive-orchestration mcp data/published.duckdb --port 8765
    """
    with explained(err):
        environment = Environment.read()
        path = copy or environment.settings.publish
        if path is None:
            raise NoCopyError
        reader = CopyReader(path, seconds)
        try:
            reader.times()
        except CopyError as error:
            # It may come while this runs; until then every call says so.
            say(error, to=err, style="yellow")
        store = environment.store
        server = make_server(reader, lambda: store.load().sources)
        if port is None:
            anyio.run(server.run_stdio_async)
        else:
            _serve(http_app(server, _keys(environment)), port)


def _keys(environment: Environment) -> ApiKeys | None:
    """The keys of which callers by HTTP need one; None where there are none, and every program may call."""
    given = environment.settings.api_keys
    try:
        return ApiKeys.parse(given.get_secret_value()) if given else None
    except InvalidKeysError as error:
        say(error, to=err, style="red")
        raise typer.Exit(BAD_INPUT) from None


def _serve(app: ASGIApp, port: int) -> None:
    config = uvicorn.Config(
        app, host=HOST, port=port, log_level="warning", access_log=False, lifespan="on", ws="none",
        http=HeadTimeoutProtocol, server_header=False, proxy_headers=False,
    )  # fmt: skip
    if port and is_taken(port):
        raise PortInUseError(port)
    with config.bind_socket() as listener:
        listener.listen(config.backlog)
        port = listener.getsockname()[1]
        err.print(f"MCP is answered at http://{HOST}:{port}{PATH} (Ctrl-C ends it)", soft_wrap=True)
        uvicorn.Server(config).run(sockets=[listener])
