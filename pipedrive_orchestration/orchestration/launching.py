"""Launching and cancelling runs through Dagster's web server."""

from __future__ import annotations

import dagster as dg

from pipedrive_orchestration.orchestration.names import LOCATION
from pipedrive_orchestration.orchestration.schedule_states import REPOSITORY
from pipedrive_orchestration.orchestration.schedules import ALL_ASSETS_JOB
from pipedrive_orchestration.orchestration.web_server import WebServerError, ask

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
