"""A client of Dagster's web server, which asks it to do what its UI does."""

from __future__ import annotations

import socket
from typing import Any

import dagster as dg
import httpx

from pipedrive_orchestration.pipedrive.proxies import stand_before
from pipedrive_orchestration.services.dagster_internals import (
    ALL_ASSETS_JOB,
    REPOSITORY,
    UnreachableError,
    reload_code_server,
)


class WebServerError(Exception):
    """A web server that does not answer or does not do it; the message says which and why."""


def ask(url: str, mutation: str, *, timeout: float, **variables: object) -> dict[str, Any]:
    """The answer of the web server to a mutation of one field.

    Args:
        url: its base address, such as ``http://127.0.0.1:3000``.
        mutation: GraphQL, which asks for the ``message`` of every error.
        timeout: seconds that it may take.
        variables: of the mutation.

    Raises:
        WebServerError: there is no answer, or it is the message of an error.
    """
    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/graphql",
            json={"query": mutation, "variables": variables},
            timeout=timeout,
            trust_env=stand_before(url),
        )
        (result,) = answer.raise_for_status().json()["data"].values()
        message = result.get("message")
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WebServerError(f"Dagster's web server at {url} does not answer ({error!r}).") from error
    if message is not None:
        raise WebServerError(f"Dagster says: {message}")
    return dict(result)


RELOAD_TIMEOUT_SECONDS = 60
"""Seconds that a reload may take."""

_BY_HAND = "Reload the definitions on the Deployment page of Dagster's UI to see the source."

_REFRESH = """mutation($location: String!, $key: String!) {
  refreshComponentState(locationName: $location, defsStateKey: $key) {
    __typename ... on RefreshComponentStateError { message } ... on PythonError { message } } }"""


class ReloadError(Exception):
    """A code location that was not reloaded; the message says why and what to do."""


def reload_sources(url: str, location: str, state_key: str) -> None:
    """Lets a running Dagster take a new snapshot of the project folder, and waits until it shows it.

    Args:
        url: base address of Dagster's web server, such as ``http://127.0.0.1:3000``.
        location: the code location.
        state_key: under which the snapshots of the folder are kept.

    Raises:
        ReloadError: it does not answer, or cannot load the location.
    """
    try:
        ask(url, _REFRESH, timeout=RELOAD_TIMEOUT_SECONDS, location=location, key=state_key)
    except WebServerError as error:
        raise ReloadError(f"The definitions were not reloaded. {error} {_BY_HAND}") from error


def check_listening(url: str) -> None:
    """Find out whether a reload can be asked for, without waiting for what the web server is doing.

    Raises:
        ReloadError: nobody listens at its address.
    """
    address = httpx.URL(url)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.host, port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise ReloadError(
            f"The definitions were not reloaded. Dagster's web server at {url} does not answer ({error}). "
            f"{_BY_HAND}"
        ) from error


CONNECT_SECONDS = 1.0
"""Seconds after which nobody is taken to listen."""


def reload_location(run: dg.DagsterRun, instance: dg.DagsterInstance, state_key: str) -> None:
    """The same from within a run: asks the code server that the run was launched from.

    Args:
        run: the run.
        instance: keeps the snapshots.
        state_key: under which those of the folder are kept.

    Raises:
        ReloadError: that server has no address, as it is with a web server that was started alone, or
            it does not answer.
    """
    try:
        reload_code_server(run, instance, state_key, RELOAD_TIMEOUT_SECONDS)
    except UnreachableError as error:
        raise ReloadError(f"{error} {_BY_HAND}") from error


TIMEOUT_SECONDS = 30
"""Seconds that launching or cancelling a run may take."""

_LAUNCH = """mutation($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


_CANCEL = """mutation($id: String!) {
  terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) {
    __typename ... on TerminateRunFailure { message } ... on PythonError { message } } }"""


class LaunchError(Exception):
    """A run that was not launched; the message says why."""


class CancelError(Exception):
    """A run that was not cancelled; the message says why."""


def launch(url: str, request: dg.RunRequest, location: str) -> str:
    """Launches a run of assets, as the UI does.

    Args:
        url: base address of Dagster's web server.
        request: what to run; its run key plays no part here.
        location: the code location of the assets.

    Returns:
        The id of the run.

    Raises:
        LaunchError: the web server does not answer or refuses.
    """
    keys = request.asset_selection or []
    parameters = {
        "selector": {
            "repositoryName": REPOSITORY,
            "repositoryLocationName": location,
            "pipelineName": ALL_ASSETS_JOB,
            "assetSelection": [{"path": list(key.path)} for key in keys],
        },
        "runConfigData": dict(request.run_config),
        "mode": "default",
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in request.tags.items()]},
    }
    try:
        result = ask(url, _LAUNCH, timeout=TIMEOUT_SECONDS, parameters=parameters)
    except WebServerError as error:
        raise LaunchError(f"The run was not launched. {error}") from error
    if result["__typename"] != "LaunchRunSuccess":
        raise LaunchError(f"The run was not launched. Dagster says: {result['__typename']}")
    return str(result["run"]["runId"])


def cancel(url: str, run_id: str) -> None:
    """Cancels a run, as the UI does: it ends within seconds, and what it committed stays.

    Args:
        url: base address of Dagster's web server.
        run_id: the run; one that has ended meanwhile stays as it is.

    Raises:
        CancelError: the web server does not answer or cannot reach the run.
    """
    try:
        ask(url, _CANCEL, timeout=TIMEOUT_SECONDS, id=run_id)
    except WebServerError as error:
        raise CancelError(f"The run {run_id} was not cancelled. {error}") from error
