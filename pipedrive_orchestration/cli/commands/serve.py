"""``serve``: the HTTP API as a process."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import Annotated

import typer
import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp

from pipedrive_orchestration.api.app import create_app
from pipedrive_orchestration.api.dependencies import ApiContext
from pipedrive_orchestration.api.keys import ApiKeys, InvalidKeysError
from pipedrive_orchestration.api.middleware import API_PATH, LOOPBACK
from pipedrive_orchestration.api.timeouts import HeadTimeoutProtocol
from pipedrive_orchestration.cli.demo_account import demo_account, on_demo
from pipedrive_orchestration.cli.environment import Environment
from pipedrive_orchestration.cli.errors import explained
from pipedrive_orchestration.cli.exit_codes import BAD_INPUT
from pipedrive_orchestration.cli.output import err, out, say
from pipedrive_orchestration.pipedrive.errors import NotConnected
from pipedrive_orchestration.services.deployment import Deployment, deployed
from pipedrive_orchestration.services.dev_process import API_PORT, HOST
from pipedrive_orchestration.services.live import LiveMerge
from pipedrive_orchestration.services.web_server import ReloadError
from pipedrive_orchestration.webhooks.merger import Merger

GRACE_SECONDS = 10
"""Seconds that calls under way have to end when the server is told to."""

_NO_KEYS = """There are no API keys. Make one and put the entry it prints into PIPEDRIVE_API_KEYS:

    pipedrive-orchestration make-key NAME --scope sources:read --scope sources:write

or serve without keys, for programs on this machine only: serve --demo."""


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's need keys.")
    ] = HOST,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65_535)] = API_PORT,
    demo: Annotated[
        bool, typer.Option("--demo", help="No keys; and the demo account if no account is set.")
    ] = False,
) -> None:
    """The HTTP API, with its documentation at /api/v1/docs.

    PIPEDRIVE_API_KEYS holds the keys that `make-key` makes, PIPEDRIVE_DAGSTER_URL the address of Dagster's
    web server. The access log goes to standard output, one JSON object a line.
    """
    with explained(err), ExitStack() as stack:
        environment = Environment.read()
        keys = _keys(environment.settings.api_keys, host, demo=demo)
        if demo and not environment.settings.has_account:
            account = stack.enter_context(demo_account(1.0, environment.settings, err))
            environment = on_demo(environment, account)
            err.print(f"No account is set: the demo account answers at {account.url}")
        deployment = stack.enter_context(deployed(environment.settings))
        _show_files_in_dagster(deployment)
        context = ApiContext(deployment, environment.warehouse, environment.settings, keys)
        merger = _merger(environment)
        if merger is not None:
            stack.enter_context(LiveMerge(deployment, merger))
        _log_access()
        _run(create_app(context), host, port)


def _merger(environment: Environment) -> Merger | None:
    """What merges the inbox, whether this receiver fills it or a relay; None where no account is set."""
    try:
        return Merger.from_settings(environment.settings)
    except NotConnected:
        # Calls that need an account say so; events wait in the inbox.
        return None


def _run(api: ASGIApp, host: str, port: int) -> None:
    config = uvicorn.Config(
        api, host=host, port=port, log_level="warning", access_log=False, lifespan="on", ws="none",
        http=HeadTimeoutProtocol,
        # Which proxies are believed is up to the API.
        server_header=False, proxy_headers=False, timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip
    with config.bind_socket() as listener:
        # Who reads the address may call at once.
        listener.listen(config.backlog)
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listener.getsockname()[1]}{API_PATH}"
        err.print(
            f"The API answers at {address} and is described at {address}/docs (Ctrl-C ends it)",
            soft_wrap=True,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _keys(given: SecretStr | None, host: str, *, demo: bool) -> ApiKeys | None:
    try:
        keys = ApiKeys.parse(given.get_secret_value() if given else "")
    except InvalidKeysError as error:
        say(error, to=err, style="red")
        raise typer.Exit(BAD_INPUT) from None
    if keys.keys:
        return keys
    if demo and host in LOOPBACK:
        return None
    reason = f"--demo works on {' or '.join(LOOPBACK)} only, not on {host}." if demo else _NO_KEYS
    say(reason, to=err, style="red")
    raise typer.Exit(BAD_INPUT)


def _show_files_in_dagster(deployment: Deployment) -> None:
    """Let Dagster show sources that were written by processes which ended before they told it."""
    try:
        deployment.reload()
    except ReloadError as error:
        say(f"{error} Sources are imported once Dagster runs.", to=err, style="yellow")


def _log_access() -> None:
    logger = logging.getLogger("pipedrive_orchestration.api.access")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler(out.file))
    logger.propagate = False
