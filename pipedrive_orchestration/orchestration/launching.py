"""Launching and cancelling runs through Dagster's web server."""

from __future__ import annotations

import dagster as dg
import httpx

from pipedrive_orchestration.orchestration.names import LOCATION
from pipedrive_orchestration.orchestration.schedule_states import REPOSITORY
from pipedrive_orchestration.orchestration.schedules import ALL_ASSETS_JOB

TIMEOUT_SECONDS = 30

_LAUNCH = """mutation($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


_CANCEL = """mutation($id: String!) {
  terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) {
    __typename ... on TerminateRunFailure { message } ... on PythonError { message } } }"""


class LaunchError(Exception):
    """A run was not launched; the message says why."""


class CancelError(Exception):
    """A run was not cancelled; the message says why."""


def launch(url: str, request: dg.RunRequest) -> str:
    """Launches a run of assets, as the UI does.

    Args:
        url: base address of Dagster's web server.
        request: what to run; its run key plays no part here.

    Returns:
        The id of the run.

    Raises:
        LaunchError: the web server does not answer or refuses.
    """
    keys = request.asset_selection or []
    parameters = {
        "selector": {
            "repositoryName": REPOSITORY,
            "repositoryLocationName": LOCATION,
            "pipelineName": ALL_ASSETS_JOB,
            "assetSelection": [{"path": list(key.path)} for key in keys],
        },
        "runConfigData": dict(request.run_config),
        "mode": "default",
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in request.tags.items()]},
    }
    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/graphql",
            json={"query": _LAUNCH, "variables": {"parameters": parameters}},
            timeout=TIMEOUT_SECONDS,
        )
        result = answer.raise_for_status().json()["data"]["launchPipelineExecution"]
        if result["__typename"] != "LaunchRunSuccess":
            raise LaunchError(
                f"Dagster did not launch the run: {result.get('message', result['__typename'])}"
            )
        return str(result["run"]["runId"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise LaunchError(f"Dagster's web server at {url} did not launch the run ({error!r}).") from error


def cancel(url: str, run_id: str) -> None:
    """Cancels a run, as the UI does: it ends within seconds, and what it committed stays.

    Args:
        url: base address of Dagster's web server.
        run_id: the run; one that has ended meanwhile stays as it is.

    Raises:
        CancelError: the web server does not answer or cannot reach the run.
    """
    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/graphql",
            json={"query": _CANCEL, "variables": {"id": run_id}},
            timeout=TIMEOUT_SECONDS,
        )
        result = answer.raise_for_status().json()["data"]["terminateRun"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise CancelError(f"Dagster's web server at {url} did not cancel the run ({error!r}).") from error
    if "message" in result:
        raise CancelError(f"Dagster did not cancel the run {run_id}: {result['message']}")
